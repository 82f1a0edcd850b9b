"""Which tests reach which rule: a test that calls none of a mutant's changed functions cannot tell that it is one."""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType, FunctionType

Place = tuple[str, str, int]
"""A function by file, name and line, which are the same in a rule and in its mutants."""


def place_of(code: CodeType) -> Place:
    """Return where a function is written."""
    return code.co_filename, code.co_qualname, code.co_firstlineno


def functions_in(paths: set[str]) -> dict[Place, list[FunctionType]]:
    """Return the living functions of these files."""
    found: dict[Place, list[FunctionType]] = {}
    for function in gc.get_objects():
        if isinstance(function, FunctionType) and function.__code__.co_filename in paths:
            found.setdefault(place_of(function.__code__), []).append(function)
    return found


def changes(functions: dict[Place, list[FunctionType]], code: CodeType) -> Iterator[tuple[FunctionType, CodeType]]:
    """Yield the living functions that a mutant's code differs in, each with its new code."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            for function in functions.get(place_of(inner), ()):
                if function.__code__ != inner:
                    yield function, inner
            yield from changes(functions, inner)


@contextmanager
def called(paths: set[str]) -> Iterator[set[Place]]:
    """Note the functions of these files that are called meanwhile."""
    found: set[Place] = set()

    def note(frame: FrameType, event: str, given: object) -> None:
        if frame.f_code.co_filename in paths:
            found.add(place_of(frame.f_code))

    sys.settrace(note)
    try:
        yield found
    finally:
        sys.settrace(None)


def caches() -> list[functools._lru_cache_wrapper[object]]:
    """Return the caches of the app's functions: what was decided without a mutant must not answer for it."""
    return [
        cache
        for cache in gc.get_objects()
        if isinstance(cache, functools._lru_cache_wrapper) and cache.__module__.startswith("notifications.")
    ]
