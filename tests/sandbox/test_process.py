"""The process: its command line, its file across restarts and kills, and what it does not need."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from notifications.sandbox.credentials import POSTMARK_SERVER_TOKEN
from notifications.sandbox.newest import KEEP
from notifications.sandbox.process import launch
from notifications.sandbox.records import parse_carillon_id, read_file
from notifications.sandbox.server import SandboxOptions


def mail(base_url, to):
    body = {"From": "shop@example.com", "To": to, "Subject": "x", "TextBody": "x" * 200}
    headers = {"X-Postmark-Server-Token": POSTMARK_SERVER_TOKEN}
    return requests.post(f"{base_url}/postmark/email", json=body, headers=headers, timeout=10)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_stops_cleanly(tmp_path, number):
    command = [sys.executable, "-m", "notifications.sandbox", "--port", "0", "--file", str(tmp_path / "s.jsonl")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        assert line.startswith("sandbox listening on http://127.0.0.1:")
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")


def test_it_needs_no_django(tmp_path):
    """Neither settings nor the framework itself are loaded."""
    code = (
        "import sys, notifications.sandbox.__main__;"
        "print([name for name in ('django', 'psycopg2', 'redis', 'rq') if name in sys.modules])"
    )
    environment = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_restart_appends_and_remembers(tmp_path):
    options = SandboxOptions(file=tmp_path / "s.jsonl", port=0, fsync=True)
    with launch(options) as first:
        assert mail(first.base_url, "one@example.com").ok
    with launch(first.options) as second:
        assert mail(second.base_url, "two@example.com").ok
        assert second.base_url == first.base_url
        assert [message.to for message in second.client.messages()] == ["two@example.com", "one@example.com"]
        assert second.client.counts()["accepted"]["postmark"] == 2
    assert [line.to for line in read_file(options.file)] == ["one@example.com", "two@example.com"]


def test_what_was_answered_survives_a_kill(tmp_path):
    options = SandboxOptions(file=tmp_path / "s.jsonl", port=0)
    with launch(options) as sandbox:
        answered = []

        def flood(worker):
            for number in range(10_000):
                to = f"w{worker}.{number}@example.com"
                try:
                    if mail(sandbox.base_url, to).ok:
                        answered.append(to)
                except requests.ConnectionError:
                    return
                if len(answered) == 100:
                    sandbox.kill()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(flood, range(4)))
    assert len(answered) >= 100
    assert set(answered) <= {line.to for line in read_file(options.file)}


def test_a_torn_line_costs_nothing_but_itself(tmp_path):
    file = tmp_path / "s.jsonl"
    with launch(SandboxOptions(file=file, port=0)) as sandbox:
        mail(sandbox.base_url, "one@example.com")
    with file.open("ab") as lines:
        lines.write(b'{"at":"2026-01-01T00:00:00.000000+00:00","provider":"postmark","chan')
    with launch(SandboxOptions(file=file, port=0)) as sandbox:
        mail(sandbox.base_url, "two@example.com")
    assert [line.to for line in read_file(file)] == ["one@example.com", "two@example.com"]


def test_memory_keeps_the_newest_and_the_count_stays_exact(tmp_path):
    file = tmp_path / "s.jsonl"
    with launch(SandboxOptions(file=file, port=0)) as sandbox:
        headers = {"X-Postmark-Server-Token": POSTMARK_SERVER_TOKEN}
        for start in range(0, KEEP + 500, 500):
            batch = [
                {"From": "shop@example.com", "To": f"n{number}@example.com", "TextBody": "x"}
                for number in range(start, start + 500)
            ]
            requests.post(f"{sandbox.base_url}/postmark/email/batch", json=batch, headers=headers, timeout=30)
        assert sandbox.client.counts()["accepted"]["postmark"] == KEEP + 500
        messages = sandbox.client.messages(limit=10_000)
        assert len(messages) == KEEP
        assert messages[0].to == f"n{KEEP + 499}@example.com"
        assert len(sandbox.client.messages(limit=3)) == 3
    assert len(file.read_text().splitlines()) == KEEP + 500
    assert list(json.loads(file.read_text().splitlines()[0])) == [
        "at",
        "provider",
        "channel",
        "to",
        "delivery",
        "attempt",
        "generation",
        "provider_message_id",
        "content",
        "request",
    ]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("0192.3", ("0192", 3, None)),
        ("a-b-c.10", ("a-b-c", 10, None)),
        ("0192.g2", ("0192", None, 2)),
        ("plain", ("plain", None, None)),
        ("a.b", ("a.b", None, None)),
        ("a.g", ("a.g", None, None)),
        ("a.gg1", ("a.gg1", None, None)),
        (".3", (".3", None, None)),
        ("", (None, None, None)),
        (None, (None, None, None)),
        (7, (None, None, None)),
    ],
)
def test_our_id_is_read_as_far_as_it_goes(given, wanted):
    assert parse_carillon_id(given) == wanted
