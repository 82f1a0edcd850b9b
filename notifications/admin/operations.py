"""What operators work with: provider holds, API keys, the audit and leases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from .. import conf
from ..flows import operate
from ..flows.degraded import HELD_BY
from ..flows.operate import By
from ..models import ApiKey, ProviderHold
from .access_pages import export_view, rotate_view
from .base import ConsoleAdmin, ReadOnlyAdmin, actor_of, time_column
from .confirm import DryRun, Operation, ask_or_do, selected
from .markup import EMPTY, facts, redacted

_LONGEST_HOLD = 7 * 24 * 60


class HoldForm(forms.ModelForm):  # type: ignore[type-arg]
    """Which provider to hold, for how long and why."""

    alias = forms.ChoiceField(label=gettext_lazy("Provider"))
    minutes = forms.IntegerField(
        label=gettext_lazy("Minutes"), min_value=1, max_value=_LONGEST_HOLD, initial=30,
        help_text=gettext_lazy("A hold always ends by itself; hold again to prolong it."),
    )  # fmt: skip
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=300)

    class Meta:
        """The end is made from the minutes."""

        model = ProviderHold
        fields = ("alias", "platform", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "alias" in self.fields:
            self.fields["alias"].choices = [(alias, alias) for alias in conf.get().providers]  # type: ignore[attr-defined]

    def validate_unique(self) -> None:
        """Holding again prolongs."""

    def _get_validation_exclusions(self) -> set[str]:
        """Holding again prolongs, so what makes a hold unique is not looked at."""
        return {*super()._get_validation_exclusions(), "platform"}  # type: ignore[misc]


class ProviderHoldAdmin(ConsoleAdmin):
    """Providers that must not be used for now."""

    keyset = "pk"
    form = HoldForm
    list_display = ("alias", "platform", "ends", "reason_masked", "by_whom", "since")
    personal: ClassVar = {"reason_masked": "reason"}
    actions = ("release",)
    ends = time_column("until", gettext_lazy("ends"))
    since = time_column("created_at", gettext_lazy("first held"))

    def has_change_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        """A hold is prolonged by holding again."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        """A hold is released with a reason, not deleted."""
        return False

    def has_release_permission(self, request: HttpRequest) -> bool:
        """Whether the action is offered."""
        return bool(request.user.has_perm("carillon.delete_providerhold"))

    def get_fields(self, request: HttpRequest, obj: Any | None = None) -> list[Any]:
        """Ask for minutes when holding; show the end afterwards."""
        if obj is None:
            return ["alias", "platform", "minutes", "reason"]
        return self._unmasked(request, ["alias", "platform", "ends", "reason_masked", "by_whom", "since"])

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:  # noqa: FBT001
        """Hold through the flow."""
        values = form.cleaned_data
        by = By(actor_of(request), values["reason"])
        operate.hold_provider(values["alias"], timedelta(minutes=values["minutes"]), by, values["platform"])
        obj.pk = ProviderHold.objects.get(alias=values["alias"], platform=values["platform"]).pk
        obj.refresh_from_db()

    @admin.action(description=gettext_lazy("Release"), permissions=["release"])
    def release(self, request: HttpRequest, queryset: QuerySet[ProviderHold]) -> HttpResponse:
        """Ask why, then release."""
        return ask_or_do(self, request, RELEASE, numbers(request), request.get_full_path())

    @admin.display(description=gettext_lazy("reason"))
    def reason_masked(self, row: ProviderHold) -> str:
        """Why, without what may be personal."""
        return redacted(row.reason) or EMPTY

    @admin.display(description=gettext_lazy("held by"))
    def by_whom(self, row: ProviderHold) -> str:
        """Who held it: a person, or Carillon itself."""
        if row.held_by == HELD_BY:
            return _("itself: degraded")
        return row.held_by or _("itself: misconfigured")


class ApiKeyAdmin(ReadOnlyAdmin):
    """Keys for the HTTP API: made by command, shown once; here they are seen and revoked."""

    list_display = ("prefix", "name", "owner", "scopes_text", "only_for", "created", "used", "expires", "revoked")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("pk",)
    search_help_text = gettext_lazy("A key's prefix or owner: exactly.")
    actions = ("revoke", "rotate")
    fields: ClassVar = (
        "prefix",
        "name",
        "owner",
        "scopes_text",
        "only_for",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    )
    created = time_column("created_at", gettext_lazy("created"))
    used = time_column("last_used_at", gettext_lazy("last used"))
    expires = time_column("expires_at", gettext_lazy("expires"))
    revoked = time_column("revoked_at", gettext_lazy("revoked"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Never read the digest."""
        return super().get_queryset(request).defer("digest")

    def find(self, term: str) -> Q:
        """Find by prefix, with or without the mark that keys begin with, or owner."""
        return Q(prefix=term.removeprefix("ck_").partition("_")[0]) | Q(owner=term)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whether the action is offered."""
        return bool(request.user.has_perm("carillon.change_apikey"))

    @admin.action(description=gettext_lazy("Revoke"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse:
        """Ask why, then revoke."""
        return ask_or_do(self, request, REVOKE, numbers(request), request.get_full_path())

    def get_urls(self) -> list[URLPattern]:
        """Rotation has a page of its own, since it shows the new key."""
        wrap = self.admin_site.admin_view
        own = path("<int:key>/rotate/", wrap(self.rotate_view), name="carillon_apikey_rotate")
        return [own, *super().get_urls()]

    def has_rotate_permission(self, request: HttpRequest) -> bool:
        """Whether the action is offered: to whom may make keys."""
        return bool(request.user.has_perm("carillon.add_apikey"))

    @admin.action(description=gettext_lazy("Rotate (one at a time)"), permissions=["rotate"])
    def rotate(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse:
        """Lead to the page that asks for the overlap."""
        keys = numbers(request)
        if len(keys) != 1:
            self.message_user(request, _("Choose one key: each new one is shown once."), messages.WARNING)
            return HttpResponseRedirect(request.get_full_path())
        return HttpResponseRedirect(
            reverse("admin:carillon_apikey_rotate", args=keys, current_app=self.admin_site.name)
        )

    def rotate_view(self, request: HttpRequest, key: int) -> HttpResponse:
        """Ask for the overlap and why, then show the new key once."""
        return rotate_view(
            self, request, key, reverse("admin:carillon_apikey_changelist", current_app=self.admin_site.name)
        )

    @admin.display(description=gettext_lazy("scopes"))
    def scopes_text(self, row: ApiKey) -> str:
        """What it may do."""
        return ", ".join(row.scopes) or EMPTY

    @admin.display(description=gettext_lazy("only for"))
    def only_for(self, row: ApiKey) -> str:
        """Templates and categories that it is for, and whether it is for sandboxes."""
        names = [*row.templates, *row.categories, *([_("sandboxes")] if row.grant.test else [])]
        return ", ".join(names) or EMPTY


class AuditEntryAdmin(ReadOnlyAdmin):
    """Who did what, and why."""

    list_display = ("at", "actor", "action", "subject_masked", "reason_masked", "planned", "done")
    search_fields = ("pk",)
    search_help_text = gettext_lazy("An actor or an action: exactly.")
    at = time_column("created_at", gettext_lazy("at"))
    personal: ClassVar = {"subject_masked": "subject", "reason_masked": "reason", "detail_masked": "detail_text"}
    fields: ClassVar = ("at", "actor", "action", "subject_masked", "reason_masked", "planned", "done", "detail_masked")

    def find(self, term: str) -> Q:
        """Find by actor or action."""
        return Q(actor=term) | Q(action=term)

    def get_urls(self) -> list[URLPattern]:
        """The audit can be taken along."""
        wrap = self.admin_site.admin_view
        return [path("export/", wrap(self.export_view), name="carillon_auditentry_export"), *super().get_urls()]

    def tools(self, request: HttpRequest) -> list[tuple[str, str]]:
        """Keys, receipts and the file are close at hand."""
        site, found = self.admin_site.name, [("auditentry_export", _("Download as CSV"))]
        if request.user.has_perm("carillon.view_apikey"):
            found.append(("apikey_changelist", _("API keys")))
        if request.user.has_perm("carillon.view_receipt"):
            found.append(("receipt_changelist", _("Receipts")))
        return [(reverse(f"admin:carillon_{name}", current_app=site), text) for name, text in found]

    def export_view(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """Ask which part and why, then stream it."""
        back = reverse("admin:carillon_auditentry_changelist", current_app=self.admin_site.name)
        return export_view(self, request, back)

    @admin.display(description=gettext_lazy("subject"))
    def subject_masked(self, row: Any) -> str:
        """What it was about, without what may be personal."""
        return redacted(row.subject) or EMPTY

    @admin.display(description=gettext_lazy("reason"))
    def reason_masked(self, row: Any) -> str:
        """Why, without what may be personal."""
        return redacted(row.reason) or EMPTY

    @admin.display(description=gettext_lazy("detail"))
    def detail_masked(self, row: Any) -> str:
        """The rest, without what may be personal."""
        return facts({name: redacted(f"{value}") for name, value in row.detail.items()})

    @admin.display(description=gettext_lazy("detail"))
    def detail_text(self, row: Any) -> str:
        """The rest."""
        return facts(row.detail)


class LeaseAdmin(ReadOnlyAdmin):
    """Who leads the sweep."""

    keyset = "pk"
    list_display = ("name", "holder", "ends")
    ends = time_column("expires_at", gettext_lazy("ends"))


def numbers(request: HttpRequest) -> list[int]:
    """Return the numeric keys that were ticked."""
    return [int(key) for key in selected(request) if key.isdecimal()]


def _look_at_holds(keys: Sequence[Any]) -> DryRun:
    held = ProviderHold.objects.filter(pk__in=keys).count()
    return DryRun(held, [(_("may be used again at once"), held)])


def released(done: int) -> str:
    """Tell how many providers were released."""
    return ngettext("%(count)d provider was released.", "%(count)d providers were released.", done) % {"count": done}


def _look_at_keys(keys: Sequence[Any]) -> DryRun:
    valid = ApiKey.objects.filter(pk__in=keys, revoked_at=None).count()
    return DryRun(valid, [(_("are refused from now on"), valid), (_("were revoked before"), len(keys) - valid)])


def _revoke(keys: Sequence[Any], by: By) -> str:
    done = operate.revoke_keys(keys, by)
    return ngettext("%(count)d key was revoked.", "%(count)d keys were revoked.", done) % {"count": done}


RELEASE = Operation(
    name="release",
    title=gettext_lazy("Release providers"),
    button=gettext_lazy("Release"),
    effect=gettext_lazy("Workers use it again within a second or so; its breaker still judges."),
    look=_look_at_holds,
    run=lambda keys, by: released(operate.release_providers(keys, by)),
)
REVOKE = Operation(
    name="revoke",
    title=gettext_lazy("Revoke API keys"),
    button=gettext_lazy("Revoke"),
    effect=gettext_lazy("Callers with these keys are refused at once. This cannot be undone: make new keys."),
    look=_look_at_keys,
    run=_revoke,
    dangerous=True,
)
