"""The project's settings with a limit on what the push account is sent."""

from project.settings import *  # noqa: F403
from project.settings import NOTIFICATIONS

PER_SECOND = 150
NOTIFICATIONS["PROVIDERS"]["fcm"]["OPTIONS"]["per_second"] = PER_SECOND
