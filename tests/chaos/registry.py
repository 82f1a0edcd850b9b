"""All scenarios in the order in which they run: the figure that each is known by, and the module whose `run` makes it.

Modules are named, not imported, so that one that cannot even be loaded is reported and the others still run.
"""

from __future__ import annotations

SCENARIOS: dict[str, str] = {
    "textbook_sender_caught": "tests.chaos.textbook",
    "kill_loop": "tests.chaos.kill_loop",
    "broadcast_kills": "tests.chaos.broadcast_kills",
    "digest_kills": "tests.chaos.digest_kills",
    "every_point_crash": "tests.chaos.every_point_crash",
    "rolling_restart": "tests.chaos.rolling_restart",
    "recovery_p99_s": "tests.chaos.recovery",
    "valkey_emptied": "tests.chaos.valkey_emptied",
    "valkey_down": "tests.chaos.valkey_down",
    "postgres_killed": "tests.chaos.postgres_killed",
    "rq_faults": "tests.chaos.rq_faults",
    "breaker": "tests.chaos.breaker",
    "outage_recovery": "tests.chaos.outage_recovery",
    "mass_deactivation": "tests.chaos.mass_deactivation",
}
