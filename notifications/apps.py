"""The app: label `carillon`, declarations autodiscovered from `<app>/notifications.py`."""

import sys
from importlib import import_module

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

from .declarations import registry
from .declarations.discover import discover


class NotificationsConfig(AppConfig):
    """Carillon as an installed app."""

    name = "notifications"
    label = "carillon"
    verbose_name = _("Notifications")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Read declarations and keep the ORM in step with them after `migrate`.

        Raises:
            ConfigurationError: a declaration cannot be used, or its file cannot be imported; under `manage.py check`
                and `carillon doctor`, which report it, nothing raises.
        """
        registry.collecting = sys.argv[1:2] == ["check"] or sys.argv[1:3] == ["carillon", "doctor"]
        import_module("notifications.builtin")
        import_module("notifications.checks.register")  # reads models, which are loaded by now
        discover()
        post_migrate.connect(_after_migrate, sender=self, dispatch_uid="carillon.load")


def _after_migrate(sender: AppConfig, *, plan: object = None, using: str = "default", **_: object) -> None:
    """Load declarations and words where our tables are, once they are all there."""
    flows = import_module("notifications.flows.declare")  # needs models, which are not loaded yet when this file is
    if flows.is_ready(using):
        flows.load_declarations()
