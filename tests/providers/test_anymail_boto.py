"""anymail with Amazon SES: what boto3's errors mean, and that it repeats nothing by itself; boto3 is not needed."""

from __future__ import annotations

from typing import Any

import pytest
from anymail.exceptions import AnymailAPIError

from notifications.exceptions import (
    PermanentFailure,
    ProviderMisconfigured,
    ProviderUnavailable,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
)
from notifications.providers.anymail_boto import meaning, one_request

NOT_VERIFIED = "Email address is not verified. The following identities failed the check in region X: shop@e.example"


def answered(status: int, code: str, message: object = "x") -> AnymailAPIError:
    """As anymail raises it for botocore's ClientError."""
    error = {"Code": code, "Message": message}
    return AnymailAPIError("x", response={"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}})


def unanswered(kind: str) -> AnymailAPIError:
    error = AnymailAPIError("x", response=None)
    error.__cause__ = type(kind, (Exception,), {})()
    return error


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (answered(400, "MessageRejected", "Illegal filename"), PermanentFailure, "MessageRejected"),
        (answered(400, "MessageRejected", None), PermanentFailure, "MessageRejected"),
        (answered(400, "MessageRejected", NOT_VERIFIED), ProviderMisconfigured, "MessageRejected"),
        (answered(400, "BadRequestException", NOT_VERIFIED), PermanentFailure, "BadRequestException"),
        (answered(400, "AccountSuspendedException"), ProviderMisconfigured, "AccountSuspendedException"),
        (answered(400, "SendingPausedException"), ProviderMisconfigured, "SendingPausedException"),
        (
            answered(400, "MailFromDomainNotVerifiedException"),
            ProviderMisconfigured,
            "MailFromDomainNotVerifiedException",
        ),
        (answered(400, "ThrottlingException"), RateLimited, "ThrottlingException"),
        (answered(400, "Throttling"), RateLimited, "Throttling"),
        (answered(400, "TooManyRequestsException"), RateLimited, "TooManyRequestsException"),
        (answered(400, "LimitExceededException"), RateLimited, "LimitExceededException"),
        (answered(500, "ThrottlingException"), TemporaryFailure, "ThrottlingException"),
        (answered(403, "SignatureDoesNotMatch"), ProviderMisconfigured, "SignatureDoesNotMatch"),
        (answered(429, "TooManyRequestsException"), RateLimited, "TooManyRequestsException"),
        (answered(500, "InternalFailure"), TemporaryFailure, "InternalFailure"),
        (unanswered("EndpointConnectionError"), ProviderUnavailable, "EndpointConnectionError"),
        (unanswered("NoCredentialsError"), ProviderMisconfigured, "NoCredentialsError"),
        (unanswered("ReadTimeoutError"), UnknownOutcome, "ReadTimeoutError"),
        (unanswered("ConnectionClosedError"), UnknownOutcome, "ConnectionClosedError"),
        (AnymailAPIError("garbage", response={}), UnknownOutcome, "AnymailAPIError"),
    ],
)
def test_what_an_error_means(error: AnymailAPIError, kind: type[Exception], code: str) -> None:
    found = meaning("ses", error)
    assert type(found) is kind
    assert found.code == code
    assert "e.example" not in str(found)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, {"retries": {"total_max_attempts": 1}, "connect_timeout": 5.0, "read_timeout": 10.0}),
        (
            {"config": {"read_timeout": 3, "region_name": "eu-west-1"}},
            {
                "retries": {"total_max_attempts": 1},
                "connect_timeout": 5.0,
                "read_timeout": 3,
                "region_name": "eu-west-1",
            },
        ),
    ],
)
def test_boto_repeats_nothing(given: Any, expected: dict[str, object]) -> None:
    assert one_request(given, 10.0)["config"] == expected


def test_a_config_object_of_the_projects_own_is_left_alone() -> None:
    mine = object()
    assert one_request({"config": mine}, 10.0) == {"config": mine}
