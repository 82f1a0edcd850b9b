"""Mutants that decide the same as their rule, each with the reason why no test can tell them apart."""

from __future__ import annotations

EQUIVALENT = {
    "data.problems_with: len(problems) >= MOST_PROBLEMS -> len(problems) > MOST_PROBLEMS": (
        "the list is cut to the same length behind the loop; here it only ends early"
    ),
    "data.own_value: len(value) <= _SURELY_SMALL -> len(value) < _SURELY_SMALL": (
        "a text of that length is far from too large; weighing it as JSON comes to the same, and takes longer"
    ),
    "planning.when: not plan.mandatory and person.wishes.quiet_hours -> not plan.mandatory": (
        "without quiet hours the first moment allowed is the one asked about; this only saves the asking"
    ),
    "push_payload.fit_body: letters * _MOST_OF_A_LETTER + _FRAME * (2 + len(data)) <= ROOM"
    " -> letters * _MOST_OF_A_LETTER + _FRAME * (2 + len(data)) < ROOM": (
        "this counts more than a message takes: what just passes here fits when it is written out"
    ),
    "quiet_hours.first_allowed: current - moment <= _LONGEST -> current - moment < _LONGEST": (
        "windows repeat every week: what is quiet for a week on end does not end eight days later to the microsecond"
    ),
    "quiet_hours._end_of: local.time() >= window.start -> local.time() > window.start": (
        "no end is found ahead of a window's very first microsecond, so it is asked again a minute later, in the window"
    ),
    "quiet_hours._end_of: instant > current -> instant >= current": (
        "a window does not cover the moment that the wall shows as its end, so no end is the current moment"
    ),
    "quiet_hours._skip: at.astimezone(where).replace(tzinfo=None) >= wall"
    " -> at.astimezone(where).replace(tzinfo=None) > wall": "no moment shows a wall time that the clocks skip",
    "ramp.next_page: quota >= per_second * _MINUTE -> quota > per_second * _MINUTE": (
        "no minute's quota, a hundred doubled again and again, is sixty times a whole number"
    ),
    "receipts.attempt_of: generation < newest_generation -> generation <= newest_generation": (
        "equal generations were answered one line before"
    ),
}
