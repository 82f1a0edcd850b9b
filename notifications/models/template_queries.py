"""The SQL that asks whether what is known of templates still holds."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, TypeAlias

from django.db import connections, models

if TYPE_CHECKING:
    from .category import Template  # noqa: F401 - QuerySet names it in quotes

Stamp: TypeAlias = tuple[object, ...]
"""Which versions of a template's row and of its category's hold, and where; equal stamps mean equal rows."""

_STAMPS = """
    SELECT t.slug, t.id, t.ctid::text, t.xmin::text, c.ctid::text, c.xmin::text
    FROM carillon_template t JOIN carillon_category c ON c.id = t.category_id WHERE t.slug = ANY(%s::text[])
"""


class TemplateQuerySet(models.QuerySet["Template"]):
    """Templates, by what they are asked."""

    def stamps(self, slugs: Collection[str]) -> dict[str, Stamp]:
        """Return the stamps of those that there are, by slug."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(_STAMPS, [list(slugs)])
            return {slug: (self.db, *stamp) for slug, *stamp in cursor.fetchall()}
