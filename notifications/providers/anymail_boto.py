"""What an error of boto3 means, through which anymail speaks to Amazon SES: there is no `requests` to look into.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html#API_SendEmail_Errors
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from anymail.exceptions import AnymailAPIError

from ..exceptions import ProviderError, ProviderMisconfigured, ProviderUnavailable, UnknownOutcome
from .answers import by_status
from .anymail_answers import SES_ANSWERS
from .base import as_mapping
from .transport import CONNECT_SECONDS

_NOT_CONNECTED = frozenset({"ConnectTimeoutError", "EndpointConnectionError", "ProxyConnectionError", "SSLError"})
_NOT_CONFIGURED = frozenset(
    {"NoCredentialsError", "NoRegionError", "PartialCredentialsError", "ProfileNotFound", "TokenRetrievalError"}
)

#: "Email address is not verified. The following identities failed the check in region ..."
#: https://repost.aws/knowledge-center/ses-554-400-message-rejected-error
_NOT_VERIFIED = re.compile(r"\bnot verified\b", re.IGNORECASE)


def one_request(params: object, deadline: float) -> dict[str, object]:
    """Return the client's parameters with boto3's own repetitions off and a deadline, unless they say otherwise."""
    given = as_mapping(params)
    config = given.get("config", {})
    if not isinstance(config, Mapping):
        return dict(given)
    usual = {"retries": {"total_max_attempts": 1}, "connect_timeout": min(CONNECT_SECONDS, deadline)}
    return {**given, "config": {**usual, "read_timeout": deadline, **config}}


def meaning(alias: str, error: AnymailAPIError) -> ProviderError:
    """Return what anymail's error stands for, whose cause is boto3's; without an answer, the request may have gone."""
    answer = as_mapping(getattr(error, "response", None))
    kind = type(error.__cause__ or error).__name__
    told = as_mapping(answer.get("Error"))
    code = str(told.get("Code") or kind)
    unverified = code == "MessageRejected" and _NOT_VERIFIED.search(str(told.get("Message")))
    known = SES_ANSWERS.get(f"{code}<not verified>" if unverified else code)
    status = as_mapping(answer.get("ResponseMetadata")).get("HTTPStatusCode")
    row = ((known if status < 500 else None) or by_status(status)) if isinstance(status, int) else None
    if row is not None:
        return row.to_error(alias, code)
    if kind in _NOT_CONFIGURED:
        return ProviderMisconfigured(alias, kind, "boto3 finds no credentials or no region.")
    if kind in _NOT_CONNECTED:
        return ProviderUnavailable(alias, kind, "The ESP could not be reached.")
    return UnknownOutcome(alias, code, "The ESP gave no whole answer.")
