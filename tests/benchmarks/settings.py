"""The project's settings as deployed, and the benchmark's own app: its categories, templates and audience.

`BENCH_SEND_WINDOW` is the push account's `send_window`, where a scenario needs another than the default.
`BENCH_LEASE_SECONDS` and the like replace the constants of `notifications.conf` before anything else is imported.
"""

import os

from notifications import conf

for _name in ("LEASE_SECONDS", "UNCERTAIN_WAIT_SECONDS"):
    if _value := os.environ.get(f"BENCH_{_name}"):
        setattr(conf, _name, int(_value))

from project.settings import *  # noqa: E402, F403 - the constants have to be set first
from project.settings import INSTALLED_APPS, NOTIFICATIONS  # noqa: E402

INSTALLED_APPS = [*INSTALLED_APPS, "tests.benchmarks.host"]
if _window := os.environ.get("BENCH_SEND_WINDOW"):
    NOTIFICATIONS["PROVIDERS"]["fcm"]["OPTIONS"]["send_window"] = int(_window)
