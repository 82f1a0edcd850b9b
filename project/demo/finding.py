"""What was found out about an outcome, said in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Whether an outcome was seen, and what was."""

    ok: bool
    seen: str


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    expected: str
    ok: bool
    seen: str


def findings(*checks: tuple[bool, str, str]) -> Finding:
    """Return one finding from several: each is whether it holds, what to say if so, and what if not.

    Where something is missing, that alone is said.
    """
    missing = [otherwise for holds, _, otherwise in checks if not holds]
    return Finding(not missing, "; ".join(missing or [text for _, text, _ in checks if text]))
