"""Holds the size limits of this codebase: prints every breach and exits 1 if there is one.

    python .ci/size_limits.py notifications project

A file has at most 300 lines, a function 50, and 6 arguments (the public calls aside); nothing is imported inside a
function, where neither a reader nor the layer contracts would look for it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_LINES = 300
FUNCTION_LINES = 50
ARGUMENTS = 6
PUBLIC_CALLS = {"notify", "broadcast", "category", "template"}
GENERATED = {"migrations"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def breaches(path: Path) -> Iterator[str]:
    """Yield a line for every limit that the file breaks, as `path:line: what is wrong`."""
    source = path.read_text(encoding="utf-8")
    count = len(source.splitlines())
    if count > FILE_LINES:
        yield f"{path}:1: {count} lines in a file, at most {FILE_LINES}"
    for node in ast.walk(ast.parse(source, str(path))):
        if isinstance(node, Function):
            yield from (f"{path}:{line}: {what}" for line, what in _function_breaches(node))


def main(arguments: list[str]) -> int:
    """Check every Python file under the given folders; return the exit code."""
    roots = [Path(argument) for argument in arguments]
    if missing := [str(root) for root in roots if not root.exists()]:
        print(f"no such folder: {', '.join(missing)}")
        return 2
    files = [path for root in roots for path in sorted(root.rglob("*.py")) if not GENERATED & set(path.parts)]
    found = [line for path in files for line in breaches(path)]
    print("\n".join(found) if found else f"Size limits hold in {len(files)} files.")
    return 1 if found else 0


def _function_breaches(function: Function) -> Iterator[tuple[int, str]]:
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if lines > FUNCTION_LINES:
        yield function.lineno, f"{lines} lines in {function.name}(), at most {FUNCTION_LINES}"
    arguments = _argument_count(function)
    if arguments > ARGUMENTS and function.name not in PUBLIC_CALLS:
        yield function.lineno, f"{arguments} arguments of {function.name}(), at most {ARGUMENTS}"
    for line in _imports(function):
        yield line, f"an import inside {function.name}(): it belongs at the top of the file"


def _argument_count(function: Function) -> int:
    every = [*function.args.posonlyargs, *function.args.args]
    if every and every[0].arg in {"self", "cls"}:
        every = every[1:]
    return len(every) + len(function.args.kwonlyargs)


def _imports(function: Function) -> Iterator[int]:
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node.lineno
        nested = isinstance(node, Function)  # has its own turn
        if not nested and not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)):
            pending += ast.iter_child_nodes(node)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
