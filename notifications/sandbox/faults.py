"""Which addresses fail in the sandbox, and how: the one table that servers, tests and documentation share.

Provider facts:
FCM   https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode
Twilio https://www.twilio.com/docs/iam/test-credentials#magic-input and https://www.twilio.com/docs/api/errors
Postmark https://postmarkapp.com/developer/api/overview#error-codes
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FcmFault:
    """What FCM answers to a token that begins with ``prefix``."""

    prefix: str
    http: int
    status: str
    error_code: str | None
    message: str
    names_token: bool = False
    retry_after: int | None = None
    first_only: bool = False


@dataclass(frozen=True, slots=True)
class TwilioFault:
    """What Twilio does with a number: refuse it (``http``), or take it and report ``callback`` later.

    ``number`` is a whole number, or the beginning of a range that ends in ``*``.
    """

    number: str
    code: int | None
    message: str
    http: int | None = None
    retry_after: int | None = None
    first_only: bool = False
    silent: bool = False


@dataclass(frozen=True, slots=True)
class PostmarkFault:
    """What Postmark does with a mailbox ``word@`` or ``word-anything@``: refuse it, or take it and post ``events``."""

    word: str
    message: str
    http: int | None = None
    error_code: int = 0
    events: tuple[str, ...] = ()
    first_only: bool = False


FCM_FAULTS: tuple[FcmFault, ...] = (
    FcmFault("dead-", 404, "NOT_FOUND", "UNREGISTERED", "Requested entity was not found."),
    FcmFault(
        "invalid-",
        400,
        "INVALID_ARGUMENT",
        "INVALID_ARGUMENT",
        "The registration token is not a valid FCM registration token",
        names_token=True,
    ),
    FcmFault("oversized-", 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "Android message is too big"),
    FcmFault("mismatch-", 403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", "SenderId mismatch"),
    FcmFault("quota-", 429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "Quota exceeded for quota metric.", retry_after=2),
    FcmFault("down-", 503, "UNAVAILABLE", "UNAVAILABLE", "The service is currently unavailable."),
    FcmFault("internal-", 500, "INTERNAL", "INTERNAL", "Internal error encountered."),
    FcmFault("auth-", 401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR", "Auth error from APNS or Web Push Service"),
    FcmFault("forbidden-", 403, "PERMISSION_DENIED", None, "Permission 'cloudmessaging.messages.create' denied."),
    FcmFault("notfound-", 404, "NOT_FOUND", None, "Requested entity was not found."),
    FcmFault("flaky-", 503, "UNAVAILABLE", "UNAVAILABLE", "The service is currently unavailable.", first_only=True),
)
"""By prefix of the registration token; every other token is accepted. ``first_only``: the first time per token."""

TWILIO_FAULTS: tuple[TwilioFault, ...] = (
    # Twilio's own magic numbers for "To".
    TwilioFault("+15005550001", 21211, "Invalid 'To' Phone Number: +15005550001", http=400),
    TwilioFault("+15005550002", 21612, "The 'To' number is not reachable from this 'From'", http=400),
    TwilioFault("+15005550003", 21408, "Permission to send an SMS has not been enabled for the region", http=400),
    TwilioFault("+15005550004", 21610, "Attempt to send to unsubscribed recipient", http=400),
    TwilioFault("+15005550009", 21614, "'To' number is not a valid mobile number", http=400),
    # The sandbox's own: refused as a whole.
    TwilioFault("+15005550429", 20429, "Too Many Requests", http=429, retry_after=2),
    TwilioFault("+15005550500", 20500, "Internal Server Error", http=500),
    TwilioFault("+15005550503", 20503, "Service Unavailable", http=503),
    TwilioFault("+15005554*", 20429, "Too Many Requests", http=429, retry_after=1, first_only=True),
    TwilioFault("+15005557*", 20503, "Service Unavailable", http=503, first_only=True),
    # The sandbox's own: taken, then reported by the status callback.
    TwilioFault("+15005553001", 30001, "Queue overflow"),
    TwilioFault("+15005553003", 30003, "Unreachable destination handset"),
    TwilioFault("+15005553005", 30005, "Unknown destination handset"),
    TwilioFault("+15005553006", 30006, "Landline or unreachable carrier"),
    TwilioFault("+15005553007", 30007, "Message filtered"),
    TwilioFault("+15005553008", 30008, "Unknown error"),
    TwilioFault("+15005559*", None, "sent, and no word of delivery", silent=True),
)
"""By number; every other E.164 number is accepted and reported ``sent``, then ``delivered``."""

TWILIO_SENDER_FAULTS: dict[str, tuple[int, str]] = {
    "+15005550001": (21212, "Invalid 'From' Phone Number: +15005550001"),
    "+15005550007": (21606, "The 'From' phone number provided is not a valid, message-capable Twilio phone number."),
    "+15005550008": (21611, "This 'From' number has exceeded the maximum number of queued messages"),
}
"""Twilio's own magic numbers for "From"."""

POSTMARK_FAULTS: tuple[PostmarkFault, ...] = (
    PostmarkFault("bounce", "taken, then bounces for good", events=("bounced",)),
    PostmarkFault("soft", "taken, then bounces for now", events=("soft_bounced",)),
    PostmarkFault("complaint", "taken, delivered, then reported as spam", events=("delivered", "complained")),
    PostmarkFault("open", "taken, delivered, then opened", events=("delivered", "opened")),
    PostmarkFault("click", "taken, delivered, opened, then clicked", events=("delivered", "opened", "clicked")),
    PostmarkFault("silent", "taken, and no word of it again"),
    PostmarkFault("inactive", "You tried to send to a recipient that has been marked as inactive.", 422, 406),
    PostmarkFault("invalid", "Invalid 'To' address", 422, 300),
    PostmarkFault("poison", "Invalid metadata content.", 422, 300),
    PostmarkFault("down", "Internal Server Error", 500),
    PostmarkFault("flaky", "Internal Server Error", 500, first_only=True),
)
"""By the local part, whole or up to its first hyphen; every other mailbox is accepted and reported delivered."""

_FCM_PREFIXES = tuple(fault.prefix for fault in FCM_FAULTS)
_TWILIO_EXACT = {fault.number: fault for fault in TWILIO_FAULTS if not fault.number.endswith("*")}
_TWILIO_RANGES = tuple((fault.number[:-1], fault) for fault in TWILIO_FAULTS if fault.number.endswith("*"))
_POSTMARK_WORDS = {fault.word: fault for fault in POSTMARK_FAULTS}


def fcm_fault(token: str) -> FcmFault | None:
    """Return the fault that this registration token asks for, if any."""
    if not token.startswith(_FCM_PREFIXES):
        return None
    return next(fault for fault in FCM_FAULTS if token.startswith(fault.prefix))


def twilio_fault(number: str) -> TwilioFault | None:
    """Return the fault that this number asks for, if any."""
    if not number.startswith("+1500555"):
        return None
    exact = _TWILIO_EXACT.get(number)
    if exact is not None:
        return exact
    return next((fault for prefix, fault in _TWILIO_RANGES if number.startswith(prefix)), None)


def postmark_fault(address: str) -> PostmarkFault | None:
    """Return the fault that this mailbox asks for, if any."""
    local = address.partition("@")[0]
    return _POSTMARK_WORDS.get(local.partition("-")[0].lower())
