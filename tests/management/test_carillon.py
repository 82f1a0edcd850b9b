"""`manage.py carillon`: each subcommand as somebody types it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command, execute_from_command_line
from django.utils import timezone

from notifications import Address, broadcast, notify
from notifications.cipher import address_hash
from notifications.enums import BroadcastStatus, Channel, Source, State, SuppressionCause
from notifications.flows.broadcast import plan_page
from notifications.flows.declare import load_declarations, publish, words_of
from notifications.flows.keys import find_key
from notifications.flows.left_out import keep_left_out
from notifications.flows.stopping import stopping
from notifications.flows.sweep import continue_broadcasts, sweep
from notifications.management.carillon.sandbox import is_allowed, run_sandbox
from notifications.management.commands.carillon import mistyped
from notifications.models import ApiKey, AuditEntry, Broadcast, Delivery, Notification, Suppression, Template
from notifications.providers import registry
from notifications.sandbox.process import SandboxProcess
from notifications.wakeups import beat
from tests.contracts.server import closed_port
from tests.live import work

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.django_db(transaction=True)


def run(*arguments: str) -> tuple[int, str, str]:
    """Run a subcommand; return its exit status, stdout and stderr."""
    out, err = StringIO(), StringIO()
    try:
        call_command("carillon", *arguments, stdout=out, stderr=err)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["trail", "ada@example.com"], "did you mean 'trial'?"),
        (["api-keys"], "did you mean 'api-key'?"),
        (["api-key", "creat", "Shop"], "did you mean 'create'?"),
        (["templates", "synch"], "did you mean 'sync'?"),
        (["nothing-like-it"], "known: after-restore"),
        ([], "Which one?"),
        (["trial", "--channel", "sms", "+49"], ""),
        (["api-key", "create", "list"], ""),
        (["--help"], ""),
    ],
)
def test_a_mistyped_subcommand_is_answered_with_the_nearest(words: list[str], answer: str) -> None:
    assert answer in mistyped(words) if answer else not mistyped(words)


def test_a_mistyped_subcommand_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        execute_from_command_line(["manage.py", "carillon", "trail"])

    assert ended.value.code == 2
    assert "did you mean 'trial'?" in capsys.readouterr().err


# --- api-key


def test_a_new_key_stands_alone_on_stdout_and_works() -> None:
    status, out, err = run("api-key", "create", "Shop", "--scope", "send", "--scope", "read", "--expires", "90d")

    assert status == 0
    plain = out.removesuffix("\n")
    assert plain.split() == [plain]
    key = find_key(plain)
    assert key is not None
    assert (key.name, key.owner, key.scopes) == ("Shop", "Shop", ["read", "send"])
    assert key.expires_at is not None
    assert timedelta(days=89) < key.expires_at - timezone.now() < timedelta(days=91)
    assert "read, send until" in err
    assert plain not in err


def test_keys_are_listed_without_the_key_and_revoked_by_prefix() -> None:
    plain = run("api-key", "create", "Shop", "--scope", "send", "--owner", "shop")[1].strip()
    key = ApiKey.objects.get()

    listed = run("api-key", "list")[1]
    assert "active" in listed
    assert "Shop (shop)" in listed
    assert plain not in listed

    assert "revoked" in run("api-key", "revoke", key.prefix)[2]
    assert find_key(plain) is None
    assert "revoked" in run("api-key", "list")[1]
    assert "was revoked before" in run("api-key", "revoke", key.prefix)[2]


def test_a_key_is_rotated_and_the_old_one_goes_on_for_the_overlap() -> None:
    old = run("api-key", "create", "Shop", "--scope", "send", "--category", "login", "--test")[1].strip()

    status, out, err = run("api-key", "rotate", "Shop", "--overlap", "2h")

    assert status == 0
    first, second = ApiKey.objects.order_by("pk")
    assert {key.pk for key in (find_key(old), find_key(out.strip())) if key} == {first.pk, second.pk}
    assert first.expires_at is not None
    assert timedelta(hours=1) < first.expires_at - timezone.now() < timedelta(hours=3)
    assert "goes on until" in err
    assert "send, for categories login only, in sandboxes only, until it is revoked" in err
    assert run("api-key", "list")[1].count("send for categories login only, in sandboxes only") == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "Shop", "--scope", "sned"],
        ["create", "Shop"],
        ["create", " ", "--scope", "send"],
        ["create", "Shop", "--scope", "send", "--expires", "soon"],
        ["create", "Shop", "--scope", "send", "--expires", "0d"],
        ["revoke", "nobody"],
        ["revoke", ""],
        ["create", "Shop", "--scope", "send", "--template", "login-cod"],
        ["create", "Shop", "--scope", "erase", "--test"],
        ["rotate", "nobody"],
        ["rotate", "nobody", "--overlap", "0h"],
    ],
)
def test_a_wrong_key_command_makes_nothing(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        run("api-key", *arguments)

    assert not ApiKey.objects.exists()


# --- trial


@pytest.mark.parametrize(
    ("channel", "to"),
    [("email", "ada@example.com"), ("sms", "+4915112345678"), ("push", "trial-token-1")],
)
def test_a_trial_is_sent_and_every_step_told(sandbox: SandboxProcess, channel: str, to: str) -> None:
    status, out, err = run("trial", to, "--channel", channel)

    assert status == 0, out + err
    assert [line.split()[0] for line in out.splitlines()] == [
        "accepted",
        "planned",
        "claimed",
        "sending",
        "answer",
        "recorded",
    ]
    delivery = Delivery.objects.get()
    assert str(delivery.pk) in str(sandbox.client.messages(to=to, limit=1))
    assert delivery.provider_message_id in out
    assert sandbox.base_url in out
    assert "The provider took it." in err


def test_a_trial_to_a_user_tries_each_device(sandbox: SandboxProcess, person: Callable[..., User]) -> None:
    user = person("well-token", "dead-token")

    status, out, _ = run("trial", str(user.pk), "--channel", "push")

    assert status == 0
    assert out.count("planned") == 2
    assert out.count("fcm: accepted, id ") == 1
    assert out.count("fcm: UNREGISTERED") == 1


def test_a_trial_shows_the_providers_refusal(sandbox: SandboxProcess) -> None:
    status, out, _ = run("trial", "+15005550001", "--channel", "sms")

    assert status == 1
    assert "twilio: 21211 The number is not a valid" in out
    assert "failed (invalid_recipient)" in out


def test_a_trial_is_one_attempt(sandbox: SandboxProcess) -> None:
    status, out, _ = run("trial", "+15005550429", "--channel", "sms")

    assert status == 1
    assert "20429" in out
    assert "a trial is one attempt" in out
    assert Delivery.objects.get().state == State.CANCELLED


def test_a_trial_tells_of_a_hold_and_can_release_it(sandbox: SandboxProcess) -> None:
    assert run("trial", "forbidden-token", "--channel", "push")[0] == 1

    status, out, _ = run("trial", "trial-token-2", "--channel", "push")
    assert status == 1
    assert "held        fcm until" in out
    assert "PERMISSION_DENIED" in out
    assert "--release" in out

    assert run("trial", "trial-token-2", "--channel", "push", "--release")[0] == 0


def test_a_trial_that_is_refused_for_its_options_says_which_to_correct(sandbox: SandboxProcess) -> None:
    sandbox.client.fault("postmark", "unauthorized")

    status, out, _ = run("trial", "ada@example.com", "--channel", "email")

    assert status == 1
    assert 'hint        correct NOTIFICATIONS["PROVIDERS"]["email"]["OPTIONS"]' in out
    assert "--release" in out
    assert "wait a minute" not in out


def test_a_trial_with_a_base_url_that_leads_nowhere_asks_about_it(sandbox: SandboxProcess, settings: Any) -> None:
    providers = settings.NOTIFICATIONS["PROVIDERS"]
    options = {**providers["email"]["OPTIONS"], "base_url": sandbox.base_url}
    changed = {**providers, "email": {**providers["email"], "OPTIONS": options}}
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "PROVIDERS": changed}
    registry.reset()

    status, out, _ = run("trial", "ada@example.com", "--channel", "email")

    assert status == 1
    assert "404 The provider has nothing at this address: is base_url right?" in out
    assert "base_url), then run this again with --release" in out


def test_a_trial_that_reaches_nobody_names_the_address(sandbox: SandboxProcess, settings: Any) -> None:
    nowhere = f"http://127.0.0.1:{closed_port()}/postmark"
    providers = settings.NOTIFICATIONS["PROVIDERS"]
    options = {**providers["email"]["OPTIONS"], "base_url": nowhere}
    changed = {**providers, "email": {**providers["email"], "OPTIONS": options}}
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "PROVIDERS": changed}
    registry.reset()

    status, out, _ = run("trial", "ada@example.com", "--channel", "email")

    assert status == 1
    (hint,) = [line for line in out.splitlines() if line.startswith("hint")]
    assert nowhere in hint
    assert "tried again when due" not in out
    assert "a trial is one attempt" in out


def test_a_trial_to_an_unknown_user_says_whom_and_how_users_are_found(sandbox: SandboxProcess) -> None:
    with pytest.raises(CommandError) as refused:
        run("trial", "bob", "--channel", "sms")

    assert "'bob': " in str(refused.value)
    assert 'NOTIFICATIONS["RECIPIENT"]["lookup"]' in str(refused.value)


def test_a_trial_tells_of_a_suppression(sandbox: SandboxProcess) -> None:
    Suppression.objects.create(
        channel="email", address_hash=address_hash("email", "ada@example.com"), cause=SuppressionCause.HARD_BOUNCE
    )

    status, out, _ = run("trial", "ada@example.com", "--channel", "email")

    assert status == 1
    assert "skipped (suppression)" in out
    assert "lift the suppression" in out


def test_a_trial_tells_of_the_guest_list(sandbox: SandboxProcess, settings: Any) -> None:
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "ONLY_TO": ["example.org"]}

    status, out, _ = run("trial", "ada@example.com", "--channel", "email")

    assert status == 1
    assert "skipped (guest_list)" in out
    assert 'NOTIFICATIONS["ONLY_TO"]' in out


def test_a_trial_without_a_route_says_so(sandbox: SandboxProcess, settings: Any) -> None:
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "ROUTES": {"email": ["email"]}}

    status, out, _ = run("trial", "+4915112345678", "--channel", "sms")

    assert status == 1
    assert "dead (no_route)" in out
    assert 'NOTIFICATIONS["ROUTES"]' in out


@pytest.mark.parametrize(
    ("to", "channel", "what"),
    [("nobody", "sms", "no user"), ("ada@", "email", "not an email address"), ("two words", "push", "device token")],
)
def test_a_trial_to_nobody_is_refused(sandbox: SandboxProcess, to: str, channel: str, what: str) -> None:
    with pytest.raises(CommandError, match=what):
        run("trial", to, "--channel", channel)

    assert not Delivery.objects.exists()


def test_a_trial_before_the_templates_are_loaded_says_how_to_load_them(sandbox: SandboxProcess) -> None:
    Template.objects.all().delete()

    with pytest.raises(CommandError, match="carillon templates sync"):
        run("trial", "ada@example.com", "--channel", "email")

    run("templates", "sync")
    assert run("trial", "ada@example.com", "--channel", "email")[0] == 0


# --- templates


def test_templates_are_listed_with_versions_languages_and_conflicts() -> None:
    load_declarations()
    template = Template.objects.get(slug="carillon-trial")
    assert template.current is not None
    publish(template, {(Channel.SMS, "en"): {"text": "From the console"}}, Source.CONSOLE)
    publish(template, {(Channel.SMS, "en"): {"text": "From a deploy"}}, Source.CODE)
    template.refresh_from_db()

    listed = run("templates")[1]

    assert "carillon-trial  (carillon-trial, from code)  version 2 from console  sms: en" in listed
    assert "conflict: version 3 came with a deploy" in listed
    assert words_of(template.current) == {(Channel.SMS, "en"): {"text": "From the console"}}


# --- broadcast


def test_a_broadcast_is_watched_until_it_is_done(sandbox: SandboxProcess, person: Callable[..., User]) -> None:
    for number in range(3):
        person(f"member-token-{number}")
    made = broadcast("new-post", {"all": True}, {"title": "Bells"})
    assert f"{made.pk}  [{'.' * 30}]   0%  planning: nobody yet" in run("broadcast")[1]

    while plan_page(made.pk):
        pass
    work(Channel.PUSH)
    continue_broadcasts()

    status, out, _ = run("broadcast", "--watch", str(made.notification_id))
    assert status == 0
    assert f"[{'#' * 30}] 100%  done: 3 members, 3 planned, 3 sent" in out


def test_watching_a_cancelled_broadcast_ends_with_1(sandbox: SandboxProcess) -> None:
    made = broadcast("new-post", {"all": True}, {"title": "Bells"}, draft=True)
    Broadcast.objects.filter(pk=made.pk).update(status=BroadcastStatus.CANCELLED)

    assert run("broadcast", "--watch", str(made.pk))[0] == 1


def test_watching_what_is_not_there_says_so() -> None:
    with pytest.raises(CommandError, match="there is no broadcast"):
        run("broadcast", "--watch", "00000000-0000-0000-0000-000000000000")


def test_a_draft_is_previewed(person: Callable[..., User]) -> None:
    user = person("preview-token-0")
    made = broadcast("new-post", {"all": True}, {"title": " "}, draft=True)
    status, out, _ = run("broadcast", "--preview", str(made.pk))
    assert status == 1
    assert "looked at all 1 recipients; would send 1 by push" in out
    assert f"1  variable title is empty (for example {user.pk})" in out
    assert not Delivery.objects.exists()
    Broadcast.objects.update(status=BroadcastStatus.CANCELLED)
    with pytest.raises(CommandError, match="cannot be previewed"):
        run("broadcast", "--preview", str(made.pk))


def test_who_was_left_out_and_why_one_stopped_is_told(person: Callable[..., User]) -> None:
    user = person()
    made = broadcast("new-post", {"all": True}, {"title": "Bells"})
    keep_left_out(made, {user.pk: "DataError"})
    made.status, made.stopped_for = BroadcastStatus.STOPPED, "3 of 4 failed"
    made.save()
    assert run("broadcast", "--left-out", str(made.pk))[1] == f"u:{user.pk}  DataError\n"
    status, out, _ = run("broadcast", "--watch", str(made.pk))
    assert status == 1
    assert "stopped (3 of 4 failed): nobody yet, 1 left out" in out


# --- sweep and sandbox, as processes


def test_sweep_once_says_who_led() -> None:
    assert "Swept once" in run("sweep", "--once")[2]


def test_the_sweeper_stops_when_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    swept = []

    def sweep_and_be_told(holder: str) -> bool:
        swept.append(sweep(holder))
        os.kill(os.getpid(), signal.SIGTERM)
        return swept[-1]

    monkeypatch.setattr("notifications.workers.sweep", sweep_and_be_told)
    try:
        status, _, err = run("sweep")
    finally:
        stopping.clear()
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])

    assert status == 0
    assert swept == [True]
    assert "Stopped." in err


@pytest.mark.parametrize("entry", [["-m", "django", "carillon", "sandbox"], ["-m", "notifications.sandbox"]])
def test_a_taken_port_is_one_line_from_either_door(tmp_path: Path, sandbox: SandboxProcess, entry: list[str]) -> None:
    port = sandbox.base_url.rpartition(":")[2]
    command = [sys.executable, *entry, "--port", port, "--file", str(tmp_path / "file")]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "DJANGO_DEBUG": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 1
    assert done.stderr == f"port {port} is taken; --port 0 takes a free one\n"


def test_the_sandbox_needs_no_database(tmp_path: Path) -> None:
    nowhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing", "REDIS_URL": "redis://127.0.0.1:9/0"}
    nowhere["DJANGO_DEBUG"] = "1"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", **nowhere}
    command = [sys.executable, "-m", "django", "carillon", "sandbox", "--port", "0", "--file", str(tmp_path / "file")]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGTERM)

    assert b"sandbox listening on http://127.0.0.1:" in first
    assert process.returncode == 0


def test_the_sandbox_runs_in_no_production_unless_it_is_allowed(settings: Any) -> None:
    settings.DEBUG = False
    assert not is_allowed()
    with pytest.raises(CommandError, match="nobody will ever get"):
        run_sandbox(["--port", "0"])
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "SANDBOX": ["twilio"]}
    assert is_allowed()
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "SANDBOX": []}
    settings.DEBUG = True
    assert is_allowed()


def test_explain_prints_a_table_and_writes_nothing(sandbox: SandboxProcess, person: Callable[..., User]) -> None:
    user = person("token-explain-01", email="explain@example.com")
    status, out, err = run("explain", str(user.pk), "price-alert", "--channel", "push", "--at", "2199-12-01T03:00")
    assert (status, Delivery.objects.count()) == (0, 0)
    assert "as of 2199-12-01 03:00 Europe/Berlin" in err
    assert "push to …" in out
    assert "sending through fcm" in out
    for rule in ("Preference", "Quiet hours", "Throttle and digest", "Provider"):
        assert f"ok    {rule}" in out
    assert "explain@" not in out
    _, out, _ = run("explain", "guest@example.com", "order-shipped")
    assert "email to g…@example.com: sending through email" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nobody", "price-alert"], "no such user"),
        (["+4915112345678", "nonsense"], "no template"),
        (["+4915112345678", "login-code", "--at", "2001-01-01T00:00"], "timeline"),
        (["+4915112345678", "login-code", "--at", "soon"], "write 2026-12-01T03:00"),
    ],
)
def test_explain_says_what_is_wrong(person: Callable[..., User], words: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        run("explain", *words)


# --- export and erase


def test_somebody_without_an_account_is_exported_and_erased_by_mailbox_or_number(sandbox: SandboxProcess) -> None:
    for to in (Address(email="Guest@example.com"), Address(sms="+4915112345678")):
        notify(
            to,
            "order-shipped" if to.email else "login-code",
            {"number": "A-1", "total": 2.5, "items": []} if to.email else {"code": "493021"},
        )
    mail, phone = (row.recipient for row in Notification.objects.order_by("pk"))

    told = json.loads(run("export", "guest@example.com")[1])
    assert told["recipient"] == mail
    assert [item["deliveries"][0]["address"] for item in told["notifications"]] == ["Guest@example.com"]

    status, out, err = run("erase", "guest@example.com")
    assert status == 0
    assert "1  deliveries" in out
    assert "Nothing was erased" in err
    assert Delivery.objects.count() == 2

    assert "is erased" in run("erase", "guest@example.com", "--yes")[2]
    assert "1  notifications" in run("erase", "+49 151 12345678", "--yes")[1]
    assert not Delivery.objects.exists()
    assert not Notification.objects.exists()
    assert list(AuditEntry.objects.order_by("pk").values_list("actor", "subject")) == [
        ("carillon erase", mail),
        ("carillon erase", phone),
    ]
    for term in ("guest@example.com", mail, "u:0", "u:x", "nobody", ""):
        with pytest.raises(CommandError, match="nothing is kept"):
            run("erase", term, "--yes")


def test_a_user_is_erased_by_key_even_after_the_host_deleted_them(person: Callable[..., User]) -> None:
    user = person(email="both@example.com")
    key = user.pk
    for to in (user, Address(email="both@example.com")):
        notify(to, "order-shipped", {"number": "A-1", "total": 2.5, "items": []})
    guest = Notification.objects.exclude(recipient=f"u:{key}").get().recipient
    with pytest.raises(CommandError, match=f"2 recipients, name one of them: u:{key}, {guest}"):
        run("erase", "both@example.com", "--yes")
    run("erase", guest, "--yes")
    user.delete()

    for term in (str(key), f"u:{key}"):
        assert json.loads(run("export", term)[1])["recipient"] == f"u:{key}"
    assert "1  deliveries" in run("erase", str(key), "--yes")[1]
    assert not Delivery.objects.exists()


# --- after-restore


def test_after_a_restore_it_counts_and_with_yes_marks(own_redis: None, person: Callable[..., User]) -> None:
    ada = person("token-after-restore")
    notify(ada, "new-follower", {"name": "A"})
    made = broadcast("new-post", {"users": [str(ada.pk)]}, {"title": "Bells"})

    status, out, err = run("after-restore")
    assert (status, "1  wait, and were due" in out, "Nothing was changed" in err) == (0, True, True)
    assert f"broadcast {made.pk} planning: it goes on" in out
    assert Delivery.objects.get().state == State.PENDING

    assert "1 are taken as perhaps sent" in run("after-restore", "--yes")[2]
    assert Delivery.objects.get().state == State.UNCERTAIN


def test_after_a_restore_it_refuses_while_workers_run(own_redis: None) -> None:
    beat([Channel.EMAIL], "somebody")
    with pytest.raises(CommandError, match="workers run: stop them first"):
        run("after-restore", "--yes")
