"""Any ESP that anymail speaks to: its backend over kept-open connections, its webhook views for receipts.

https://anymail.dev/en/stable/esps/
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from importlib import import_module
from typing import cast

import requests
from anymail.backends.base_requests import AnymailRequestsBackend
from anymail.exceptions import (
    AnymailAPIError,
    AnymailConfigurationError,
    AnymailInvalidAddress,
    AnymailRecipientsRefused,
)
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend

from ..exceptions import (
    InvalidRecipient,
    PermanentFailure,
    ProviderError,
    ProviderMisconfigured,
    ProviderUnavailable,
    UnknownOutcome,
)
from ..messages import OutboundMessage, ReceiptEvent, SendResult, WebhookRequest
from . import anymail_boto
from .answers import by_status, retry_after_seconds
from .anymail_answers import ANSWERS, MANDRILL_ANSWERS, RECIPIENT_ANSWERS
from .anymail_batches import MOST, OwnWordsBackend, addressed_to, alike, each_result, most_together
from .anymail_checks import is_address, unusable
from .anymail_credentials import ask_esp
from .anymail_receipts import Receipts
from .base import GRACE_SECONDS, EmailAdapter, Option, OptionProblem, as_mapping
from .batches import Batches
from .transport import OneRequestAdapter, begin_attempt, mount, request_was_written
from .window import SendWindow

#: ESPs that honour an idempotency key, the header that carries it, and how long they remember it. Brevo has one too,
#: but its own pages disagree about its life (15 or 30 minutes) and a repeat is refused without the first one's answer.
#: https://resend.com/docs/dashboard/emails/idempotency-keys
KEYS: Mapping[str, tuple[str, timedelta]] = {"resend": ("Idempotency-Key", timedelta(hours=24))}


class AnymailAdapter(EmailAdapter):
    """Sends email through one account at an ESP; its tracking webhooks report bounces, opens and the rest."""

    OPTIONS = (
        Option("esp", required=True, help='anymail\'s name of the ESP in lower case, for instance "postmark"'),
        Option("from_email", required=True, help='"Ada <ada@example.com>", a sender that the ESP knows'),
        Option("esp_options", dict, secret=True, help='anymail\'s own options in lower case: {"server_token": "..."}'),
        Option("webhook_secret", secret=True, help='"user:password" of the webhook URL, or the ESP\'s signing key'),
        Option("sns_topic_arn", help="for amazon_ses, in place of webhook_secret: the SNS topic of its events"),
    )

    def __init__(self, alias: str, options: Mapping[str, object]) -> None:
        super().__init__(alias, options)
        self.esp = self.text("esp").lower()
        self._recipient_answers = {**RECIPIENT_ANSWERS, **(MANDRILL_ANSWERS if self.esp == "mandrill" else {})}
        self.known_answers = {**self._recipient_answers, **ANSWERS.get(self.esp, ("", {}))[1]}
        self._receipts = Receipts(alias, self.esp, self.text("webhook_secret"), self.text("sns_topic_arn"))
        self.reports_delivery = self._receipts.are_there
        # https://anymail.dev/en/stable/esps/unisender_go/ and https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/
        self.probed_by = frozenset({"GET", "HEAD"} if self.esp == "unisender_go" else {"HEAD"})
        self._wire = OneRequestAdapter(self.timeout, self.send_window)
        self._open = threading.local()
        self._key_header, self.idempotency_key_lifetime = KEYS.get(self.esp, ("", None))

    def hand_over(self, message: OutboundMessage) -> str:
        """Send one email and return the ESP's id for it (empty where the ESP gives none)."""
        begin_attempt()
        email = self.email(message)
        try:
            sent = self._backend(message.provider_key if message.keyed else "").send_messages([email])
        except Exception as error:
            if not _was_taken(email):
                raise self._refusal(message.address, email, error) from error
        else:
            if not sent:
                raise self._cancelled()
        if not _was_taken(email):
            raise UnknownOutcome(self.alias, "garbage", "The ESP's answer does not say what became of the message.")
        recipients = email.anymail_status.recipients.values()  # type: ignore[attr-defined]
        return next((str(recipient.message_id) for recipient in recipients if recipient.message_id), "")

    def send_many(
        self, messages: Iterable[OutboundMessage], idle: Callable[[], None] | None = None
    ) -> Iterator[SendResult]:
        """Send a stream of messages; where the ESP takes many in one request, they go together."""
        if self.esp not in MOST or as_mapping(self.options.get("esp_options")).get("use_bulk_api"):
            return super().send_many(messages, idle)
        batches = Batches(self._most, alike, self.start, self.hand_over_many, self._threads().submit)
        window = SendWindow(self.alias, self.send_window, self.timeout + GRACE_SECONDS, batches.start)
        return window.run(batches.until_end(messages), idle)

    def _most(self, message: OutboundMessage) -> int:
        """Return how many messages may go with this one; half a send window, so that one call follows another."""
        return min(self.send_window // 2, most_together(self.esp, message))

    def hand_over_many(self, messages: Sequence[OutboundMessage]) -> list[SendResult]:
        """Send messages in exactly one request, and return the result of each."""
        if len(messages) == 1:
            return [self.send(messages[0])]
        begin_attempt()
        email = addressed_to(self.email(messages[0]), messages)
        error: Exception | None = None
        try:
            self._backend().send_messages([email])
        except Exception as raised:  # noqa: BLE001 - what it means is told message by message
            error = raised
        status = getattr(email, "anymail_status", None)
        response = (status.esp_response if status else None) or getattr(error, "response", None)
        if isinstance(response, requests.Response) and response.status_code == 200:
            return each_result(self.alias, self.esp, messages, response)
        if isinstance(response, requests.Response):
            whole = self._answer(response)
        else:
            whole = self._refusal(messages[0].address, email, error) if error else self._cancelled()
        if isinstance(whole, InvalidRecipient):
            # Whatever cannot be written here, no device goes for what its neighbour may have caused.
            whole = PermanentFailure(self.alias, whole.code, "The messages cannot be put into the ESP's form.")
        return [SendResult(message, error=whole) for message in messages]

    def check_credentials(self) -> str | None:
        """Ask the ESP for what belongs to the account, where we know a harmless question (Postmark, Resend)."""
        return ask_esp(self.alias, self.esp, self.options, self.base_url, self.timeout)

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
                return [unusable(self.esp, self.options.get("esp_options"), error)]
            if not is_address(self.text("from_email")):
                problems.append(OptionProblem("from_email is not an email address", '"Ada <ada@example.com>"'))
            if self.base_url and not isinstance(backend, AnymailRequestsBackend):
                problems.append(OptionProblem(f"esp {self.esp!r} takes no base_url", "remove base_url"))
        return problems + self._receipts.problems()

    def close(self) -> None:
        """Let go of threads and connections."""
        super().close()
        self._wire.close()

    def _backend(self, key: str = "") -> BaseEmailBackend:
        """Return this thread's backend, its session open and over the shared connections, for a request with a key."""
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
        session = getattr(backend, "session", None)
        if self._key_header and isinstance(session, requests.Session):
            session.headers.pop(self._key_header, None)
            session.headers.update({self._key_header: key} if key else {})
        return backend

    def _new_backend(self) -> BaseEmailBackend:
        backend_class = (
            OwnWordsBackend if self.esp == "postmark" else import_module(f"anymail.backends.{self.esp}").EmailBackend
        )
        # What an ESP cannot take (a second tag, say) is left out: it never matters more than the message.
        options: dict[str, object] = {"ignore_unsupported_features": True}
        options.update(cast("Mapping[str, object]", self.options.get("esp_options", {})))
        if issubclass(backend_class, AnymailRequestsBackend):
            options["timeout"] = self.timeout
            if self.base_url:
                options["api_url"] = self.base_url + "/"
        if self.esp == "amazon_ses":
            options["client_params"] = anymail_boto.one_request(options.get("client_params"), self.timeout)
        return cast("BaseEmailBackend", backend_class(**options))

    def _cancelled(self) -> ProviderError:
        return PermanentFailure(self.alias, "cancelled", "A receiver of anymail's pre_send cancelled it.")

    def _not_an_address(self, kind: str, address: str) -> ProviderError:
        if not is_address(self.text("from_email")):
            return ProviderMisconfigured(self.alias, kind, "from_email is not an email address.")
        if not is_address(address):
            return InvalidRecipient(self.alias, kind, "The address is not an email address.")
        # A receiver of anymail's signals put another in, or raised it: that says nothing of the recipient's own.
        return PermanentFailure(self.alias, kind, "An address of the message is not an email address.")

    def _refusal(self, address: str, email: EmailMultiAlternatives, error: Exception) -> ProviderError:
        """Return what an error of anymail's means; its text is never passed on, for it quotes addresses."""
        kind = type(error).__name__
        if isinstance(error, ProviderError):
            return error
        if isinstance(error, AnymailInvalidAddress):
            return self._not_an_address(kind, address)
        if isinstance(error, AnymailRecipientsRefused):
            return self._refused_recipient(email, error)
        response = getattr(error, "response", None)
        if isinstance(response, requests.Response):
            return self._answer(response)
        if isinstance(error, AnymailAPIError) and not isinstance(self._backend(), AnymailRequestsBackend):
            return anymail_boto.meaning(self.alias, error)
        if request_was_written():
            return UnknownOutcome(self.alias, _cause(error), "The ESP gave no whole answer.")
        if isinstance(error, requests.RequestException):
            return ProviderUnavailable(self.alias, _cause(error), "The ESP could not be reached.")
        return PermanentFailure(self.alias, kind, "The message cannot be put into the ESP's form.")

    def _refused_recipient(self, email: EmailMultiAlternatives, error: AnymailRecipientsRefused) -> ProviderError:
        states = email.anymail_status.status or set()  # type: ignore[attr-defined]
        state = next((state for state in RECIPIENT_ANSWERS if state in states), "failed")
        code = next(iter(sorted(filter(None, states))), "refused")
        if self.esp == "mandrill" and state == "rejected":
            reason = _reject_reason(getattr(error, "response", None))
            state = code = reason if reason in MANDRILL_ANSWERS else state
        return self._recipient_answers[state].to_error(self.alias, code)

    def _answer(self, response: requests.Response) -> ProviderError:
        status = response.status_code
        field, rows = ANSWERS.get(self.esp, ("", {}))
        try:
            code = str(as_mapping(response.json()).get(field, ""))
        except ValueError:
            code = ""
        row = (rows.get(code) if status != 401 and status < 500 else None) or by_status(status)
        if row is None:
            return UnknownOutcome(self.alias, str(status), "The ESP's answer is not its own.")
        wait = retry_after_seconds(response.headers.get("Retry-After"))
        return row.to_error(self.alias, code or str(status), wait)


def _was_taken(email: EmailMultiAlternatives) -> bool:
    """Whether anymail saw the ESP take the message, whatever a receiver of its signals raised afterwards.

    Beside an answer for the one address there may be an "unknown": the address as we wrote it, in another alphabet.
    """
    status = getattr(email, "anymail_status", None)
    seen = (status.status if status is not None else None) or set()
    return bool(seen & {"sent", "queued"}) and seen <= {"sent", "queued", "unknown"}


def _reject_reason(response: object) -> str:
    """Return why Mandrill rejected the one recipient, which anymail leaves out."""
    try:
        items = response.json() if isinstance(response, requests.Response) else None
    except ValueError:
        items = None
    first = items[0] if isinstance(items, list) and items else None
    return str(as_mapping(first).get("reject_reason") or "")


def _cause(error: BaseException) -> str:
    """Return the type name of the `requests` error inside anymail's."""
    return type(error.__cause__ or error).__name__
