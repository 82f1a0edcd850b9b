"""How a text message is split, at every boundary."""

from __future__ import annotations

import pytest

from notifications.channels import SPECS
from notifications.enums import Channel
from notifications.rules.sms_segments import MOST_SEGMENTS, beyond_gsm7, count_segments, with_plain_spaces


@pytest.mark.parametrize(
    ("text", "encoding", "units", "parts"),
    [
        pytest.param("", "GSM-7", 0, 1, id="nothing"),
        pytest.param("a" * 160, "GSM-7", 160, 1, id="one full"),
        pytest.param("a" * 161, "GSM-7", 161, 2, id="one more"),
        pytest.param("a" * 306, "GSM-7", 306, 2, id="two full"),
        pytest.param("a" * 307, "GSM-7", 307, 3, id="three"),
        pytest.param("€" * 80, "GSM-7", 160, 1, id="extended characters take two"),
        pytest.param("€" * 80 + "a", "GSM-7", 161, 2, id="one beyond"),
        pytest.param("a" * 152 + "€" + "a" * 152, "GSM-7", 306, 3, id="an escape is not split from its character"),
        pytest.param("äöüñ¿@£\n", "GSM-7", 8, 1, id="the alphabet"),
        pytest.param("`", "UCS-2", 1, 1, id="a grave accent is not in it"),
        pytest.param("я" * 70, "UCS-2", 70, 1, id="one full of others"),
        pytest.param("я" * 71, "UCS-2", 71, 2, id="one more of others"),
        pytest.param("я" * 134, "UCS-2", 134, 2, id="two full of others"),
        pytest.param("я" * 135, "UCS-2", 135, 3, id="three of others"),
        pytest.param("😀" * 35, "UCS-2", 70, 1, id="emoji take two"),
        pytest.param("a" * 66 + "😀" + "a" * 66, "UCS-2", 134, 3, id="an emoji is not split"),
        pytest.param("a" * 100 + "’", "UCS-2", 101, 2, id="one curly quote changes all"),
    ],
)
def test_segments(text: str, encoding: str, units: int, parts: int) -> None:
    assert count_segments(text) == (encoding, units, parts)


def test_spaces_of_typography_do_not_change_the_encoding() -> None:
    assert count_segments(with_plain_spaces("59,90\u00a0EUR, 1\u202f000")).encoding == "GSM-7"


@pytest.mark.parametrize(("letter", "each"), [("a", 153), ("я", 67)])
def test_a_message_of_too_many_segments_is_refused_and_the_value_not_told(letter: str, each: int) -> None:
    most = letter * each * MOST_SEGMENTS
    assert SPECS[Channel.SMS].content({"text": most}).text == most
    with pytest.raises(ValueError, match="takes 11 segments of") as caught:
        SPECS[Channel.SMS].content({"text": most + letter})
    assert letter * 9 not in str(caught.value)


def test_what_makes_a_text_long_is_named_once_and_in_its_order() -> None:
    assert beyond_gsm7("Grüße für 5 € {ok}") == []
    assert beyond_gsm7("Da’s ‘ok’, ж") == ["’", "‘", "ж"]
