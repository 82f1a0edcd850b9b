"""The parts of answers by name: `components.schemas`. What is taken is read from the serializers instead."""

from __future__ import annotations

from ...enums import BroadcastStatus, Channel, DeactivatedReason, NotificationStatus, Platform, Reason, State, TokenType
from ...flows.status import Counts
from ..batch import MOST_ITEMS
from ..presentation import MOST_DELIVERIES
from ..problems import MOST_LISTED
from .export_parts import EXPORT
from .words import Schema, by_name, choice, flag, key, many, moment, one, or_null, page, part, text, whole

_COUNTS = {
    "members": "People, those without an address too.",
    "planned": "Deliveries.",
    "waiting": "Not handed to a provider yet.",
    "sent": "Taken by a provider, or more.",
    "delivered": "Reported as delivered, or more.",
    "failed": "Refused for good, bounced or complained of.",
    "dead": "Dead letters: somebody must act.",
    "uncertain": "Nobody knows yet whether they went out.",
}
_BROADCAST: dict[str, Schema] = {
    "id": key(),
    "status": choice(BroadcastStatus.values),
    "template": text("Its slug."),
    "counts": part("Counts"),
    "left_out": whole("How many members could not be planned."),
    "stopped_for": or_null(text("Why it stopped by itself.")),
    "per_second": or_null({"type": "number", "minimum": 0, "description": "The rate asked for, else the one seen."}),
    "eta": or_null(moment("When it should be through.")),
    "send_at": or_null(moment("Not before this time.")),
    "created_at": moment(),
    "finished_at": or_null(moment()),
}
_TOPIC: dict[str, Schema] = {"slug": text(), "created_at": moment()}


def _changed(what: str) -> Schema:
    return one(
        "How many users changed. Of a file, also those who did not.",
        ("unchanged", "unknown", "unknown_lines"),
        **{what: whole()},
        unchanged=whole(),
        unknown=whole("Lines whose users do not exist."),
        unknown_lines=many(whole(), "The first of those lines.", maxItems=100),
    )


PARTS: dict[str, Schema] = {
    "Problem": one(
        "What is wrong (RFC 9457). `type` leads to a page that explains it.",
        type=text("The kind of problem.", format="uri"),
        title=text("The kind in words, always the same."),
        status=whole("The HTTP status.", 400, maximum=599),
        detail=text("This case in words."),
        errors=many(
            one(
                "One mistake.",
                pointer=text("A JSON pointer into the body, or `/name` of a parameter; empty for the whole."),
                code=text("For programs."),
                detail=text("For people."),
            ),
            f"Mistakes, the first {MOST_LISTED}; where there are more, one with the code `more` says so.",
            maxItems=MOST_LISTED + 1,
        ),
    ),
    "Delivery": one(
        "One message to one device or address.",
        id=key(),
        channel=choice(Channel.values),
        device=or_null(key("The device, where it goes to one.")),
        state=choice(State.values, "Where it stands."),
        reason=choice(Reason.values, "Why it stands there; may be empty."),
        explanation=text("State and reason in a sentence that support can read out."),
        possible_duplicate=flag("Whether the person may have got it twice; never cleared."),
        provider=or_null(text("The provider that has it or had it last.")),
        attempt=whole("How many times it was tried."),
        due_at=or_null(moment("When it is looked at next.")),
        updated_at=moment(),
    ),
    "Notification": one(
        "A notification to one recipient. Variables and addresses are never in an answer.",
        id=key(),
        status=choice(NotificationStatus.values),
        template=text("Its slug."),
        created_at=moment(),
        deliveries=many(part("Delivery"), f"The first {MOST_DELIVERIES}.", maxItems=MOST_DELIVERIES),
    ),
    "NotificationPage": page("Notification"),
    "DeliveryPage": page("Delivery"),
    "BatchAnswers": one(
        "An answer for each item, in its place.",
        results=many(
            {
                "oneOf": [
                    one(
                        "It is accepted, and stored.",
                        status=whole(const=202),
                        replayed=flag("Whether this is an earlier request's answer."),
                        notification=part("Notification"),
                    ),
                    one("It is refused.", status=whole(least=400), problem=part("Problem")),
                ]
            },
            maxItems=MOST_ITEMS,
        ),
    ),
    "Counts": one(
        "`members` are people, the rest deliveries; `sent` and `delivered` are cumulative.",
        **{name: whole(_COUNTS.get(name, "")) for name in Counts.__dataclass_fields__},
    ),
    "Broadcast": one("A broadcast.", **_BROADCAST),
    "BroadcastInFull": one(
        "A broadcast with its counts.",
        **_BROADCAST,
        left_out_for=by_name(whole(), "How many were left out, by kind of error."),
        versions=or_null(
            many(
                one("How many went out with a version of the template.", version=whole(), sent=whole()),
                "Empty unless it was resumed with other words; null where it was, and `?versions=1` would count them.",
            )
        ),
    ),
    "BroadcastPage": page("Broadcast"),
    "LeftOut": one(
        "A member who could not be planned.", user=text("By key."), error=text("The kind of error."), at=moment()
    ),
    "LeftOutPage": page("LeftOut"),
    "Estimate": one(
        "What a broadcast would mean.",
        members=whole("People."),
        exact=flag("Whether they were counted, and not estimated."),
        sampled=whole("How many of them met the rules."),
        channels=by_name(
            one("On a channel.", deliveries=whole(), skipped=by_name(whole(), "Who would be skipped, by reason."))
        ),
    ),
    "Preview": one(
        "How the first recipients of a broadcast would fare.",
        recipients=whole("How many were looked at."),
        is_all=flag("Whether that is everybody."),
        would_send=by_name(whole(), "Messages by channel."),
        gaps=many(
            one(
                "What is missing.",
                kind=text(examples=["empty_variable", "language", "dead_link", "skipped", "render_error"]),
                channel=text("Empty where it is about all of them."),
                what=text(),
                count=whole("Recipients."),
                examples=many(text(), "Some of them, by key.", maxItems=3),
            )
        ),
    ),
    "Topic": one("A topic.", **_TOPIC),
    "TopicInFull": one(
        "A topic with its size.",
        **_TOPIC,
        subscribers=whole("Users on it."),
        exact=flag("Whether they were counted, and not estimated."),
    ),
    "TopicPage": one(
        "A page of topics, by name.",
        next=or_null(text("The next page. Null where there is none.", format="uri")),
        results=many(part("Topic")),
    ),
    "Subscribed": _changed("added"),
    "Unsubscribed": _changed("removed"),
    "Device": one(
        "Where a user can be reached.",
        id=key(),
        channel=choice(Channel.values),
        platform=choice(["", *Platform.values], "Of a push device; else empty."),
        token_type=choice(["", *TokenType.values], "Of a push device; else empty."),
        address=text("Masked but for its end."),
        locale=text(),
        time_zone=text(),
        is_active=flag(),
        deactivated_reason=choice(DeactivatedReason.values, "Empty for one that is active."),
        last_seen_at=moment(),
    ),
    "DevicePage": page("Device"),
    "QuietHours": one(
        "A window in which nothing but mandatory messages is sent.",
        days=many(whole("0 is Monday.", maximum=6), "The days on which it begins."),
        start=text(examples=["22:00"]),
        end=text("If it is not after the start, on the next day.", examples=["07:00"]),
    ),
    "Preferences": one(
        "What a recipient wants. What is not switched off is wanted.",
        locale=or_null(text()),
        time_zone=or_null(text()),
        quiet_hours=many(part("QuietHours")),
        channels=by_name(flag(), "Switches by channel."),
        categories=by_name(by_name(flag()), "Switches by category and channel."),
        devices=by_name(flag(), "Switches by device."),
    ),
    "Export": EXPORT,
    "Erased": one("What was erased.", erased=by_name(whole(), "How many rows, by what they were.")),
}
