"""TEMP operator."""

from __future__ import annotations

from collections.abc import Callable


class ConsoleError(Exception):
    """x."""


class Operator:
    def __init__(self, manage: Callable[..., str]) -> None:
        self.manage = manage

    def publish(self, slug: str, old: str, new: str) -> None:
        self.manage(
            "shell",
            "-c",
            f"""
from notifications.flows.declare import publish, words_of
from notifications.models import Template
t = Template.objects.get(slug={slug!r})
w = words_of(t.current)
w = {{k: {{n: x.replace({old!r}, {new!r}) for n, x in p.items()}} for k, p in w.items()}}
publish(t, w, 'console')
""",
        )

    def replay(self, delivery: str, reason: str) -> None:
        self.manage(
            "shell",
            "-c",
            f"""
from notifications.flows.replay import replay
from uuid import UUID
replay([UUID({delivery!r})], actor='admin', reason={reason!r})
""",
        )
