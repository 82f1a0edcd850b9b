"""FCM as Google's and pyfcm's own code see it."""

import time
import uuid

import google.auth.exceptions
import google.auth.jwt
import pytest
import requests
from google.auth.crypt import RSASigner
from google.auth.transport.requests import Request
from google.oauth2.service_account import Credentials
from pyfcm import FCMNotification
from pyfcm.errors import FCMNotRegisteredError, FCMSenderIdMismatchError, InvalidDataError

from notifications.sandbox.credentials import FCM_CLIENT_EMAIL, FCM_SCOPE, private_key_pem, write_service_account
from notifications.sandbox.faults import FCM_FAULTS
from notifications.sandbox.oauth import GRANT_TYPE, AccessTokens

FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"


@pytest.fixture
def account(process, tmp_path):
    return write_service_account(tmp_path / "account.json", process.token_uri)


@pytest.fixture
def endpoint(process):
    return f"{process.base_url}/fcm/v1/projects/carillon-sandbox/messages:send"


@pytest.fixture
def pyfcm(account, endpoint):
    service = FCMNotification(service_account_file=str(account), project_id="carillon-sandbox")
    service._fcm_end_point = endpoint
    return service


@pytest.fixture
def session(account):
    credentials = Credentials.from_service_account_file(str(account), scopes=[FCM_SCOPE])
    credentials.refresh(Request())
    with requests.Session() as opened:
        opened.headers["Authorization"] = f"Bearer {credentials.token}"
        yield opened


def push(session, endpoint, token, **message):
    body = {"message": {"token": token, "notification": {"title": "T", "body": "B"}, **message}}
    return session.post(endpoint, json=body, timeout=10)


def error_of(answer):
    error = answer.json()["error"]
    codes = [detail["errorCode"] for detail in error.get("details", []) if detail["@type"] == FCM_ERROR]
    return error, (codes[0] if codes else None)


def test_pyfcm_gets_a_token_and_sends(pyfcm, sandbox, file):
    delivery = str(uuid.uuid4())

    answer = pyfcm.notify(
        fcm_token="tok-pyfcm",
        notification_title="Hello",
        notification_body="World",
        data_payload={"carillon_id": f"{delivery}.3"},
    )

    assert answer["name"].startswith("projects/carillon-sandbox/messages/0:")
    [accepted] = [line for line in sandbox.read_file(file) if line.to == "tok-pyfcm"]
    assert (accepted.provider, accepted.channel) == ("fcm", "push")
    assert (accepted.delivery, accepted.attempt) == (delivery, 3)
    assert accepted.provider_message_id == answer["name"]
    assert (accepted.content["title"], accepted.content["body"]) == ("Hello", "World")
    assert sandbox.messages(to="tok-pyfcm") == [accepted]


@pytest.mark.parametrize(
    ("token", "error"),
    [("dead-1", FCMNotRegisteredError), ("mismatch-1", FCMSenderIdMismatchError), ("invalid-1", InvalidDataError)],
)
def test_pyfcm_knows_the_errors(pyfcm, sandbox, token, error):
    with pytest.raises(error):
        pyfcm.notify(fcm_token=token, notification_title="T")


@pytest.mark.parametrize("fault", FCM_FAULTS, ids=lambda fault: fault.prefix)
def test_each_prefix_fails_as_the_table_says(sandbox, session, endpoint, file, fault):
    token = f"{fault.prefix}{uuid.uuid4()}"

    answer = push(session, endpoint, token)

    error, code = error_of(answer)
    assert answer.status_code == error["code"] == fault.http
    assert (error["status"], code) == (fault.status, fault.error_code)
    named = [detail for detail in error.get("details", []) if "fieldViolations" in detail]
    assert bool(named) is fault.names_token
    assert answer.headers.get("Retry-After") == (str(fault.retry_after) if fault.retry_after else None)
    assert token not in [line.to for line in sandbox.read_file(file)]
    [refused] = [line for line in sandbox.read_refused(file) if line["to"] == token]
    assert (refused["status"], refused["code"]) == (fault.http, fault.error_code or fault.status)
    assert push(session, endpoint, token).ok is fault.first_only


def test_a_message_without_our_id_is_kept_with_nulls(sandbox, session, endpoint):
    assert push(session, endpoint, "tok-foreign").ok
    [accepted] = sandbox.messages(to="tok-foreign")
    assert (accepted.delivery, accepted.attempt) == (None, None)


def test_validate_only_is_answered_and_not_kept(sandbox, session, endpoint):
    body = {"validate_only": True, "message": {"token": "tok-dry"}}
    assert session.post(endpoint, json=body, timeout=10).json()["name"].endswith("/messages/fake_message_id")
    assert sandbox.messages(to="tok-dry") == []


@pytest.mark.parametrize("message", [{"data": {"count": 3}}, {"data": {"long": "x" * 5000}}])
def test_a_payload_that_google_refuses_is_refused(sandbox, session, endpoint, message):
    answer = push(session, endpoint, "tok-payload", **message)
    assert answer.status_code == 400
    assert error_of(answer)[1] == "INVALID_ARGUMENT"
    assert not any(
        violation["field"] == "message.token"
        for detail in answer.json()["error"]["details"]
        for violation in detail.get("fieldViolations", [])
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"message": 3}',
        b'{"message": {"token": 3}}',
        b'{"message": {"token": "t", "notification": "words"}}',
        b'{"message": {"token": "t", "data": "words"}}',
        b'{"message": {}}',
    ],
)
def test_what_is_no_message_is_an_invalid_argument(sandbox, session, endpoint, body):
    answer = session.post(endpoint, data=body, timeout=10)
    assert (answer.status_code, error_of(answer)[1]) == (400, "INVALID_ARGUMENT")


def test_unregistered_by_event_is_what_the_next_send_finds(sandbox, session, endpoint):
    assert push(session, endpoint, "tok-uninstalled").ok
    sandbox.event("fcm", "unregistered", to="tok-uninstalled")
    assert error_of(push(session, endpoint, "tok-uninstalled"))[1] == "UNREGISTERED"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (None, "CREDENTIALS_MISSING"),
        ("Bearer ya29.guessed", "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        ("Bearer " + AccessTokens().issue(-1), "ACCESS_TOKEN_EXPIRED"),
    ],
)
def test_only_tokens_it_issued_open_the_door(sandbox, endpoint, header, reason):
    headers = {"Authorization": header} if header else {}
    answer = requests.post(endpoint, json={"message": {"token": "tok"}}, headers=headers, timeout=10)
    error = answer.json()["error"]
    assert (answer.status_code, error["status"]) == (401, "UNAUTHENTICATED")
    assert error["details"][0]["reason"] == reason


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "somebody@else.iam.gserviceaccount.com"},
        {"aud": "https://oauth2.example.com/token"},
        {"exp": int(time.time()) - 10},
        {"exp": int(time.time()) + 7200},
        {"scope": "https://www.googleapis.com/auth/cloud-platform"},
    ],
    ids=["issuer", "audience", "expired", "too long", "scope"],
)
def test_an_assertion_must_be_right_in_every_claim(process, change):
    now = int(time.time())
    claims = {"iss": FCM_CLIENT_EMAIL, "aud": process.token_uri, "iat": now, "exp": now + 3600, "scope": FCM_SCOPE}
    signer = RSASigner.from_string(private_key_pem())

    def ask(given):
        assertion = google.auth.jwt.encode(signer, given).decode()
        form = {"grant_type": GRANT_TYPE, "assertion": assertion}
        return requests.post(process.token_uri, data=form, timeout=10)

    assert ask(claims).json()["token_type"] == "Bearer"
    refused = ask(claims | change)
    assert refused.status_code == 400
    assert refused.json()["error"] in ("invalid_grant", "invalid_scope")


def test_an_assertion_signed_by_another_key_gets_no_token(process):
    now = int(time.time())
    claims = {"iss": FCM_CLIENT_EMAIL, "aud": process.token_uri, "iat": now, "exp": now + 3600, "scope": FCM_SCOPE}
    assertion = google.auth.jwt.encode(RSASigner.from_string(private_key_pem()), claims).decode()
    head, _, signature = assertion.rpartition(".")
    forged = f"{head}.{signature[:-8]}{'AAAAAAAA' if signature[-8:] != 'AAAAAAAA' else 'BBBBBBBB'}"
    answer = requests.post(process.token_uri, data={"grant_type": GRANT_TYPE, "assertion": forged}, timeout=10)
    assert (answer.status_code, answer.json()["error_description"]) == (400, "Invalid JWT Signature.")


def test_the_token_endpoint_can_fail_alone(sandbox, account, session, endpoint):
    sandbox.fault("fcm-token", "unauthorized")
    credentials = Credentials.from_service_account_file(str(account), scopes=[FCM_SCOPE])
    with pytest.raises(google.auth.exceptions.RefreshError):
        credentials.refresh(Request())
    assert push(session, endpoint, "tok-with-a-token-already").ok
    sandbox.reset("fcm-token")
    credentials.refresh(Request())
    assert credentials.token
