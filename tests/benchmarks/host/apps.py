"""The host as an installed app."""

from django.apps import AppConfig


class HostConfig(AppConfig):
    """The host."""

    name = "tests.benchmarks.host"
    label = "bench_host"
