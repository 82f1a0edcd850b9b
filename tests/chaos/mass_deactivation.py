"""A provider that refuses everybody, for reasons of the account or the payload, must not cost a single device."""

from __future__ import annotations

from typing import Any

from tests.chaos.own_stack import own_stack, run_inside
from tests.ground.figures import Figure, Run

WANT = (
    "5,000 tokens each answered 403 PERMISSION_DENIED, 404 without errorCode, INVALID_ARGUMENT for an oversized "
    "payload: 0 deactivated; provider held by the first two; one alert"
)
ACCOUNT = ("forbidden-", "notfound-")
PAYLOAD = "oversized-"
SQL = (
    "SELECT count(*) FROM carillon_device WHERE NOT is_active",
    "SELECT kind, subject, count FROM carillon_alert WHERE acknowledged_at IS NULL",
    "SELECT alias, until FROM carillon_providerhold WHERE until > now()",
)


def run(run: Run) -> list[Figure]:
    """Let each answer meet all tokens and count what was switched off."""
    tokens = run.size(5_000, 300)
    with own_stack(run.folder.parent, run.folder) as stack:
        file = stack.folder / "sandbox.jsonl"
        found = run_inside(stack, "tests.chaos.mass_answers", file=str(file), tokens=tokens)
    phases: list[dict[str, Any]] = [found[name] for name in (*ACCOUNT, PAYLOAD)]
    deactivated = sum(phase["deactivated"] + phase["devices with a reason"] for phase in phases)
    kinds = [kind for kind, _, _ in found["open alerts"]]
    passed = (
        deactivated == 0
        and all(phase["answered in all"] == phase["devices"] == tokens for phase in phases)
        and all(found[name]["held at once"] and found[name]["held at the end"] for name in ACCOUNT)
        and all(found[name]["answered before the hold"] < tokens for name in ACCOUNT)
        and not found[PAYLOAD]["held at the end"]
        and kinds == ["provider_misconfigured"]
        and len(found["errors logged"]) == 1
    )
    return [Figure("mass_deactivation", deactivated, "devices deactivated", WANT, passed, {**found, "sql": SQL})]
