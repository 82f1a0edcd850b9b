"""The sandboxed engine: Django's template language over plain values, with a bound on work and on size.

No loaders and no tags that reach beyond the template. A look-up goes by key or index only: no attribute is read and no
method is called, so words can neither change the data they are given nor reach what lies behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.template import Context, Engine, Template, TemplateSyntaxError
from django.template.base import FilterExpression, Lexer, Node, NodeList, Parser, TextNode, Token, Variable
from django.template.base import VariableDoesNotExist as Missing
from django.template.defaulttags import ForNode, GroupedResult, RegroupNode
from django.templatetags.i18n import BlockTranslateNode

LARGEST = 256 * 1024
MOST_NODES = 10_000
_MOST_PLACES = 100
_OF_MAPPINGS = ("items", "keys", "values")


class RenderError(Exception):
    """The words could not be rendered; the text names the part and the variable, never a value."""


class TooMuch(RenderError):
    """Rendering took more work or grew larger than any message may."""


class BoundedContext(Context):
    """A context that counts what rendering costs."""

    nodes = 0
    size = 0

    def spend(self, node: Node) -> str:
        """Render one node within the bounds.

        Raises:
            RenderError: too many nodes were rendered, or the text grew beyond 256 KiB.
        """
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise TooMuch(f"needs more than {MOST_NODES} steps to render")
        before = self.size
        text = cast("str", type(node).render_annotated(node, self))
        # What its children added is part of `text`: it counts once.
        self.size = max(self.size, before + len(text))
        if self.size > LARGEST:
            raise TooMuch(f"is larger than {LARGEST // 1024} KiB when rendered")
        return text


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
            RenderError: a variable is missing, or the value is larger than any message may be.
        """
        try:
            value = super().resolve(context, ignore_failures and not self.strict)
        except Missing as error:
            raise RenderError(f"variable {error.params[0]} is missing") from None
        if isinstance(value, str | list | tuple) and len(value) > LARGEST:
            raise TooMuch(f"{self.token.split('|')[0].strip()} grows beyond {LARGEST // 1024} KiB")
        return value


class _BoundedParser(Parser):
    """Makes expressions bounded and every node count when it is rendered."""

    def compile_filter(self, token: str) -> FilterExpression:
        """Return a bounded expression."""
        return _BoundedExpression(token, self)

    def extend_nodelist(self, nodelist: NodeList, node: Node, token: Token) -> None:
        """Add a node whose rendering is paid for."""
        if isinstance(node, BlockTranslateNode):
            _check_places(node)
        if isinstance(node, ForNode):
            if not node.nodelist_loop:
                cast("list[Node]", node.nodelist_loop).append(_counted(TextNode("")))  # an empty round is a step too
            cast("_BoundedExpression", node.sequence).strict = not node.nodelist_empty
        if isinstance(node, RegroupNode):
            cast("_BoundedExpression", node.target).strict = True
        super().extend_nodelist(nodelist, _counted(node), token)


class _BoundedTemplate(Template):
    def compile_nodelist(self) -> NodeList:
        engine = self.engine
        tokens = Lexer(self.source).tokenize()
        parser = _BoundedParser(tokens, engine.template_libraries, engine.template_builtins, self.origin)
        nodes = parser.parse()
        self.extra_data = getattr(parser, "extra_data", {})
        return nodes


class SandboxedEngine(Engine):
    """Django's engine without loaders, with our own tags and filters and no others."""

    default_builtins = ["notifications.rules.template_library"]

    def __init__(self, *, escape: bool) -> None:
        super().__init__(loaders=[], autoescape=escape, string_if_invalid=_NeverBlank("%s"))

    def from_string(self, template_code: str) -> Template:
        """Return a compiled template whose rendering is bounded.

        Raises:
            TemplateSyntaxError: it is not valid in the sandbox.
        """
        if len(template_code) > LARGEST:
            raise TemplateSyntaxError(f"is longer than {LARGEST // 1024} KiB")
        return _BoundedTemplate(template_code, engine=self)


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


def _check_places(node: BlockTranslateNode) -> None:
    """One such tag is one step, however many variables it prints: so they have a bound of their own."""
    places = [token for token in (*node.singular, *node.plural) if token.token_type.name == "VAR"]
    if len(places) > _MOST_PLACES:
        raise TemplateSyntaxError(f"blocktranslate prints more than {_MOST_PLACES} variables")
