"""How long what a killed worker had in its hands takes to move on."""

from __future__ import annotations

from collections.abc import Sequence

from notifications.sandbox.records import Accepted
from tests.chaos.checker import judge_deployment
from tests.chaos.deployment import Deployment, moment, wait_until
from tests.chaos.killer import Kill, Killer
from tests.ground.figures import Figure, Run

WANT = "p99 <= 60 s from the SIGKILL in mid-send until the delivery's next accept or end"
LIMIT = 60.0
ENDS_SQL = """
    SELECT id::text, extract(epoch FROM updated_at)::float8 FROM carillon_delivery
    WHERE state NOT IN ('pending', 'sending', 'uncertain')
"""


def run(run: Run) -> list[Figure]:
    """Kill workers in mid-send, then wait until all has moved on."""
    # Quickly, while there is much to send: what is hit twice waits for two leases, and is counted from the first.
    kills, every = run.size(8, 3), run.size(2, 1)
    users = run.size(8_000, 1_200)
    with Deployment(run, latency=0.15) as deployment:
        deployment.begin(users=users, workers=3, web=False)
        deployment.stack.sandbox.client.fault("fcm", "slow", delay=0.5)
        book = run.folder / "acknowledged.jsonl"
        deployment.host("launch", str(book), str(users))
        wait_until(lambda: deployment.accepted_count() > 50, "the sending")
        killer = Killer(deployment, run.draw, kills=kills, every=every, kinds={"sender": 1})
        killer.start()
        wait_until(lambda: not killer.is_alive() or deployment.accepted_count() >= users, "the kills")
        killer.end()
        deployment.wait_quiet(run.size(180, 60))
        taken = deployment.accepted()
        ends = {str(key): float(at) for key, at in deployment.database.rows(ENDS_SQL)}
        verdict = judge_deployment([book], deployment.file, deployment.database)
        wrong_kills = killer.objections()
    waits = recoveries(killer.kills, taken, ends)
    never = sum(seconds is None for seconds in waits)
    known = sorted(seconds for seconds in waits if seconds is not None)
    value = percentile(known, 0.99)
    detail = {
        "objections_to_the_kills": wrong_kills,
        "deliveries_in_hand": len(waits),
        "of_these_started": killer.bound,
        "never": never,
        "p50": percentile(known, 0.5),
        "max": known[-1] if known else None,
        "provider_answers_after_s": 0.5 + 2 * 0.15,
        "waits": deployment.waits or "the defaults",
        "ends_sql": " ".join(ENDS_SQL.split()),
        **killer.summary(),
        **verdict.detail(),
    }
    passed = bool(known) and killer.bound > 0 and not never and value <= LIMIT and verdict.sound
    passed = passed and not wrong_kills
    return [Figure("recovery_p99_s", value, "s", WANT, passed, detail)]


def recoveries(kills: Sequence[Kill], taken: Sequence[Accepted], ends: dict[str, float]) -> list[float | None]:
    """Return for every delivery in a victim's hands after how many seconds it was accepted next, or had ended."""
    accepts: dict[str, list[float]] = {}
    for row in taken:
        accepts.setdefault(row.delivery or "", []).append(moment(row.at))
    waits: list[float | None] = []
    for kill in kills:
        for key, _ in (*kill.held, *kill.unstarted):
            later = [at for at in accepts.get(str(key), ()) if at > kill.at]
            end = ends.get(str(key))
            moments = [*later, *([end] if end is not None and end > kill.at else [])]
            waits.append(min(moments) - kill.at if moments else None)
    return waits


def percentile(values: Sequence[float], share: float) -> float:
    """Return a percentile of sorted values; 0 of none."""
    return round(values[min(len(values) - 1, int(len(values) * share))], 3) if values else 0.0
