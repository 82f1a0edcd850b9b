"""Grants: whether a caller may send a template, or act on what was sent with one."""

from __future__ import annotations

from .. import conf
from ..exceptions import NotAllowed, Problem, SandboxOnly
from ..models import Broadcast, Category, Notification, Template
from ..rules.grants import Grant, is_test


def assert_may_send(grant: Grant, template: Template) -> None:
    """Return if a caller may send a template.

    Raises:
        NotAllowed: its key is for other templates.
        SandboxOnly: it is a test key, and a channel of the template's category leads to somebody real.
    """
    _assert_covers(grant, template.slug, template.category.slug)
    if not grant.test:
        return
    for alias in _providers_of(template.category):
        if alias not in conf.get().sandbox:
            hint = f"provider {alias!r} is not in SANDBOX, so it may reach people; use a key that is not for tests"
            raise SandboxOnly("A test key reaches sandboxes only.", Problem("/template", "test_key", hint))


def assert_may_read(grant: Grant, notification: Notification | None) -> None:
    """Return if a caller may see what became of a notification; None is one that is gone.

    Raises:
        NotAllowed: its key is for other templates.
    """
    _assert_covers(grant, *(("", "") if notification is None else (notification.template, notification.category)))


def assert_may_change(grant: Grant, notification: Notification | None) -> None:
    """Return if a caller may cancel, launch or stop what a notification sends.

    Raises:
        NotAllowed: its key is for other templates.
        SandboxOnly: it is a test key, and the notification is not a test.
    """
    assert_may_read(grant, notification)
    if grant.test and not (notification is not None and is_test(notification.owner)):
        raise SandboxOnly("A test key changes only what test keys sent.")


def notification_of(grant: Grant, broadcast: Broadcast) -> Notification | None:
    """Return a broadcast's notification as far as this grant asks for it; most ask for none."""
    if not (grant.is_narrow or grant.test):
        return None
    return Notification.objects.defer("data", "secrets").filter(pk=broadcast.notification_id).first()


def _assert_covers(grant: Grant, template: str, category: str) -> None:
    if not grant.covers(template, category):
        hint = f"this key is for {grant.told()} only"
        raise NotAllowed("The key may not be used for this template.", Problem("/template", "not_allowed", hint))


def _providers_of(category: Category) -> set[str]:
    """Return every provider that a message of a category may go through, its fallback channels' too."""
    routes = conf.get().routes
    return {entry.provider for channel in category.all_channels for entry in routes.get(channel, ())}
