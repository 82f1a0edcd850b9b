"""What Vonage's SMS API answers and what its delivery receipts say, as data."""

from __future__ import annotations

from collections.abc import Mapping

from ..exceptions import (
    InvalidRecipient,
    PermanentFailure,
    ProviderMisconfigured,
    RateLimited,
    TemporaryFailure,
)
from .answers import Answer

_API = "https://developer.vonage.com/en/messaging/sms/guides/troubleshooting-sms#sms-api-error-codes"
_DLR = "https://developer.vonage.com/en/messaging/sms/guides/delivery-receipts#dlr-error-codes"

#: What the API answers, by a message's `status`; the HTTP status is 200 all the same.
ANSWERS: Mapping[str, Answer] = {
    "1": Answer(RateLimited, "More messages than the account may send at once; this one was not taken.", _API),
    "2": Answer(PermanentFailure, "Vonage misses a field in the request.", _API),
    "3": Answer(PermanentFailure, "Vonage finds a field of the request invalid.", _API),
    "4": Answer(ProviderMisconfigured, "Vonage does not accept the API key and secret.", _API),
    "5": Answer(TemporaryFailure, "Vonage has a fault of its own.", _API, maybe_sent=True),
    "6": Answer(PermanentFailure, "Vonage cannot carry the message, for instance to the number's prefix.", _API),
    # Vonage bars the number, which says nothing about whether it exists.
    "7": Answer(InvalidRecipient, "Vonage has barred the number.", _API, quarantine=True),
    "8": Answer(ProviderMisconfigured, "The account is suspended.", _API),
    "9": Answer(ProviderMisconfigured, "The account has no credit left.", _API),
    "10": Answer(RateLimited, "More connections than the account may have.", _API, retry_after=5.0),
    "11": Answer(ProviderMisconfigured, "The account is not enabled for the SMS API.", _API),
    "12": Answer(PermanentFailure, "The text is longer than Vonage takes.", _API),
    "14": Answer(ProviderMisconfigured, "Vonage does not accept the signature.", _API),
    # Mostly of one destination: North America takes approved numbers only, where a name serves elsewhere. One number
    # there must not hold what goes to everybody else.
    # https://api.support.vonage.com/hc/en-us/articles/204014883-Rejection-Code-10-or-Error-Code-15-Illegal-Sender
    "15": Answer(PermanentFailure, "The account may not send as this sender to the number.", _API),
    "22": Answer(PermanentFailure, "The number's network is not known.", _API),
    "23": Answer(ProviderMisconfigured, "Vonage does not accept the callback's address: see PUBLIC_URL.", _API),
    "29": Answer(PermanentFailure, "A trial account may send to its registered numbers only.", _API),
    "32": Answer(ProviderMisconfigured, "The account takes signed requests only.", _API),
    "33": Answer(InvalidRecipient, "The number has been deactivated.", _API),
}

#: What a delivery receipt says, by its `err-code`.
CALLBACK_ANSWERS: Mapping[str, Answer] = {
    "1": Answer(TemporaryFailure, "The carrier gives no reason.", _DLR, retries=2),
    "2": Answer(TemporaryFailure, "The handset could not be reached.", _DLR, retries=1, deactivate_after=3),
    "3": Answer(InvalidRecipient, "The number is no longer active.", _DLR, deactivate_after=1),
    "4": Answer(InvalidRecipient, "The number is barred from messages for good.", _DLR, deactivate_after=1),
    "5": Answer(PermanentFailure, "The number moved between carriers and cannot be found.", _DLR),
    "6": Answer(PermanentFailure, "A carrier's spam filter stopped the message.", _DLR, filtered=True),
    "7": Answer(TemporaryFailure, "The handset was busy.", _DLR, retries=1),
    "8": Answer(TemporaryFailure, "The carrier's network had a fault.", _DLR, retries=2),
    "9": Answer(PermanentFailure, "The recipient has opted out of this service.", _DLR, suppress=True),
    "10": Answer(PermanentFailure, "The carrier finds the message malformed.", _DLR),
    "11": Answer(PermanentFailure, "Vonage has no route to the number.", _DLR),
    "12": Answer(PermanentFailure, "No route leads to the number.", _DLR),
    "13": Answer(PermanentFailure, "The recipient is too young for the message.", _DLR),
    "14": Answer(PermanentFailure, "The recipient's plan has no SMS.", _DLR),
    "15": Answer(PermanentFailure, "The recipient's prepaid credit does not suffice.", _DLR),
    "16": Answer(TemporaryFailure, "A quota on the way was used up.", _DLR, retries=1),
    "50": Answer(PermanentFailure, "The sender is not registered where the country demands it.", _DLR, filtered=True),
    "51": Answer(PermanentFailure, "The sender's name is not registered there.", _DLR, filtered=True),
    "52": Answer(PermanentFailure, "The text is not registered there.", _DLR, filtered=True),
    "53": Answer(PermanentFailure, "The recipient's consent is not registered there.", _DLR, filtered=True),
    "54": Answer(PermanentFailure, "A rule of the country stopped the message.", _DLR, filtered=True),
    "99": Answer(TemporaryFailure, "The route had a fault.", _DLR, retries=2),
}
