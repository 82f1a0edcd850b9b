"""Django's tags that would print a blank, or do much in one step: here they raise, or pay for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from django.template import Context, TemplateSyntaxError
from django.template.base import Node
from django.template.defaulttags import FirstOfNode, NowNode, WidthRatioNode
from django.templatetags.i18n import BlockTranslateNode

from .template_bounds import LARGEST, BoundedContext, RenderError, TooMuch
from .template_library import Unusable

_MOST_PLACES = 100


def bound(node: Node) -> None:
    """Let a node of Django's be one of ours, if there is one in its place.

    Raises:
        TemplateSyntaxError: it prints more variables than one step may.
    """
    for ours in (_FirstOf, _WidthRatio, _Now, _BlockTranslate):
        if type(node) is ours.__base__:
            node.__class__ = ours
    if isinstance(node, _BlockTranslate) and len(list(node.places())) > _MOST_PLACES:
        raise TemplateSyntaxError(f"blocktranslate prints more than {_MOST_PLACES} variables")


class _FirstOf(FirstOfNode):
    """The first of its variables that says anything; an empty text, given or written as the last, says nothing."""

    def render(self, context: Context) -> str:
        text = str(super().render(context))
        said = str(context[self.asvar]) if self.asvar else text
        if said == "" and not any(_is_text(item.resolve(context, ignore_failures=True)) for item in self.vars):
            raise RenderError(f"firstof finds nothing in {', '.join(str(item) for item in self.vars)}")
        return text


class _WidthRatio(WidthRatioNode):
    def render(self, context: Context) -> str:
        text = str(super().render(context))
        said = str(context[self.asvar]) if self.asvar else text
        if said == "":
            raise RenderError(f"widthratio needs numbers: {self.val_expr} or {self.max_expr} is none")
        return text


class _Now(NowNode):
    def render(self, context: Context) -> str:
        cast("BoundedContext", context).charge(2 * len(self.format_string))
        return str(super().render(context))


class _BlockTranslate(BlockTranslateNode):
    """One such tag is one step, however many variables it prints and however long they are."""

    def places(self) -> Iterator[str]:
        """Yield the variables that it prints."""
        return (token.contents for token in (*self.singular, *self.plural) if token.token_type.name == "VAR")

    def render(self, context: Context, nested: bool = False) -> str:  # noqa: FBT001, FBT002 - Django's own
        bounds = cast("BoundedContext", context)
        own = {name: item.resolve(context) for name, item in self.extra_context.items()}
        weight = sum(len(token.contents) for token in (*self.singular, *self.plural)) // 4
        for name in self.places():
            value = own[name] if name in own else context.get(name, "")
            if value is None and name != self.countervar:
                raise RenderError(f"variable {name} is null: it says nothing that could be printed")
            weight += bounds.weigh(value, name)
        if weight > LARGEST // 4:
            raise TooMuch(f"is larger than {LARGEST // 1024} KiB when rendered")
        bounds.charge(weight)
        return str(super().render(context, nested))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not isinstance(value, Unusable)
