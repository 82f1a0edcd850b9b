"""Asks the advisory database about every package of requirements.lock: `make audit`.

Exit status 1 if one has a known vulnerability. What cannot be asked about, since the database is out of reach, is told
and does not fail a change; with `--strict` it ends with 2, for a run whose only task this is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
_SECONDS = 240
_OPTIONS = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--timeout", "10", "--format", "json")


def run(lock: Path) -> str:
    """Return what pip-audit says as JSON; its log if it could say nothing."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), *_OPTIONS]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603 - our own words
    except subprocess.TimeoutExpired:
        return f"no answer within {_SECONDS} s"
    return done.stdout if done.stdout.strip() else done.stderr


def main(arguments: Sequence[str], ask: Callable[[Path], str] = run) -> int:
    """Tell of what was found and what could not be asked about; return the exit status."""
    said = ask(LOCK)
    try:
        packages: list[dict[str, Any]] = json.loads(said)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (said.strip().splitlines() or ["it said nothing"])[-1]
        print(f"NOT AUDITED: {last[:300]}", file=sys.stderr)
        return 2 if "--strict" in arguments else 0
    found = [(item, vulnerability) for item in packages for vulnerability in item.get("vulns", ())]
    for item, vulnerability in found:
        fixed = ", ".join(vulnerability.get("fix_versions", ())) or "nothing yet"
        print(f"{item['name']} {item['version']}: {vulnerability['id']}, mended in {fixed}", file=sys.stderr)
    unknown = [item["name"] for item in packages if "skip_reason" in item]
    if unknown:
        told = f"{len(unknown)} of {len(packages)} packages are not in the advisory database that can be reached"
        print(f"NOT AUDITED: {told} ({', '.join(unknown[:3])}, ...).", file=sys.stderr)
    if found:
        return 1
    print(f"{len(packages) - len(unknown)} packages audited, none with a known vulnerability.")
    return 2 if unknown and "--strict" in arguments else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
