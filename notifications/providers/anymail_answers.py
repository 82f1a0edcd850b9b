"""What ESPs answer, as data: by ESP and code, and by anymail's status of a recipient."""

from __future__ import annotations

from collections.abc import Mapping

from ..exceptions import (
    InvalidRecipient,
    PermanentFailure,
    ProviderMisconfigured,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
)
from .answers import Answer

_POSTMARK = "https://postmarkapp.com/developer/api/overview#error-codes"
_RESEND = "https://resend.com/docs/api-reference/errors"
_RESEND_KEYS = "https://resend.com/docs/dashboard/emails/idempotency-keys"

#: By ESP: the field of a refusing answer that holds its code, and what the codes mean where the status does not tell.
ANSWERS: Mapping[str, tuple[str, Mapping[str, Answer]]] = {
    "postmark": (
        "ErrorCode",
        {
            "10": Answer(ProviderMisconfigured, "Postmark does not accept the server token.", _POSTMARK),
            "100": Answer(TemporaryFailure, "Postmark is closed for maintenance.", _POSTMARK),
            "300": Answer(PermanentFailure, "Postmark finds the message invalid.", _POSTMARK),
            "400": Answer(ProviderMisconfigured, "The sender address is not a sender signature.", _POSTMARK),
            "401": Answer(ProviderMisconfigured, "The sender signature is not confirmed.", _POSTMARK),
            "405": Answer(ProviderMisconfigured, "The Postmark account may not send: no credits.", _POSTMARK),
            "406": Answer(InvalidRecipient, "Postmark lists the address as inactive.", _POSTMARK, suppress=True),
            "412": Answer(ProviderMisconfigured, "The Postmark account is pending approval.", _POSTMARK),
            "429": Answer(RateLimited, "Postmark asks to send more slowly.", _POSTMARK),
        },
    ),
    "resend": (
        "name",
        {
            # The first request holds the key; whatever becomes of it, this one was not carried out.
            "concurrent_idempotent_requests": Answer(
                TemporaryFailure,
                "An earlier request with the same key is still under way.",
                _RESEND_KEYS,
                retry_after=5.0,
                maybe_sent=True,
                neutral=True,
            ),
            # An earlier attempt was carried out with other words, say under other settings. Its receipt settles it.
            "invalid_idempotent_request": Answer(
                UnknownOutcome,
                "An earlier request with the same key, but not the same, was taken.",
                _RESEND_KEYS,
                neutral=True,
            ),
            "invalid_api_key": Answer(ProviderMisconfigured, "Resend does not accept the API key.", _RESEND),
            "invalid_from_address": Answer(ProviderMisconfigured, "Resend does not accept the sender.", _RESEND),
            "rate_limit_exceeded": Answer(RateLimited, "Resend asks to send more slowly.", _RESEND),
            "daily_quota_exceeded": Answer(ProviderMisconfigured, "The plan's quota of the day is used up.", _RESEND),
            "monthly_quota_exceeded": Answer(
                ProviderMisconfigured, "The plan's quota of the month is used up.", _RESEND
            ),
        },
    ),
}

_SES = "https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html#API_SendEmail_Errors"
_SES_IDENTITIES = "https://repost.aws/knowledge-center/ses-554-400-message-rejected-error"
_SES_QUOTAS = "https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html"
#: By the code of an error of Amazon SES, which answers 400 to what is the account's fault and what is the message's.
SES_ANSWERS: Mapping[str, Answer] = {
    "AccountSuspendedException": Answer(ProviderMisconfigured, "The SES account may not send any more.", _SES),
    "LimitExceededException": Answer(RateLimited, "A limit of the SES account is reached.", _SES),
    "MailFromDomainNotVerifiedException": Answer(ProviderMisconfigured, "The sending domain is not verified.", _SES),
    "MessageRejected": Answer(PermanentFailure, "SES rejects the message.", _SES),
    # Told by the text alone. In SES's sandbox it may be the recipient's: then the account may send to hardly anybody.
    "MessageRejected<not verified>": Answer(
        ProviderMisconfigured, "An identity that SES wants verified is not.", _SES_IDENTITIES
    ),
    "SendingPausedException": Answer(ProviderMisconfigured, "Sending is paused for the SES account.", _SES),
    "Throttling": Answer(RateLimited, "The SES account's rate or the day's quota is used up.", _SES_QUOTAS),
    "ThrottlingException": Answer(RateLimited, "The SES account's rate or the day's quota is used up.", _SES_QUOTAS),
    "TooManyRequestsException": Answer(RateLimited, "SES asks to send more slowly.", _SES),
}

_MANDRILL = "https://mailchimp.com/developer/transactional/api/messages/send-new-message/"
#: By Mandrill's `reject_reason`, where it "rejected" the one recipient; "rejected" stands for any other. A soft bounce
#: leaves its list again, and an entry or a rule that a person made says nothing about the mailbox.
MANDRILL_ANSWERS: Mapping[str, Answer] = {
    "hard-bounce": Answer(InvalidRecipient, "Mandrill lists the address: it bounced.", _MANDRILL, suppress=True),
    "spam": Answer(InvalidRecipient, "Mandrill lists the address: it complained.", _MANDRILL, suppress=True),
    "unsub": Answer(InvalidRecipient, "Mandrill lists the address: it unsubscribed.", _MANDRILL, suppress=True),
    "unsigned": Answer(ProviderMisconfigured, "The sending domain's SPF or DKIM is not valid.", _MANDRILL),
    "invalid-sender": Answer(ProviderMisconfigured, "Mandrill does not accept the sender.", _MANDRILL),
    "test-mode-limit": Answer(ProviderMisconfigured, "The limit of Mandrill's test mode is reached.", _MANDRILL),
    "soft-bounce": Answer(PermanentFailure, "Mandrill lists the address for a while: it bounced.", _MANDRILL),
    "custom": Answer(PermanentFailure, "Somebody put the address on Mandrill's list.", _MANDRILL),
    "rule": Answer(PermanentFailure, "A rule of the Mandrill account rejects the message.", _MANDRILL),
    "rejected": Answer(PermanentFailure, "Mandrill rejects the message.", _MANDRILL),
}

_STATUSES = "https://anymail.dev/en/stable/sending/anymail_additions/#anymail.message.AnymailStatus.status"
#: By anymail's status of the one recipient, where the ESP refused it. "rejected" is the ESP's own suppression list; of
#: Mandrill it may be anything, see its own table.
RECIPIENT_ANSWERS: Mapping[str, Answer] = {
    "rejected": Answer(InvalidRecipient, "The ESP has the address on its suppression list.", _STATUSES, suppress=True),
    "invalid": Answer(InvalidRecipient, "The ESP says that the address is not valid.", _STATUSES),
    "failed": Answer(PermanentFailure, "The ESP could not take the message.", _STATUSES),
}
