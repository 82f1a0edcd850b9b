"""The sandboxed engine: Django's template language over plain values, with a bound on work and on size.

No loaders and no tags that reach beyond the template. A look-up goes by key or index only: no attribute is read and no
method is called, so words can neither change the data they are given nor reach what lies behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.template import Context, Engine, Template, TemplateSyntaxError
from django.template.base import (
    FilterExpression,
    Lexer,
    Node,
    NodeList,
    Parser,
    TextNode,
    Token,
    Variable,
    VariableNode,
)
from django.template.base import VariableDoesNotExist as Missing
from django.template.defaulttags import CycleNode, ForNode, GroupedResult, RegroupNode
from django.templatetags.i18n import TranslateNode
from django.utils.safestring import SafeData, mark_safe

from .plain_words import Piece, pieces_of
from .template_bounds import LARGEST, BoundedContext, RenderError
from .template_library import FORGIVING, Unusable
from .template_nodes import bound

_OF_MAPPINGS = ("items", "keys", "values")


class _NeverBlank(str):
    """What the engine prints for a variable it cannot find: nothing, since it raises instead."""

    __slots__ = ()

    def __mod__(self, missing: object) -> str:
        raise RenderError(f"variable {missing} is missing")


class _PlainVariable(Variable):
    """A variable whose look-ups go by key or index."""

    __slots__ = ()

    def _resolve_lookup(self, context: Any) -> object:
        current: Any = context
        for bit in cast("tuple[str, ...]", self.lookups):
            try:
                current = current[bit]
            except (TypeError, KeyError, ValueError, IndexError):
                if isinstance(current, Mapping):
                    context.charge(len(current))
                current = _inside(current, bit)
        return current


class _BoundedExpression(FilterExpression):
    """An expression of plain look-ups whose value is bounded; a strict one must be there where tags would not mind."""

    __slots__ = ("strict",)

    def __init__(self, token: str, parser: Parser) -> None:
        super().__init__(token, parser)
        self.strict = False
        for item in (self.var, *(argument for _, given in self.filters for _, argument in given)):
            if isinstance(item, Variable):
                item.__class__ = _PlainVariable

    def resolve(self, context: Context, ignore_failures: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's own
        """Return the value.

        Raises:
            RenderError: a variable is missing or has nothing to print, or the value is larger than any message may be.
        """
        bounds: Any = context
        lenient = ignore_failures and not self.strict
        try:
            value = self.var.resolve(context) if isinstance(self.var, Variable) else self.var
        except Missing:
            if not lenient:
                raise RenderError(f"variable {self.var} is missing") from None
            value = None
        weight = bounds.weigh(value, self.var)
        for rule, given in self.filters:
            if not lenient and rule not in FORGIVING:
                self._refuse_blank(value)
            arguments = [_argument(found, item, context) for found, item in given] if given else given
            bounds.charge_filter(value, weight, arguments)
            value = _filtered(rule, value, arguments, context)
            weight = bounds.weigh(value, self.var)
        if self.strict or (value is not None and not lenient):
            self._refuse_blank(value)
        return value

    def _refuse_blank(self, value: object) -> None:
        """Refuse to print, or to go on with, what says nothing."""
        if value is None:
            raise RenderError(f"variable {self.var} is null: it says nothing that could be printed")
        if isinstance(value, Unusable):
            raise RenderError(f"{value.rule} can make nothing of {self.var}")


class _BoundedParser(Parser):
    """Makes expressions bounded and every node count when it is rendered."""

    def compile_filter(self, token: str) -> FilterExpression:
        """Return a bounded expression."""
        return _BoundedExpression(token, self)

    def extend_nodelist(self, nodelist: NodeList, node: Node, token: Token) -> None:
        """Add a node whose rendering is paid for."""
        bound(node)
        for item in _printed(node):
            item.strict = True
        if isinstance(node, ForNode):
            if not node.nodelist_loop:
                cast("list[Node]", node.nodelist_loop).append(_counted(TextNode("")))  # an empty round is a step too
            cast("_BoundedExpression", node.sequence).strict = not node.nodelist_empty
        if isinstance(node, RegroupNode):
            cast("_BoundedExpression", node.target).strict = True
        super().extend_nodelist(nodelist, _counted(node), token)


class BoundedTemplate(Template):
    """A template whose rendering is bounded; `pieces` is all there is to it if it is only text and bare variables."""

    pieces: tuple[Piece, ...] | None = None

    def compile_nodelist(self) -> NodeList:
        """Return the nodes of the source, each bounded, and keep what they come to if they are plain words."""
        engine = self.engine
        tokens = Lexer(self.source).tokenize()
        parser = _BoundedParser(tokens, engine.template_libraries, engine.template_builtins, self.origin)
        nodes = parser.parse()
        self.extra_data = getattr(parser, "extra_data", {})
        self.pieces = pieces_of(nodes)
        return nodes


class SandboxedEngine(Engine):
    """Django's engine without loaders, with our own tags and filters and no others."""

    default_builtins = ["notifications.rules.template_library"]

    def __init__(self, *, escape: bool) -> None:
        super().__init__(loaders=[], autoescape=escape, string_if_invalid=_NeverBlank("%s"))

    def from_string(self, template_code: str) -> BoundedTemplate:
        """Return a compiled template whose rendering is bounded.

        Raises:
            TemplateSyntaxError: it is not valid in the sandbox.
        """
        if len(template_code) > LARGEST:
            raise TemplateSyntaxError(f"is longer than {LARGEST // 1024} KiB")
        return BoundedTemplate(template_code, engine=self)


def _inside(current: object, bit: str) -> object:
    """Return a list's item by number, or one of the views by which tags go through a mapping."""
    if isinstance(current, list | tuple) and bit.isascii() and bit.isdigit() and int(bit) < len(current):
        return cast("object", current[int(bit)])
    if isinstance(current, Mapping) and bit in _OF_MAPPINGS:
        return list(getattr(current, bit)())
    if isinstance(current, GroupedResult) and bit in ("grouper", "list"):
        return cast("object", getattr(current, bit))
    raise Missing("no %s", (bit,))


def _counted(node: Node) -> Node:
    if "render_annotated" not in vars(node):
        vars(node)["render_annotated"] = lambda context: _rendered(node, context)
    return node


def _rendered(node: Node, context: Context) -> str:
    """Render a node within the bounds; `verbatim` renders plain text while it is compiled, without any."""
    if isinstance(context, BoundedContext):
        return context.spend(node)
    return cast("str", type(node).render_annotated(node, context))


def _argument(is_variable: bool, given: Any, context: Context) -> object:  # noqa: FBT001 - as Django keeps it
    if not is_variable:
        return mark_safe(given)  # noqa: S308 - written by whoever wrote the words
    try:
        return given.resolve(context)
    except Missing as error:
        raise RenderError(f"variable {error.params[0]} is missing") from None


def _filtered(rule: Any, value: object, arguments: list[object], context: Context) -> object:
    """Return what a filter makes of a value, as Django asks it."""
    if getattr(rule, "needs_autoescape", False):
        made = rule(value, *arguments, autoescape=context.autoescape)
    else:
        made = rule(value, *arguments)
    if isinstance(value, SafeData) and getattr(rule, "is_safe", False) and not isinstance(made, Unusable):
        made = mark_safe(made)  # noqa: S308 - the filter says that it keeps a safe text safe
    return made


def _printed(node: Node) -> list[_BoundedExpression]:
    """Return the expressions that a node prints as they are."""
    if isinstance(node, VariableNode | TranslateNode):
        return [cast("_BoundedExpression", node.filter_expression)]
    return cast("list[_BoundedExpression]", node.cyclevars) if isinstance(node, CycleNode) else []
