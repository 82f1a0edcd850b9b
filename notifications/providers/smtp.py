"""Any mail server, over SMTP: connections kept open, and its codes read for what they say about the address.

https://www.rfc-editor.org/rfc/rfc5321
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from email.utils import parseaddr
from time import monotonic
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.mail import EmailMultiAlternatives

from ..exceptions import (
    InvalidRecipient,
    PermanentFailure,
    ProviderError,
    ProviderMisconfigured,
    ProviderUnavailable,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
)
from ..messages import OutboundMessage
from .answers import Answer
from .base import EmailAdapter, Option, OptionProblem
from .smtp_connection import Connection, NoTLS, Pool, Refused, Server

_CODES = "https://www.rfc-editor.org/rfc/rfc5321#section-4.2.3"
_ENHANCED = "https://www.rfc-editor.org/rfc/rfc3463#section-3"
_ENHANCED_LIST = "https://www.iana.org/assignments/smtp-enhanced-status-codes"
_AUTH = "https://www.rfc-editor.org/rfc/rfc4954#section-6"
_GREYLISTING = "https://www.rfc-editor.org/rfc/rfc6647#section-4"
_GMAIL = "https://support.google.com/a/answer/3726730"

#: By what an answer says about the address (its enhanced code), then by stage and code, code, and their first digit.
ANSWERS: Mapping[str, Answer] = {
    "5.1.1": Answer(InvalidRecipient, "There is no such mailbox.", _ENHANCED, suppress=True),
    "5.1.2": Answer(InvalidRecipient, "There is no such mail domain.", _ENHANCED, suppress=True),
    "5.1.3": Answer(InvalidRecipient, "The address is not valid.", _ENHANCED, suppress=True),
    "5.1.6": Answer(InvalidRecipient, "The mailbox has moved.", _ENHANCED, suppress=True),
    "5.1.7": Answer(ProviderMisconfigured, "The server does not accept the sender's address.", _ENHANCED),
    "5.1.8": Answer(ProviderMisconfigured, "The server does not accept the sender's domain.", _ENHANCED),
    "5.1.10": Answer(InvalidRecipient, "The domain takes no mail.", _ENHANCED_LIST, suppress=True),
    "5.2.1": Answer(InvalidRecipient, "The mailbox is disabled.", _ENHANCED, suppress=True),
    "5.2.x": Answer(PermanentFailure, "The mailbox cannot take the message.", _ENHANCED),
    # A limit of the last 24 hours: room comes back little by little.
    "5.4.5": Answer(RateLimited, "The account's sending limit of the day is reached.", _GMAIL, retry_after=3_600.0),
    "5.7.x": Answer(PermanentFailure, "A policy of the server refuses the message.", _ENHANCED),
    "RCPT 530": Answer(ProviderMisconfigured, "The server wants a log-in.", _AUTH),
    # Without an enhanced code these may be a policy, say about us ("or command rejected for policy reasons"): all that
    # is certain is that this message was refused, so no address goes for it.
    "RCPT 550": Answer(PermanentFailure, "The mailbox is not available, or a policy refuses the message.", _CODES),
    "RCPT 551": Answer(PermanentFailure, "The mailbox is not at this server.", _CODES),
    "RCPT 553": Answer(PermanentFailure, "The server does not allow this address.", _CODES),
    "421": Answer(ProviderUnavailable, "The server is closing the connection.", _CODES),
    # Often greylisting, or this one mailbox is full: no sign that the server is unwell.
    "RCPT 4xx": Answer(
        TemporaryFailure, "The server does not take mail for this address now.", _GREYLISTING, 300.0, neutral=True
    ),
    # No message was offered yet: whatever is refused here is this machine.
    "CONNECT 5xx": Answer(ProviderMisconfigured, "The server does not talk to this machine.", _CODES),
    "EHLO 5xx": Answer(ProviderMisconfigured, "The server does not take this machine's greeting.", _CODES),
    "STARTTLS 5xx": Answer(ProviderMisconfigured, "The server refuses STARTTLS.", _CODES),
    "AUTH 5xx": Answer(ProviderMisconfigured, "The server does not accept user and password.", _AUTH),
    "MAIL 552": Answer(PermanentFailure, "The message is larger than the server takes.", _CODES),
    "MAIL 555": Answer(PermanentFailure, "The server does not understand how the message is announced.", _CODES),
    "MAIL 5xx": Answer(ProviderMisconfigured, "The server does not accept the sender.", _CODES),
    "4xx": Answer(TemporaryFailure, "The server has a fault of its own.", _CODES),
    "5xx": Answer(PermanentFailure, "The server refuses the message.", _CODES),
}

#: Enhanced codes that speak of the account, whatever they answer. All others count where a recipient has been named.
_OF_THE_ACCOUNT = frozenset({"5.4.5"})
_STARTTLS = ("always", "never", "offered")
_PORTS = {"smtp": 25, "smtps": 465}
_SUBMISSION = 587
_ADDRESS = re.compile(r'[^\s<>,;:"@\x00-\x1f\x7f]+@[^\s<>,;:"@\x00-\x1f\x7f]+')
#: A mail server allows one client far fewer connections than an API (Postfix: 50, for all workers together).
SEND_WINDOW = 16


class SMTPAdapter(EmailAdapter):
    """Sends email through a mail server, which reports nothing about what becomes of it."""

    OPTIONS = (
        Option(
            "url",
            required=True,
            secret=True,
            help='"smtp://user:password@host:587" or "smtps://..."; ?starttls=always, never or offered',
        ),
        Option("from_email", required=True, help='"Ada <ada@example.com>", a sender that the server allows'),
        Option("ca_file", help="certificates to trust instead of the system's: for a server of your own"),
    )
    #: A mail server allows a client few connections: the send window is all that one worker has.
    apart_by_lane = False
    reports_delivery = False
    known_answers = ANSWERS

    def __init__(self, alias: str, options: Mapping[str, object]) -> None:
        super().__init__(alias, {"send_window": SEND_WINDOW} | {k: v for k, v in options.items() if v is not None})
        self._sender = parseaddr(self.text("from_email"))[1]
        server, _ = read_url(self.text("url"), self.text("ca_file"))
        self._server = server
        self._connections = Pool(server)

    def hand_over(self, message: OutboundMessage) -> str:
        """Send one email and return its Message-ID, which is what logs and bounces name it by."""
        ends = monotonic() + self.timeout
        recipient = self._envelope(message.address)
        identity = f"<{message.carillon_id}@{self._sender.rpartition('@')[2] or 'localhost'}>"
        data = self._data(message, recipient, identity)
        connection: Connection | None = None
        kept = False
        try:
            connection = self._connections.take(ends)
            try:
                connection.deliver(self._sender, recipient, data)
            except Refused as refusal:
                kept = connection.is_reusable_after(refusal)
                raise
            kept = True
        except Exception as error:
            raise self._refusal(error, in_doubt=connection is not None and connection.in_doubt) from error
        finally:
            if connection is not None:
                if kept:
                    self._connections.give_back(connection)
                else:
                    connection.close()
        return identity

    def _envelope(self, address: str) -> str:
        """Return the address as the server is told it."""
        local, _, domain = address.rpartition("@")
        try:
            if _ADDRESS.fullmatch(address):
                return f"{local.encode('ascii').decode()}@{domain.encode('idna').decode()}"
        except UnicodeError:
            pass
        raise InvalidRecipient(self.alias, "address", "The address is not one that mail can be sent to.")

    def _data(self, message: OutboundMessage, recipient: str, identity: str) -> bytes:
        """Return the message as it travels."""
        content = message.content
        email = EmailMultiAlternatives(
            subject=" ".join(content.subject.split()),
            body=content.text,
            from_email=self.text("from_email"),
            to=[recipient],
            headers={**message.headers, "Message-ID": identity, "X-Carillon-Id": message.carillon_id},
        )
        if content.html:
            email.attach_alternative(content.html, "text/html")
        try:
            raw = email.message().as_bytes()
        except Exception as error:
            kind = type(error).__name__
            raise PermanentFailure(self.alias, kind, "The message cannot be put into a mail's form.") from error
        return re.sub(rb"\r\n|\r|\n", b"\r\n", raw)

    def _refusal(self, error: Exception, *, in_doubt: bool) -> ProviderError:
        """Return what an error means; the server's text is never passed on, for it quotes addresses."""
        if isinstance(error, Refused) and 400 <= error.code < 600:
            return answer_to(error).to_error(self.alias, f"{error.code} {error.enhanced}".strip())
        code = str(error.code) if isinstance(error, Refused) else type(error.__context__ or error).__name__
        if in_doubt:
            return UnknownOutcome(self.alias, code, "The server gave no whole answer.")
        if isinstance(error, NoTLS):
            return ProviderMisconfigured(self.alias, "starttls", "The server offers no STARTTLS, which is wanted.")
        if isinstance(error, Refused):
            return ProviderUnavailable(self.alias, code, "What answers is no mail server.")
        if isinstance(error, OSError):
            return ProviderUnavailable(self.alias, code, "The server could not be reached, or hung up.")
        return PermanentFailure(self.alias, type(error).__name__, "The message cannot be put into SMTP's form.")

    def check_credentials(self) -> str:
        """Connect, encrypt and log in as for a message, and send none."""
        try:
            self._connections.give_back(self._connections.take(monotonic() + self.timeout))
        except Exception as error:
            raise self._refusal(error, in_doubt=False) from error
        return "the server lets us in"

    def check(self) -> list[OptionProblem]:
        """Return what is wrong with the configuration, the URL's parts included."""
        problems = super().check()
        if problems:
            return problems
        if self.base_url:
            problems.append(OptionProblem("base_url is of no use", "the url names the server"))
        if "@" not in self._sender:
            problems.append(OptionProblem("from_email holds no address", '"Ada <ada@example.com>"'))
        if ca_file := self.text("ca_file"):
            try:
                ssl.create_default_context(cafile=ca_file)
            except OSError:
                problems.append(OptionProblem("ca_file holds no certificates", "a PEM file, or leave the option out"))
        return problems + read_url(self.text("url"))[1]

    def describe(self) -> str:
        """Return one line that names the server, without user and password."""
        return f"{self.alias} ({type(self).__name__}, {self._server.host}:{self._server.port})"

    def close(self) -> None:
        """Let go of threads and connections."""
        super().close()
        self._connections.close()


def answer_to(refusal: Refused) -> Answer:
    """Return the row that a refusal belongs to."""
    digit = f"{refusal.code // 100}xx"
    keys = [f"{refusal.stage} {refusal.code}", str(refusal.code), f"{refusal.stage} {digit}", digit]
    if refusal.enhanced in _OF_THE_ACCOUNT or (refusal.stage in ("RCPT", "DATA") and refusal.enhanced):
        keys = [refusal.enhanced, f"{refusal.enhanced.rpartition('.')[0]}.x", *keys]
    return next(ANSWERS[key] for key in keys if key in ANSWERS)


def read_url(url: str, ca_file: str = "") -> tuple[Server, list[OptionProblem]]:
    """Return the server that a URL names, and what is wrong with the URL. Never shows a value."""
    problems = []
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return Server("", 0), [OptionProblem("url cannot be read", "a password is percent-encoded in a URL")]
    if parts.scheme not in _PORTS or not host:
        problems.append(OptionProblem("url does not name a mail server", '"smtp://host:25" or "smtps://host"'))
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    starttls = query.pop("starttls", "always" if user else "offered")
    if starttls not in _STARTTLS or query:
        problems.append(OptionProblem("url's query is not known", "?starttls=always, never or offered"))
        starttls = "always"  # never less than what was meant
    if bool(user) != bool(password):
        problems.append(OptionProblem("url has a user or a password without the other", "smtp://user:password@host"))
    usual = _SUBMISSION if user and parts.scheme == "smtp" else _PORTS.get(parts.scheme, 25)
    return Server(host, port or usual, parts.scheme == "smtps", starttls, user, password, ca_file), problems
