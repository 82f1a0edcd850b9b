"""Suppressions: addresses that must not be written to; added and lifted by hand, each with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..channels import SPECS
from ..cipher import address_hash
from ..enums import Channel, SuppressionCause
from ..flows import operate
from ..flows.operate import By
from ..flows.people import address_target
from ..flows.recipient_files import SUPPRESSION_COLUMNS, Taken, suppression_lines, take_suppressions
from ..flows.suppress import lasts_longer
from ..models import Suppression
from .base import ConsoleAdmin, actor_of, time_column
from .census_shown import suppression_board
from .confirm import DryRun, Operation, ask_or_do, selected
from .transfers import TransferPages


def hashes_of(term: str) -> list[str]:
    """Return the hashes under which an address may be kept, by channel."""
    found = [target.address_hash for channel in SPECS if (target := address_target(channel, term)) is not None]
    return [*found, *(address_hash(channel, term) for channel in SPECS)]


def ends_after(days: int | None) -> datetime | None:
    """Return when so many days are over; None for no end."""
    return timezone.now() + timedelta(days=days) if days else None


class SuppressionForm(forms.ModelForm):  # type: ignore[type-arg]
    """An address to suppress; typed once and kept as a hash."""

    address = forms.CharField(label=gettext_lazy("Address"), max_length=320, widget=forms.TextInput)
    days = forms.IntegerField(
        label=gettext_lazy("Days"),
        required=False,
        min_value=1,
        max_value=3650,
        help_text=gettext_lazy("Empty: until somebody lifts it."),
    )
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=200)

    class Meta:
        """The channel is the row's own; the rest is made from the address."""

        model = Suppression
        fields = ("channel",)

    def clean(self) -> dict[str, Any]:
        """Normalise the address as its channel does, and refuse what is suppressed by hand already, or for longer."""
        values: dict[str, Any] = super().clean() or {}
        if "channel" in values and "address" in values:
            channel = Channel(values["channel"])
            try:
                values["address"] = SPECS[channel].normalise(values["address"])
            except ValueError as error:
                self.add_error("address", str(error))
                return values
            held = Suppression.objects.in_force().filter(
                channel=channel, address_hash=address_hash(channel, values["address"])
            )
            self._refuse_over(held.first(), ends_after(values.get("days")))
        return values

    def _refuse_over(self, held: Suppression | None, ends: datetime | None) -> None:
        """Refuse what would change nothing, or make what holds the address anyway last longer as a matter of ours."""
        if held is None:
            return
        if held.cause == SuppressionCause.MANUAL:
            self.add_error("address", _("This address is suppressed already."))
        elif lasts_longer(held.expires_at, ends):
            self.add_error("days", _("This address is suppressed already, and for longer: leave this empty."))


class SuppressionAdmin(TransferPages, ConsoleAdmin):
    """Addresses that must not be written to."""

    change_list_template = "admin/carillon/suppression_list.html"
    columns: ClassVar = SUPPRESSION_COLUMNS
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

    class Media:
        """The board above the list has a style sheet of its own."""

        css: ClassVar = {"all": ["carillon/board.css"]}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show how many there are above the list."""
        context = {"title": _("Suppressions"), "board": suppression_board(self.admin_site.name)}
        return super().changelist_view(request, {**(extra_context or {}), **context})

    def lines_out(self, request: HttpRequest, rows: Any, *, full: bool) -> Iterator[list[str]]:
        """Yield suppressions as lines; of an address only its hint is known."""
        return suppression_lines(rows)

    def take_in(self, request: HttpRequest) -> Callable[..., Taken]:
        """Suppress the addresses of a file."""
        return partial(take_suppressions, source=actor_of(request))

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
            return ["channel", "address", "days", "reason"]
        return ["channel", "hint", "cause", "source", "created", "ends", "lifted", "lifted_reason"]

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:  # noqa: FBT001
        """Suppress through the flow, and let the page go on with the row it made."""
        by = By(actor_of(request), form.cleaned_data["reason"])
        given = form.cleaned_data
        ends = ends_after(given["days"])
        row = operate.suppress_by_hand(Channel(given["channel"]), given["address"], by, expires_at=ends)
        obj.pk = row.pk
        obj.refresh_from_db()

    @admin.action(description=gettext_lazy("Lift"), permissions=["lift"])
    def lift(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> HttpResponse:
        """Dry run, then lift."""
        keys = [int(key) for key in selected(request) if key.isdecimal()]
        return ask_or_do(self, request, LIFT, keys, request.get_full_path())


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
