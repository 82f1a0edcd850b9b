"""Problems (RFC 9457): every error has one shape, and a page under its `type` that explains it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from django.http import JsonResponse

from .. import conf
from ..exceptions import Problem

CONTENT_TYPE = "application/problem+json"
MOST_LISTED = 20
_MORE = Problem("", "more", f"and more: only the first {MOST_LISTED} are listed")


@dataclass(frozen=True)
class Kind:
    """One kind of problem: its slug and title for ever, and for people what it means and what to do."""

    slug: str
    status: int
    title: str
    meaning: str
    cure: str


KINDS = {
    kind.slug: kind
    for kind in (
        Kind(
            "invalid-request",
            400,
            "The request is not what this address takes",
            "A field is missing, unknown, of the wrong type or out of range. Nothing was stored.",
            "Look at errors: each entry points at one field and says what it must be.",
        ),
        Kind(
            "malformed-request",
            400,
            "The body is not usable JSON",
            "The body is not JSON in UTF-8, is nested too deeply, or holds a character that cannot be stored.",
            "Send one JSON object with Content-Type: application/json.",
        ),
        Kind(
            "invalid-data",
            400,
            "The variables or options do not fit",
            "The request gave other variables than the template declares, or an option that cannot be.",
            "Look at errors: each entry points at one variable or option.",
        ),
        Kind(
            "unknown-template",
            400,
            "There is no such template",
            "No template has this name, or none of its words are published yet.",
            "Check the name; a near one is suggested in errors.",
        ),
        Kind(
            "unknown-recipient",
            400,
            "There is no such recipient",
            "No user has this look-up value, or the address cannot be one.",
            "Check the user's look-up value as the service is configured, or the address.",
        ),
        Kind(
            "request-rejected",
            400,
            "The request was refused",
            "The request cannot be accepted as it is. Nothing was stored.",
            "Read detail and errors.",
        ),
        Kind(
            "idempotency-key-missing",
            400,
            "The Idempotency-Key header is missing",
            "Without a key, a request that is repeated after a lost answer would notify people twice.",
            "Send the header Idempotency-Key with a value of your own, new for each message and the same for a repeat.",
        ),
        Kind(
            "idempotency-conflict",
            422,
            "The idempotency key was used for another request",
            "The same key came before with another body. Nothing was sent by this request.",
            "Use a new key for a new message; send the very same body to repeat the old one.",
        ),
        Kind(
            "idempotency-in-flight",
            409,
            "The first request with this key is still in flight",
            "Another request with the same key is being handled at this moment.",
            "Repeat it after the seconds in Retry-After; the answer will be the first one's.",
        ),
        Kind(
            "wrong-status",
            409,
            "That cannot be done in this status",
            "The broadcast has gone too far, or not far enough, for what was asked.",
            "Read its status and decide again.",
        ),
        Kind(
            "not-authenticated",
            401,
            "Who are you?",
            "There is no usable API key in the request: none was sent, or it is unknown, expired or revoked.",
            "Send Authorization: Api-Key and the key, as it was shown when it was made.",
        ),
        Kind(
            "permission-denied",
            403,
            "This is not yours to do",
            "The key lacks the scope that this needs, or somebody signed in asked for another person's data.",
            "Ask the key's owner for one with the scope named in detail.",
        ),
        Kind(
            "not-allowed",
            403,
            "The key is for other templates",
            "The key may be used for some templates or categories only, and this is none of them. Nothing was stored.",
            "Look at errors for what the key is for, and ask its owner for another one if you need it.",
        ),
        Kind(
            "sandbox-only",
            403,
            "A test key reaches sandboxes only",
            "What was asked for may reach people: a channel leads to a provider that SANDBOX does not name, or it was "
            "not sent by a test key.",
            "Use an installation whose providers are sandboxes, or a key that is not for tests.",
        ),
        Kind(
            "not-found",
            404,
            "There is nothing at this address",
            "The object in the address does not exist (any more), or the address is misspelt.",
            "Check the id and the spelling; every address ends with a slash.",
        ),
        Kind(
            "method-not-allowed",
            405,
            "This address does not take that method",
            "The address exists but does not answer this HTTP method.",
            "Use one of the methods in the Allow header.",
        ),
        Kind(
            "not-acceptable",
            406,
            "The answer cannot be given in that form",
            "The service answers in JSON.",
            "Accept application/json.",
        ),
        Kind(
            "too-large",
            413,
            "The body is too large",
            "The body is larger than this address takes.",
            "Split the request; a batch takes up to 1,000 notifications.",
        ),
        Kind(
            "unsupported-media-type",
            415,
            "The body must be JSON",
            "The Content-Type is not application/json.",
            "Send JSON with Content-Type: application/json.",
        ),
        Kind(
            "too-many-requests",
            429,
            "Too many requests",
            "The limit of requests in this time is used up.",
            "Wait for the seconds in Retry-After.",
        ),
        Kind(
            "database-unavailable",
            503,
            "The database is away",
            "Nothing was confirmed, since what is confirmed is stored first.",
            "Repeat the request with the same Idempotency-Key after the seconds in Retry-After.",
        ),
        Kind(
            "too-slow",
            503,
            "That takes too long to count",
            "What was asked for beyond the usual reads very many rows, and was given up. Nothing is wrong otherwise.",
            "Ask without it, or again once less is going on: the seconds in Retry-After are the least to wait.",
        ),
        Kind(
            "callback-refused",
            403,
            "The callback was refused",
            "The callback does not carry its provider's proof. Nothing was stored.",
            "Check the secret, and that PUBLIC_URL is the address that the provider calls.",
        ),
        Kind(
            "callback-unverified",
            503,
            "The callback could not be checked",
            "What tells a genuine callback, such as Amazon's certificate, cannot be had now. Nothing was stored.",
            "Send the callback again after the seconds in Retry-After.",
        ),
    )
}


def problem(slug: str, detail: str, problems: Iterable[Problem] = ()) -> dict[str, object]:
    """Return the body of a problem; of very many mistakes it lists the first, and reads no further."""
    kind = KINDS[slug]
    listed = list(islice(problems, MOST_LISTED + 1))
    if len(listed) > MOST_LISTED:
        listed[MOST_LISTED:] = [_MORE]
    return {
        "type": f"{conf.get().public_url}/problems/{slug}/",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "errors": [{"pointer": item.pointer, "code": item.code, "detail": item.detail} for item in listed],
    }


def problem_response(slug: str, detail: str) -> JsonResponse:
    """Return a problem as a plain Django response, for doors that are no API view."""
    return JsonResponse(problem(slug, detail), status=KINDS[slug].status, content_type=CONTENT_TYPE)
