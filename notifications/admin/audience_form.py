"""The fields with which a person says who a broadcast is for, or who is left out; they need no script."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..declarations import AudienceDeclaration, registry
from ..models import Topic

_NOBODY = ""
_LISTED_TOPICS = 200
_KINDS = (
    ("name", gettext_lazy("An audience that the developers declared")),
    ("topic", gettext_lazy("Subscribers of a topic")),
    ("broadcast", gettext_lazy("Exactly those whom an earlier broadcast reached")),
    ("users", gettext_lazy("Users by name")),
    ("all", gettext_lazy("Everybody")),
)


class AudienceFields(forms.Form):
    """Who is meant: first in which way, then by what; only what belongs to the chosen way is read."""

    kind = forms.ChoiceField(label=gettext_lazy("Who"), widget=forms.RadioSelect)
    name = forms.ChoiceField(label=gettext_lazy("Audience"), required=False)
    topic = forms.CharField(label=gettext_lazy("Topic"), required=False, max_length=63)
    broadcast = forms.CharField(
        label=gettext_lazy("Broadcast"),
        required=False,
        max_length=36,
        help_text=gettext_lazy("Its id. Those whose message a provider took, or that arrived."),
    )
    users = forms.CharField(
        label=gettext_lazy("Users"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("One a line, as the project looks users up."),
    )

    def __init__(self, *args: Any, may_be_nobody: bool = False, **kwargs: Any) -> None:
        """Offer what is declared; an exclusion may be nobody."""
        super().__init__(*args, **kwargs)
        kinds: list[tuple[str, Any]] = [kind for kind in _KINDS if kind[0] != "name" or registry.audiences]
        if may_be_nobody:
            kinds = [(_NOBODY, _("Nobody")), *(kind for kind in kinds if kind[0] != "all")]
            self.fields["kind"].required = False
        self.fields["kind"].choices = kinds  # type: ignore[attr-defined]
        self.fields["kind"].initial = kinds[0][0]
        self.fields["name"].choices = [(name, name) for name in sorted(registry.audiences)]  # type: ignore[attr-defined]
        self.fields["topic"].widget.attrs["list"] = "carillon-topics"
        for name, parameter, field in _parameters():
            self.fields[f"{name}|{parameter}"] = field

    def ways(self) -> list[dict[str, Any]]:
        """Return each way of saying who, with the fields that belong to it."""
        return [
            {"radio": radio, "kind": radio.data["value"], "fields": self._fields_of(radio.data["value"])}
            for radio in self["kind"].subwidgets
        ]

    def _fields_of(self, kind: str) -> list[BoundField]:
        if kind == "name":
            return [self["name"], *(self[f"{name}|{parameter}"] for name, parameter, _field in _parameters())]
        return [self[kind]] if kind in self.fields else []

    def clean(self) -> dict[str, Any]:
        """Say at the field what the chosen way still needs."""
        values: dict[str, Any] = super().clean() or {}
        kind = values.get("kind", _NOBODY)
        if kind in ("topic", "broadcast", "users", "name") and not str(values.get(kind, "")).strip():
            self.add_error(kind, _("Say which."))
        return values

    def audience(self) -> dict[str, object] | None:
        """Return what was asked for as the API takes it; None for nobody."""
        values = self.cleaned_data
        match values["kind"]:
            case "name":
                return {"name": values["name"], "params": self._params(values["name"], values)}
            case "users":
                return {"users": [line.strip() for line in values["users"].splitlines() if line.strip()]}
            case "all":
                return {"all": True}
            case "broadcast":
                return {"broadcast": values["broadcast"].strip(), "state": "sent"}
            case "topic":
                return {"topic": values["topic"].strip()}
        return None

    def _params(self, name: str, values: Mapping[str, Any]) -> dict[str, object]:
        parameters = registry.audiences[name].signature.parameters
        given = {key: str(values.get(f"{name}|{key}") or "").strip() for key in parameters}
        return {key: _value(text, parameters[key].annotation) for key, text in given.items() if text}


def topics() -> list[str]:
    """Return topics to choose from."""
    return list(Topic.objects.order_by("slug").values_list("slug", flat=True)[:_LISTED_TOPICS])


def _parameters() -> Iterator[tuple[str, str, forms.CharField]]:
    for name in sorted(registry.audiences):
        declaration: AudienceDeclaration = registry.audiences[name]
        for key, parameter in declaration.signature.parameters.items():
            has_default = parameter.default is not inspect.Parameter.empty
            help_text = _("Empty: %(default)s.") % {"default": parameter.default} if has_default else ""
            yield name, key, forms.CharField(label=f"{name}: {key}", required=False, help_text=help_text)


def _value(text: str, kind: object) -> object:
    """Return a parameter as JSON has it; where text is asked for, it stays as it was written."""
    if kind is str:
        return text
    try:
        found: object = json.loads(text)
    except ValueError:
        return text
    return found
