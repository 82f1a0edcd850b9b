"""The tables: the README says what ``faults.py`` and ``modes.py`` do, and the numbers are numbers."""

from pathlib import Path

import phonenumbers
import pytest

import notifications.sandbox
from notifications.sandbox.faults import FCM_FAULTS, POSTMARK_FAULTS, TWILIO_FAULTS
from notifications.sandbox.modes import MODES
from notifications.sandbox.segments import count_segments

README = (Path(notifications.sandbox.__file__).parent / "README.md").read_text(encoding="utf-8")


def row(first):
    """Return the cells of the README's row that begins with this one."""
    [found] = [line for line in README.splitlines() if line.startswith(f"| `{first}` |")]
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_the_readme_lists_every_fault_as_it_is():
    for fault in FCM_FAULTS:
        assert row(fault.prefix)[1:3] == [str(fault.http), fault.error_code or "none"]
    for fault in TWILIO_FAULTS:
        assert row(fault.number)[1:3] == [str(fault.http or ""), str(fault.code or "")]
    for fault in POSTMARK_FAULTS:
        code = 0 if fault.http is None else fault.error_code or fault.http
        assert row(fault.word)[1:3] == [str(fault.http or 200), str(code)]
    for mode, meaning in MODES.items():
        assert row(mode)[1].replace("`", "").startswith(meaning.replace("`", ""))


@pytest.mark.parametrize("fault", TWILIO_FAULTS, ids=lambda fault: fault.number)
def test_every_number_passes_a_validator_of_numbers(fault):
    assert phonenumbers.is_valid_number(phonenumbers.parse(fault.number.replace("*", "123")))


@pytest.mark.parametrize(
    ("text", "encoding", "parts"),
    [
        ("", "GSM-7", 1),
        ("a" * 160, "GSM-7", 1),
        ("a" * 161, "GSM-7", 2),
        ("a" * 306, "GSM-7", 2),
        ("a" * 307, "GSM-7", 3),
        ("€" * 80, "GSM-7", 1),
        ("€" * 81, "GSM-7", 2),
        ("a" * 152 + "€" + "a" * 152, "GSM-7", 3),
        ("й" * 70, "UCS-2", 1),
        ("й" * 71, "UCS-2", 2),
        ("👋" * 35, "UCS-2", 1),
        ("👋" * 36, "UCS-2", 2),
    ],
)
def test_segments_are_counted_as_they_are_billed(text, encoding, parts):
    assert count_segments(text) == (encoding, parts)
