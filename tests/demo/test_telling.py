"""What the demo says: the table, the lines, what to try; and how it waits and reads the sandbox's file."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from project.demo.__main__ import summary
from project.demo.closing import Place, break_line, send_line, timeline_url
from project.demo.finding import Row, findings
from project.demo.ledger import Ledger
from project.demo.outcomes import OUTCOMES
from project.demo.terminal import Look, Terminal, table
from project.demo.waiting import WaitedInVainError, wait_until

PLAIN = Look(colour=False, marks=True, width=100)
PLACE = Place("http://127.0.0.1:8000", "http://127.0.0.1:9400", "ck_key")
ROWS = [
    Row("login code", "an SMS", ok=True, seen="delivered"),
    Row("hard bounce", "an email that bounces, and then nothing more " * 3, ok=False, seen="first: email delivered"),
]


def test_the_table_is_aligned_and_says_in_words_what_was_seen() -> None:
    lines = table(ROWS, PLAIN)
    column = lines[0].index("outcome")
    assert lines[2][:column].strip() == "✓ seen"
    assert lines[3][:column].strip() == "✗ NOT SEEN"
    assert lines[3][column:].startswith("hard bounce")
    assert all(line[column - 1] == " " for line in lines if len(line) > column and not line.startswith("-"))
    assert max(len(line) for line in lines) <= PLAIN.width
    assert " ".join(" ".join(lines[3:]).split()).count("nothing more") == 3
    assert "\033" not in "".join(lines)


def test_the_table_needs_neither_colour_nor_marks() -> None:
    bare = table(ROWS, Look(colour=False, marks=False, width=80))
    assert bare[3].startswith("NOT SEEN")
    assert "".join(bare).isascii()
    coloured = table(ROWS, Look(colour=True, marks=True, width=100))
    assert "\033[32m" in coloured[2]
    assert "\033[31m" in coloured[3]


def test_a_file_gets_plain_lines_even_if_it_can_only_hold_ascii() -> None:
    raw = io.BytesIO()
    terminal = Terminal(io.TextIOWrapper(raw, encoding="ascii"))
    terminal.heading("Sending")
    terminal.progress("broadcast", "“Casting…” is on")
    assert not terminal.look.colour
    assert not terminal.look.marks
    text = raw.getvalue().decode("ascii")
    assert text.startswith("\nSending\n")
    assert "s  broadcast " in text


def test_a_finding_says_what_is_missing_alone() -> None:
    assert findings((True, "a", ""), (True, "", ""), (True, "b", "")).seen == "a; b"
    missing = findings((True, "a", ""), (False, "b", "no b"), (False, "c", "no c"))
    assert (missing.ok, missing.seen) == (False, "no b; no c")


def test_the_sentence_under_the_table_names_what_was_not_seen() -> None:
    assert summary(10, []) == "All 10 outcomes were seen."
    assert summary(10, ["login code", "broadcast"]) == "2 of 10 outcomes not seen: login code, broadcast."


def test_there_are_ten_outcomes_each_with_a_name_of_its_own() -> None:
    assert len({item.name for item in OUTCOMES}) == len(OUTCOMES) == 10
    assert all(item.expected for item in OUTCOMES)


def test_what_to_try_can_be_pasted_into_a_shell() -> None:
    words = shlex.split(send_line(PLACE))
    assert words[0] == "curl"
    assert "Authorization: Api-Key ck_key" in words
    assert json.loads(words[-1])["template"] == "login-code"
    assert json.loads(shlex.split(break_line(PLACE))[-1]) == {"mode": "outage", "seconds": 60}
    assert parse_qs(urlsplit(timeline_url(PLACE)).query) == {"q": ["ada.nowak@example.com"]}
    for line in (send_line(PLACE), break_line(PLACE)):
        subprocess.run(["sh", "-n", "-c", line], check=True)


def test_waiting_ends_with_a_sentence() -> None:
    assert wait_until(lambda: 3, lambda found: found == 3, "three") == 3
    with pytest.raises(WaitedInVainError, match=r"waited 0 s for four; see build/demo/worker\.log"):
        wait_until(lambda: 3, lambda found: found == 4, "four", seconds=0, log="build/demo/worker.log")


def test_the_ledger_begins_where_the_run_begins_and_leaves_out_half_a_line(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.jsonl"
    file.write_text(_line("earlier"))
    ledger = Ledger(file)
    assert ledger.accepted() == []
    with file.open("a") as lines:
        lines.write(_line("d1") + _line("d2")[:40])
    assert [item.delivery for item in ledger.accepted()] == ["d1"]
    with file.open("a") as lines:
        lines.write(_line("d2")[40:])
    assert [item.delivery for item in ledger.accepted()] == ["d1", "d2"]
    assert [item.delivery for item in ledger.of("d2")] == ["d2"]
    (tmp_path / "sandbox.refused.jsonl").write_text('{"delivery": "d3"}\n')
    assert ledger.refused() == [{"delivery": "d3"}]


def _line(delivery: str) -> str:
    entry = {"at": "2026-03-01T12:00:00Z", "provider": "fcm", "channel": "push", "to": "t", "delivery": delivery}
    return json.dumps({**entry, "attempt": 1, "provider_message_id": "p", "content": {}, "request": {}}) + "\n"
