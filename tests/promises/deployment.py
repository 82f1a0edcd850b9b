"""What tests of whole deployments ask of one."""

from __future__ import annotations

from notifications.sandbox.records import Accepted, read_file
from project.demo.stack import Stack


def host(stack: Stack, call: str) -> str:
    """Run one of the host application's functions inside the deployment and return what it printed."""
    return stack.manage("shell", "-v", "0", "-c", f"from tests.promises import host; host.{call}").strip()


def accepted(stack: Stack, provider: str = "") -> list[Accepted]:
    """Return what the sandbox took, in order."""
    rows = read_file(stack.folder / "sandbox.jsonl")
    return [row for row in rows if provider in ("", row.provider)]
