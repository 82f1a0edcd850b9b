"""The tables: the README says what ``faults.py`` and ``modes.py`` do, and the numbers are numbers."""

from pathlib import Path

import phonenumbers
import pytest

import notifications.sandbox
from notifications.sandbox.apns_faults import APNS_FAULTS
from notifications.sandbox.callbacks import MANNERS
from notifications.sandbox.faults import FCM_FAULTS, POSTMARK_FAULTS, TWILIO_FAULTS
from notifications.sandbox.modes import MODES
from notifications.sandbox.resend_faults import RESEND_FAULTS
from notifications.sandbox.segments import count_segments
from notifications.sandbox.smtp_faults import SMTP_FAULTS
from notifications.sandbox.vonage_faults import VONAGE_FAULTS

README = (Path(notifications.sandbox.__file__).parent / "README.md").read_text(encoding="utf-8")


def row(first, section):
    """Return the cells of the row that begins with this one, in the README's section whose heading begins so."""
    [text] = [part for part in README.replace("\n## ", "\n### ").split("\n### ") if part.startswith(section)]
    [found] = [line for line in text.splitlines() if line.startswith(f"| `{first}` |")]
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_the_readme_lists_every_fault_as_it_is():
    for fault in FCM_FAULTS:
        assert row(fault.prefix, "FCM")[1:3] == [str(fault.http), fault.error_code or "none"]
    for fault in TWILIO_FAULTS:
        assert row(fault.number, "Twilio")[1:3] == [str(fault.http or ""), str(fault.code or "")]
    for fault in POSTMARK_FAULTS:
        code = 0 if fault.http is None else fault.error_code or fault.http
        assert row(fault.word, "Postmark")[1:3] == [str(fault.http or 200), str(code)]


def test_the_readme_lists_the_further_providers_faults_too():
    for fault in APNS_FAULTS:
        assert row(fault.prefix, "APNs")[1:3] == [str(fault.http), fault.reason]
    for fault in VONAGE_FAULTS:
        assert row(fault.number, "Vonage")[1:3] == [str(fault.http), str(fault.status) if fault.http == 200 else ""]
        for status, code in fault.receipts:
            assert f"`{status}` {code}" in row(fault.number, "Vonage")[3]
    for fault in RESEND_FAULTS:
        assert row(fault.word, "Resend")[1:3] == [str(fault.http), fault.name]
    for fault in SMTP_FAULTS:
        assert row(fault.word, "SMTP")[1:3] == [str(fault.code), fault.enhanced]


def test_the_readme_lists_every_mode_as_it_is():
    for manner, meaning in MANNERS.items():
        assert row(manner, "Providers that fail")[1].replace("`", "").startswith(meaning.replace("`", ""))
    for mode, meaning in MODES.items():
        assert row(mode, "Providers that fail")[1].replace("`", "").startswith(meaning.replace("`", ""))


@pytest.mark.parametrize("fault", TWILIO_FAULTS + VONAGE_FAULTS, ids=lambda fault: fault.number)
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
