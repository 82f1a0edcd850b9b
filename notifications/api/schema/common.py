"""What operations have in common: headers, problems, security. What cuts across the API is added here, in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..problems import CONTENT_TYPE, KINDS, Kind
from .words import Answer, Schema, header, part, query, text, whole


def _always(about: str, schema: Schema) -> Schema:
    return {"description": about, "required": True, "schema": schema}


#: Headers of answers by name, and the statuses that carry them: None is every one, () those that an operation names.
#: An answer may lack those that are not `required`: a quota's, where there is none or Redis is away.
HEADERS: Mapping[str, tuple[Schema, Sequence[int] | None]] = {
    "X-Request-Id": (
        _always("The caller's, or one that was made; kept with what came of the request.", text()),
        None,
    ),
    "WWW-Authenticate": (_always("How to authenticate.", text()), (401,)),
    "Retry-After": (_always("Seconds to wait before the request is repeated.", whole()), (429, 503)),
    "Idempotent-Replayed": (
        {"description": "`true` if this is the first request's answer again.", "schema": text(const="true")},
        (),
    ),
    "ETag": (
        _always("What was told; sent back as `If-None-Match` it is told only once.", text()),
        (304,),
    ),
    "RateLimit-Policy": (
        {"description": "The caller's quota and its window in seconds, where there is one.", "schema": text()},
        None,
    ),
    "RateLimit": (
        {"description": "What remains, and the seconds until all of it is there again.", "schema": text()},
        None,
    ),
    "Location": (_always("The address of what was made.", text(format="uri-reference")), ()),
}


@dataclass(frozen=True)
class Sort:
    """What a rule about problems asks of an operation: its method and path, whether it has a body and needs a key."""

    method: str
    path: str
    has_body: bool
    has_key: bool


#: Kinds of problem, and which operations can give them; an operation names only what is its own.
PROBLEMS: Mapping[str, Callable[[Sort], bool]] = {
    "invalid-request": lambda _: True,
    "not-authenticated": lambda sort: sort.has_key,
    "permission-denied": lambda sort: sort.has_key,
    "not-allowed": lambda sort: sort.has_key and sort.path.startswith(("/notifications/", "/broadcasts/")),
    "sandbox-only": lambda sort: sort.has_key and sort.path.startswith(("/notifications/", "/broadcasts/")),
    "not-found": lambda sort: "{" in sort.path,
    "malformed-request": lambda sort: sort.has_body,
    "too-large": lambda sort: sort.has_body,
    "unsupported-media-type": lambda sort: sort.has_body,
    "too-many-requests": lambda sort: sort.has_key,
    "database-unavailable": lambda sort: sort.has_key or sort.has_body,
}

SECURITY: Mapping[str, Schema] = {
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Authorization: Api-Key <key>`, made by `manage.py carillon api-key create` and shown once.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "sessionid",
        "description": (
            "Who is signed in to the host project, for `users/me/` alone. What changes something needs the header "
            "`X-CSRFToken` as well."
        ),
    },
}

IDEMPOTENCY_KEY = header(
    "Idempotency-Key",
    "Names the request: the same key and body give the first answer again, another body is refused (422).",
    text(minLength=1, maxLength=255, pattern="^[!-~]([ -~]*[!-~])?$", examples=["order-1042-shipped"]),
    is_required=True,
)
#: To a caller that named the newest answer's ETag.
UNCHANGED = Answer("Nothing has changed since the answer with this `ETag`.", headers=("ETag",))
PAGING = (
    query(
        "cursor", "Where the page begins; it is in the links `next` and `previous`.", text(pattern="^[np][0-9a-f]{32}$")
    ),
    query("limit", "How many there are on a page.", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
)


def headers_of(status: int, named: Iterable[str] = ()) -> dict[str, Schema]:
    """Return the headers of an answer: those of its status, and those that it names."""
    own = set(named)
    return {
        name: {"$ref": f"#/components/headers/{name}"}
        for name, (_, statuses) in HEADERS.items()
        if name in own or statuses is None or status in statuses
    }


def problems_of(sort: Sort, named: Iterable[str]) -> dict[str, Schema]:
    """Return the problem answers of an operation by status; several kinds may share one."""
    slugs = {slug for slug, applies in PROBLEMS.items() if applies(sort)} | set(named)
    by_status: dict[int, list[Kind]] = {}
    for slug in sorted(slugs):
        by_status.setdefault(KINDS[slug].status, []).append(KINDS[slug])
    return {
        str(status): {"$ref": f"#/components/responses/{kinds[0].slug}"} if len(kinds) == 1 else problem_answer(kinds)
        for status, kinds in sorted(by_status.items())
    }


def problem_answer(kinds: Sequence[Kind]) -> Schema:
    """Return the answer with one of these kinds of problem, all of one status."""
    status = kinds[0].status
    slugs = "|".join(kind.slug for kind in kinds)
    is_soon = any(kind.slug == "idempotency-in-flight" for kind in kinds)
    return {
        "description": " ".join(f"`{kind.slug}`: {kind.title}." for kind in kinds).replace("?.", "?"),
        "headers": headers_of(status, ("Retry-After",) if is_soon else ()),
        "content": {
            CONTENT_TYPE: {
                "schema": {
                    "allOf": [
                        part("Problem"),
                        {
                            "type": "object",
                            "properties": {"status": {"const": status}, "type": text(pattern=f"/problems/({slugs})/$")},
                        },
                    ]
                },
                "examples": {kind.slug: {"summary": kind.title, "value": _example(kind)} for kind in kinds},
            }
        },
    }


def _example(kind: Kind) -> dict[str, object]:
    return {
        "type": f"https://example.com/problems/{kind.slug}/",
        "title": kind.title,
        "status": kind.status,
        "detail": kind.meaning,
        "errors": [],
    }
