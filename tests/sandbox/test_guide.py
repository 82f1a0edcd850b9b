"""What the sandbox says at start, and to whoever comes to the wrong place."""

import ast
import socket
import subprocess
import sys
import uuid
from importlib import import_module

import pytest
import requests

from notifications.enums import Channel
from notifications.messages import Content, OutboundMessage
from notifications.sandbox.client import SandboxClient
from notifications.sandbox.guide import options_to_paste

TO = {
    "fcm": (Channel.PUSH, "tok-1"),
    "apns": (Channel.PUSH, "00ff11"),
    "twilio": (Channel.SMS, "+4915112345678"),
    "vonage": (Channel.SMS, "+4915112345679"),
    "postmark": (Channel.EMAIL, "a@b.de"),
    "resend": (Channel.EMAIL, "b@b.de"),
    "smtp": (Channel.EMAIL, "c@b.de"),
}


@pytest.fixture
def pasted(process, tmp_path):
    """The entries as somebody pastes them into a dict."""
    text = options_to_paste(process.base_url, tmp_path / "s.jsonl", process.info)
    return ast.literal_eval("{" + text[text.index('"fcm"') :] + "}")


def started(*arguments):
    command = [sys.executable, "-m", "notifications.sandbox", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("provider", TO)
def test_what_is_printed_can_be_pasted_and_a_message_arrives(sandbox, pasted, provider):
    module, _, name = pasted[provider]["BACKEND"].rpartition(".")
    adapter = getattr(import_module(module), name)(provider, pasted[provider]["OPTIONS"])
    channel, address = TO[provider]
    content = Content(text="Hello", subject="Hello", title="Hello", body="Hello")
    message = OutboundMessage(
        delivery_id=uuid.uuid4(),
        attempt=1,
        generation=1,
        channel=channel,
        address=address,
        content=content,
        callback_url="http://127.0.0.1:9/webhooks/",
    )
    try:
        assert adapter.check() == []
        assert adapter.send(message).error is None
    finally:
        adapter.close()
    assert sandbox.messages(to=address, limit=1)[0].delivery == str(message.delivery_id)


def test_it_is_printed_after_the_line_that_says_where(tmp_path):
    file = tmp_path / "s.jsonl"
    with started("--port", 0, "--file", file) as process:
        first = process.stdout.readline()
        base_url = first.removeprefix("sandbox listening on ").strip()
        ports = SandboxClient(base_url).info()
        process.terminate()
        rest = process.stdout.read()
    assert rest == options_to_paste(base_url, file, ports)
    assert f'"base_url": "{base_url}/twilio"' in rest


def test_a_taken_port_is_one_line_and_status_1(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with started("--port", port, "--file", tmp_path / "s.jsonl") as process:
            out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (1, "")
    assert err == f"port {port} is taken; --port 0 takes a free one\n"


def test_a_host_that_is_not_ours_is_one_line_too(tmp_path):
    with started("--host", "192.0.2.1", "--port", 0, "--file", tmp_path / "s.jsonl") as process:
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert err.startswith("cannot listen on 192.0.2.1:0: ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("path", ["/email", "/2010-04-01/Accounts/AC1/Messages.json", "/v1/projects/p/messages:send"])
def test_a_base_url_without_the_provider_is_answered_with_the_right_ones(process, path):
    answer = requests.post(process.base_url + path, timeout=10)
    assert answer.status_code == 404
    for provider in ("fcm", "twilio", "vonage", "postmark", "resend"):
        assert f"{process.base_url}/{provider}" in answer.text


def test_the_root_leads_to_the_inbox(process):
    answer = requests.get(f"{process.base_url}/", timeout=10)
    assert answer.url == f"{process.base_url}/sandbox/"
