"""RQ loses, repeats and runs jobs too early; jobs are wake-ups here, so each message still goes out once."""

from __future__ import annotations

from tests.chaos.own_stack import own_stack, run_inside
from tests.ground.figures import Figure, Run

WANT = "each of RQ's own faults shown to have fired, and one provider accept per delivery nevertheless"
WRONG = ("accepted twice", "lost", "not asked for", "possible duplicates")
SQL = "SELECT count(*) FROM carillon_delivery WHERE state IN ('pending', 'sending', 'uncertain')"


def run(run: Run) -> list[Figure]:
    """Bring each fault about and count what the provider took."""
    with own_stack(run.folder.parent, run.folder) as stack:
        found = run_inside(
            stack,
            "tests.chaos.rq_fault_cases",
            file=str(stack.folder / "sandbox.jsonl"),
            sandbox=stack.sandbox.base_url,
            messages=run.size(50, 5),
        )
    wrong = sum(case[name] for case in found.values() for name in WRONG)
    fired = all(case["fired"] for case in found.values())
    passed = wrong == 0 and fired and all(case["accepted"] == case["asked"] for case in found.values())
    detail = {"faults": found, "sql": SQL, "counted": "the sandbox's file, by delivery"}
    return [Figure("rq_faults", wrong, "deliveries not accepted exactly once", WANT, passed, detail)]
