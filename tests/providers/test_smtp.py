"""SMTP: the adapter contract over a mail server, the message, and how a connection is secured."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlsplit

import pytest

from notifications.enums import Channel
from notifications.exceptions import (
    InvalidRecipient,
    PermanentFailure,
    ProviderError,
    ProviderMisconfigured,
    ProviderUnavailable,
    TemporaryFailure,
    UnknownOutcome,
    WebhookRejected,
)
from notifications.messages import Content, OutboundMessage, WebhookRequest
from notifications.providers import smtp_connection
from notifications.providers.smtp import SMTPAdapter
from notifications.sandbox.credentials import SMTP_PASSWORD, SMTP_USER
from notifications.sandbox.process import launch
from notifications.sandbox.server import SandboxOptions
from tests.contracts.adapter import Make, WireContract
from tests.contracts.payloads import pytest_generate_tests  # noqa: F401 - pytest finds the hook
from tests.contracts.server import Received, Reply, ScriptedProvider, until
from tests.contracts.smtp_server import PASSWORD, USER, ScriptedSmtp, scripted_smtp

SENDER = "Bell Shop <shop@example.com>"
LOGIN = f"{USER}:{quote(PASSWORD, safe='')}@"


def parsed(request: Received) -> EmailMessage:
    return cast("EmailMessage", email.message_from_bytes(request.body, policy=email.policy.default))


class TestSMTP(WireContract):
    provider = "smtp"
    channel = Channel.EMAIL
    idle_modules = (smtp_connection,)

    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[ScriptedSmtp]:
        with scripted_smtp(lambda request: self.accepted(0), tmp_path) as server:
            yield server

    def build(self, server: ScriptedProvider, base_url: str, **options: object) -> SMTPAdapter:
        url = base_url.replace("https:", "smtps:").replace("http:", "smtp:")
        return SMTPAdapter("mail", {"url": url, "from_email": SENDER} | options)

    def login(self, server: ScriptedProvider, scheme: str = "smtp", query: str = "") -> str:
        return f"{scheme}://{LOGIN}{urlsplit(server.url).netloc}{query}"

    def address(self, number: int) -> str:
        return f"ada{number}@example.com"

    def carried_id(self, request: Received) -> str:
        return str(parsed(request)["X-Carillon-Id"])

    def accepted(self, number: int) -> Reply:
        return Reply(250, b"2.0.0 Ok: queued as 4D1F2A")

    def garbage(self) -> Reply:
        return Reply(how="garbage")

    def answer_with(self, server: ScriptedProvider, answer: dict[str, Any]) -> None:
        reply = Reply(answer["status"], answer["body"].encode())
        if answer["stage"] == "DATA":
            server.script = lambda request: reply
        else:
            cast("ScriptedSmtp", server).stages[answer["stage"]] = reply

    # the message

    def test_the_message_is_what_was_asked_for(self, make: Make, server: ScriptedProvider) -> None:
        content = Content(subject="Grüße", text="Hällo\n.\n..dots", html="<p>Hällo</p>")
        headers = {"List-Unsubscribe": "<https://e.example/u/1>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
        message = self.message(content=content, headers=headers)
        result = make().send(message)
        assert result.provider_message_id == f"<{message.carillon_id}@example.com>"
        request = server.requests[0]
        assert request.headers["from"].split()[0] == "FROM:<shop@example.com>"
        assert request.headers["to"] == f"TO:<{message.address}>"
        sent = parsed(request)
        assert sent["Subject"] == "Grüße"
        assert sent["From"] == SENDER
        assert sent["To"] == message.address
        assert sent["Message-ID"] == result.provider_message_id
        assert {name: sent[name] for name in headers} == headers
        text, html = (sent.get_body((kind,)) for kind in ("plain", "html"))
        assert text is not None
        assert html is not None
        assert text.get_content().splitlines() == ["Hällo", ".", "..dots"]
        assert html.get_content().strip() == "<p>Hällo</p>"
        assert b"\n" not in request.body.replace(b"\r\n", b"")

    def test_a_large_message_arrives_whole(self, make: Make, server: ScriptedProvider) -> None:
        text = "".join(f".line {number}\n" for number in range(30_000))
        assert make().send(self.message(content=Content(subject="x", text=text))).accepted
        body = parsed(server.requests[0]).get_body(("plain",))
        assert body is not None
        assert body.get_content().splitlines() == text.splitlines()

    def test_a_mailbox_in_an_international_domain(self, make: Make, server: ScriptedProvider) -> None:
        assert make().send(self.message(address="ada@bücher.example")).accepted
        assert server.requests[0].headers["to"] == "TO:<ada@xn--bcher-kva.example>"

    @pytest.mark.parametrize(
        "address",
        [
            "a@b.example\r\nRCPT TO:<x@y.example>",
            "a@b.example, c@d.example",
            "ä@b.example",
            "nobody",
            "<a@b.example>",
            "",
        ],
    )
    def test_what_is_no_address_is_not_sent_to(self, make: Make, server: ScriptedProvider, address: str) -> None:
        error = make().send(self.message(address=address)).error
        assert type(error) is InvalidRecipient
        assert not server.requests

    def test_headers_cannot_be_injected(self, make: Make, server: ScriptedProvider) -> None:
        adapter = make()
        evil = self.message(headers={"List-Id": "x\r\nBcc: everybody@example.com"})
        assert type(adapter.send(evil).error) is PermanentFailure
        assert not server.requests
        folded = self.message(content=Content(subject="one\r\nBcc: everybody@example.com", text="x"))
        assert adapter.send(folded).accepted
        assert parsed(server.requests[0])["Bcc"] is None

    def test_ours_are_not_replaced(self, make: Make, server: ScriptedProvider) -> None:
        message = self.message(headers={"X-Carillon-Id": "x", "Message-ID": "<y@z>"})
        assert make().send(message).accepted
        sent = parsed(server.requests[0])
        assert sent.get_all("X-Carillon-Id") == [message.carillon_id]
        assert sent.get_all("Message-ID") == [f"<{message.carillon_id}@example.com>"]

    # what is certain

    @pytest.mark.parametrize("how", ["reset", "hang", "drip", "garbage", "goodbye"])
    @pytest.mark.parametrize("stage", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
    def test_before_the_last_dot_nothing_was_sent(self, make: Make, server: ScriptedSmtp, stage: str, how: str) -> None:
        server.stages[stage] = Reply(451, b"4.3.0 later", how=how)
        error = make(timeout=0.7).send(self.message()).error
        assert isinstance(error, ProviderUnavailable | TemporaryFailure)
        assert how == "goodbye" or type(error) is ProviderUnavailable
        assert len(server.requests) == 1

    def test_a_garbled_answer_to_the_last_dot_is_an_unknown_outcome(self, make: Make, server: ScriptedSmtp) -> None:
        for how in ("garbage", "goodbye"):
            server.script = lambda request, how=how: Reply(299 if how == "goodbye" else 250, b"?", how=how)  # type: ignore[misc]
            assert type(make().send(self.message()).error) is UnknownOutcome

    def test_a_connection_serves_on_after_a_refusal(self, make: Make, server: ScriptedSmtp) -> None:
        adapter = make(send_window=1)
        server.stages["RCPT"] = Reply(550, b"5.1.1 no such user")
        assert type(adapter.send(self.message()).error) is InvalidRecipient
        server.stages.clear()
        assert adapter.send(self.message()).accepted
        assert server.connections == 1

    def test_a_connection_that_the_server_closed_is_not_used(self, make: Make, server: ScriptedSmtp) -> None:
        adapter = cast("SMTPAdapter", make(send_window=1))
        assert adapter.send(self.message()).accepted
        server.sessions[0].say("421 4.4.2 idle too long")
        (waiting,) = adapter._connections._idle
        until(waiting.is_stale, "the goodbye")
        assert adapter.send(self.message()).accepted
        assert server.connections == 2

    # TLS and log-in

    def test_a_password_travels_only_encrypted(self, make: Make, server: ScriptedSmtp) -> None:
        server.wants_login = True
        error = make(url=self.login(server)).send(self.message()).error
        assert type(error) is ProviderMisconfigured
        assert error.code == "starttls"
        assert not server.requests
        server.offers_tls = True
        assert make(url=self.login(server), ca_file=str(server.ca_file)).send(self.message()).accepted
        assert (server.requests[0].headers["secure"], server.requests[0].headers["user"]) == ("True", USER)

    def test_tls_from_the_start(self, make: Make, server: ScriptedSmtp) -> None:
        server.wants_login = server.implicit_tls = True
        adapter = make(url=self.login(server, "smtps"), ca_file=str(server.ca_file))
        assert adapter.send(self.message()).accepted
        assert server.requests[0].headers["secure"] == "True"

    def test_starttls_may_be_ruled_out(self, make: Make, server: ScriptedSmtp) -> None:
        server.wants_login = server.offers_tls = True
        assert make(url=self.login(server, query="?starttls=never")).send(self.message()).accepted
        assert server.requests[0].headers["secure"] == "False"

    def test_starttls_is_used_where_it_is_offered(self, make: Make, server: ScriptedSmtp) -> None:
        server.offers_tls = True
        assert make(ca_file=str(server.ca_file)).send(self.message()).accepted
        assert server.requests[0].headers["secure"] == "True"

    @pytest.mark.parametrize("implicit", [True, False])
    def test_a_stranger_gets_nothing(self, make: Make, server: ScriptedSmtp, *, implicit: bool) -> None:
        server.implicit_tls, server.offers_tls = implicit, not implicit
        error = make(url=self.login(server, "smtps" if implicit else "smtp")).send(self.message()).error
        assert type(error) is ProviderUnavailable
        assert error.code == "SSLCertVerificationError"
        assert not server.requests

    def test_a_wrong_password_holds_the_provider(self, make: Make, server: ScriptedSmtp) -> None:
        server.wants_login = server.offers_tls = True
        url = self.login(server).replace(quote(PASSWORD, safe=""), "wrong")
        error = make(url=url, ca_file=str(server.ca_file)).send(self.message()).error
        assert type(error) is ProviderMisconfigured
        assert error.code == "535 5.7.8"

    def test_a_log_in_that_the_server_does_not_know_holds_the_provider(self, make: Make, server: ScriptedSmtp) -> None:
        error = make(url=self.login(server, query="?starttls=never")).send(self.message()).error
        assert type(error) is ProviderMisconfigured
        assert not server.requests

    # options

    def test_neither_user_nor_password_is_shown(self, make: Make, server: ScriptedSmtp) -> None:
        adapter = make(url=self.login(server))
        shown = adapter.describe() + repr(vars(adapter).get("_server"))
        assert PASSWORD not in shown
        assert quote(PASSWORD, safe="") not in shown
        assert urlsplit(server.url).netloc in adapter.describe()

    @pytest.mark.parametrize(
        ("url", "what"),
        [
            ("http://mail.example.com", "does not name a mail server"),
            ("smtp://", "does not name a mail server"),
            ("mail.example.com:25", "does not name a mail server"),
            ("smtp://mail.example.com:port", "cannot be read"),
            ("smtp://mail.example.com?starttls=perhaps", "query"),
            ("smtp://mail.example.com?tls=1", "query"),
            ("smtp://user@mail.example.com", "without the other"),
        ],
    )
    def test_urls_that_cannot_work(self, make: Make, url: str, what: str) -> None:
        problems = make(url=url).check()
        assert any(what in problem.what for problem in problems)

    def test_other_options_that_cannot_work(self, make: Make) -> None:
        adapter = SMTPAdapter("mail", make(from_email="Ada", ca_file=__file__).options | {"base_url": "http://x"})
        assert len(adapter.check()) == 3

    def test_it_has_no_callbacks(self, make: Make) -> None:
        request = WebhookRequest("https://example.com/", "POST", {}, b"")
        with pytest.raises(WebhookRejected):
            make().verify(request)
        assert not make().reports_delivery


class TestAgainstTheSandbox:
    """The same adapter against a server that somebody else wrote."""

    def message(self, address: str) -> OutboundMessage:
        return TestSMTP.message(TestSMTP(), address=address)

    def test_mail_is_taken_and_refused(self, tmp_path: Path) -> None:
        refusals: dict[str, type[ProviderError]] = {
            "inactive@example.com": InvalidRecipient,
            "relay@example.com": PermanentFailure,
            "full@example.com": TemporaryFailure,
            "gone@example.com": ProviderUnavailable,
            "spam@example.com": PermanentFailure,
        }
        options = SandboxOptions(file=tmp_path / "sandbox.jsonl", port=0, apns_port=0, smtp_port=0)
        with launch(options) as sandbox:
            url = f"smtp://{SMTP_USER}:{SMTP_PASSWORD}@127.0.0.1:{sandbox.smtp_port}"
            adapter = SMTPAdapter("mail", {"url": url, "from_email": SENDER, "ca_file": sandbox.ca_file})
            messages = [self.message(f"ada{number}@example.com") for number in range(60)]
            assert all(result.accepted for result in adapter.send_many(messages))
            for address, kind in refusals.items():
                assert type(adapter.send(self.message(address)).error) is kind, address
            kept = sandbox.client.messages(provider="smtp")
            assert {each.delivery for each in kept} == {str(each.delivery_id) for each in messages}
            sandbox.client.fault("smtp", "reset_after_accept")
            assert type(adapter.send(self.message("ada@example.com")).error) is UnknownOutcome
            adapter.close()
