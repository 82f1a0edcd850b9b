"""Who wants what: each row is one combination of switches, with the reason for its answer."""

from __future__ import annotations

from typing import Any

import pytest

from notifications.rules.preferences import Wishes, is_wanted


@pytest.mark.parametrize(
    ("channels", "categories", "mandatory", "wanted"),
    [
        pytest.param({}, {}, False, True, id="nothing said means yes"),
        pytest.param({"push": False}, {}, False, False, id="channel off"),
        pytest.param({"sms": False}, {}, False, True, id="another channel off"),
        pytest.param({}, {"social": {"push": False}}, False, False, id="category off on this channel"),
        pytest.param({}, {"social": {"sms": False}}, False, True, id="category off on another channel"),
        pytest.param({}, {"orders": {"push": False}}, False, True, id="another category off"),
        pytest.param({"push": True}, {"social": {"push": False}}, False, False, id="the category's no wins"),
        pytest.param({"push": False}, {"social": {"push": True}}, False, False, id="the channel's no wins"),
        pytest.param({"push": True}, {"social": {"push": True}}, False, True, id="both say yes"),
        pytest.param({"push": False}, {"social": {"push": False}}, True, True, id="mandatory overrides both"),
        pytest.param({"push": None}, {"social": {}}, False, True, id="null is no switch"),
        pytest.param([], {}, False, True, id="junk for channels counts as nothing"),
        pytest.param({}, [], False, True, id="junk for categories counts as nothing"),
        pytest.param({}, {"social": True}, False, True, id="junk for one category counts as nothing"),
    ],
)
def test_is_wanted(channels: Any, categories: Any, mandatory: bool, wanted: bool) -> None:
    wishes = Wishes(channels=channels, categories=categories)
    assert is_wanted(wishes, "social", "push", mandatory=mandatory) is wanted
