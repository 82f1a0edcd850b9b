"""Role × act: sent directly, each act is done for the roles that were granted it, and refused to all others.

What an act needs is said here a second time, apart from the code and from the roles' fixture: the two are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db.models.functions import Now
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from notifications import broadcast
from notifications.admin import PAGES
from notifications.admin.access_pages import end_of
from notifications.enums import SuppressionCause
from notifications.flows.suppress import suppress
from notifications.models import (
    Alert,
    ApiKey,
    AuditEntry,
    Broadcast,
    Delivery,
    Device,
    ProviderHold,
    Receipt,
    Suppression,
    Template,
    Topic,
)
from project.demo.pages import errors_in, forms_in
from tests.addresses import contents, undone

from .conftest import killed
from .test_categories import FORM as CATEGORY
from .test_pages import everything

__all__ = ["everything"]
pytestmark = [pytest.mark.django_db, pytest.mark.long]

ROLES = ("Viewer", "Support", "Operator", "Template editor", "Broadcaster", "Auditor", "Admin", "")
SURE = {"confirm": "yes", "reason": "because"}
#: What happens to whoever opens a page or logs in, whatever they may.
BEGUN = datetime(2025, 1, 1, tzinfo=UTC)
ALWAYS = {"auth_user", "django_session", "django_admin_log"}


@dataclass(frozen=True)
class Act:
    """One act: where it is sent, what is sent, which permissions it needs, and what its line in the audit says."""

    name: str
    path: Callable[[], str]
    form: Callable[[], dict[str, Any]]
    needs: set[str]
    audited: str
    prepare: Callable[[], object] = field(default=lambda: None)


def url(name: str, *arguments: object) -> str:
    return reverse(f"admin:carillon_{name}", args=arguments)


def first(model: Any) -> Any:
    return model.objects.order_by("pk").first().pk


def ticked(page: str, action: str, model: Any, *needs: str, audited: str, prepare: Any = None) -> Act:
    """An action of a list, upon its first row."""
    return Act(
        f"{page}: {action}", lambda: url(f"{page}_changelist"),
        lambda: {**SURE, "action": action, "_selected_action": [str(first(model))], "index": "0"},
        {f"view_{page}", *needs}, audited, prepare or (lambda: None),
    )  # fmt: skip


def file_of(text: str) -> SimpleUploadedFile:
    return SimpleUploadedFile("rows.csv", text.encode(), content_type="text/csv")


def shown(page: str, name: str, *keys: object, query: str = "") -> dict[str, Any]:
    """The form of a page that has a field of this name, as a browser would send it."""
    root = Client()
    root.force_login(get_user_model().objects.get(username="root"))
    found = forms_in(root.get(url(page, *keys) + query).content.decode())
    return dict(next(form.fields for form in found if name in form.fields))


def drafted() -> dict[str, Any]:
    """A new broadcast."""
    fields = shown("broadcast_add", "rate", query="?template=new-post")
    return {**fields, "audience-kind": "all", "var|title": "Bells", "do": "keep"}


def written() -> dict[str, Any]:
    """A template's words, one of which was changed."""
    fields = shown("template_words", "reason", Template.objects.get(slug="new-post").pk)
    return {**fields, "push|en|title": "Mended: {{ title }}", "reason": "because", "act": "publish"}


def switched_off() -> None:
    Device.objects.update(
        is_active=False, deactivated_reason="unregistered", deactivated_by="fcm", deactivated_at=Now()
    )


def killed_now() -> None:
    killed(get_user_model().objects.get(username="ada"))


def letter() -> dict[str, Any]:
    return {**SURE, "_selected_action": [str(Delivery.objects.filter(state="dead").latest("pk").pk)], "rate": "20"}


def resent() -> dict[str, Any]:
    row = Delivery.objects.filter(state="dead").latest("pk")
    return {**SURE, "notification": str(row.notification_id), "recipient": row.recipient, "seen": "0"}


def running(name: str, audited: str) -> Act:
    return Act(
        f"broadcast: {name}", lambda: url("broadcast_do", Broadcast.objects.get(status="sending").pk, name),
        lambda: {"counted": "0", "name": "new-post", "reason": "because"},
        {"change_broadcast"}, audited,
    )  # fmt: skip


ACTS = [
    Act("resend", lambda: url("person_resend"), resent, {"view_delivery", "resend"}, "resend", killed_now),
    Act("person: lift", lambda: url("person_lift"), lambda: {**SURE, "ids": str(first(Suppression))},
        {"view_delivery", "change_suppression"}, "lift_suppression"),
    Act("replay", lambda: url("deadletter_replay"), letter, {"view_delivery", "replay"}, "replay", killed_now),
    Act("discard", lambda: url("deadletter_discard"), letter, {"view_delivery", "replay"}, "discard", killed_now),
    Act("draft", lambda: url("broadcast_add") + "?template=new-post", drafted, {"add_broadcast"}, "draft_broadcast"),
    running("pause", "pause_broadcast"),
    running("cancel", "cancel_broadcast"),
    Act("publish", lambda: url("template_words", Template.objects.get(slug="new-post").pk), written,
        {"view_template", "publish"}, "publish"),
    ticked("device", "prune", Device, "prune", audited="prune_devices"),
    Act("device: prune unseen", lambda: url("device_prune") + "?days=90", lambda: {**SURE, "counted": "0"},
        {"prune"}, "prune_unseen", lambda: Device.objects.update(last_seen_at=BEGUN)),
    Act("device: undo", lambda: url("device_undo") + "?reason=unregistered&since=2026-01-01+00:00",
        lambda: {**SURE, "counted": "0"}, {"prune"}, "undo_pruning", switched_off),
    Act("device: export", lambda: url("device_export"), lambda: {"reason": "because"}, {"view_device"},
        "export_devices"),
    Act("device: import", lambda: url("device_import"),
        lambda: {"file": file_of("user,platform,address\n1,android," + "z" * 40), "reason": "because"},
        {"add_device"}, "import_devices"),
    Act("suppress", lambda: url("suppression_add"),
        lambda: {"channel": "email", "address": "eve@b.example", "reason": "because"},
        {"add_suppression"}, "suppress"),
    ticked("suppression", "lift", Suppression, "change_suppression", audited="lift_suppression"),
    Act("suppression: export", lambda: url("suppression_export"), lambda: {"reason": "because"},
        {"view_suppression"}, "export_suppressions"),
    Act("suppression: import", lambda: url("suppression_import"),
        lambda: {"file": file_of("channel,address\nemail,eve@b.example"), "reason": "because"},
        {"add_suppression"}, "import_suppressions"),
    Act("topic: add", lambda: url("topic_add"), lambda: {"slug": "bells"}, {"add_topic"}, "add"),
    ticked("receipt", "reprocess", Receipt, "change_receipt", audited="reprocess_receipts"),
    ticked("alert", "acknowledge", Alert, "change_alert", audited="acknowledge"),
    Act("hold", lambda: url("providercard_hold", "email"), lambda: {"minutes": "5", "reason": "because"},
        {"view_providerhold", "add_providerhold"}, "hold_provider"),
    Act("release", lambda: url("providercard_release", "email"), lambda: {"reason": "because"},
        {"view_providerhold", "delete_providerhold"}, "release_provider"),
    Act("trial", lambda: url("providercard_trial", "email"), lambda: {"reason": "because", "press": "1"},
        {"view_providerhold", "send_trial"}, "trial_send"),
    Act("hold by form", lambda: url("providerhold_add"),
        lambda: {"alias": "email", "platform": "", "minutes": "5", "reason": "because"},
        {"add_providerhold"}, "hold_provider"),
    ticked("providerhold", "release", ProviderHold, "delete_providerhold", audited="release_provider"),
    Act("pause", lambda: url("queue_pause", "sms"), lambda: {"minutes": "5", "reason": "because"},
        {"view_claim", "add_channelpause"}, "pause_channel"),
    Act("clear", lambda: url("queue_clear"),
        lambda: {"channel": "email", "action": "cancel_waiting", "until": timezone.now().isoformat(),
                 "counted": "1", "typed": "1", "reason": "because"},
        {"view_claim", "clear_waiting"}, "cancel_waiting"),
    Act("rotate", lambda: url("apikey_rotate", first(ApiKey)),
        lambda: {"hours": "24", "reason": "because", "seen": end_of(ApiKey.objects.order_by("pk")[0])},
        {"view_apikey", "add_apikey"}, "rotate_key"),
    ticked("apikey", "revoke", ApiKey, "change_apikey", audited="revoke_key"),
    Act("audit: export", lambda: url("auditentry_export"), lambda: {"days": "30", "reason": "because"},
        {"view_auditentry"}, "export_audit"),
    Act("category: add", lambda: url("category_add"),
        lambda: dict(CATEGORY),
        {"add_category"}, "add"),
]  # fmt: skip


@pytest.fixture
def world(everything: None, root: Any, ada: Any, own_redis: None) -> None:
    """A row of everything that is acted on, with a broadcast that can be paused; and the roles."""
    call_command("loaddata", "carillon_roles", verbosity=0)
    Broadcast.objects.all().delete()
    made = broadcast("new-post", {"users": [str(ada.pk)]}, {"title": "Bells"})
    Broadcast.objects.filter(pk=made.pk).update(status="sending")
    suppress("email", "carol@example.com", SuppressionCause.HARD_BOUNCE, "email")
    Topic.objects.get_or_create(slug="news")


def client_of(role: str) -> tuple[Client, set[str]]:
    """Log a member of staff with just this role in ("" is none); return what they were granted."""
    user = get_user_model().objects.create_user(f"a {role}", f"a{len(role)}@example.com", is_staff=True)
    user.groups.set(Group.objects.filter(name=f"Carillon {role}"))
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client, set(Permission.objects.filter(group__user=user).values_list("codename", flat=True))


def told(answer: Any) -> list[str]:
    """What the page says is wrong with the form."""
    return errors_in(answer.content.decode()) if answer.status_code == 200 and not answer.streaming else []


def lines() -> list[tuple[str, str]]:
    return list(AuditEntry.objects.order_by("pk").values_list("actor", "action"))


@pytest.mark.parametrize("role", ROLES)
def test_an_act_is_done_for_whom_it_was_granted_to_and_leaves_its_line(world: None, role: str) -> None:
    client, granted = client_of(role)
    wrong = []
    for act in ACTS:
        with undone():
            act.prepare()
            path, form = act.path(), act.form()
            before, known = contents(), lines()
            answer = client.post(path, form)
            if answer.streaming:
                b"".join(answer.streaming_content)  # type: ignore[arg-type]
            new = lines()[len(known) :]
            if act.needs <= granted:
                if (f"a {role}", act.audited) not in new:
                    wrong.append((act.name, "not done", answer.status_code, new, told(answer)))
            else:
                changed = {name for name, rows in contents().items() if rows != before[name]} - ALWAYS
                # A list that may be looked at takes no notice of an action that it does not offer.
                refused = answer.status_code == 403 or ("_changelist" in act.name or ": " in act.name)
                if changed or new or not refused:
                    wrong.append((act.name, "not refused", answer.status_code, changed))
    assert not wrong


@pytest.mark.parametrize("role", ROLES)
def test_a_page_is_opened_by_whom_it_was_granted_to(world: None, role: str) -> None:
    client, granted = client_of(role)
    looks = {
        "overview": "view_traffic", "person": "view_delivery", "deadletter": "view_delivery", "queue": "view_claim",
        "providercard": "view_providerhold",
    }  # fmt: skip
    names = [str(model._meta.model_name) for model in PAGES]
    found = {name: client.get(url(f"{name}_changelist")).status_code for name in names}
    assert found == {name: 200 if looks.get(name, f"view_{name}") in granted else 403 for name in names}
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
        for name in (item for item in names if found[item] == 403):
            assert client.generic(method, url(f"{name}_changelist")).status_code in (403, 405), (method, name)


@pytest.mark.parametrize("role", ROLES)
def test_addresses_are_masked_for_roles_that_must_not_see_them(world: None, role: str) -> None:
    client, granted = client_of(role)
    killed_now()
    text = ""
    for model in PAGES:
        name = str(model._meta.model_name)
        query = f"?q={get_user_model().objects.get(username='ada').pk}" if name == "person" else ""
        text += client.get(url(f"{name}_changelist") + query).content.decode()
        if not model._meta.proxy:
            row = model._default_manager.order_by("pk").first()
            answer = client.get(url(f"{name}_change", row.pk)) if row else None
            text += answer.content.decode() if answer and answer.status_code == 200 else ""
    assert ("ada@example.com" in text) == ("view_pii" in granted)


def test_what_django_rq_would_let_any_staff_do_has_no_address(world: None, browser: Client) -> None:
    for path in ("/django-rq/", "/rq/", "/admin/django-rq/", "/admin/django_rq/", "/admin/django_rq/queue/"):
        assert browser.get(path).status_code == 404, path
    with pytest.raises(NoReverseMatch):
        reverse("rq_home")
    assert settings.RQ_SHOW_ADMIN_LINK is False
    assert "rq" not in browser.get("/admin/").content.decode().lower().replace("frequen", "")
