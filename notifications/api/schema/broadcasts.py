"""Operations on broadcasts."""

from __future__ import annotations

from collections.abc import Mapping

from ..broadcasts import BroadcastFields, ResumeFields
from ..filters import YES_OR_NO
from . import samples
from .common import IDEMPOTENCY_KEY, PAGING, UNCHANGED
from .notifications import ACCEPT_PROBLEMS, DELIVERY_FILTERS, KEY_PROBLEMS, link
from .words import JSON, Answer, Body, Operation, choice, part, query

TAG = "Broadcasts"
_BROADCAST_PROBLEMS = tuple(slug for slug in ACCEPT_PROBLEMS if slug != "unknown-recipient")
_LINKS = {
    name: schema
    for operation in (
        "broadcast",
        "broadcast_deliveries",
        "broadcast_left_out",
        "broadcast_preview",
        "broadcast_launch",
        "broadcast_pause",
        "broadcast_resume",
        "broadcast_retry",
        "broadcast_cancel",
    )
    for name, schema in link(operation, "broadcast").items()
}


#: What an act changes in the example beside its status.
_ALSO: Mapping[str, Mapping[str, object]] = {
    "resume": {"versions": None},
    "cancel": {"finished_at": "2027-01-31T08:05:00.123456Z"},
}


def _control(action: str, summary: str, says: str, status: str, body: Body | None = None) -> Operation:
    example = {**samples.BROADCAST_IN_FULL, "status": status, **_ALSO.get(action, {})}
    return Operation(
        f"broadcast_{action}",
        TAG,
        summary,
        {200: Answer(says, part("BroadcastInFull"), example)},
        body=body or Body({JSON: part("Nothing")}, is_required=False),
        problems=("wrong-status", *(("invalid-data",) if action == "resume" else ())),
    )


_PATH = "/broadcasts/{broadcast}"
OPERATIONS = {
    "GET /broadcasts/": Operation(
        "broadcasts",
        TAG,
        "List broadcasts",
        {200: Answer("Newest first.", part("BroadcastPage"), samples.page(samples.BROADCAST))},
        parameters=PAGING,
    ),
    "POST /broadcasts/": Operation(
        "launch",
        TAG,
        "Launch a broadcast",
        {
            202: Answer(
                "It is stored; workers plan it page by page.",
                part("Broadcast"),
                samples.BROADCAST,
                ("Idempotent-Replayed", "Location"),
                links=_LINKS,
            )
        },
        "With `draft` it waits for its launch; with `send_at` for that time.",
        Body({JSON: BroadcastFields}, {"a draft": samples.FOLLOWERS, "for later": samples.TOPIC_LATER}),
        (IDEMPOTENCY_KEY,),
        (*_BROADCAST_PROBLEMS, *KEY_PROBLEMS),
    ),
    "POST /broadcasts/estimate/": Operation(
        "estimate",
        TAG,
        "Estimate a broadcast",
        {200: Answer("What the same body would mean; nothing is stored.", part("Estimate"), samples.ESTIMATE)},
        "People are counted for five seconds at most, and a thousand of them meet the rules that planning asks.",
        Body({JSON: BroadcastFields}, {"followers": samples.FOLLOWERS}),
        problems=_BROADCAST_PROBLEMS,
    ),
    f"GET {_PATH}/": Operation(
        "broadcast",
        TAG,
        "Read a broadcast",
        {
            200: Answer("Where it stands, with counts.", part("BroadcastInFull"), samples.BROADCAST_IN_FULL, ("ETag",)),
            304: UNCHANGED,
        },
        "With `versions` it counts for three seconds at most what went out with which version.",
        parameters=(
            query("versions", "Whether `versions` is to be counted, which reads every delivery.", choice(YES_OR_NO)),
        ),
        problems=("too-slow",),
    ),
    f"GET {_PATH}/deliveries/": Operation(
        "broadcast_deliveries",
        TAG,
        "List a broadcast's deliveries",
        {200: Answer("Oldest first.", part("DeliveryPage"), samples.page())},
        parameters=(*PAGING, *DELIVERY_FILTERS),
    ),
    f"GET {_PATH}/left-out/": Operation(
        "broadcast_left_out",
        TAG,
        "List who was left out",
        {200: Answer("Members who could not be planned.", part("LeftOutPage"), samples.page())},
        parameters=PAGING,
    ),
    f"GET {_PATH}/preview/": Operation(
        "broadcast_preview",
        TAG,
        "Preview a broadcast",
        {200: Answer("How its first 1,000 recipients would fare; nothing is sent.", part("Preview"), samples.PREVIEW)},
        "Of a draft, or one that is scheduled.",
        problems=("wrong-status",),
    ),
    f"POST {_PATH}/launch/": _control("launch", "Launch a draft", "It is under way.", "planning"),
    f"POST {_PATH}/pause/": _control(
        "pause", "Pause a broadcast", "What is on its way goes out, what comes due is parked.", "paused"
    ),
    f"POST {_PATH}/resume/": _control(
        "resume",
        "Resume a broadcast",
        "What was parked is due again.",
        "planning",
        Body({JSON: ResumeFields}, {"with the newest words": {"version": "newest"}}, is_required=False),
    ),
    f"POST {_PATH}/cancel/": _control(
        "cancel", "Cancel a broadcast", "What waits is cancelled; a group on its way goes out.", "cancelled"
    ),
    f"POST {_PATH}/retry/": _control(
        "retry",
        "Plan those left out once more",
        "How it stands after up to 1,000 of them, those tried longest ago first.",
        "sending",
    ),
}
