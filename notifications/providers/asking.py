"""One harmless GET: whether a provider accepts our credentials. Standard library only, so that it needs no extra."""

from __future__ import annotations

from collections.abc import Mapping
from email.message import Message
from http.client import HTTPException
from typing import IO
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ..exceptions import ProviderUnavailable, UnknownOutcome
from .answers import by_status
from .base import json_object

_MOST_BYTES = 100_000


class _NoRedirect(HTTPRedirectHandler):
    """A redirect is an answer: credentials go nowhere else."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        return None


_opener = build_opener(_NoRedirect)


def ask(alias: str, url: str, headers: Mapping[str, str], seconds: float, also_fine: str = "") -> Mapping[str, object]:
    """Return the JSON object that a GET is answered with; empty if it is something else.

    `also_fine` is the `name` of a refusal that proves the credentials all the same.

    Raises:
        ProviderMisconfigured and others: what the status of a refusal means.
        ProviderUnavailable: nobody answered within `seconds`.
    """
    if not url.startswith(("http://", "https://")):
        raise ProviderUnavailable(alias, "base_url", "The address is none of HTTP's.")
    try:
        with _opener.open(Request(url, headers=dict(headers)), timeout=seconds) as response:  # noqa: S310 - see above
            return json_object(response.read(_MOST_BYTES))
    except HTTPError as refusal:
        with refusal:  # it holds the connection
            name = str(json_object(refusal.read(_MOST_BYTES)).get("name", ""))
        row = by_status(refusal.code)
        if also_fine and name == also_fine:
            return {}
        if row is None:
            raise UnknownOutcome(alias, str(refusal.code), "The provider's answer is not its own.") from None
        raise row.to_error(alias, name or str(refusal.code)) from None
    except (OSError, HTTPException) as error:
        raise ProviderUnavailable(alias, type(error).__name__, "The provider could not be reached.") from None
