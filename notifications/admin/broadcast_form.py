"""The form of a new broadcast: a template's variables, how fast, from when; all of it becomes a draft first."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from django import forms
from django.forms.boundfield import BoundField
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..enums import Channel
from ..exceptions import RequestRejected
from ..flows.launch import BroadcastRequest
from ..models import Template
from ..rules.ramp import FIRST_MINUTE, MOST_MINUTES
from .audience_form import AudienceFields

#: Who owns the keys that make a second press of "Keep" find the first one's draft.
OWNER = "console"
_FASTEST = 1_000_000


class TemplateChoice(forms.Form):
    """Which template a broadcast is to be in; it decides which variables are asked for."""

    template = forms.ChoiceField(label=gettext_lazy("Template"))

    def __init__(self, *args: Any, slugs: list[str], **kwargs: Any) -> None:
        """Offer templates that can be broadcast."""
        super().__init__(*args, **kwargs)
        self.fields["template"].choices = [(slug, slug) for slug in slugs]  # type: ignore[attr-defined]


class BroadcastForm(forms.Form):
    """What goes out, how fast and when."""

    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    channels = forms.MultipleChoiceField(
        label=gettext_lazy("Channels"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None ticked: all of the category."),
    )
    rate = forms.IntegerField(
        label=gettext_lazy("At most so many in a second"),
        required=False,
        min_value=1,
        max_value=_FASTEST,
        help_text=gettext_lazy("Empty: as fast as the providers take them."),
    )
    ramp_up = forms.IntegerField(
        label=gettext_lazy("Minutes in which it starts slowly"),
        required=False,
        min_value=1,
        max_value=MOST_MINUTES,
        initial=10,
    )
    send_at = forms.DateTimeField(
        label=gettext_lazy("Begin at"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=gettext_lazy("In the console's time zone. Empty: a minute after the launch."),
    )

    def __init__(self, template: Template, *args: Any, **kwargs: Any) -> None:
        """Ask for the template's variables too."""
        super().__init__(*args, **kwargs)
        self.template = template
        offered = [channel for channel in Channel if channel in template.category.channels]
        self.fields["channels"].choices = [(item.value, item.label) for item in offered]  # type: ignore[attr-defined]
        if len(offered) < 2:
            del self.fields["channels"]
        text = _("%(count)d in the first minute, twice as many in each that follows. Empty: at full speed at once.")
        self.fields["ramp_up"].help_text = text % {"count": FIRST_MINUTE}
        for name, kind in template.variables.items():
            self.fields[_variable(name)] = _field(name, kind, template.sample.get(name))

    def variables(self) -> list[BoundField]:
        """Return the fields of the template's variables."""
        return [self[_variable(name)] for name in self.template.variables]

    def rest(self) -> list[BoundField]:
        """Return the other fields that are shown."""
        return [self[name] for name in ("channels", "rate", "ramp_up", "send_at") if name in self.fields]

    def data_given(self) -> dict[str, object]:
        """Return the variables that were given; an audience may bring the others for each person."""
        found = {name: self.cleaned_data.get(_variable(name)) for name in self.template.variables}
        return {name: value for name, value in found.items() if value not in (None, "")}

    def request(self, audience: AudienceFields, exclude: AudienceFields) -> BroadcastRequest:
        """Return the draft that is asked for; both audiences are valid."""
        values = self.cleaned_data
        return BroadcastRequest(
            template=self.template.slug,
            audience=audience.audience() or {},
            exclude=exclude.audience(),
            data=self.data_given(),
            channels=tuple(values.get("channels") or ()),
            idempotency_key=str(values["key"]),
            send_at=values["send_at"],
            rate=values["rate"],
            ramp_up=values["ramp_up"],
            draft=True,
            owner=OWNER,
        )

    def blame(self, error: RequestRejected, audience: AudienceFields, exclude: AudienceFields) -> None:
        """Show at its field what a flow refused."""
        if not error.problems:
            self.add_error(None, error.detail)
        for problem in error.problems:
            first, _slash, rest = problem.pointer.removeprefix("/").partition("/")
            told = f"{error.detail} {problem.detail}"
            if first in ("audience", "exclude"):
                form = audience if first == "audience" else exclude
                form.add_error("kind", told)
            elif first == "data" and _variable(rest) in self.fields:
                self.add_error(_variable(rest), problem.detail)
            else:
                self.add_error(first if first in self.fields else None, told)


class _JsonField(forms.JSONField):
    """JSON of one kind."""

    def __init__(self, kind: type, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind = kind

    def validate(self, value: Any) -> None:
        """Refuse another kind."""
        super().validate(value)
        if value is not None and not isinstance(value, self.kind):
            raise forms.ValidationError(_("Write JSON, as in the example."))


def _variable(name: str) -> str:
    return f"var|{name}"


def _field(name: str, kind: str, sample: object) -> forms.Field:
    shown = sample if isinstance(sample, str) else json.dumps(sample, ensure_ascii=False)
    asked: dict[str, Any] = {"label": name, "required": False}
    if sample is not None:
        asked["help_text"] = _("For example: %(sample)s") % {"sample": shown}
    if kind in ("int", "float"):
        return forms.IntegerField(**asked) if kind == "int" else forms.FloatField(**asked)
    if kind == "bool":
        choices = [("", "–"), ("true", _("yes")), ("false", _("no"))]
        return forms.TypedChoiceField(choices=choices, coerce=lambda text: text == "true", empty_value=None, **asked)
    if kind in ("list", "dict"):
        widget = forms.Textarea(attrs={"rows": 3, "class": "carillon-words"})
        return _JsonField(list if kind == "list" else dict, widget=widget, **asked)
    return forms.CharField(widget=forms.Textarea(attrs={"rows": 2, "dir": "auto"}), **asked)
