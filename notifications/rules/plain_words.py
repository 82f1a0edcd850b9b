"""Words that are text and bare variables only, as most are: put together without the engine, many times faster.

What comes out is what the engine makes of them: where anything is not a plain text, the engine is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import NamedTuple

from django.template.base import FilterExpression, Node, TextNode, Variable, VariableNode

from .template_bounds import LARGEST

_MOST_PIECES = 100


class Piece(NamedTuple):
    """Some text, or the name of a variable that stands there."""

    text: str
    is_name: bool


def pieces_of(nodes: Iterable[Node]) -> tuple[Piece, ...] | None:
    """Return what a template is made of, or None if there is more to it than text and bare variables."""
    pieces: list[Piece] = []
    for node in nodes:
        if isinstance(node, TextNode):
            pieces.append(Piece(node.s, is_name=False))
        elif type(node) is VariableNode and (name := _bare_name(node.filter_expression)):
            pieces.append(Piece(name, is_name=True))
        else:
            return None
    return tuple(pieces) if len(pieces) <= _MOST_PIECES else None


def put_together(pieces: Sequence[Piece], data: Mapping[str, object], *, escaped: bool) -> str | None:
    """Return the text, or None where the engine has to be asked: a variable is missing, is no text, or is very long."""
    made = []
    for text, is_name in pieces:
        if not is_name:
            made.append(text)
            continue
        value = data.get(text)
        if type(value) is not str:  # a number has a form in each language; what is marked as safe is not escaped
            return None
        made.append(escape(value) if escaped else value)
    whole = "".join(made)
    return whole if len(whole) <= LARGEST else None


def _bare_name(expression: FilterExpression) -> str:
    """Return the variable's name, or "" for anything with a filter, a dot, or that is no variable."""
    variable = expression.var
    if expression.filters or not isinstance(variable, Variable) or variable.lookups is None:
        return ""
    return str(variable.lookups[0]) if len(variable.lookups) == 1 else ""
