"""The mail server as Python's own client sees it."""

import smtplib
import ssl
import uuid
from email.message import EmailMessage

import pytest

from notifications.sandbox.credentials import SMTP_PASSWORD, SMTP_USER
from notifications.sandbox.smtp_faults import SMTP_FAULTS


@pytest.fixture
def server(process, sandbox):
    client = smtplib.SMTP("127.0.0.1", process.smtp_port, timeout=30)
    client.port_of_the_sandbox = process.smtp_port
    yield client
    client.close()


def somebody(word="ada."):
    return f"{word}{uuid.uuid4().hex}@example.com"


def email(to, *, our_id=None, message_id=None, html=None, text="Plain words\n.dot\n"):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Shop <shop@example.com>", to, "Grüße"
    message["Message-ID"] = message_id or f"<{uuid.uuid4()}@shop.example.com>"
    if our_id:
        message["X-Carillon-Id"] = our_id
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    return message


def lines_to(sandbox, file, to):
    return [line for line in sandbox.read_file(file) if line.to == to]


def test_a_mail_is_taken_and_kept(sandbox, server, file):
    to, delivery = somebody(), str(uuid.uuid4())
    message = email(to, our_id=f"{delivery}.4", message_id="<m1@shop.example.com>", html="<p>Rich words</p>")

    assert server.send_message(message) == {}

    [accepted] = lines_to(sandbox, file, to)
    assert (accepted.provider, accepted.channel) == ("smtp", "email")
    assert (accepted.delivery, accepted.attempt) == (delivery, 4)
    assert accepted.provider_message_id == "m1@shop.example.com"
    assert accepted.content["subject"] == "Grüße"
    assert accepted.content["text"].splitlines() == ["Plain words", ".dot"]
    assert "Rich words" in accepted.content["html"]
    assert accepted.request["From"] == "Shop <shop@example.com>"


def test_our_id_is_found_in_the_message_id_too(sandbox, server, file):
    to, delivery = somebody(), str(uuid.uuid4())
    server.send_message(email(to, message_id=f"<{delivery}.7@shop.example.com>"))
    [accepted] = lines_to(sandbox, file, to)
    assert (accepted.delivery, accepted.attempt) == (delivery, 7)


def test_a_mail_without_our_id_is_kept_with_nulls(sandbox, server, file):
    to = somebody()
    server.send_message(email(to))
    [accepted] = lines_to(sandbox, file, to)
    assert (accepted.delivery, accepted.attempt) == (None, None)


def test_many_mails_go_over_one_connection_and_each_recipient_is_a_line(sandbox, server, file):
    first, second, third = somebody(), somebody(), somebody()
    server.send_message(email(first))
    server.send_message(email(second), to_addrs=[second, third])
    assert [len(lines_to(sandbox, file, to)) for to in (first, second, third)] == [1, 1, 1]


def test_tls_and_both_kinds_of_login(process, sandbox, file):
    for mechanism in ("auth_plain", "auth_login"):
        to = somebody()
        with smtplib.SMTP("localhost", process.smtp_port, timeout=30) as client:
            client.starttls(context=ssl.create_default_context(cafile=process.ca_file))
            client.ehlo()
            assert not client.has_extn("starttls")
            client.user, client.password = SMTP_USER, SMTP_PASSWORD
            client.auth(mechanism.removeprefix("auth_").upper(), getattr(client, mechanism))
            client.send_message(email(to))
        assert len(lines_to(sandbox, file, to)) == 1


def test_a_wrong_password_is_refused(server):
    with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
        server.login(SMTP_USER, "guessed")
    assert caught.value.smtp_code == 535


@pytest.mark.parametrize("fault", SMTP_FAULTS, ids=lambda fault: fault.word)
def test_each_mailbox_fails_as_the_table_says(sandbox, server, process, file, fault):
    to = somebody(f"{fault.word}-")

    with pytest.raises((smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError)) as caught:
        server.send_message(email(to))

    if fault.at_data:
        code, reply = caught.value.smtp_code, caught.value.smtp_error
    else:
        code, reply = caught.value.recipients[to]
    assert (code, reply.decode()) == (fault.code, f"{fault.enhanced} {fault.message}")
    [refused] = [line for line in sandbox.read_refused(file) if line["to"] == to]
    assert (refused["status"], refused["code"]) == (fault.code, fault.enhanced)
    assert lines_to(sandbox, file, to) == []
    if fault.first_only:
        server.send_message(email(to))
        assert len(lines_to(sandbox, file, to)) == 1


@pytest.mark.parametrize(
    "case",
    [
        ("outage", 421, 0),
        ("rate_limited", 450, 0),
        ("unauthorized", 530, 0),
        ("slow", None, 1),
        ("drip", None, 1),
        ("reset", -1, 0),
        ("reset_after_accept", -1, 1),
        ("error_after_accept", 451, 1),
        ("garbage", -1, 0),
    ],
)
def test_each_mode_answers_and_keeps_as_it_says(sandbox, server, file, case):
    mode, error, kept = case
    to = somebody()
    sandbox.fault("smtp", mode, delay=0.05)
    if error is None:
        server.send_message(email(to))
    else:
        with pytest.raises((smtplib.SMTPException, ConnectionError)) as caught:
            server.send_message(email(to))
        if error > 0:
            assert caught.value.smtp_code == error
    assert len(lines_to(sandbox, file, to)) == kept
    sandbox.reset("smtp")
    with smtplib.SMTP("127.0.0.1", server.port_of_the_sandbox, timeout=30) as client:
        client.send_message(email(to))


def test_a_login_fails_when_the_account_is_locked_out(sandbox, server):
    sandbox.fault("smtp", "unauthorized")
    with pytest.raises(smtplib.SMTPAuthenticationError):
        server.login(SMTP_USER, SMTP_PASSWORD)


@pytest.mark.parametrize(
    ("line", "code"),
    [("RCPT TO:<a@b.de>", 503), ("DATA", 503), ("MAIL FROM:nobody", 501), ("DANCE", 500), ("NOOP", 250), ("RSET", 250)],
)
def test_commands_out_of_place_are_refused(server, line, code):
    server.ehlo()
    assert server.docmd(line)[0] == code


def test_a_client_that_leaves_within_a_message_leaves_nothing(sandbox, server, file):
    to = somebody()
    server.ehlo()
    server.mail("shop@example.com")
    server.rcpt(to)
    server.docmd("DATA")
    server.send(b"Subject: half\r\n")
    server.close()
    assert lines_to(sandbox, file, to) == []
