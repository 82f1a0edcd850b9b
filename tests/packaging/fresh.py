"""Fresh environments: the newest Python that this machine has, and the wheel with extras, from the package index."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from .readme import ROOT

_INSTALL_SECONDS = 900
_OLDEST = (3, 11)


class NotToBeHad(Exception):
    """The packages cannot be had here: no index, or none for this Python."""


def newest_python() -> str:
    """Return the newest Python from 3.11 on that can make an environment; this one if there is no other."""
    named = [found for minor in range(11, 20) if (found := shutil.which(f"python3.{minor}"))]
    others = (Path.home() / ".pyenv" / "versions").glob("3.*/bin/python")
    found = {version: python for python in (*named, *map(str, others), sys.executable) if (version := _version(python))}
    return found[max(found)]


def build_wheel(folder: Path) -> Path:
    """Build the wheel from the checkout."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (wheel,) = folder.glob("*.whl")
    return wheel


def environment(folder: Path, python: str, *packages: str) -> str:
    """Make an environment with these packages and whatever they bring along; return its Python.

    Raises:
        NotToBeHad: the index has not got them, or cannot be reached.
    """
    subprocess.run([python, "-m", "venv", str(folder)], check=True, capture_output=True, timeout=120)
    made = str(folder / "bin" / "python")
    install = [made, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    done = subprocess.run([*install, *packages], capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
    if done.returncode:
        raise NotToBeHad(done.stderr[-600:])
    return made


def versions(python: str) -> dict[str, str]:
    """Return what an environment holds, with the Python itself."""
    done = subprocess.run(
        [python, "-m", "pip", "list", "--format", "freeze"], capture_output=True, text=True, check=True
    )
    found = dict(line.split("==", 1) for line in done.stdout.splitlines() if "==" in line)
    return {
        **{name.lower(): version for name, version in found.items()},
        "python": ".".join(map(str, _version(python))),
    }


def _version(python: str) -> tuple[int, ...]:
    """Return a Python's version, or () if it is none of use."""
    if not os.access(python, os.X_OK):
        return ()
    ask = "import sys, venv, ensurepip; print(*sys.version_info[:3])"
    done = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
    version = tuple(map(int, re.findall(r"\d+", done.stdout)))[:3]
    return version if version >= _OLDEST else ()
