"""Every ESP whose callbacks anymail reads: each recorded one is verified and understood, and no forgery of it is."""

from __future__ import annotations

import json
import pkgutil
from dataclasses import replace
from typing import Any

import anymail.backends
import anymail.webhooks
import pytest
import requests

from notifications.exceptions import WebhookRejected, WebhookUnverified
from notifications.messages import WebhookRequest
from notifications.providers import sns
from notifications.providers.anymail_receipts import SES, Receipts
from notifications.providers.anymail_webhooks import PROOFS
from tests.contracts.esp_callbacks import (
    CERTIFICATE_URL,
    PASSWORD,
    TOPIC,
    certificate,
    options,
    signed,
    sns_message,
)
from tests.contracts.payloads import HOME, load

ESPS = sorted({*PROOFS, SES} - {"sendinblue"})
RECORDED = [
    pytest.param(esp, load(path), id=f"{esp}-{path.stem.removeprefix('webhook_')}")
    for esp in ESPS
    for path in sorted((HOME / esp).glob("webhook_*.json"))
]
NONSENSE = (b"", b"[" * 100_000, b"[]", b"17", b'{"signature": 1}', b"\xff", b'{"auth": 1}', b'{"auth": []}')
#: What is sent when nothing else matters.
USUAL = {
    "amazon_ses": "delivery",
    "mailersend": "delivered",
    "mailgun": "delivered",
    "mailjet": "sent",
    "mailtrap": "delivery",
    "postal": "message_sent",
    "postmark": "delivery",
    "sparkpost": "delivery",
}


def usual(esp: str) -> dict[str, Any]:
    """Return the payload of a delivered message."""
    return load(HOME / esp / f"webhook_{USUAL.get(esp, 'delivered')}.json")


def receipts(esp: str, **changes: str) -> Receipts:
    """Return the reader of an ESP's callbacks, configured as documented."""
    own = {**options()[esp], **changes}
    return Receipts("email", esp, own.get("webhook_secret", ""), own.get("sns_topic_arn", ""))


@pytest.fixture(autouse=True)
def amazon(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand in for Amazon's web server; return what was asked of it."""
    asked: list[str] = []

    def fetch(url: str) -> tuple[int, bytes]:
        asked.append(url)
        return (200, certificate() if url == CERTIFICATE_URL else b"<ConfirmSubscriptionResponse/>")

    sns.forget_certificates()
    monkeypatch.setattr(sns, "fetch", fetch)
    return asked


def test_every_esp_of_anymail_is_here() -> None:
    read = {module.name for module in pkgutil.iter_modules(anymail.webhooks.__path__)} - {"base"}
    assert read == {*PROOFS, SES}
    spoken = {module.name for module in pkgutil.iter_modules(anymail.backends.__path__)}
    silent = spoken - read - {"base", "base_requests", "console", "test"}
    assert silent == {"scaleway"}
    for esp in ESPS:
        kinds = {load(path)["expect"]["kind"] for path in (HOME / esp).glob("webhook_*.json")}
        least = {"delivered", "opened", "clicked", "bounced"} | (set() if esp == "postal" else {"complained"})
        assert kinds >= least, esp


@pytest.mark.parametrize(("esp", "payload"), RECORDED)
def test_a_recorded_callback_is_verified_and_understood(esp: str, payload: dict[str, Any]) -> None:
    reader, request = receipts(esp), signed(esp, payload)
    assert reader.problems() == []
    reader.verify(request)
    [event] = reader.parse(request)
    expected = payload["expect"]
    assert {name: getattr(event, name) for name in expected} == expected
    assert reader.parse(request)[0].event_key == event.event_key
    assert 0 < len(event.event_key) <= 200


@pytest.mark.parametrize("esp", ["sendgrid", "mailtrap", "resend"])
def test_an_account_that_signs_nothing_may_use_a_password(esp: str) -> None:
    reader = receipts(esp, webhook_secret=PASSWORD)
    request = signed("postmark", usual(esp))
    reader.verify(request)
    assert reader.parse(request)
    with pytest.raises(WebhookRejected):
        reader.verify(signed(esp, usual(esp)))


@pytest.mark.parametrize("esp", ESPS)
def test_a_forged_callback_is_refused(esp: str) -> None:
    reader, genuine = receipts(esp), signed(esp, usual(esp))
    reader.verify(genuine)
    bare = {name: value for name, value in genuine.headers.items() if name == "Content-Type"}
    forged = [
        signed(esp, usual(esp), secret="hook:another-accounts-secret" if esp != "resend" else "whsec_b3RoZXI="),
        replace(genuine, method="GET"),
        *(replace(genuine, headers=bare, body=raw) for raw in NONSENSE),
    ]
    if options()[esp].get("webhook_secret") != PASSWORD:  # which says nothing of the body
        forged += [replace(genuine, body=raw) for raw in NONSENSE]
    if len(genuine.headers) > 1 and esp != SES:
        forged.append(replace(genuine, headers=bare))
    for request in forged:
        with pytest.raises(WebhookRejected):
            reader.verify(request)


@pytest.mark.parametrize("esp", ["amazon_ses", "mailersend", "mailtrap", "mandrill", "postal", "resend", "sendgrid"])
def test_a_changed_body_is_refused(esp: str) -> None:
    genuine = signed(esp, usual(esp))
    assert b"ada%40example.com" in genuine.body or b"ada@example.com" in genuine.body
    with pytest.raises(WebhookRejected):
        receipts(esp).verify(replace(genuine, body=genuine.body.replace(b"ada", b"eve")))


@pytest.mark.parametrize(
    ("esp", "oldest"), [("mailgun", 36_000), ("sendgrid", 90_000), ("amazon_ses", 7_200), ("resend", 300)]
)
def test_a_signed_time_counts_for_a_while(esp: str, oldest: int) -> None:
    reader = receipts(esp)
    reader.verify(signed(esp, usual(esp), age=oldest - 60))
    for age in (oldest + 60, -400):
        with pytest.raises(WebhookRejected):
            reader.verify(signed(esp, usual(esp), age=age))


def test_one_token_of_mailgun_is_good_for_one_event() -> None:
    """Its signature is of the token alone: whoever overhears one callback could otherwise invent others with it."""
    reader = receipts("mailgun")
    opened, invented = usual("mailgun"), usual("mailgun")
    invented["json"]["event-data"]["event"] = "complained"
    keys = {reader.parse(signed("mailgun", payload))[0].event_key for payload in (opened, invented)}
    assert len(keys) == 1


def test_mandrill_signs_the_address_that_it_was_told(settings: Any) -> None:
    settings.USE_X_FORWARDED_HOST, settings.ALLOWED_HOSTS = True, ["testserver"]
    payload = usual("mandrill")
    told = signed("mandrill", payload)
    behind = {"Host": "10.0.0.7:8000", "X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "http"}
    receipts("mandrill").verify(replace(told, headers={**told.headers, **behind}))
    elsewhere = signed("mandrill", payload, url="https://evil.test/webhooks/email/")
    with pytest.raises(WebhookRejected):
        receipts("mandrill").verify(replace(elsewhere, url=told.url, headers={**elsewhere.headers, **behind}))


@pytest.mark.parametrize("secret", ["hook:short", "hook:", ":" + "x" * 30, "hook:fifteen-letters"[:20], "bare-word"])
def test_a_password_that_can_be_guessed_lets_nobody_in(secret: str) -> None:
    reader = receipts("postmark", webhook_secret=secret)
    [problem] = reader.problems()
    assert problem.what.startswith("webhook_secret")
    assert secret not in problem.what + problem.hint
    with pytest.raises(WebhookRejected):
        reader.verify(signed("postmark", usual("postmark"), secret=secret))


def test_an_esp_that_reports_nothing_has_no_callbacks_and_no_problem() -> None:
    reader = Receipts("email", "scaleway", "")
    assert (reader.are_there, reader.problems()) == (False, [])
    with pytest.raises(WebhookRejected):
        reader.verify(signed("postmark", usual("postmark")))


def test_brevos_old_name_still_works() -> None:
    request = signed("sendinblue", usual("brevo"))
    receipts("sendinblue").verify(request)
    assert receipts("sendinblue").parse(request)


# Amazon SNS


def from_sns(fields: dict[str, Any], **changes: Any) -> WebhookRequest:
    """Return a message of SNS, changed after it was signed."""
    fresh = signed(SES, {"json": fields})
    message = {**json.loads(fresh.body), **changes}
    return replace(fresh, body=json.dumps({key: value for key, value in message.items() if value is not None}).encode())


@pytest.mark.parametrize(
    "changes",
    [
        {"SigningCertURL": CERTIFICATE_URL.replace("https:", "http:")},
        {"SigningCertURL": CERTIFICATE_URL.replace("amazonaws.com", "amazonaws.com.evil.test")},
        {"SigningCertURL": CERTIFICATE_URL.replace("sns.eu-west-1", "evil.test/sns.eu-west-1")},
        {"SigningCertURL": CERTIFICATE_URL.replace("https://", "https://evil.test@")},
        {"SigningCertURL": CERTIFICATE_URL.replace("eu-west-1", "us-east-1")},
        {"SigningCertURL": CERTIFICATE_URL.replace(".com/", ".com:8443/")},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com/evil.pem"},
        {"SigningCertURL": CERTIFICATE_URL + "?Action=x"},
        {"SigningCertURL": CERTIFICATE_URL + "#x"},
        {"SigningCertURL": CERTIFICATE_URL.replace("amazonaws", "amazon\taws")},
        {"SigningCertURL": "https://["},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com\u2100/"},
        {"SigningCertURL": "\ud800"},
        {"SigningCertURL": None},
        {"TopicArn": TOPIC + "s"},
        {"Type": "Pondering"},
        {"SignatureVersion": "3"},
        {"SignatureVersion": "2"},
        {"Signature": "AAAA"},
        {"Signature": "é"},
        {"Signature": None},
        {"Subject": "another"},
        {"Timestamp": None},
        {"Timestamp": 17},
    ],
    ids=str,
)
def test_what_amazon_did_not_sign_for_the_topic_is_refused(changes: dict[str, Any]) -> None:
    genuine = usual(SES)["json"]
    receipts(SES).verify(from_sns(genuine))
    with pytest.raises(WebhookRejected):
        receipts(SES).verify(from_sns(genuine, **changes))


def test_no_address_that_a_stranger_names_is_asked(amazon: list[str]) -> None:
    for url in ("https://evil.test/x.pem", "https://169.254.169.254/latest", "file:///etc/passwd"):
        with pytest.raises(WebhookRejected):
            receipts(SES).verify(from_sns(usual(SES)["json"], SigningCertURL=url))
    assert amazon == []


def test_both_versions_of_the_signature_and_one_look_at_the_certificate(amazon: list[str]) -> None:
    for version in ("1", "2", "2"):
        fresh = json.loads(signed(SES, usual(SES)).body)
        body = sns_message({key: value for key, value in fresh.items() if not key.startswith("Sign")}, version=version)
        receipts(SES).verify(replace(signed(SES, usual(SES)), body=json.dumps(body).encode()))
    assert amazon == [CERTIFICATE_URL]


def test_a_certificate_that_cannot_be_read_now_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: str) -> tuple[int, bytes]:
        raise requests.ConnectionError

    for fetch in (away, lambda _: (503, b"")):
        monkeypatch.setattr(sns, "fetch", fetch)
        with pytest.raises(WebhookUnverified):
            receipts(SES).verify(signed(SES, usual(SES)))
    for body in (certificate(valid_days=0), b"", b"-----BEGIN CERTIFICATE-----"):
        monkeypatch.setattr(sns, "fetch", lambda _, body=body: (200, body))
        with pytest.raises(WebhookRejected):
            receipts(SES).verify(signed(SES, usual(SES)))


def test_certificates_are_looked_for_only_so_often(amazon: list[str]) -> None:
    """Whoever knows the topic could otherwise let us ask Amazon as often as they ask us."""
    for number in range(40):
        other = CERTIFICATE_URL.replace("0a" * 16, f"{number:032x}")
        with pytest.raises(WebhookRejected):
            receipts(SES).verify(from_sns(usual(SES)["json"], SigningCertURL=other, Signature="AAAA"))
    assert len(amazon) == 10


def subscription(**changes: Any) -> dict[str, Any]:
    """Return what SNS sends when its topic is subscribed to."""
    return {
        "Type": "SubscriptionConfirmation",
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "Token": "2336412f37fb687f5d51e6e2425dacbbab5e",
        "TopicArn": TOPIC,
        "Message": f"You have chosen to subscribe to the topic {TOPIC}.",
        "SubscribeURL": "https://evil.test/?Action=ConfirmSubscription",
        **changes,
    }


def test_the_subscription_is_confirmed_at_amazons_own_address(amazon: list[str]) -> None:
    reader, request = receipts(SES), from_sns(subscription())
    reader.verify(request)
    assert reader.parse(request) == []
    assert amazon[-1] == (
        "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription"
        "&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Areceipts&Token=2336412f37fb687f5d51e6e2425dacbbab5e"
    )


def test_nobody_elses_topic_is_subscribed_to(amazon: list[str]) -> None:
    for request in (
        from_sns(subscription(TopicArn=TOPIC.replace("receipts", "evil"))),
        from_sns(subscription(), Token="x"),
    ):
        with pytest.raises(WebhookRejected):
            receipts(SES).verify(request)
    assert not [url for url in amazon if "Confirm" in url]


def test_a_subscription_that_amazon_does_not_confirm_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, request = receipts(SES), from_sns(subscription())
    reader.verify(request)
    monkeypatch.setattr(sns, "fetch", lambda _: (403, b""))
    with pytest.raises(WebhookUnverified):
        reader.parse(request)


def test_what_sns_says_of_itself_is_no_receipt() -> None:
    text = "Successfully validated SNS topic for Amazon SES event publishing."
    for fields in ({**usual(SES)["json"], "Message": text}, subscription(Type="UnsubscribeConfirmation")):
        request = from_sns(fields)
        receipts(SES).verify(request)
        assert receipts(SES).parse(request) == []


def test_an_email_to_two_people_is_told_of_both() -> None:
    payload = usual(SES)
    message = json.loads(payload["json"]["Message"])
    message["delivery"]["recipients"] = ["ada@example.com", "bob@example.com"]
    events = receipts(SES).parse(from_sns({**payload["json"], "Message": json.dumps(message)}))
    assert len({event.event_key for event in events}) == 2


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"sns_topic_arn": ""}, "webhook_secret is not set"),
        ({"sns_topic_arn": "receipts"}, "sns_topic_arn is not"),
        ({"webhook_secret": PASSWORD}, "webhook_secret is not for"),
    ],
)
def test_a_topic_is_needed_and_is_enough(changes: dict[str, str], what: str) -> None:
    [problem] = receipts(SES, **changes).problems()
    assert problem.what.startswith(what)
