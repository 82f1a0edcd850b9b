"""Push within what providers take: the body gives way, at a boundary between characters; nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels import SPECS
from notifications.enums import Channel
from notifications.rules.push_payload import ELLIPSIS, ROOM, DoesNotFit, fit_body, payload_size

FAMILY, FLAG, THUMB, ACCENT = "👨‍👩‍👧‍👦", "🇩🇪", "👍🏽", "e\u0301"


@given(
    st.text(max_size=60), st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=50), st.integers(1, 200)
)
def test_whatever_the_body_it_fits(title: str, text: str, times: int) -> None:
    body = text * times
    fitted = fit_body(title, body, "", "", {})
    assert payload_size(title, fitted, "", "", {}) <= ROOM
    assert fitted == body or (fitted.endswith(ELLIPSIS) and body.startswith(fitted[:-1]))


@pytest.mark.parametrize("letter", ["a", "ä", "漢", "😀", '"', "\n", "\\"], ids=repr)
def test_no_room_is_wasted(letter: str) -> None:
    fitted = fit_body("t", letter * 5_000, "", "", {})
    size = payload_size("t", fitted, "", "", {})
    assert ROOM - 4 - len(letter) <= size <= ROOM or letter == "\n"


def test_what_just_fits_stays_and_one_byte_more_is_cut() -> None:
    room = ROOM - payload_size("t", "", "", "", {})
    assert fit_body("t", "x" * room, "", "", {}) == "x" * room
    assert fit_body("t", "x" * (room + 1), "", "", {}) == "x" * (room - 3) + ELLIPSIS


@pytest.mark.parametrize("whole", [FAMILY, FLAG, THUMB, ACCENT], ids=["family", "flag", "skin tone", "accent"])
@pytest.mark.parametrize("before", range(12))
def test_what_people_see_as_one_character_is_not_cut_apart(whole: str, before: int) -> None:
    fitted = fit_body("t", "x" * before + whole * 2_000, "", "", {})
    kept = fitted.removesuffix(ELLIPSIS)[before:]
    assert kept == whole * (len(kept) // len(whole))


def test_data_that_is_too_large_is_refused_and_not_told() -> None:
    with pytest.raises(DoesNotFit, match="without its body") as caught:
        fit_body("t", "b", "", "", {"secret": "s3cr3t" * 1_000})
    assert "s3cr3t" not in str(caught.value)


def test_the_channel_cuts_and_leaves_out_links_that_run_something() -> None:
    content = SPECS[Channel.PUSH].content(
        {
            "title": "a\nb",
            "body": "漢" * 3_000,
            "url": "javascript:alert(1)",
            "image": "data:text/html,x",
            "data.k": "v",
        }
    )
    assert (content.title, content.url, content.image, content.data) == ("a b", "", "", {"k": "v"})
    assert content.body.endswith(ELLIPSIS)
    assert SPECS[Channel.PUSH].content({"title": "t", "body": "b", "url": "myapp://orders/7"}).url == "myapp://orders/7"
