"""What lies around the deliveries: history, claims, receipts, keys and refusals. Nobody changes it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy

from ..channels import SPECS
from ..flows.people import address_target
from ..flows.requests import PYTHON
from ..models import ApiKey, DeliveryEvent, IdempotencyKey, Receipt, RefusedRequest
from .access_pages import REPROCESS
from .base import ReadOnlyAdmin, as_uuid, time_column
from .confirm import ask_or_do
from .filters import ProviderFilter, WindowFilter
from .markup import EMPTY, badge, id_moment, person_link, person_url, reason_text, redacted, short_id
from .operations import numbers


class DeliveryEventAdmin(ReadOnlyAdmin):
    """What happened to deliveries and their rows no longer tell."""

    list_display = ("happened", "standing", "why", "attempt", "provider", "code", "told", "actor", "delivery_link")
    list_filter = (WindowFilter, "state", ProviderFilter)
    search_fields = ("pk",)
    search_help_text = gettext_lazy("A delivery's id: exactly.")
    personal: ClassVar = {"told": "told_full"}
    fields: ClassVar = (
        *("happened", "standing", "why", "attempt", "provider", "code", "told", "actor", "delivery_link"),
    )

    def find(self, term: str) -> Q:
        """Find by delivery."""
        return self.exactly("pk", term) | self.exactly("delivery_id", term)

    @admin.display(description=gettext_lazy("at"))
    def happened(self, row: DeliveryEvent) -> str:
        """When it happened."""
        return id_moment(row.pk)

    @admin.display(description=gettext_lazy("state"))
    def standing(self, row: DeliveryEvent) -> str:
        """Where the delivery stood afterwards."""
        return badge(row.state)

    @admin.display(description=gettext_lazy("reason"))
    def why(self, row: DeliveryEvent) -> str:
        """Why."""
        return reason_text(row.reason) or EMPTY

    @admin.display(description=gettext_lazy("detail"))
    def told(self, row: DeliveryEvent) -> str:
        """What the provider or a person wrote, without what may be personal."""
        return redacted(row.detail) or EMPTY

    @admin.display(description=gettext_lazy("detail"))
    def told_full(self, row: DeliveryEvent) -> str:
        """What the provider or a person wrote."""
        return row.detail or EMPTY

    @admin.display(description=gettext_lazy("delivery"))
    def delivery_link(self, row: DeliveryEvent) -> str:
        """Its delivery, on the timeline."""
        url = person_url(row.delivery_id, self.admin_site.name)
        return format_html('<a href="{}">{}</a>', url, short_id(row.delivery_id))


class ClaimAdmin(ReadOnlyAdmin):
    """What workers hold at the moment."""

    list_display = ("id", "worker", "channel", "lane", "provider", "started_upto", "lease", "created")
    list_filter = ("channel", ProviderFilter)
    created = time_column("created_at", gettext_lazy("created"))
    lease = time_column("lease_expires_at", gettext_lazy("lease ends"))


class ReceiptAdmin(ReadOnlyAdmin):
    """Providers' callbacks as they came, with what we made of them."""

    list_display = ("received", "provider", "kind", "verdict", "code", "delivery_link", "due")
    list_filter = (ProviderFilter, "kind")
    search_fields = ("pk",)
    search_help_text = gettext_lazy("A delivery's id: exactly.")
    actions = ("reprocess",)
    received = time_column("received_at", gettext_lazy("received"))
    due = time_column("due_at", gettext_lazy("to be reconciled"))
    personal: ClassVar = {"address_masked": "address", "raw_hidden": "raw", "detail_hidden": "detail"}
    fields: ClassVar = (
        *("provider", "kind", "verdict", "code", "delivery_link", "attempt", "provider_message_id", "address_masked"),
        *("suppress", "deactivate", "occurred_at", "received_at", "due_at", "event_key", "detail_hidden", "raw_hidden"),
    )

    def find(self, term: str) -> Q:
        """Find by delivery."""
        identifier = as_uuid(term.partition(".")[0])
        return Q(delivery_id=identifier) if identifier else Q(pk__in=[])

    def has_reprocess_permission(self, request: HttpRequest) -> bool:
        """Whether the action is offered."""
        return bool(request.user.has_perm("carillon.change_receipt"))

    @admin.action(description=gettext_lazy("Read again"), permissions=["reprocess"])
    def reprocess(self, request: HttpRequest, queryset: QuerySet[Receipt]) -> HttpResponse:
        """Ask why, then let them be matched again."""
        return ask_or_do(self, request, REPROCESS, numbers(request), request.get_full_path())

    @admin.display(description=gettext_lazy("delivery"))
    def delivery_link(self, row: Receipt) -> str:
        """Its delivery, on the timeline."""
        if row.delivery_id is None:
            return EMPTY
        url = person_url(row.delivery_id, self.admin_site.name)
        return format_html('<a href="{}">{}</a>', url, short_id(row.delivery_id))

    @admin.display(description=gettext_lazy("address"))
    def address_masked(self, row: Receipt) -> str:
        """The masked address."""
        channel = next((name for name in SPECS if address_target(name, row.address)), None) if row.address else None
        return SPECS[channel].mask(row.address) if channel else EMPTY

    @admin.display(description=gettext_lazy("detail"))
    def detail_hidden(self, row: Receipt) -> str:
        """What the provider wrote, without the addresses that it quotes."""
        return redacted(row.detail) or EMPTY

    @admin.display(description=gettext_lazy("as it came"))
    def raw_hidden(self, row: Receipt) -> str:
        """That the callback is kept."""
        return "…" if row.raw else EMPTY


class IdempotencyKeyAdmin(ReadOnlyAdmin):
    """Callers' keys and what they led to."""

    list_display = ("created", "owner", "key_masked", "notification_link")
    personal: ClassVar = {"key_masked": "key"}
    search_fields = ("pk",)
    search_help_text = gettext_lazy("A key: exactly.")
    created = time_column("created_at", gettext_lazy("created"))
    fields: ClassVar = ("owner", "key_masked", "notification_link", "created_at")

    def find(self, term: str) -> Q:
        """Find by key; the index begins with the owner, of whom there are few."""
        return Q(owner__in=[PYTHON, *ApiKey.objects.values_list("owner", flat=True).distinct()], key=term)

    @admin.display(description=gettext_lazy("key"))
    def key_masked(self, row: IdempotencyKey) -> str:
        """The caller's key, without what may be personal."""
        return redacted(row.key) or EMPTY

    @admin.display(description=gettext_lazy("notification"))
    def notification_link(self, row: IdempotencyKey) -> str:
        """What it led to, on the timeline."""
        url = person_url(row.notification_id, self.admin_site.name)
        return format_html('<a href="{}">{}</a>', url, short_id(row.notification_id))


class RefusedRequestAdmin(ReadOnlyAdmin):
    """Requests that were refused, and why."""

    list_display = ("created", "reason", "template", "who", "owner", "detail_masked")
    personal: ClassVar = {"detail_masked": "detail"}
    fields: ClassVar = ("created", "reason", "template", "who", "owner", "request_id", "detail_masked")
    list_filter = ("reason",)
    search_fields = ("pk",)
    search_help_text = gettext_lazy("A recipient key such as u:42: exactly.")
    created = time_column("created_at", gettext_lazy("refused"))

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """None: the reasons that there are could only be found by reading every row."""
        return []

    def find(self, term: str) -> Q:
        """Find by recipient."""
        return Q(recipient__in=[term, f"u:{term}"])

    @admin.display(description=gettext_lazy("recipient"))
    def who(self, row: RefusedRequest) -> str:
        """Whom it was meant for."""
        return person_link(row.recipient, self.admin_site.name)

    @admin.display(description=gettext_lazy("detail"))
    def detail_masked(self, row: RefusedRequest) -> str:
        """What was wrong, without what may be personal."""
        return redacted(row.detail) or EMPTY
