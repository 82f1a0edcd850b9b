"""The log's main pages: notifications, deliveries and broadcasts. Nobody changes them by hand."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..channels import SPECS
from ..flows.people import address_target
from ..flows.recipients import address_recipient
from ..flows.replay import DISCARD, REPLAY
from ..models import Delivery, Notification
from ..models.console_queries import history as events
from .base import ReadOnlyAdmin, as_uuid
from .filters import FamilyFilter, ProviderFilter, WindowFilter
from .markup import (
    EMPTY,
    address,
    badge,
    explanation,
    facts,
    history_table,
    id_moment,
    person_link,
    person_url,
    reason_text,
    redacted,
    short_id,
)
from .replaying import act_on_letters, may_replay

_HIDDEN = gettext_lazy("hidden; seeing it needs the permission to see personal data")


def recipients_named(term: str) -> list[str]:
    """Return the recipient keys that a term may be: itself, or that of a mailbox or number without an account."""
    targets = [target for channel in SPECS if (target := address_target(channel, term)) is not None]
    return [term, *(address_recipient(target.channel, target.address) for target in targets)]


class NotificationAdmin(ReadOnlyAdmin):
    """Accepted requests."""

    list_display = ("asked", "template", "category", "who", "tags_text", "owner", "identifier")
    list_filter = (WindowFilter, "category")
    search_fields = ("pk",)
    search_help_text = gettext_lazy("A notification's id, a recipient key such as u:42, or an address: exactly.")
    personal: ClassVar = {"data_hidden": "data_shown", "addresses_hidden": "addresses_shown"}
    fields: ClassVar = (
        *("identifier_full", "asked", "who", "template", "category", "version", "deliveries_link"),
        *("data_hidden", "addresses_hidden", "channels", "tags", "locale", "time_zone", "collapse_key"),
        *("send_at", "expires_at", "cancelled_at", "resend_of", "owner", "request_id"),
    )

    def get_list_filter(self, request: HttpRequest) -> tuple[Any, ...]:
        """Only what an index or the window bounds."""
        return (WindowFilter,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Never read the sensitive variables."""
        return super().get_queryset(request).defer("secrets")

    def find(self, term: str) -> Q:
        """Find by id, recipient or address."""
        identifier = as_uuid(term)
        return Q(pk=identifier) if identifier else Q(recipient__in=recipients_named(term))

    @admin.display(description=gettext_lazy("asked"))
    def asked(self, row: Notification) -> str:
        """When it was asked for."""
        return id_moment(row.pk, row.time_zone)

    @admin.display(description=gettext_lazy("recipient"))
    def who(self, row: Notification) -> str:
        """Whom it is for."""
        return person_link(row.recipient, self.admin_site.name) if row.recipient else _("a broadcast")

    @admin.display(description=gettext_lazy("tags"))
    def tags_text(self, row: Notification) -> str:
        """The caller's tags."""
        return ", ".join(row.tags) or EMPTY

    @admin.display(description=gettext_lazy("id"))
    def identifier(self, row: Notification) -> str:
        """The end of its id."""
        return short_id(row.pk)

    @admin.display(description=gettext_lazy("id"))
    def identifier_full(self, row: Notification) -> str:
        """Its id."""
        return str(row.pk)

    @admin.display(description=gettext_lazy("deliveries"))
    def deliveries_link(self, row: Notification) -> str:
        """Where to see what became of it."""
        if row.recipient:
            return format_html('<a href="{}">{}</a>', person_url(row.pk, self.admin_site.name), _("On the timeline"))
        url = reverse("admin:carillon_delivery_changelist", current_app=self.admin_site.name)
        return format_html('<a href="{}?q={}">{}</a>', url, row.pk, _("List"))

    @admin.display(description=gettext_lazy("variables"))
    def data_hidden(self, row: Notification) -> str:
        """That there are variables."""
        return str(_HIDDEN) if row.data else EMPTY

    @admin.display(description=gettext_lazy("variables"))
    def data_shown(self, row: Notification) -> str:
        """The variables; sensitive ones are kept apart and never shown."""
        return facts(row.data)

    @admin.display(description=gettext_lazy("addresses"))
    def addresses_hidden(self, row: Notification) -> str:
        """The masked addresses of somebody without an account."""
        return facts({channel: address(channel, text, full=False) for channel, text in row.addresses.items()})

    @admin.display(description=gettext_lazy("addresses"))
    def addresses_shown(self, row: Notification) -> str:
        """The addresses of somebody without an account."""
        return facts(row.addresses)


class DeliveryAdmin(ReadOnlyAdmin):
    """Messages to one device or address each, and what became of them."""

    list_display = (
        "asked",
        "standing",
        "why",
        "channel",
        "template",
        "who",
        "address_masked",
        "provider",
        "identifier",
    )
    list_filter = (WindowFilter, FamilyFilter, "channel", ProviderFilter, "possible_duplicate", "state")
    search_fields = ("pk",)
    search_help_text = gettext_lazy(
        "An id (delivery, notification, or the provider's), a recipient key such as u:42, or an address: exactly."
    )
    actions = ("replay_selected", "discard_selected")
    personal: ClassVar = {
        "address_masked": "address_full",
        "data_hidden": "data_shown",
        "history": "history_full",
        "error_redacted": "error_detail",
    }
    fields: ClassVar = (
        *("standing", "meaning", "who", "notification_link", "channel", "step", "address_masked"),
        *("device_link", "data_hidden", "history", "provider", "provider_message_id", "error_code", "error_redacted"),
        *("due_at", "expires_at", "fallback_at", "sent_at", "delivered_at", "updated_at"),
        *("attempt", "retries", "generation", "lost_leases", "lane", "locale", "time_zone"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read the templates of a page of deliveries with one more query, since a join crosses partitions."""
        plain = Notification.objects.only("pk", "template")
        return super().get_queryset(request).prefetch_related(Prefetch("notification", plain))

    def find(self, term: str) -> Q:
        """Find by any id, recipient or address."""
        identifier = as_uuid(term.partition(".")[0])
        if identifier:
            return Q(pk=identifier) | Q(notification_id=identifier)
        if term.startswith(("u:", "a:")):
            return Q(recipient=term)
        return Q(provider_message_id=term) | Q(recipient__in=recipients_named(term))

    def tools(self, request: HttpRequest) -> list[tuple[str, str]]:
        """Dead letters and the timeline are close at hand."""
        site = self.admin_site.name
        return [
            (reverse("admin:carillon_deadletter_changelist", current_app=site), _("Dead letters by cause")),
            (reverse("admin:carillon_person_changelist", current_app=site), _("Find a person or message")),
        ]

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whether the actions are offered."""
        return may_replay(request)

    @admin.action(description=gettext_lazy("Replay dead letters"), permissions=["replay"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponse:
        """Dry run, then replay."""
        return act_on_letters(self, request, REPLAY, request.get_full_path())

    @admin.action(description=gettext_lazy("Discard dead letters"), permissions=["replay"])
    def discard_selected(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponse:
        """Dry run, then discard."""
        return act_on_letters(self, request, DISCARD, request.get_full_path())

    @admin.display(description=gettext_lazy("asked"))
    def asked(self, row: Delivery) -> str:
        """When its notification was asked for."""
        return id_moment(row.pk, row.time_zone)

    @admin.display(description=gettext_lazy("state"))
    def standing(self, row: Delivery) -> str:
        """Where it stands."""
        return badge(row.state, duplicate=row.possible_duplicate)

    @admin.display(description=gettext_lazy("reason"))
    def why(self, row: Delivery) -> str:
        """Why; the whole sentence as its title."""
        return format_html('<span title="{}">{}</span>', explanation(row), reason_text(row.reason) or EMPTY)

    @admin.display(description=gettext_lazy("what it means"))
    def meaning(self, row: Delivery) -> str:
        """What its state and reason mean."""
        return explanation(row)

    @admin.display(description=gettext_lazy("template"))
    def template(self, row: Delivery) -> str:
        """The template of its notification."""
        found: Notification | None = row._state.fields_cache.get("notification")
        return found.template if found else EMPTY

    @admin.display(description=gettext_lazy("recipient"))
    def who(self, row: Delivery) -> str:
        """Whom it is for."""
        return person_link(row.recipient, self.admin_site.name)

    @admin.display(description=gettext_lazy("address"))
    def address_masked(self, row: Delivery) -> str:
        """The masked address."""
        return address(row.channel, row.address, full=False)

    @admin.display(description=gettext_lazy("address"))
    def address_full(self, row: Delivery) -> str:
        """The address."""
        return address(row.channel, row.address, full=True)

    @admin.display(description=gettext_lazy("id"))
    def identifier(self, row: Delivery) -> str:
        """The end of its id."""
        return short_id(row.pk)

    @admin.display(description=gettext_lazy("notification"))
    def notification_link(self, row: Delivery) -> str:
        """Its notification."""
        site = self.admin_site.name
        url = reverse("admin:carillon_notification_change", args=[row.notification_id], current_app=site)
        return format_html(
            '<a href="{}">{}</a> · <a href="{}">{}</a>',
            url,
            row.notification_id,
            person_url(row.pk, site),
            _("On the timeline"),
        )

    @admin.display(description=gettext_lazy("device"))
    def device_link(self, row: Delivery) -> str:
        """Its device, if it went to one."""
        if row.device_id is None:
            return EMPTY
        url = reverse("admin:carillon_device_change", args=[row.device_id], current_app=self.admin_site.name)
        return format_html('<a href="{}">{}</a>', url, row.device_id)

    @admin.display(description=gettext_lazy("variables of this recipient alone"))
    def data_hidden(self, row: Delivery) -> str:
        """That there are variables."""
        return str(_HIDDEN) if row.data else EMPTY

    @admin.display(description=gettext_lazy("variables of this recipient alone"))
    def data_shown(self, row: Delivery) -> str:
        """The variables."""
        return facts(row.data)

    @admin.display(description=gettext_lazy("error"))
    def error_redacted(self, row: Delivery) -> str:
        """What the provider wrote, without what may be personal."""
        return redacted(row.error_detail) or EMPTY

    @admin.display(description=gettext_lazy("history"))
    def history(self, row: Delivery) -> str:
        """What happened to it, without what providers wrote."""
        return history_table(events([row.pk]), row.time_zone, full=False)

    @admin.display(description=gettext_lazy("history"))
    def history_full(self, row: Delivery) -> str:
        """What happened to it."""
        return history_table(events([row.pk]), row.time_zone, full=True)
