"""Any ESP that anymail speaks to: its backend over kept-open connections, its webhook views for receipts.

https://anymail.dev/en/stable/esps/
"""

from __future__ import annotations

import difflib
import pkgutil
import re
import threading
from collections.abc import Mapping
from importlib import import_module
from typing import cast

import anymail.backends
import requests
from anymail.backends.base_requests import AnymailRequestsBackend
from anymail.exceptions import (
    AnymailConfigurationError,
    AnymailInvalidAddress,
    AnymailRecipientsRefused,
)
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend

from ..conf import did_you_mean
from ..exceptions import (
    InvalidRecipient,
    PermanentFailure,
    ProviderError,
    ProviderMisconfigured,
    ProviderUnavailable,
    UnknownOutcome,
)
from ..messages import OutboundMessage, ReceiptEvent, WebhookRequest
from .answers import Answer, by_status, retry_after_seconds
from .anymail_receipts import Receipts
from .base import EmailAdapter, Option, OptionProblem, as_mapping
from .transport import OneRequestAdapter, begin_attempt, mount, request_was_written

#: The setting that anymail's own text asks for.
_SETTING = re.compile(r"ANYMAIL = \{'([A-Z0-9_]+)'")
_POSTMARK = "https://postmarkapp.com/developer/api/overview#error-codes"

#: By ESP: the field of a refusing answer that holds its code, and what the codes mean where the status does not tell.
ANSWERS: Mapping[str, tuple[str, Mapping[str, Answer]]] = {
    "postmark": (
        "ErrorCode",
        {
            "10": Answer(ProviderMisconfigured, "Postmark does not accept the server token.", _POSTMARK),
            "300": Answer(PermanentFailure, "Postmark finds the message invalid.", _POSTMARK),
            "400": Answer(ProviderMisconfigured, "The sender address is not a sender signature.", _POSTMARK),
            "401": Answer(ProviderMisconfigured, "The sender signature is not confirmed.", _POSTMARK),
            "405": Answer(ProviderMisconfigured, "The Postmark account may not send: no credits.", _POSTMARK),
            "406": Answer(InvalidRecipient, "Postmark lists the address as inactive.", _POSTMARK, suppress=True),
            "412": Answer(ProviderMisconfigured, "The Postmark account is pending approval.", _POSTMARK),
        },
    ),
}

_STATUSES = "https://anymail.dev/en/stable/sending/anymail_additions/#anymail.message.AnymailStatus.status"
#: By anymail's status of the one recipient, where the ESP refused it. "rejected" is the ESP's own suppression list.
RECIPIENT_ANSWERS: Mapping[str, Answer] = {
    "rejected": Answer(InvalidRecipient, "The ESP has the address on its suppression list.", _STATUSES, suppress=True),
    "invalid": Answer(InvalidRecipient, "The ESP says that the address is not valid.", _STATUSES),
    "failed": Answer(PermanentFailure, "The ESP could not take the message.", _STATUSES),
}


class AnymailAdapter(EmailAdapter):
    """Sends email through one account at an ESP; its tracking webhooks report bounces, opens and the rest."""

    OPTIONS = (
        Option("esp", required=True, help='anymail\'s name of the ESP in lower case, for instance "postmark"'),
        Option("from_email", required=True, help='"Ada <ada@example.com>", a sender that the ESP knows'),
        Option("esp_options", dict, secret=True, help='anymail\'s own options in lower case: {"server_token": "..."}'),
        Option("webhook_secret", secret=True, help='"user:password" of the webhook URL, or the ESP\'s signing key'),
    )

    def __init__(self, alias: str, options: Mapping[str, object]) -> None:
        super().__init__(alias, options)
        self.esp = self.text("esp").lower()
        self._receipts = Receipts(alias, self.esp, self.text("webhook_secret"))
        self._wire = OneRequestAdapter(self.timeout, self.send_window)
        self._open = threading.local()

    def hand_over(self, message: OutboundMessage) -> str:
        """Send one email and return the ESP's id for it (empty where the ESP gives none)."""
        begin_attempt()
        email = self.email(message)
        try:
            sent = self._backend().send_messages([email])
        except Exception as error:
            if not _was_taken(email):
                raise self._refusal(email, error) from error
        else:
            if not sent:
                raise PermanentFailure(self.alias, "cancelled", "A receiver of anymail's pre_send cancelled it.")
        if not _was_taken(email):
            raise UnknownOutcome(self.alias, "garbage", "The ESP's answer does not say what became of the message.")
        identity = email.anymail_status.message_id  # type: ignore[attr-defined]
        return str(identity or "")

    def email(self, message: OutboundMessage) -> EmailMultiAlternatives:
        """Return the message as Django's, with what anymail adds."""
        content = message.content
        email = EmailMultiAlternatives(
            subject=" ".join(content.subject.split()),
            body=content.text,
            from_email=self.text("from_email"),
            to=[message.address],
            headers=dict(message.headers),
        )
        if content.html:
            email.attach_alternative(content.html, "text/html")
        email.metadata = {"carillon_id": message.carillon_id}  # type: ignore[attr-defined]
        if message.tags:
            email.tags = list(message.tags)  # type: ignore[attr-defined]
        return email

    def verify(self, request: WebhookRequest) -> None:
        """Return if the callback carries the secret or the ESP's signature; without a secret, never."""
        self._receipts.verify(request)

    def parse(self, request: WebhookRequest) -> list[ReceiptEvent]:
        """Return what the callback's events report."""
        return self._receipts.parse(request)

    def check(self) -> list[OptionProblem]:
        """Return what is wrong with the configuration: the ESP, its options, the webhook's secret."""
        problems = super().check()
        if not problems:
            try:
                backend = self._new_backend()
            except (AnymailConfigurationError, ImportError, TypeError) as error:
                return [self._unusable(error)]
            if self.base_url and not isinstance(backend, AnymailRequestsBackend):
                problems.append(OptionProblem(f"esp {self.esp!r} takes no base_url", "remove base_url"))
        return problems + self._receipts.problems()

    def _unusable(self, error: Exception) -> OptionProblem:
        """Return what anymail misses: an ESP that it knows, or the option that its text names as a setting."""
        what = f"anymail cannot use esp {self.esp!r} ({type(error).__name__})"
        hint = "see https://anymail.dev/en/stable/esps/ for what it needs, in lower case"
        known = tuple(sorted(item.name for item in pkgutil.iter_modules(anymail.backends.__path__)))
        if isinstance(error, ModuleNotFoundError) and self.esp not in known:
            close = did_you_mean(self.esp, known)
            return OptionProblem(what, close if close.startswith("did") else hint)
        setting = _SETTING.search(str(error)) if isinstance(error, AnymailConfigurationError) else None
        if setting is None:
            return OptionProblem(what, hint)
        name = setting[1].lower().removeprefix(f"{self.esp}_")
        given = tuple(as_mapping(self.options.get("esp_options")))
        close = next(iter(difflib.get_close_matches(name, given, n=1)), "")
        hint = f"did you mean {name!r}, where esp_options has {close!r}?" if close else hint
        return OptionProblem(f"{what}: esp_options lacks {name!r}", hint)

    def close(self) -> None:
        """Let go of threads and connections."""
        super().close()
        self._wire.close()

    def _backend(self) -> BaseEmailBackend:
        """Return this thread's backend, its session open and over the shared connections."""
        backend = cast("BaseEmailBackend | None", getattr(self._open, "backend", None))
        if backend is None:
            try:
                backend = self._new_backend()
            except (AnymailConfigurationError, ImportError, TypeError) as error:
                raise ProviderMisconfigured(
                    self.alias, type(error).__name__, "anymail cannot use the options."
                ) from error
            backend.open()
            session = getattr(backend, "session", None)
            if isinstance(session, requests.Session):
                mount(session, self._wire)
            self._open.backend = backend
        return backend

    def _new_backend(self) -> BaseEmailBackend:
        backend_class = import_module(f"anymail.backends.{self.esp}").EmailBackend
        # What an ESP cannot take (a second tag, say) is left out: it never matters more than the message.
        options: dict[str, object] = {"ignore_unsupported_features": True}
        options.update(cast("Mapping[str, object]", self.options.get("esp_options", {})))
        if issubclass(backend_class, AnymailRequestsBackend):
            options["timeout"] = self.timeout
            if self.base_url:
                options["api_url"] = self.base_url + "/"
        return cast("BaseEmailBackend", backend_class(**options))

    def _refusal(self, email: EmailMultiAlternatives, error: Exception) -> ProviderError:
        """Return what an error of anymail's means; its text is never passed on, for it quotes addresses."""
        kind = type(error).__name__
        if isinstance(error, ProviderError):
            return error
        if isinstance(error, AnymailInvalidAddress):
            return InvalidRecipient(self.alias, kind, "The address is not an email address.")
        if isinstance(error, AnymailRecipientsRefused):
            states = email.anymail_status.status or set()  # type: ignore[attr-defined]
            row = next(
                (row for state, row in RECIPIENT_ANSWERS.items() if state in states), RECIPIENT_ANSWERS["failed"]
            )
            return row.to_error(self.alias, next(iter(sorted(filter(None, states))), "refused"))
        response = getattr(error, "response", None)
        if isinstance(response, requests.Response):
            return self._answer(response)
        if request_was_written():
            return UnknownOutcome(self.alias, _cause(error), "The ESP gave no whole answer.")
        if isinstance(error, requests.RequestException):
            return ProviderUnavailable(self.alias, _cause(error), "The ESP could not be reached.")
        return PermanentFailure(self.alias, kind, "The message cannot be put into the ESP's form.")

    def _answer(self, response: requests.Response) -> ProviderError:
        status = response.status_code
        field, rows = ANSWERS.get(self.esp, ("", {}))
        try:
            code = str(as_mapping(response.json()).get(field, ""))
        except ValueError:
            code = ""
        row = (rows.get(code) if status not in (401, 429) and status < 500 else None) or by_status(status)
        if row is None:
            return UnknownOutcome(self.alias, str(status), "The ESP's answer is not its own.")
        wait = retry_after_seconds(response.headers.get("Retry-After"))
        return row.to_error(self.alias, code or str(status), wait)


def _was_taken(email: EmailMultiAlternatives) -> bool:
    """Whether anymail saw the ESP take the message, whatever a receiver of its signals raised afterwards."""
    status = getattr(email, "anymail_status", None)
    return bool(status is not None and status.status and status.status <= {"sent", "queued"})


def _cause(error: BaseException) -> str:
    """Return the type name of the `requests` error inside anymail's."""
    return type(error.__cause__ or error).__name__
