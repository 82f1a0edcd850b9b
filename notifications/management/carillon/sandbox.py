"""`carillon sandbox`: play the providers on this machine; needs neither the database nor Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError

from notifications import conf

from .base import Console, Subcommand


class Sandbox(Subcommand):
    """Runs the simulated providers until it is stopped."""

    name = "sandbox"
    help = "play the providers on this machine; `carillon sandbox --help` lists its options"

    def run(self, console: Console, options: Mapping[str, object]) -> int:
        """Run it with its defaults."""
        return run_sandbox([])


def is_allowed() -> bool:
    """Whether the sandbox may run beside this project: in development, or where its settings say so."""
    try:
        return bool(settings.DEBUG or conf.raw().get("SANDBOX"))
    except (ImproperlyConfigured, ImportError):
        return True  # there is no project


def run_sandbox(arguments: Sequence[str]) -> int:
    """Run the sandbox as `python -m notifications.sandbox` would, until it is stopped.

    Raises:
        CommandError: a package that it needs is missing, or this looks like production.
    """
    if not is_allowed():
        raise CommandError(
            "the sandbox takes messages that nobody will ever get, and this project runs with DEBUG off. "
            'If that is meant, name the providers that it plays: NOTIFICATIONS["SANDBOX"] = ["twilio"]'
        )
    try:
        # Only here: the rest of the app does without the packages that the sandbox needs.
        entry = import_module("notifications.sandbox.__main__")
    except ModuleNotFoundError as error:
        raise CommandError(
            f"the sandbox needs the package {error.name!r}: install Carillon with its extra `sandbox`"
        ) from error
    return int(entry.main(list(arguments)))
