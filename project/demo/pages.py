"""Reads HTML forms as a browser would, so that the demo can use the console's pages like a person."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Form:
    """A form of a page: where it goes, and its fields with what stands in them."""

    action: str = ""
    method: str = "get"
    fields: dict[str, str] = field(default_factory=dict)


def forms_in(html: str) -> list[Form]:
    """Return the forms of a page."""
    reader = _Reader()
    reader.feed(html)
    return reader.forms


def errors_in(html: str) -> list[str]:
    """Return what a page says is wrong with a form."""
    reader = _Reader()
    reader.feed(html)
    return reader.errors


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.errors: list[str] = []
        self._form: Form | None = None
        self._area = ""
        self._select = ""
        self._in_errors = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take up a form, a field, or a list of errors."""
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "ul" and (self._in_errors or "errorlist" in given.get("class", "")):
            self._in_errors += 1
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._form)
        elif self._form is None or (tag != "option" and not name):
            return
        elif tag == "input":
            self._input(self._form, name, given)
        elif tag == "textarea":
            self._area, self._form.fields[name] = name, ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in given or self._select not in self._form.fields):
            self._form.fields[self._select] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """Leave what ends here."""
        if tag == "textarea" and self._form is not None and self._area:
            # A browser drops the line break that stands right after the opening tag.
            text = self._form.fields[self._area].replace("\r\n", "\n")
            self._form.fields[self._area] = text.removeprefix("\n")
            self._area = ""
        elif tag == "select":
            self._select = ""
        elif tag == "form":
            self._form = None
        elif tag == "ul" and self._in_errors:
            self._in_errors -= 1

    def handle_data(self, data: str) -> None:
        """Take up what is written in a text area or a list of errors."""
        if self._form is not None and self._area:
            self._form.fields[self._area] += data
        elif self._in_errors and data.strip():
            self.errors.append(data.strip())

    def _input(self, form: Form, name: str, given: dict[str, str]) -> None:
        kind = given.get("type", "text")
        if kind in ("submit", "button", "file") or (kind in ("checkbox", "radio") and "checked" not in given):
            return
        form.fields[name] = given.get("value", "on" if kind == "checkbox" else "")
