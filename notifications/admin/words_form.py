"""The form on which a template's words are written: one field for each channel, language and part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..channels import SPECS
from ..enums import Channel
from ..flows.layout import Words
from ..flows.words import problems_in
from ..models import Template
from ..rules.locales import usable_locale

_SEPARATOR = "|"
_LONG = {"html": 14, "text": 8, "body": 4}


class LocaleField(forms.CharField):
    """A language, by the rule that files and hosts follow too."""

    def validate(self, value: str) -> None:
        """Refuse what is none."""
        super().validate(value)
        if value and not usable_locale(value):
            raise forms.ValidationError(_("Write a language code such as en, de or pt-BR."))


class AddWordsForm(forms.Form):
    """A channel and a language to add words for."""

    channel = forms.ChoiceField(label=gettext_lazy("Channel"), choices=Channel.choices)
    locale = LocaleField(label=gettext_lazy("Language"), help_text=gettext_lazy("As en, de or pt-BR."))


class PreviewForm(forms.Form):
    """In which language, with which values and in which light words are shown."""

    locale = LocaleField(label=gettext_lazy("Language"), required=False)
    scheme = forms.ChoiceField(
        label=gettext_lazy("Colours"),
        choices=[("light", gettext_lazy("light")), ("dark", gettext_lazy("dark"))],
        required=False,
    )
    values = forms.JSONField(
        label=gettext_lazy("Other values"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "class": "carillon-words"}),
        help_text=gettext_lazy("In place of the sample’s, as {“name”: “Ada”}."),
    )

    prefix = "show"

    def clean_values(self) -> dict[str, object]:
        """Values have names."""
        found = self.cleaned_data["values"]
        if found is not None and not isinstance(found, dict):
            raise forms.ValidationError(_("Write names and values, as {“name”: “Ada”}."))
        return found or {}


class WordsForm(forms.Form):
    """The words of a version to be, checked by rendering every part with the template's sample."""

    based_on = forms.CharField(required=False, max_length=18, widget=forms.HiddenInput)
    reason = forms.CharField(
        label=gettext_lazy("What changed"),
        max_length=200,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text=gettext_lazy("For the audit."),
    )

    def __init__(self, template: Template, words: Words, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data)
        self.template = template
        self.fields["based_on"].initial = template.current_id or ""
        places = {place: dict(parts) for place, parts in words.items()}
        for name in data or ():  # fields that were added on the page, or came from another version
            channel, _bar, rest = name.partition(_SEPARATOR)
            locale, _bar, _part = rest.partition(_SEPARATOR)
            if channel in Channel.values and usable_locale(locale):
                places.setdefault((Channel(channel), locale), {})
        self._places = {place: self._add(place, parts) for place, parts in sorted(places.items())}

    def sections(self) -> list[tuple[str, str, list[BoundField]]]:
        """Return the fields by channel and language."""
        return [
            (str(channel.label), locale, [self[_name((channel, locale), part)] for part in parts])
            for (channel, locale), parts in self._places.items()
        ]

    def words(self) -> Words:
        """Return the words as written; a part left empty is left out, and a language of which nothing is left too."""
        return self._found(self.cleaned_data)

    def written(self) -> Words:
        """Return the words as they stand there, right or wrong."""
        return self._found(self.data)

    def _found(self, values: Mapping[str, Any]) -> Words:
        found: Words = {}
        for place, parts in self._places.items():
            written = {part: str(values.get(_name(place, part), "")) for part in parts}
            kept = {part: text for part, text in written.items() if text.strip()}
            if kept:
                found[place] = kept
        return found

    def base(self) -> int | None:
        """Return the version that was in use when the page was opened."""
        text = self.cleaned_data["based_on"]
        return int(text) if text.isdecimal() else None

    def clean(self) -> dict[str, Any]:
        """Say at each field what is wrong with its words."""
        values: dict[str, Any] = super().clean() or {}
        words = self.words()
        if not words:
            raise forms.ValidationError(_("A version must have words for at least one channel and language."))
        for (channel, locale, part), problem in problems_in(self.template, words).items():
            name = _name((channel, locale), part)
            self.add_error(name if name in self.fields else None, problem)
        return values

    def _add(self, place: tuple[Channel, str], parts: Mapping[str, str]) -> list[str]:
        known = [part.name for part in SPECS[place[0]].parts]
        names = [*known, *(name for name in self._extra(place, parts) if name not in known)]
        for name in names:
            self.fields[_name(place, name)] = forms.CharField(
                label=name,
                required=False,
                strip=False,
                initial=parts.get(name, ""),
                widget=forms.Textarea(
                    attrs={
                        "rows": _LONG.get(name, 2) if parts.get(name) else 2,
                        "class": "vLargeTextField carillon-words",
                        "spellcheck": "true",
                        "dir": "auto",
                        "lang": place[1],
                    }
                ),
            )
        return names

    def _extra(self, place: tuple[Channel, str], parts: Mapping[str, str]) -> list[str]:
        """Return parts that only this version has, such as a push message's data."""
        posted = [name.rpartition(_SEPARATOR)[2] for name in self.data if name.startswith(_name(place, ""))]
        return [*parts, *posted]


def _name(place: tuple[Channel, str], part: str) -> str:
    return f"{place[0].value}{_SEPARATOR}{place[1]}{_SEPARATOR}{part}"
