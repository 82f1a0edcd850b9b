"""Guarded: one repair, or one row, that fails keeps no other from its turn."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from ..models.deadlines import is_away
from ..rules.masking import unquoted

logger = logging.getLogger("notifications.sweep")


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Let what fails inside be told of and tried again later, unless the database is away."""
    try:
        yield
    except Exception as error:  # noqa: BLE001
        tell(what, error)


def tell(what: str, error: Exception) -> None:
    """Log that something failed.

    Raises:
        OperationalError, InterfaceError: the error itself, where it means that PostgreSQL is away.
    """
    if is_away(error):
        raise error
    logger.error("sweep: %s failed", what, exc_info=unquoted(error))
