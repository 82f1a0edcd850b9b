"""What belongs to recipients: devices with prune and undo, and preferences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..flows.recipient_files import DEVICE_COLUMNS, Taken, device_lines, take_devices
from ..models import Device, Preference
from ..rules.identity import user_recipient
from .base import ReadOnlyAdmin, as_uuid, time_column
from .census_shown import device_board
from .confirm import Operation, ask_or_do, selected
from .filters import NamedChoices
from .markup import address, person_link
from .pruning import PRUNE, RESTORE, UndoAdmin
from .suppressions import hashes_of
from .transfers import TransferPages


class DeviceAdmin(TransferPages, UndoAdmin):
    """Users' devices; registering is the app's, pruning and its undo are ours."""

    change_list_template = "admin/carillon/device_list.html"
    columns: ClassVar = DEVICE_COLUMNS
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
    list_filter = ("is_active", "channel", "platform", ("deactivated_reason", NamedChoices))
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

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show how devices stand above the list."""
        board = device_board(self.admin_site.name, may_prune=self.has_prune_permission(request))
        context = {"title": _("Devices"), "board": board}
        return super().changelist_view(request, {**(extra_context or {}), **context})

    def lines_out(self, request: HttpRequest, rows: Any, *, full: bool) -> Iterator[list[str]]:
        """Yield devices as lines."""
        return device_lines(rows, full=full)

    def take_in(self, request: HttpRequest) -> Callable[..., Taken]:
        """Register the devices of a file."""
        return take_devices

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
