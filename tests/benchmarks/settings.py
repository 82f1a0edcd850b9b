"""The project's settings as deployed, and the benchmark's own app: its categories, templates and audience.

`BENCH_SEND_WINDOW` is the push account's `send_window`, where a scenario needs another than the default.
"""

import os

from project.settings import *  # noqa: F403 - these are those, and a little more
from project.settings import INSTALLED_APPS, NOTIFICATIONS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.benchmarks.host"]
if _window := os.environ.get("BENCH_SEND_WINDOW"):
    NOTIFICATIONS["PROVIDERS"]["fcm"]["OPTIONS"]["send_window"] = int(_window)
