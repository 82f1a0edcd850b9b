"""Which device tokens fail at the sandbox's APNs, and how: the table that door, tests and documentation share.

Facts: https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns
"""

from __future__ import annotations

from dataclasses import dataclass

LONG_AGO = 1_577_836_800_000
"""Milliseconds since 1970: the first day of 2020, before any token that a test registers."""


@dataclass(frozen=True, slots=True)
class ApnsFault:
    """What APNs answers to a token that begins with ``prefix``, as it is or written in hexadecimal digits.

    ``timestamp``: the answer says since when the token is no longer valid, ``LONG_AGO`` if 0, else just now.
    """

    prefix: str
    http: int
    reason: str
    timestamp: int | None = None
    first_only: bool = False


APNS_FAULTS: tuple[ApnsFault, ...] = (
    ApnsFault("dead-", 410, "Unregistered", timestamp=1),
    ApnsFault("expired-", 410, "ExpiredToken", timestamp=1),
    ApnsFault("returned-", 410, "Unregistered", timestamp=0),
    ApnsFault("invalid-", 400, "BadDeviceToken"),
    ApnsFault("mismatch-", 400, "DeviceTokenNotForTopic"),
    ApnsFault("topic-", 400, "TopicDisallowed"),
    ApnsFault("oversized-", 413, "PayloadTooLarge"),
    ApnsFault("forbidden-", 403, "Forbidden"),
    ApnsFault("jwtold-", 403, "ExpiredProviderToken"),
    ApnsFault("auth-", 403, "InvalidProviderToken"),
    ApnsFault("updates-", 429, "TooManyProviderTokenUpdates"),
    ApnsFault("quota-", 429, "TooManyRequests"),
    ApnsFault("internal-", 500, "InternalServerError"),
    ApnsFault("down-", 503, "ServiceUnavailable"),
    ApnsFault("shutdown-", 503, "Shutdown"),
    ApnsFault("flaky-", 503, "ServiceUnavailable", first_only=True),
)
"""By prefix of the device token; every other token is accepted. ``first_only``: the first time per token."""

_BY_PREFIX = {start: fault for fault in APNS_FAULTS for start in (fault.prefix, fault.prefix.encode("ascii").hex())}
_PREFIXES = tuple(_BY_PREFIX)


def apns_fault(token: str) -> ApnsFault | None:
    """Return the fault that this device token asks for, if any."""
    if not token.startswith(_PREFIXES):
        return None
    return next(fault for start, fault in _BY_PREFIX.items() if token.startswith(start))
