"""Makes mutants: one rule's code with one of its conditions changed.

Lines stay where they are, so that a mutant's functions can be told by name and line from those they stand in for.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType

RULES = Path(__file__).parents[2] / "notifications" / "rules"

# Each comparison becomes its opposite, and an ordering moves its boundary too.
_OTHERS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
# A choice by comparison that is written as a call.
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """One changed condition; `was` and `now` are its source before and after."""

    path: Path
    line: int
    scope: str
    was: str
    now: str
    code: CodeType = field(repr=False)

    @property
    def name(self) -> str:
        """What it is called, whatever line it has moved to."""
        return f"{self.path.stem}.{self.scope}: {self.was} -> {self.now}"


@dataclass(frozen=True)
class _Spot:
    """Where an expression hangs in the tree."""

    parent: ast.AST
    name: str
    index: int | None
    scope: str

    @property
    def node(self) -> ast.expr:
        found = getattr(self.parent, self.name)
        return found if self.index is None else found[self.index]

    def put(self, node: ast.expr) -> None:
        if self.index is None:
            setattr(self.parent, self.name, node)
        else:
            getattr(self.parent, self.name)[self.index] = node


def all_mutants() -> list[Mutant]:
    """Return the mutants of every rule."""
    return [mutant for path in sorted(RULES.glob("*.py")) for mutant in mutants_of(path, path.read_text())]


def mutants_of(path: Path, source: str) -> Iterator[Mutant]:
    """Yield each mutant of one source."""
    tree = ast.parse(source)
    for spot in list(_spots(tree, "")):
        node = spot.node
        for other in _changed(node, is_condition=spot.name in ("test", "ifs")):
            # A copy: what is placed anew may be a part of the rule, and would no longer be its code line by line.
            other = ast.fix_missing_locations(ast.copy_location(copy.deepcopy(other), node))  # noqa: PLW2901
            spot.put(other)
            code = compile(tree, str(path), "exec", dont_inherit=True)
            spot.put(node)
            yield Mutant(path, node.lineno, spot.scope or "(module)", ast.unparse(node), ast.unparse(other), code)


def _changed(node: ast.expr, *, is_condition: bool) -> Iterator[ast.expr]:
    """Yield what may stand in place of one expression."""
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            for other in _OTHERS[type(operator)]:
                yield ast.Compare(node.left, [*node.ops[:place], other(), *node.ops[place + 1 :]], node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        for place in range(len(node.values)):
            left = [*node.values[:place], *node.values[place + 1 :]]
            yield ast.BoolOp(node.op, left) if len(left) > 1 else left[0]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand
    else:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS:
            yield ast.Call(ast.Name(_CALLS[node.func.id], ast.Load()), node.args, node.keywords)
        if is_condition:
            yield ast.UnaryOp(ast.Not(), node)


def _spots(node: ast.AST, scope: str) -> Iterator[_Spot]:
    """Yield where every expression hangs, and in which function or class."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        scope = f"{scope}.{node.name}" if scope else node.name
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.expr):
            yield _Spot(node, name, None, scope)
        elif isinstance(value, list):
            yield from (_Spot(node, name, at, scope) for at, item in enumerate(value) if isinstance(item, ast.expr))
    for child in ast.iter_child_nodes(node):
        yield from _spots(child, scope)
