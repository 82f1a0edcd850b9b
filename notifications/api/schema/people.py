"""Operations on topics, and on a user's devices, preferences and data."""

from __future__ import annotations

from ..receipts import ReceiptFields
from ..topics import SubscriberFields
from ..users import DeviceFields
from . import samples
from .common import PAGING
from .words import JSON, Answer, Body, Operation, Schema, part, query, text

_TOPICS, _USERS = "Topics", "Users"
_CSV = "text/csv"
_FILE: Schema = text(
    "One user a line, or the column that the first line calls by its name.", examples=[samples.USERS_FILE]
)
_SUBSCRIBERS = Body({JSON: SubscriberFields, _CSV: _FILE}, {"users": samples.USERS})
_ME = "A key names the user; who is signed in says `me`."


def _subscribers(name: str, summary: str, says: str, answer: str, count: str) -> Operation:
    return Operation(
        name,
        _TOPICS,
        summary,
        {200: Answer(says, part(answer), {count: 2})},
        "As JSON, all or nobody; of a CSV file unknown users are passed over and named by their line.",
        _SUBSCRIBERS,
        problems=("unknown-recipient", "invalid-data"),
    )


OPERATIONS = {
    "GET /topics/": Operation(
        "topics",
        _TOPICS,
        "List topics",
        {200: Answer("By name.", part("TopicPage"), {"next": None, "results": [samples.TOPIC]})},
        parameters=(query("after", "Begin behind this name.", text()), PAGING[1]),
    ),
    "GET /topics/{slug}/": Operation(
        "topic",
        _TOPICS,
        "Read a topic",
        {200: Answer("With its size.", part("TopicInFull"), {**samples.TOPIC, "subscribers": 2, "exact": True})},
    ),
    "POST /topics/{slug}/subscribers/": _subscribers(
        "subscribe", "Put users on a topic", "A topic that is new is made.", "Subscribed", "added"
    ),
    "POST /topics/{slug}/subscribers/remove/": _subscribers(
        "unsubscribe", "Take users off a topic", "They are off it.", "Unsubscribed", "removed"
    ),
    "DELETE /users/{user}/": Operation(
        "erase",
        _USERS,
        "Erase a user",
        {200: Answer('What is kept is deleted, but for the user\'s "no".', part("Erased"), {"erased": {"devices": 1}})},
    ),
    "GET /users/{user}/devices/": Operation(
        "devices",
        _USERS,
        "List a user's devices",
        {200: Answer("The deactivated ones too.", part("DevicePage"), samples.page(samples.DEVICE))},
        _ME,
        parameters=PAGING,
    ),
    "POST /users/{user}/devices/": Operation(
        "register_device",
        _USERS,
        "Register a device",
        {
            200: Answer("It was this user's already.", part("Device"), samples.DEVICE),
            201: Answer("It is new.", part("Device"), samples.DEVICE),
        },
        f"{_ME} A push token that was another user's moves.",
        Body({JSON: DeviceFields}, {"a phone": samples.PUSH_DEVICE}),
        problems=("invalid-data",),
    ),
    "DELETE /users/{user}/devices/{device}/": Operation(
        "remove_device",
        _USERS,
        "Remove a device",
        {204: Answer("It is deactivated; doing it again is no error.")},
        _ME,
    ),
    "GET /users/{user}/preferences/": Operation(
        "preferences",
        _USERS,
        "Read preferences",
        {200: Answer("All of them.", part("Preferences"), samples.PREFERENCES)},
        _ME,
    ),
    "PATCH /users/{user}/preferences/": Operation(
        "change_preferences",
        _USERS,
        "Change preferences",
        {200: Answer("All of them, as they are now.", part("Preferences"), samples.PREFERENCES)},
        f"{_ME} Switches are merged one by one.",
        Body({JSON: part("PreferenceChanges")}, {"quiet nights": samples.CHANGES}),
        problems=("invalid-data",),
    ),
    "GET /users/{user}/export/": Operation(
        "export",
        _USERS,
        "Export a user's data",
        {200: Answer("Everything that is kept, but for what was declared sensitive.", part("Export"))},
    ),
    "POST /receipts/{token}/": Operation(
        "report_receipt",
        "Receipts",
        "Report that a push message arrived",
        {204: Answer("It is stored; saying it again is no error.")},
        "For apps, since Apple and Google report nothing: the token is `carillon_receipt` in the message's data, "
        "and is proof enough. `delivered` or `opened`.",
        Body({JSON: ReceiptFields}, {"opened": {"event": "opened"}}),
    ),
}
