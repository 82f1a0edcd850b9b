"""The tables, and as named queryset methods the SQL that works on them."""

from .access import ApiKey, IdempotencyKey, RefusedRequest
from .broadcast import Broadcast, LeftOut
from .category import Category, Template, TemplateVersion, Translation
from .console import DeadLetter, Person
from .console_pages import ChannelPause, Overview, ProviderCard, Queue
from .insert_sql import NewDelivery
from .log import Claim, Delivery, DeliveryEvent, Notification, Receipt
from .operations import Alert, AuditEntry, Lease, Mark, ProviderHold, PruningTally
from .recipient import AddressTrouble, Device, Preference, Suppression, Topic, TopicSubscription
from .tally import BroadcastTally, Tally, Traffic
from .throttle import Digest, DigestItem, ThrottleWindow
from .total import Total

__all__ = [
    "AddressTrouble",
    "Alert",
    "ApiKey",
    "AuditEntry",
    "Broadcast",
    "BroadcastTally",
    "Category",
    "ChannelPause",
    "Claim",
    "DeadLetter",
    "Delivery",
    "DeliveryEvent",
    "Device",
    "Digest",
    "DigestItem",
    "IdempotencyKey",
    "Lease",
    "LeftOut",
    "Mark",
    "NewDelivery",
    "Notification",
    "Overview",
    "Person",
    "Preference",
    "ProviderCard",
    "ProviderHold",
    "PruningTally",
    "Queue",
    "Receipt",
    "RefusedRequest",
    "Suppression",
    "Tally",
    "Template",
    "TemplateVersion",
    "ThrottleWindow",
    "Topic",
    "TopicSubscription",
    "Total",
    "Traffic",
    "Translation",
]
