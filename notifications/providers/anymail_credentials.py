"""Which harmless question proves the credentials of an account at an ESP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .asking import ask
from .base import as_mapping


class _Question(NamedTuple):
    """A GET, the option of anymail's that has the secret, how it travels, and a refusal that proves it as well."""

    base_url: str
    path: str
    option: str
    header: str
    value: str
    also_fine: str = ""


_QUESTIONS: Mapping[str, _Question] = {
    # https://postmarkapp.com/developer/api/server-api#get-the-server
    "postmark": _Question(
        "https://api.postmarkapp.com", "/server", "server_token", "X-Postmark-Server-Token", "{secret}"
    ),
    # A key that may only send is told so, by name. https://resend.com/docs/api-reference/errors
    "resend": _Question(
        "https://api.resend.com", "/domains", "api_key", "Authorization", "Bearer {secret}", "restricted_api_key"
    ),
}


def ask_esp(alias: str, esp: str, options: Mapping[str, object], base_url: str, seconds: float) -> str | None:
    """Ask the ESP whether it accepts the credentials; None where we know no harmless question.

    Raises:
        ProviderError: it does not, or could not be asked.
    """
    question = _QUESTIONS.get(esp)
    secret = as_mapping(options.get("esp_options")).get(question.option) if question else None
    if question is None or not isinstance(secret, str):
        return None
    headers = {question.header: question.value.format(secret=secret), "Accept": "application/json"}
    ask(alias, f"{base_url or question.base_url}{question.path}", headers, seconds, question.also_fine)
    return f"{esp} accepts the account's key"
