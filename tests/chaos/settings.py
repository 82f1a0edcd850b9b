"""The project's settings, with shorter waits where the environment asks for them.

`CHAOS_LEASE_SECONDS=5` and the like replace the constants of `notifications.conf` of that name before anything else of
the app is imported; without them the deployment waits as long as a real one. `CHAOS_HOUR_SECONDS` is how long the hour
of an "hourly" digest lasts; it begins, as a real one does, where the clock divides by it.
"""

import os
from datetime import timedelta

from notifications import conf
from notifications.rules import throttling

WAITS = ("LEASE_SECONDS", "UNCERTAIN_WAIT_SECONDS", "SWEEP_SECONDS", "SWEEPER_LEASE_SECONDS", "PAGE_SIZE")
for _name in WAITS:
    if _value := os.environ.get(f"CHAOS_{_name}"):
        setattr(conf, _name, int(_value))
if _value := os.environ.get("CHAOS_HOUR_SECONDS"):
    throttling._LENGTH["hour"] = timedelta(seconds=int(_value))

from project.settings import *  # noqa: E402, F403 - the constants have to be set first
from project.settings import NOTIFICATIONS  # noqa: E402

for _alias, _entry in NOTIFICATIONS["PROVIDERS"].items():
    if _value := os.environ.get(f"CHAOS_{_alias.upper()}_PER_SECOND"):
        _entry["OPTIONS"]["per_second"] = float(_value)
