"""Examples of bodies and answers. Tests send each body and compare the answer, but for ids and times."""

from __future__ import annotations

from ...enums import Reason, State
from ...rules.explanations import explain

NOTIFICATION_ID = "0198c0de-6b1f-7a52-9f0e-4d1c2b3a4950"
DELIVERY_ID = "0198c0de-6b1f-8c11-a7d2-8e6f5a4b3c2d"
BROADCAST_ID = "0198c0df-0a3b-7d44-8b1c-2f3e4d5c6b7a"
DEVICE_ID = "0198c0d0-1111-7222-8333-444455556666"
KEY = "login-42-1"

LOGIN = {"user": "42", "template": "login-code", "data": {"code": "493021"}, "ttl": 600}
ADDRESS = {
    "to": {"email": "ada@example.com", "locale": "de"},
    "template": "order-shipped",
    "data": {"number": "A-1042", "total": 59.9, "items": ["Bell", "Rope"]},
}
DELIVERY = {
    "id": DELIVERY_ID,
    "channel": "sms",
    "device": None,
    "state": "pending",
    "reason": "new",
    "explanation": explain(State.PENDING, Reason.NEW),
    "possible_duplicate": False,
    "provider": None,
    "attempt": 0,
    "due_at": "2027-01-31T08:00:00.123456Z",
    "updated_at": "2027-01-31T08:00:00.123456Z",
}
NOTIFICATION = {
    "id": NOTIFICATION_ID,
    "status": "in_progress",
    "template": "login-code",
    "created_at": "2027-01-31T08:00:00.123456Z",
    "deliveries": [DELIVERY],
}
CANCELLED = {
    **NOTIFICATION,
    "status": "cancelled",
    "deliveries": [
        {**DELIVERY, "state": "cancelled", "reason": "", "explanation": explain(State.CANCELLED, Reason.NONE)},
    ],
}
BATCH = {
    "items": [
        {**LOGIN, "idempotency_key": KEY},
        {**LOGIN, "template": "login-kode", "idempotency_key": "login-42-2"},
    ]
}
UNKNOWN_TEMPLATE = {
    "type": "https://example.com/problems/unknown-template/",
    "title": "There is no such template",
    "status": 400,
    "detail": "There is no template 'login-kode'.",
    "errors": [{"pointer": "/template", "code": "unknown_template", "detail": "did you mean 'login-code'?"}],
}
BATCH_ANSWERS = {
    "results": [
        {"status": 202, "replayed": False, "notification": NOTIFICATION},
        {"status": 400, "problem": UNKNOWN_TEMPLATE},
    ]
}

FOLLOWERS = {
    "audience": {"name": "followers", "params": {"author_id": 7}},
    "template": "new-post",
    "data": {"title": "Casting a bell"},
    "rate": 500,
    "draft": True,
}
TOPIC_LATER = {
    "audience": {"topic": "news"},
    "exclude": {"users": ["43"]},
    "template": "new-post",
    "data": {"title": "Casting a bell"},
    "send_at": "2027-01-31T09:00:00+01:00",
    "ttl": 86_400,
    "ramp_up": True,
}
COUNTS = {
    "members": 0,
    "planned": 0,
    "waiting": 0,
    "sent": 0,
    "delivered": 0,
    "skipped": 0,
    "failed": 0,
    "dead": 0,
    "cancelled": 0,
    "expired": 0,
    "digested": 0,
    "uncertain": 0,
}
BROADCAST = {
    "id": BROADCAST_ID,
    "status": "draft",
    "template": "new-post",
    "counts": COUNTS,
    "left_out": 0,
    "stopped_for": None,
    "per_second": 500.0,
    "eta": None,
    "send_at": None,
    "created_at": "2027-01-31T08:00:00.123456Z",
    "finished_at": None,
}
BROADCAST_IN_FULL = {**BROADCAST, "left_out_for": {}, "versions": []}
ESTIMATE = {"members": 1, "exact": True, "sampled": 1, "channels": {"push": {"deliveries": 1, "skipped": {}}}}
PREVIEW = {
    "recipients": 1,
    "is_all": True,
    "would_send": {"push": 1},
    "gaps": [
        {
            "kind": "empty_variable",
            "channel": "",
            "what": "variable title is empty",
            "count": 1,
            "examples": ["42"],
        }
    ],
}

TOPIC = {"slug": "news", "created_at": "2027-01-31T08:00:00.123456+00:00"}
USERS = {"users": ["42", "43"]}
USERS_FILE = "user\n42\n43\n4711\n"

PUSH_DEVICE = {"channel": "push", "platform": "android", "address": "fMEp1Xk2Rw:APA91bHun4MxP5egoKMwt2"}
DEVICE = {
    "id": DEVICE_ID,
    "channel": "push",
    "platform": "android",
    "token_type": "fcm",
    "address": "…oKMwt2",
    "locale": "",
    "time_zone": "",
    "is_active": True,
    "deactivated_reason": "",
    "last_seen_at": "2027-01-31T08:00:00.123456Z",
}
CHANGES = {
    "locale": "de",
    "time_zone": "Europe/Berlin",
    "quiet_hours": [{"days": [0, 1, 2, 3, 4], "start": "22:00", "end": "07:00"}],
    "channels": {"sms": True},
    "categories": {"social": {"push": False}},
}
PREFERENCES = {**CHANGES, "devices": {}}


def page(*rows: object) -> dict[str, object]:
    """Return the only page of a list."""
    return {"next": None, "previous": None, "results": list(rows)}
