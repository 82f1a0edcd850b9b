"""Operations on notifications."""

from __future__ import annotations

from ...enums import State
from ..batch import ItemFields
from ..notifications import NotificationFields
from . import samples
from .common import IDEMPOTENCY_KEY, PAGING, UNCHANGED
from .words import JSON, Answer, Body, Operation, Schema, choice, moment, part, query, text

TAG = "Notifications"
ACCEPT_PROBLEMS = ("invalid-data", "unknown-template", "unknown-recipient", "request-rejected")
KEY_PROBLEMS = ("idempotency-key-missing", "idempotency-conflict", "idempotency-in-flight")
DELIVERY_FILTERS: tuple[Schema, ...] = (
    query("state", "Only these.", choice(State.values)),
    query(
        "possible_duplicate",
        "Whether only those that may have been a duplicate, or only the others.",
        choice(["true", "false"]),
    ),
)


def link(operation: str, parameter: str) -> dict[str, Schema]:
    """Return a link from an answer's id to an operation."""
    return {operation: {"operationId": operation, "parameters": {parameter: "$response.body#/id"}}}


_LINKS = {
    name: schema
    for operation in ("notification", "notification_deliveries", "notification_cancel")
    for name, schema in link(operation, "notification").items()
}

OPERATIONS = {
    "GET /notifications/": Operation(
        "notifications",
        TAG,
        "List notifications",
        {
            200: Answer(
                "Newest first; broadcasts have their own list.",
                part("NotificationPage"),
                samples.page(samples.NOTIFICATION),
            )
        },
        parameters=(
            *PAGING,
            query("user", 'Only to this user: the value of `RECIPIENT["lookup"]`.', text(minLength=1, maxLength=254)),
            query("template", "Only with this template.", text(pattern="^[-a-zA-Z0-9_]+$", maxLength=63)),
            query("state", "Only with a delivery in this state.", choice(State.values)),
            query("since", "Only what was accepted then or later.", moment()),
        ),
        problems=("unknown-recipient",),
    ),
    "POST /notifications/": Operation(
        "notify",
        TAG,
        "Notify one recipient",
        {
            202: Answer(
                "It is stored, and will be acted upon, whatever happens to workers.",
                part("Notification"),
                samples.NOTIFICATION,
                ("Idempotent-Replayed", "Location"),
                links=_LINKS,
            )
        },
        "To a user of the host project, or to an address of somebody without an account.",
        Body({JSON: NotificationFields}, {"a login code": samples.LOGIN, "to an address": samples.ADDRESS}),
        (IDEMPOTENCY_KEY,),
        (*ACCEPT_PROBLEMS, *KEY_PROBLEMS),
    ),
    "POST /notifications/batch/": Operation(
        "notify_batch",
        TAG,
        "Notify up to 1,000 recipients",
        {
            200: Answer(
                "An answer for each item, in its place; what says 202 is stored.",
                part("BatchAnswers"),
                samples.BATCH_ANSWERS,
            )
        },
        "Each item is accepted or refused by itself, under its own key. One that broke off may be repeated as it is.",
        Body({JSON: part("Batch")}, {"two items, of which one is wrong": samples.BATCH}, also=(ItemFields,)),
    ),
    "GET /notifications/{notification}/": Operation(
        "notification",
        TAG,
        "Read a notification",
        {
            200: Answer("What became of it so far.", part("Notification"), samples.NOTIFICATION, ("ETag",)),
            304: UNCHANGED,
        },
    ),
    "POST /notifications/{notification}/cancel/": Operation(
        "notification_cancel",
        TAG,
        "Cancel a notification",
        {
            200: Answer(
                "What became of it: what a provider already has cannot be recalled.",
                part("Notification"),
                samples.CANCELLED,
            )
        },
    ),
    "GET /notifications/{notification}/deliveries/": Operation(
        "notification_deliveries",
        TAG,
        "List a notification's deliveries",
        {200: Answer("All of them, oldest first.", part("DeliveryPage"), samples.page(samples.DELIVERY))},
        parameters=(*PAGING, *DELIVERY_FILTERS),
    ),
}
