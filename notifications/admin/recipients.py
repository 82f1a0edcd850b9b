"""What belongs to recipients: devices with prune and undo, suppressions by hand, preferences, topics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..channels import SPECS
from ..cipher import address_hash
from ..enums import Channel
from ..flows import operate
from ..flows.operate import By
from ..flows.people import address_target
from ..models import Device, Preference, Suppression
from ..rules.identity import user_recipient
from .base import ConsoleAdmin, ReadOnlyAdmin, actor_of, as_uuid, time_column
from .confirm import DryRun, Operation, ask_or_do, selected
from .markup import address, person_link
from .pruning import PRUNE, RESTORE, UndoAdmin


def hashes_of(term: str) -> list[str]:
    """Return the hashes under which an address may be kept, by channel."""
    found = [target.address_hash for channel in SPECS if (target := address_target(channel, term)) is not None]
    return [*found, *(address_hash(channel, term) for channel in SPECS)]


class DeviceAdmin(UndoAdmin):
    """Users' devices; registering is the app's, pruning and its undo are ours."""

    list_display = (
        "address_masked",
        "channel",
        "platform",
        "is_active",
        "deactivated_reason",
        "who",
        "seen",
        "created",
    )
    list_filter = ("is_active", "channel", "platform", "deactivated_reason")
    search_fields = ("pk",)
    search_help_text = gettext_lazy("A device's id, a whole token, number or mailbox, or a recipient key such as u:42.")
    actions = ("prune", "restore")
    personal: ClassVar = {"address_masked": "address_full"}
    seen = time_column("last_seen_at", gettext_lazy("last seen"))
    created = time_column("created_at", gettext_lazy("registered"))
    fields: ClassVar = (
        *("id", "who", "channel", "platform", "token_type", "address_masked", "locale", "time_zone", "is_active"),
        *("deactivated_reason", "deactivated_by", "deactivated_at", "restored_at", "created_at", "last_seen_at"),
    )

    def find(self, term: str) -> Q:
        """Find by id, address or owner."""
        found = self.exactly("pk", term) | Q(address_hash__in=hashes_of(term))
        return found | self.exactly("user_id", term.removeprefix("u:"))

    @admin.action(description=gettext_lazy("Prune: write to these no more"), permissions=["prune"])
    def prune(self, request: HttpRequest, queryset: QuerySet[Device]) -> HttpResponse:
        """Dry run, then prune."""
        return self._act(request, PRUNE)

    @admin.action(description=gettext_lazy("Bring back: undo a pruning"), permissions=["prune"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Device]) -> HttpResponse:
        """Dry run, then restore."""
        return self._act(request, RESTORE)

    def _act(self, request: HttpRequest, operation: Operation) -> HttpResponse:
        keys = [key for text in selected(request) if (key := as_uuid(text)) is not None]
        return ask_or_do(self, request, operation, keys, request.get_full_path())

    @admin.display(description=gettext_lazy("owner"))
    def who(self, row: Device) -> str:
        """Whose it is."""
        return person_link(user_recipient(row.user_id), self.admin_site.name)

    @admin.display(description=gettext_lazy("address"))
    def address_masked(self, row: Device) -> str:
        """The masked address."""
        return address(row.channel, row.address, full=False)

    @admin.display(description=gettext_lazy("address"))
    def address_full(self, row: Device) -> str:
        """The address; of a token only its end."""
        return address(row.channel, row.address, full=True)


class SuppressionForm(forms.ModelForm):  # type: ignore[type-arg]
    """An address to suppress; typed once and kept as a hash."""

    address = forms.CharField(label=gettext_lazy("Address"), max_length=320, widget=forms.TextInput)
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=200)

    class Meta:
        """The channel is the row's own; the rest is made from the address."""

        model = Suppression
        fields = ("channel",)

    def clean(self) -> dict[str, Any]:
        """Normalise the address as its channel does, and refuse what is suppressed already."""
        values: dict[str, Any] = super().clean() or {}
        if "channel" in values and "address" in values:
            channel = Channel(values["channel"])
            try:
                values["address"] = SPECS[channel].normalise(values["address"])
            except ValueError as error:
                self.add_error("address", str(error))
                return values
            hashed = address_hash(channel, values["address"])
            if Suppression.objects.filter(channel=channel, address_hash=hashed, lifted_at=None).exists():
                self.add_error("address", _("This address is suppressed already."))
        return values


class SuppressionAdmin(ConsoleAdmin):
    """Addresses that must not be written to."""

    list_display = ("created", "channel", "hint", "cause", "source", "ends", "lifted", "lifted_reason")
    list_filter = ("cause", "channel", ("lifted_at", admin.EmptyFieldListFilter))
    search_fields = ("pk",)
    search_help_text = gettext_lazy("A whole mailbox, number or token: exactly.")
    actions = ("lift",)
    form = SuppressionForm
    hidden: ClassVar = ("address_hash",)
    created = time_column("created_at", gettext_lazy("since"))
    ends = time_column("expires_at", gettext_lazy("runs out"))
    lifted = time_column("lifted_at", gettext_lazy("lifted"))

    def find(self, term: str) -> Q:
        """Find by address, through its hash."""
        return Q(address_hash__in=hashes_of(term))

    def has_change_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        """A suppression is lifted, never changed."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        """A suppression is lifted, never deleted: that it was there explains what was skipped."""
        return False

    def has_lift_permission(self, request: HttpRequest) -> bool:
        """Whether lifting is offered."""
        return bool(request.user.has_perm("carillon.change_suppression"))

    def get_fields(self, request: HttpRequest, obj: Any | None = None) -> list[Any]:
        """Ask for an address when adding; show what is kept afterwards."""
        if obj is None:
            return ["channel", "address", "reason"]
        return ["channel", "hint", "cause", "source", "created", "ends", "lifted", "lifted_reason"]

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:  # noqa: FBT001
        """Suppress through the flow, and let the page go on with the row it made."""
        by = By(actor_of(request), form.cleaned_data["reason"])
        row = operate.suppress_by_hand(Channel(form.cleaned_data["channel"]), form.cleaned_data["address"], by)
        obj.pk = row.pk
        obj.refresh_from_db()

    @admin.action(description=gettext_lazy("Lift"), permissions=["lift"])
    def lift(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> HttpResponse:
        """Dry run, then lift."""
        keys = [int(key) for key in selected(request) if key.isdecimal()]
        return ask_or_do(self, request, LIFT, keys, request.get_full_path())


class PreferenceAdmin(ReadOnlyAdmin):
    """What recipients want; it is theirs to change, through the API and the hosted page."""

    keyset = "pk"
    list_display = ("recipient", "who", "locale", "time_zone", "updated")
    search_fields = ("pk",)
    search_help_text = gettext_lazy("A recipient key such as u:42: exactly.")
    updated = time_column("updated_at", gettext_lazy("changed"))

    def find(self, term: str) -> Q:
        """Find by recipient."""
        return Q(pk__in=[term, user_recipient(term)])

    @admin.display(description=gettext_lazy("timeline"))
    def who(self, row: Preference) -> str:
        """Whose it is."""
        return person_link(row.recipient, self.admin_site.name)


class TopicAdmin(ConsoleAdmin):
    """Named lists that users subscribe to."""

    keyset = "slug"
    list_display = ("slug", "created_at")
    search_fields = ("pk",)
    search_help_text = gettext_lazy("The beginning of a topic's name.")

    def find(self, term: str) -> Q:
        """Find by the beginning of the slug."""
        return Q(slug__startswith=term)


class TopicSubscriptionAdmin(ConsoleAdmin):
    """Who is on which topic."""

    list_display = ("id", "topic", "who", "created_at")
    list_select_related = ("topic",)
    raw_id_fields = ("topic", "user")
    search_fields = ("pk",)
    search_help_text = gettext_lazy("A topic's name, or a recipient key such as u:42: exactly.")

    def find(self, term: str) -> Q:
        """Find by topic or user."""
        return Q(topic__slug=term) | self.exactly("user_id", term.removeprefix("u:"))

    def has_change_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        """Subscriptions come and go; there is nothing to change about one."""
        return False

    @admin.display(description=gettext_lazy("user"))
    def who(self, row: Any) -> str:
        """Who it is."""
        return person_link(user_recipient(row.user_id), self.admin_site.name)


def _look_at_lifting(keys: Sequence[Any]) -> DryRun:
    held = Suppression.objects.filter(pk__in=keys, lifted_at=None).count()
    return DryRun(held, [(_("can be written to again"), held), (_("were lifted before"), len(keys) - held)])


def _lift(keys: Sequence[Any], by: By) -> str:
    done = operate.lift_by_hand(Suppression.objects.filter(pk__in=keys), by)
    return ngettext("%(count)d suppression was lifted.", "%(count)d suppressions were lifted.", done) % {"count": done}


LIFT = Operation(
    name="lift",
    title=gettext_lazy("Lift suppressions"),
    button=gettext_lazy("Lift"),
    effect=gettext_lazy(
        "Lift only what the recipient asked for, or what was a mistake: writing on after a complaint"
        " costs the sender's reputation."
    ),
    look=_look_at_lifting,
    run=_lift,
    dangerous=True,
)
