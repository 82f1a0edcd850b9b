"""Hash key: notice when the key behind every address hash has gone, before somebody suppressed is written to."""

from __future__ import annotations

from ..cipher import key_mark
from ..models import Mark
from .alerts import raise_alert


def hash_key_is_lost() -> bool:
    """Whether hashes are made with another key than when this installation began; the first time, remember it."""
    mark, _ = Mark.objects.get_or_create(name=Mark.HASH_KEY, defaults={"value": key_mark()})
    return mark.value != key_mark()


def watch_hash_key() -> None:
    """Raise an alert if the key behind every hash has gone."""
    if hash_key_is_lost():
        detail = "suppressed addresses are not recognised: put the oldest key back as the last of ENCRYPTION_KEYS"
        raise_alert("hash_key_lost", "ENCRYPTION_KEYS", detail)
