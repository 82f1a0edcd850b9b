"""`carillon doctor`: the whole installation looked at, each finding with its cure."""

from __future__ import annotations

from collections.abc import Mapping

from django.core.management.base import CommandParser

from notifications.doctor.database import examine_database
from notifications.doctor.findings import Examination, Finding, Level
from notifications.doctor.providers import examine_providers, examine_webhooks
from notifications.doctor.queues import examine_queues
from notifications.doctor.settings import examine_settings

from .base import Console, Subcommand


class Doctor(Subcommand):
    """Looks at settings, database, Redis, workers and providers, and says what is wrong and what cures it."""

    name = "doctor"
    help = "look at settings, PostgreSQL, Redis, workers, clocks and providers; say what is wrong and what cures it"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--offline", action="store_true", help="ask no provider")
        parser.add_argument("--strict", action="store_true", help="exit status 1 for warnings, too")

    def run(self, console: Console, options: Mapping[str, object]) -> int:
        """Examine everything; return 1 if there was an error (with --strict: or a warning), else 0."""
        examinations: list[Examination] = [examine_settings, examine_database, examine_queues]
        examinations += [] if options["offline"] else [examine_providers]
        found = [finding for examine in (*examinations, examine_webhooks) for finding in _shown(console, examine)]
        counts = {level: sum(item.level is level for item in found) for level in Level}
        errors, warnings = counts[Level.ERROR], counts[Level.WARNING]
        console.note(f"{errors} error(s), {warnings} warning(s)." if errors or warnings else "All is well.")
        return 1 if errors or (warnings and options["strict"]) else 0


def _shown(console: Console, examine: Examination) -> list[Finding]:
    found = []
    for finding in examine():
        console.out.write(f"{finding.level.value:<8} {finding.subject:<11} {finding.what}")
        if finding.id:
            console.out.write(f"{'':<8} {finding.id}  cure: {finding.cure}")
            console.out.write(f"{'':<8} {finding.link}")
        console.out.flush()
        found.append(finding)
    return found
