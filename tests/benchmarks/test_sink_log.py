"""The sink writes down what it took, whoever asks it, and its log is read line by whole line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks import sink_app
from tests.benchmarks.rivals.message import body, token
from tests.benchmarks.sink_log import SinkLog, parse


def test_a_line_is_read() -> None:
    assert parse("12.500 fcm tok:1 abc.1") == (12.5, "fcm", "tok:1", "abc.1")
    assert parse("12.500 twilio %2B4915000 -").to == "+4915000"


@pytest.mark.parametrize("line", ["", "12.5 fcm tok", "12.5 fcm tok id more", "x fcm tok id"])
def test_a_line_that_is_not_whole_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(line)


def test_it_is_read_on_from_a_place_and_a_torn_line_is_left(tmp_path: Path) -> None:
    log = SinkLog(tmp_path / "sink.log")
    assert (log.end(), log.count("fcm"), list(log.since(0, "fcm"))) == (0, 0, [])
    log.path.write_text("1.0 fcm a -\n2.0 twilio %2B1 -\n")
    place = log.end()
    assert (log.count("fcm"), log.count("twilio")) == (1, 1)
    with log.path.open("a") as file:
        file.write("3.0 fcm b -\n4.0 fcm c")
    assert log.end() < log.path.stat().st_size
    assert log.count("fcm") == 2
    assert [one.to for one in log.since(place, "fcm")] == ["b"]
    with log.path.open("a") as file:
        file.write(" -\n")
    assert log.count("fcm") == 3
    assert [one.to for one in log.since(place, "fcm")] == ["b", "c"]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    lines: list[bytes] = []
    monkeypatch.setattr(sink_app, "_lines", lines)
    return lines


def taken(lines: list[bytes]) -> list[tuple[str, str, str]]:
    return [(one.provider, one.to, one.carillon_id) for one in (parse(line.decode().strip()) for line in lines)]


def test_it_answers_as_fcm(written: list[bytes]) -> None:
    status, answer = sink_app.respond("/fcm/v1/projects/p/messages:send", body(7))
    assert (status, "name" in json.loads(answer)) == (200, True)
    assert taken(written) == [("fcm", token(7), "00000000-0000-8000-8000-000000000007.1")]


def test_it_answers_as_twilio(written: list[bytes]) -> None:
    form = b"To=%2B4915000000001&From=%2B15005550006&StatusCallback=http%3A%2F%2Fx%2F%3Fcarillon_id%3Dabc.1&Body=Hi"
    status, answer = sink_app.respond("/twilio/2010-04-01/Accounts/AC/Messages.json", form)
    assert (status, json.loads(answer)["sid"][:2]) == (201, "SM")
    assert taken(written) == [("twilio", "+4915000000001", "abc.1")]


def test_it_answers_as_postmark_message_by_message(written: list[bytes]) -> None:
    emails = [{"To": f"u{n}@example.org", "Metadata": {"carillon_id": f"id{n}.1"}} for n in range(3)]
    status, answer = sink_app.respond("/postmark/email/batch", json.dumps(emails).encode())
    assert status == 200
    assert [(item["To"], item["ErrorCode"]) for item in json.loads(answer)] == [
        (f"u{n}@example.org", 0) for n in range(3)
    ]
    assert taken(written) == [("postmark", f"u{n}@example.org", f"id{n}.1") for n in range(3)]
    sink_app.respond("/postmark/email", json.dumps({"To": "solo@example.org"}).encode())
    assert taken(written)[-1] == ("postmark", "solo@example.org", "-")


def test_a_token_is_no_message(written: list[bytes]) -> None:
    assert json.loads(sink_app.respond("/fcm/token", b"grant_type=x")[1])["token_type"] == "Bearer"
    assert sink_app.respond("/elsewhere", b"")[0] == 404
    assert written == []
