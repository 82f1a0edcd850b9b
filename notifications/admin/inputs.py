"""What forms carry along from a dry run to its act, read with care: whoever holds the page can write anything there."""

from __future__ import annotations

from datetime import datetime

from django.utils.dateparse import parse_datetime

from ..models import Delivery


def number_in(text: str) -> int | None:
    """Return a number of at most nine digits, or None where the text is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def moment_in(text: str) -> datetime | None:
    """Return a moment with its time zone, or None where the text is none."""
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def looked_at(text: str) -> datetime:
    """Return the moment of the dry run, without one this; never one that is still to come."""
    now = Delivery.objects.database_now()
    return min(moment_in(text) or now, now)
