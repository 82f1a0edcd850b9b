"""The settings: every system check, those for a deployment included; and a guest list where real people are."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core.checks import ERROR, CheckMessage, run_checks

from ..checks.base import TAG, usable
from .findings import CHECKS_PAGE, Finding, Level, fine, warning


def examine_settings() -> Iterator[Finding]:
    """Run the checks that `check --deploy` runs, without those that ask the database."""
    messages = run_checks(tags=[TAG], include_deployment_checks=not settings.DEBUG)
    yield from map(_as_finding, messages)
    if not messages:
        yield fine("settings", "every check passes")
    found = usable()
    if found is not None and found.only_to is not None and not settings.DEBUG:
        guests = ", ".join(sorted(found.only_to)[:3]) or "nobody"
        what = f"ONLY_TO lets messages go to {len(found.only_to)} guest(s) only ({guests}); others end as guest_list"
        yield warning(101, "guest list", what, 'where real people are: NOTIFICATIONS["ONLY_TO"] = None')


def _as_finding(message: CheckMessage) -> Finding:
    level = Level.ERROR if message.level >= ERROR else Level.WARNING
    return Finding(level, "settings", str(message.msg), str(message.id), str(message.hint or ""), CHECKS_PAGE)
