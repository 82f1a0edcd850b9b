"""Weeks: which of them lie around some ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from notifications.models.weeks import weeks_around
from notifications.rules.identity import first_id_at, time_of

_MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@given(_MOMENTS, _MOMENTS)
def test_whole_weeks_lie_around_notifications(one: datetime, other: datetime) -> None:
    first, beyond = (time_of(bound) for bound in weeks_around([first_id_at(one), first_id_at(other)]))
    assert first <= min(one, other) + timedelta(milliseconds=1)
    assert max(one, other) < beyond
    assert min(one, other) - first < timedelta(days=7)
    assert beyond - max(one, other) <= timedelta(days=7)
    assert {(moment.isoweekday(), moment.hour, moment.minute, moment.second) for moment in (first, beyond)} == {
        (1, 0, 0, 0)
    }


def test_a_clock_that_was_not_set_has_a_week_too() -> None:
    at = datetime(1970, 1, 2, tzinfo=UTC)
    assert weeks_around([first_id_at(at)]) == (UUID(int=0), first_id_at(datetime(1970, 1, 5, tzinfo=UTC)))
