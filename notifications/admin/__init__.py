"""The console: Carillon's pages in the Django admin, on the default site and on any other."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin import AdminSite, ModelAdmin
from django.db.models import Model

from ..models import (
    Alert,
    ApiKey,
    AuditEntry,
    Broadcast,
    Category,
    Claim,
    DeadLetter,
    Delivery,
    DeliveryEvent,
    Device,
    IdempotencyKey,
    Lease,
    LeftOut,
    Notification,
    Overview,
    Person,
    Preference,
    ProviderCard,
    ProviderHold,
    Queue,
    Receipt,
    RefusedRequest,
    Suppression,
    Template,
    TemplateVersion,
    Topic,
    TopicSubscription,
    Translation,
)
from .alerts import AlertAdmin
from .broadcasts import BroadcastAdmin, LeftOutAdmin
from .dead_letters import DeadLetterAdmin
from .log import DeliveryAdmin, NotificationAdmin
from .operations import (
    ApiKeyAdmin,
    AuditEntryAdmin,
    LeaseAdmin,
    ProviderHoldAdmin,
)
from .overview import OverviewAdmin
from .person import PersonAdmin
from .provider_pages import ProviderCardAdmin
from .queue_pages import QueueAdmin
from .recipients import (
    DeviceAdmin,
    PreferenceAdmin,
)
from .suppressions import SuppressionAdmin
from .topics import TopicAdmin, TopicSubscriptionAdmin
from .traffic import (
    ClaimAdmin,
    DeliveryEventAdmin,
    IdempotencyKeyAdmin,
    ReceiptAdmin,
    RefusedRequestAdmin,
)
from .words import CategoryAdmin, TemplateAdmin, TemplateVersionAdmin, TranslationAdmin

PAGES: dict[type[Model], type[ModelAdmin]] = {  # type: ignore[type-arg]
    Overview: OverviewAdmin,
    Person: PersonAdmin,
    DeadLetter: DeadLetterAdmin,
    Notification: NotificationAdmin,
    Delivery: DeliveryAdmin,
    DeliveryEvent: DeliveryEventAdmin,
    Broadcast: BroadcastAdmin,
    LeftOut: LeftOutAdmin,
    Claim: ClaimAdmin,
    Receipt: ReceiptAdmin,
    Category: CategoryAdmin,
    Template: TemplateAdmin,
    TemplateVersion: TemplateVersionAdmin,
    Translation: TranslationAdmin,
    Device: DeviceAdmin,
    Preference: PreferenceAdmin,
    Suppression: SuppressionAdmin,
    Topic: TopicAdmin,
    TopicSubscription: TopicSubscriptionAdmin,
    Alert: AlertAdmin,
    ProviderCard: ProviderCardAdmin,
    Queue: QueueAdmin,
    ProviderHold: ProviderHoldAdmin,
    ApiKey: ApiKeyAdmin,
    IdempotencyKey: IdempotencyKeyAdmin,
    RefusedRequest: RefusedRequestAdmin,
    AuditEntry: AuditEntryAdmin,
    Lease: LeaseAdmin,
}


def register(site: AdminSite) -> None:
    """Put every page of the console on an admin site; one that is there already is left alone."""
    for model, page in PAGES.items():
        if not site.is_registered(model):
            site.register(model, page)


register(admin.site)
