"""Styles of an email, written into its elements: many a mail client reads no style sheet."""

from __future__ import annotations

try:
    from css_inline import CSSInliner, InlineError
except ImportError:  # the extra `email` is not installed: style sheets stay where they are
    CSSInliner = None  # type: ignore[assignment,misc]
    InlineError = ValueError  # type: ignore[assignment,misc]

CAN_INLINE = CSSInliner is not None
# Media queries cannot be written into elements: their style sheet stays. Nothing is ever fetched.
_inliner = CSSInliner(keep_at_rules=True, load_remote_stylesheets=False) if CAN_INLINE else None


def inline_styles(html: str) -> str:
    """Return a document with its style sheets in its elements; one without a style sheet is returned as it is."""
    if _inliner is None or "<style" not in html:
        return html
    try:
        return _inliner.inline(html)
    except InlineError:
        return html
