"""The project's settings, middleware and all, with nothing behind them but the bare view."""

from tests.benchmarks.settings import *  # noqa: F403 - these are those

ROOT_URLCONF = "tests.benchmarks.rivals.bare_view"
