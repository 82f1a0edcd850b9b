"""Which numbers fail at the sandbox's Vonage, and how: the table that door, tests and documentation share.

Facts: https://developer.vonage.com/en/messaging/sms/guides/troubleshooting-sms and
https://developer.vonage.com/en/messaging/sms/guides/delivery-receipts
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VonageFault:
    """What Vonage does with a number: refuse it (``status`` or ``http``), or take it and post ``receipts`` later.

    ``number`` is a whole number, or the beginning of a range that ends in ``*``. A receipt is a status and an error
    code.
    """

    number: str
    message: str
    status: int = 0
    http: int = 200
    receipts: tuple[tuple[str, int], ...] = ()
    first_only: bool = False

    @property
    def refuses(self) -> bool:
        """Whether the request is refused."""
        return bool(self.status) or self.http != 200


DELIVERED: tuple[tuple[str, int], ...] = (("accepted", 0), ("delivered", 0))
"""What is reported of a number without a fault."""

VONAGE_FAULTS: tuple[VonageFault, ...] = (
    # Refused, within HTTP 200, by Vonage's own status.
    VonageFault("+15005551001", "Throughput Rate Exceeded", status=1),
    VonageFault("+15005551003", "Invalid value for param: to", status=3),
    VonageFault("+15005551005", "Internal Error", status=5),
    VonageFault("+15005551006", "Invalid Message", status=6),
    VonageFault("+15005551007", "Number Barred", status=7),
    VonageFault("+15005551008", "Partner Account Barred", status=8),
    VonageFault("+15005551009", "Partner Quota Violation", status=9),
    VonageFault("+15005551010", "Too Many Existing Binds", status=10),
    VonageFault("+15005551011", "Account Not Enabled For HTTP", status=11),
    VonageFault("+15005551012", "Message Too Long", status=12),
    VonageFault("+15005551014", "Invalid Signature", status=14),
    VonageFault("+15005551015", "Invalid Sender Address", status=15),
    VonageFault("+15005551023", "Invalid callback URL", status=23),
    VonageFault("+15005551029", "Non-Whitelisted Destination", status=29),
    VonageFault("+15005551099", "A status that is in no list", status=99),
    VonageFault("+15005551429", "Too Many Requests", http=429),
    VonageFault("+15005551500", "Internal Server Error", http=500),
    VonageFault("+15005551503", "Service Unavailable", http=503),
    VonageFault("+15005552*", "Throughput Rate Exceeded", status=1, first_only=True),
    VonageFault("+15005556*", "Service Unavailable", http=503, first_only=True),
    # Taken, then reported by a delivery receipt.
    VonageFault("+15005551301", "Unknown", receipts=(("accepted", 0), ("unknown", 1))),
    VonageFault("+15005551302", "Absent Subscriber, temporary", receipts=(("buffered", 0), ("expired", 2))),
    VonageFault("+15005551303", "Absent Subscriber, permanent", receipts=(("accepted", 0), ("failed", 3))),
    VonageFault("+15005551304", "Call Barred by User", receipts=(("rejected", 4),)),
    VonageFault("+15005551306", "Anti-Spam Rejection", receipts=(("rejected", 6),)),
    VonageFault("+15005551307", "Handset Busy", receipts=(("buffered", 7), ("delivered", 0))),
    VonageFault("+15005551309", "Illegal Number", receipts=(("failed", 9),)),
    VonageFault("+15005551312", "Destination Unreachable", receipts=(("accepted", 0), ("failed", 12))),
    VonageFault("+15005551314", "Number Blocked by Carrier", receipts=(("rejected", 14),)),
    VonageFault("+15005551399", "General Error", receipts=(("failed", 99),)),
    VonageFault("+15005558*", "accepted, and no word of delivery", receipts=(("accepted", 0),)),
)
"""By number; every other number is accepted and reported ``accepted``, then ``delivered``."""

_EXACT = {fault.number: fault for fault in VONAGE_FAULTS if not fault.number.endswith("*")}
_RANGES = tuple((fault.number[:-1], fault) for fault in VONAGE_FAULTS if fault.number.endswith("*"))


def vonage_fault(number: str) -> VonageFault | None:
    """Return the fault that this number asks for, if any."""
    if not number.startswith("+1500555"):
        return None
    exact = _EXACT.get(number)
    if exact is not None:
        return exact
    return next((fault for prefix, fault in _RANGES if number.startswith(prefix)), None)
