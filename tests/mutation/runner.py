"""A plugin for pytest: runs the collected tests once as they are, then against each mutant until one fails.

A mutant lives in a forked child: everything is imported and collected once, the child puts the mutant's code into the
functions of the rule, and runs the tests that reach them, quick ones first. What a rule decides while it is imported
needs a child that has not imported it yet; there are few of those.

    python -m pytest -s -n 0 -p tests.mutation.runner tests/rules --report=build/mutation.json [--mutants=REGEX]
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import mmap
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, ModuleType

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import Phase, settings

from .equivalent import EQUIVALENT
from .mutants import Mutant, all_mutants
from .reach import Place, caches, called, changes, functions_in, place_of

AT_ONCE = 2
MEMORY = 3 * 1024**3  # a bomb whose fuse was mutated must not take the machine with it
LEAST_SECONDS = 3.0
PATIENCE = 10  # how many times as long as usual a test may take before it counts as one that never ends
_FRESH = "CARILLON_MUTANT"
_TOLD = 4096


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say where the report goes."""
    parser.addoption("--report", default="build/mutation.json")
    parser.addoption("--mutants", default="")


class _Loader(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports a mutant in place of its rule."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant
        self.module = f"notifications.rules.{mutant.path.stem}"

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.module:
            return None
        spec = importlib.machinery.ModuleSpec(fullname, self, origin=str(self.mutant.path))
        spec.has_location = True
        return spec

    def get_source(self, fullname: str) -> str:
        return self.mutant.path.read_text()

    def get_code(self, fullname: str) -> CodeType:
        return self.mutant.code


if _FRESH in os.environ:
    sys.meta_path.insert(0, _Loader(all_mutants()[int(os.environ[_FRESH])]))


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Let properties be as in any run, but nobody waits here for the simplest example that fails."""
    settings.register_profile("mutation", settings.default, phases=[Phase.explicit, Phase.generate])
    settings.load_profile("mutation")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run all mutants in place of the tests, or in a child of that the tests as ever."""
    if _FRESH in os.environ:
        return None
    found = Run(session).run()
    report = Path(session.config.getoption("--report"))
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(found, indent=1))
    return True


class Run:
    """All mutants against all collected tests."""

    def __init__(self, session: pytest.Session) -> None:
        self.session = session
        # A property draws many examples: the tables are asked first.
        self.items = sorted(session.items, key=_is_property)
        wanted = session.config.getoption("--mutants")
        self.mutants = [
            (number, mutant) for number, mutant in enumerate(all_mutants()) if re.search(wanted, mutant.name)
        ]
        self.paths = {str(mutant.path) for _, mutant in self.mutants}
        self.functions = functions_in(self.paths)
        self.caches = caches()
        self.took: dict[str, float] = {}
        self.reach: dict[str, set[Place]] = {}
        self.killers: dict[Path, list[str]] = {}

    def run(self) -> dict[str, object]:
        """Return who killed which mutant ("" where nobody did)."""
        began = time.monotonic()
        for item, following in _with_next(self.items):
            self._forget()
            before = time.process_time()
            with called(self.paths) as reached:
                failed = _failed(item, following)
            self.took[item.nodeid], self.reach[item.nodeid] = time.process_time() - before, reached
            if failed:
                raise pytest.UsageError(f"fails without any mutant: {item.nodeid}")
        found: dict[int, str] = {}
        running: dict[int, tuple[int, Mutant, mmap.mmap]] = {}
        waiting = self.mutants[::-1]
        while waiting or running:
            if waiting and len(running) < AT_ONCE:
                number, mutant = waiting.pop()
                if mutant.name in EQUIVALENT:
                    found[number] = ""
                    continue
                # The child says there which test it runs, even if it does not live to the end of it.
                told = mmap.mmap(-1, _TOLD)
                running[self._start(number, mutant, told)] = number, mutant, told
                continue
            pid, status = os.wait()
            number, mutant, told = running.pop(pid)
            found[number] = killer = _killer(told, status)
            print(f"{len(found)}/{len(self.mutants)} {mutant.name}: {killer or 'survived'}", flush=True)
            if killer:
                self.killers.setdefault(mutant.path, []).append(killer.partition(" (")[0])
        return {
            "seconds": round(time.monotonic() - began),
            "tests": len(self.items),
            "mutants": [
                {"name": mutant.name, "line": mutant.line, "killer": found[number]} for number, mutant in self.mutants
            ],
        }

    def _start(self, number: int, mutant: Mutant, told: mmap.mmap) -> int:
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            _be_bounded()
            changed = list(changes(self.functions, mutant.code))
            for function, other in changed:
                function.__code__ = other
            if changed:
                self._forget()
                self._hunt(mutant, told, {place_of(other) for _, other in changed})
            else:
                _tell(told, _fresh(number, self.session.config.args))
            code = 0
        finally:
            os._exit(code)

    def _forget(self) -> None:
        for cache in self.caches:
            cache.cache_clear()

    def _hunt(self, mutant: Mutant, told: mmap.mmap, places: set[Place]) -> None:
        """Run the tests that reach these places until one fails."""
        for item, following in _with_next(self._in_order(mutant, places)):
            _tell(told, item.nodeid)
            signal.setitimer(signal.ITIMER_VIRTUAL, LEAST_SECONDS + PATIENCE * self.took[item.nodeid])
            if _failed(item, following):
                return
        _tell(told, "")

    def _in_order(self, mutant: Mutant, places: set[Place]) -> list[pytest.Item]:
        """Return the tests that may notice, with those first that killed the rule's last mutants, then quick ones."""
        recent = self.killers.get(mutant.path, [])[::-1]
        rank = {nodeid: place for place, nodeid in enumerate(dict.fromkeys(recent))}
        return sorted(
            (item for item in self.items if places & self.reach[item.nodeid]),
            key=lambda item: (rank.get(item.nodeid, len(rank)), _is_property(item), self.took[item.nodeid]),
        )


def _tell(told: mmap.mmap, text: str) -> None:
    told[:] = text.encode()[:_TOLD].ljust(_TOLD, b"\0")


def _killer(told: mmap.mmap, status: int) -> str:
    """Return the test that failed, or "" if a child came to its end without one."""
    test = told[:].rstrip(b"\0").decode()
    if os.WIFSIGNALED(status):
        return f"{test} ({signal.Signals(os.WTERMSIG(status)).name})"
    if os.WEXITSTATUS(status):
        raise pytest.UsageError(f"a child of the mutation run failed by itself: {test}")
    return test


def _is_property(item: pytest.Item) -> bool:
    return bool(getattr(getattr(item, "obj", None), "is_hypothesis_test", False))


def _with_next(items: Sequence[pytest.Item]) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    return zip(items, [*items, None][1:], strict=True)


def _failed(item: pytest.Item, following: pytest.Item | None) -> bool:
    return any(report.failed for report in runtestprotocol(item, log=False, nextitem=following))


def _fresh(number: int, args: Sequence[str]) -> str:
    """Run the tests in a new interpreter that imports the mutant; return the test that failed, if any."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-s", "-n", "0", "-p", "no:cacheprovider", "-p", __name__]
    done = subprocess.run(
        [*command, *args], env=os.environ | {_FRESH: str(number)}, capture_output=True, text=True, check=False
    )
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return failed[0] if failed else "" if done.returncode == 0 else f"pytest's exit code {done.returncode}"


def _be_bounded() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(null, stream)
