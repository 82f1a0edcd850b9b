"""When a provider's word costs a device, and when the brake stops it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from notifications.rules.pruning import Share, brakes, is_outdated
from tests.rules.standings import NOW

NOTHING = Share(0, 0)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("claim", "hour", "expected"),
    [
        (NOTHING, NOTHING, False),
        (Share(49, 49), Share(49, 49), False),  # too few to tell a wrong key from bad luck
        (Share(50, 10), Share(50, 10), False),
        (Share(50, 11), Share(50, 11), True),
        (Share(500, 500), Share(500, 500), True),
        # One message at a time: no claim ever has enough, the hour has.
        (Share(1, 1), Share(999, 999), False),
        (Share(1, 1), Share(1_000, 100), False),
        (Share(1, 1), Share(1_000, 101), True),
        (Share(500, 60), Share(100_000, 3_000), False),
    ],
)
def test_the_brake(claim: Share, hour: Share, expected: bool) -> None:
    assert brakes(claim, hour) is expected


@pytest.mark.parametrize(
    ("seen", "since", "expected"),
    [
        (NOW - MINUTE, None, True),
        (NOW, None, True),
        (NOW + MINUTE, None, False),  # registered again after the message was claimed
        (NOW - 2 * MINUTE, NOW - MINUTE, True),
        (NOW - MINUTE, NOW - 2 * MINUTE, False),  # registered again after the provider saw it die
        (NOW - MINUTE, NOW - MINUTE, False),
        (NOW + MINUTE, NOW + 2 * MINUTE, False),
    ],
)
def test_a_registration_is_newer_than_the_providers_word(seen, since, expected) -> None:  # type: ignore[no-untyped-def]
    assert is_outdated(seen, NOW, since) is expected
