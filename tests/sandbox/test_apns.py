"""APNs over TLS and HTTP/2 as a provider's own connection sees it."""

import json
import time
import uuid

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from h2.settings import SettingCodes

from notifications.sandbox.apns_faults import APNS_FAULTS, LONG_AGO
from notifications.sandbox.process import launch
from notifications.sandbox.server import SandboxOptions

from .h2client import Client, ended_streams, goaways, jwt


@pytest.fixture
def apns(process, sandbox):
    sandbox.apns(token_seconds=0, max_streams=1000)
    with Client(process) as client:
        yield client


def refused_of(sandbox, file, token):
    return [line for line in sandbox.read_refused(file) if line["to"] == token]


def test_a_push_is_taken_and_kept(apns, sandbox, file):
    delivery, apns_id = str(uuid.uuid4()), str(uuid.uuid4())
    payload = {
        "aps": {"alert": {"title": "Hello", "body": "World"}, "sound": "default"},
        "carillon_id": f"{delivery}.3",
    }

    reply = apns.post("00aa11", payload, apns_id=apns_id, apns_collapse_id="c1", apns_priority="5", apns_expiration="0")

    assert (reply.status, reply.headers["apns-id"], reply.body) == (200, apns_id, b"")
    [accepted] = [line for line in sandbox.read_file(file) if line.to == "00aa11"]
    assert (accepted.provider, accepted.channel) == ("apns", "push")
    assert (accepted.delivery, accepted.attempt, accepted.generation) == (delivery, 3, None)
    assert accepted.provider_message_id == apns_id
    assert (accepted.content["title"], accepted.content["body"]) == ("Hello", "World")
    assert accepted.request["apns-collapse-id"] == "c1"
    assert sandbox.messages(to="00aa11") == [accepted]


def test_many_streams_share_one_connection(apns, sandbox):
    run = uuid.uuid4().hex
    streams = [apns.send(f"{run}{number:04d}") for number in range(500)]
    assert [apns.wait(stream).status for stream in streams] == [200] * 500
    assert len({message.to for message in sandbox.messages(provider="apns") if message.to.startswith(run)}) == 500


@pytest.mark.parametrize("fault", APNS_FAULTS, ids=lambda fault: fault.prefix)
@pytest.mark.parametrize("written", ["plain", "hex"])
def test_each_prefix_fails_as_the_table_says(apns, sandbox, file, fault, written):
    token = f"{fault.prefix}{uuid.uuid4()}"
    if written == "hex":
        token = token.encode().hex()

    reply = apns.post(token)

    assert (reply.status, reply.reason) == (fault.http, fault.reason)
    since = json.loads(reply.body).get("timestamp")
    if fault.timestamp is None:
        assert since is None
    else:
        assert since == LONG_AGO or (fault.timestamp and since > (time.time() - 3600) * 1000)
    [refused] = refused_of(sandbox, file, token)
    assert (refused["status"], refused["code"]) == (fault.http, fault.reason)
    assert (apns.post(token).status == 200) is fault.first_only


@pytest.mark.parametrize(
    ("wrong", "status", "reason"),
    [
        ({"path": "/3/device/"}, 400, "MissingDeviceToken"),
        ({"path": "/3/devices/x"}, 404, "BadPath"),
        ({"method": "PUT"}, 405, "MethodNotAllowed"),
        ({"apns_topic": None}, 400, "MissingTopic"),
        ({"apns_push_type": "loud"}, 400, "InvalidPushType"),
        ({"apns_priority": "7"}, 400, "BadPriority"),
        ({"apns_expiration": "soon"}, 400, "BadExpirationDate"),
        ({"apns_collapse_id": "c" * 65}, 400, "BadCollapseId"),
        ({"apns_id": "7"}, 400, "BadMessageId"),
        ({"payload": b"no json"}, 400, "PayloadEmpty"),
        ({"payload": {"aps": {"alert": "x" * 4100}}}, 413, "PayloadTooLarge"),
        ({"authorization": None}, 403, "MissingProviderToken"),
        ({"authorization": "bearer nonsense"}, 403, "InvalidProviderToken"),
        ({"authorization": "bearer " + jwt(kid="OTHERKEY00")}, 403, "InvalidProviderToken"),
        ({"authorization": "bearer " + jwt(iss="OTHERTEAM0")}, 403, "InvalidProviderToken"),
        ({"authorization": "bearer " + jwt(iat=int(time.time()) + 3000)}, 403, "InvalidProviderToken"),
        ({"authorization": "bearer " + jwt(iat=int(time.time()) - 3601)}, 403, "ExpiredProviderToken"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_refused_as_apple_does(apns, sandbox, wrong, status, reason):
    reply = apns.post("tok-wrong", **wrong)
    assert (reply.status, reply.reason) == (status, reason)
    assert sandbox.messages(to="tok-wrong") == []


def test_a_token_that_another_key_signed_is_invalid(apns):
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert apns.post("tok", authorization=f"bearer {jwt(pem=pem)}").reason == "InvalidProviderToken"


def test_tokens_renewed_too_often_are_refused_if_asked_for(apns, sandbox):
    now = int(time.time())
    assert apns.post("tok-1", authorization=f"bearer {jwt(iat=now - 30)}").status == 200
    assert apns.post("tok-2", authorization=f"bearer {jwt(iat=now - 20)}").status == 200
    sandbox.apns(token_seconds=1200)
    first = jwt(iat=now - 1500)
    assert apns.post("tok-3", authorization=f"bearer {first}").status == 200
    refused = apns.post("tok-4", authorization=f"bearer {jwt(iat=now - 1000)}")
    assert (refused.status, refused.reason) == (429, "TooManyProviderTokenUpdates")
    assert apns.post("tok-5", authorization=f"bearer {first}").status == 200
    assert apns.post("tok-6", authorization=f"bearer {jwt(iat=now)}").status == 200


def test_unregistered_by_event_says_since_when(apns, sandbox):
    assert apns.post("tok-uninstalled").status == 200
    before = time.time_ns() // 1_000_000
    sandbox.event("apns", "unregistered", to="tok-uninstalled")
    reply = apns.post("tok-uninstalled")
    assert (reply.status, reply.reason) == (410, "Unregistered")
    assert json.loads(reply.body)["timestamp"] >= before


@pytest.mark.parametrize(
    ("mode", "status", "kept"),
    [
        ("outage", 503, 0),
        ("rate_limited", 429, 0),
        ("unauthorized", 403, 0),
        ("slow", 200, 1),
        ("drip", 200, 1),
        ("reset", 0, 0),
        ("reset_after_accept", 0, 1),
        ("error_after_accept", 500, 1),
        ("garbage", 200, 0),
    ],
)
def test_each_mode_answers_and_keeps_as_it_says(apns, sandbox, file, mode, status, kept):
    token = f"tok-{uuid.uuid4()}"
    sandbox.fault("apns", mode, delay=0.05, retry_after=7)

    reply = apns.post(token)

    assert (reply.status, reply.reset) == (status, status == 0)
    assert [line.to for line in sandbox.read_file(file)].count(token) == kept
    assert len(refused_of(sandbox, file, token)) == 1 - kept
    if mode == "rate_limited":
        assert reply.headers["retry-after"] == "7"
    if mode == "garbage":
        assert b"<html" in reply.body or b"<!doctype" in reply.body
    sandbox.reset("apns")
    assert apns.post(token).status == 200


def test_goaway_names_the_last_stream_that_was_taken_and_answers_it(apns, sandbox, file):
    run = uuid.uuid4().hex
    assert apns.post(f"{run}-0").status == 200
    sandbox.fault("apns", "slow", delay=1.0)  # longer than a connection lingers after GOAWAY
    assert sandbox.apns(goaway_after=2)["ended"] == 1
    streams = [apns.send(f"{run}-{number}") for number in range(1, 6)]

    frames = apns.raw_frames_until_closed()

    [goaway] = goaways(frames)
    assert goaway.last_stream_id == streams[1]
    assert json.loads(goaway.additional_data) == {"reason": "Shutdown"}
    assert ended_streams(frames) == streams[:2]
    taken = {line.to for line in sandbox.read_file(file) if line.to.startswith(run)}
    assert taken == {f"{run}-0", f"{run}-1", f"{run}-2"}


def test_goaway_at_once_leaves_a_stream_that_was_only_begun(apns, sandbox, file):
    assert apns.post("tok-before").status == 200
    begun = apns.begin("tok-begun")
    apns._flush()
    sandbox.apns(goaway_after=0)
    frames = apns.raw_frames_until_closed()
    assert goaways(frames)[0].last_stream_id < begun
    assert "tok-begun" not in {line.to for line in sandbox.read_file(file)}


def test_a_cut_ends_the_connection_without_a_word(apns, sandbox, file):
    sandbox.apns(cut_after=2)
    assert apns.wait(apns.send("tok-cut-1")).status in (0, 200)
    apns.send("tok-cut-2")
    while not apns.closed:
        apns.read()
    assert apns.goaway is None
    assert "tok-cut-2" in {line.to for line in sandbox.read_file(file)}


def test_the_number_of_streams_can_be_lowered(process, apns, sandbox):
    apns.post("tok-settings")
    sandbox.apns(max_streams=3)
    while apns.h2.remote_settings.max_concurrent_streams != 3:
        apns.read()
    with Client(process) as other:
        other.post("tok-settings")
        assert other.settings[SettingCodes.MAX_CONCURRENT_STREAMS] == 3


def test_what_is_not_http2_ends_the_connection_and_nothing_else(process, apns):
    with Client(process, greet=False) as other:
        other.socket.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        other.raw_frames_until_closed()
    assert apns.post("tok-after-nonsense").status == 200


def test_a_restart_keeps_the_certificate_that_clients_trust(tmp_path):
    with launch(SandboxOptions(file=tmp_path / "s.jsonl", port=0)) as first:
        with Client(first) as client:
            assert client.post("tok").status == 200
        trusted = first.ca_file
        first.kill()
    with launch(first.options) as second:
        assert (second.apns_url, second.ca_file) == (first.apns_url, trusted)
        with Client(first) as client:
            assert client.post("tok").status == 200
