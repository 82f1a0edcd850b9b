"""A broadcast whose planners, senders, sweeper and web processes are killed all along."""

from __future__ import annotations

from dataclasses import replace

from notifications import conf
from tests.chaos.checker import judge_deployment
from tests.chaos.deployment import FORKING, Deployment, wait_until
from tests.chaos.killer import Killer
from tests.ground.figures import Figure, Run

KINDS = {"sender": 4, "worker": 2, "leader": 2, "web_worker": 1, "horse": 2, "parent": 1}
WANT = (
    "every device of every member exactly once (more only if flagged and started and unrecorded at some kill); members "
    "exact; {kills} kills, of every kind"
)
BROADCAST_SQL = "SELECT status, members, planned FROM carillon_broadcast"
# Small pages, so that planning lasts long enough to be killed in.
PAGE = 50


def run(run: Run) -> list[Figure]:
    """Kill while it is planned and sent: a small one often, in small pages, and a large one as it is."""
    every = run.size(100, 60) / 100
    small = broadcast_kills(run, users=run.size(10_000, 2_500), kills=run.size(60, 9), every=every, page=PAGE)
    if run.quick:
        return [small]
    large = replace(run, folder=run.folder / "large")
    return [small, broadcast_kills(large, "broadcast_kills_200k", users=100_000, kills=12, every=10.0)]


def broadcast_kills(
    run: Run, name: str = "broadcast_kills", *, users: int, kills: int, every: float, page: int = 0
) -> Figure:
    """Broadcast to so many during so many kills, one in so many seconds, and judge what came of it."""
    devices, quiet = 2, run.size(180, 45)
    with Deployment(run, latency=0.15, env={"CHAOS_PAGE_SIZE": str(page)} if page else {}) as deployment:
        deployment.stack.add_worker("forking-1", *FORKING)
        deployment.begin(users=users, devices=devices, workers=3)
        killer = Killer(deployment, run.draw, kills=kills, every=every, kinds=KINDS)
        book = run.folder / "acknowledged.jsonl"
        deployment.host("launch", str(book), str(users), str(devices))
        wait_until(lambda: deployment.database.value("SELECT planned FROM carillon_broadcast"), "the first page")
        planned_at_first = int(deployment.database.value("SELECT planned FROM carillon_broadcast"))
        killer.start()
        killer.join()
        took = deployment.wait_quiet(quiet)
        wait_until(lambda: deployment.database.value("SELECT status FROM carillon_broadcast") == "done", "its end", 20)
        verdict = judge_deployment([book], deployment.file, deployment.database)
        status, members, planned = deployment.database.rows(BROADCAST_SQL)[0]
        taken = {row.to for row in deployment.accepted()}
        wrong_kills = killer.objections()
    exact = members == users and planned == users * devices and len(taken) == users * devices
    detail = {
        "members_wanted": users,
        "devices_wanted": users * devices,
        "planned_at_the_first_kill": planned_at_first,
        "status": status,
        "members": members,
        "planned": planned,
        "devices_reached": len(taken),
        "page": page or conf.PAGE_SIZE,
        "quiet_after_s": took,
        "waits": deployment.waits or "the defaults",
        "broadcast_sql": BROADCAST_SQL,
        "objections_to_the_kills": wrong_kills,
        **killer.summary(),
        **verdict.detail(),
    }
    passed = exact and verdict.sound and not wrong_kills
    wrong = len(verdict.lost) + len(verdict.stuck) + len(verdict.unflagged)
    return Figure(name, wrong, "devices", WANT.format(kills=kills), passed, detail)
