"""The form of a category: its limits and durations are those that a declaration may have."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..declarations.limits import parse_digest, parse_throttle, patience_within
from ..enums import Channel

_DURATIONS = ("ttl", "patience", "fallback_after")


class CategoryForm(forms.ModelForm):  # type: ignore[type-arg]
    """A category, with its channels to tick rather than to write as JSON."""

    channels = forms.MultipleChoiceField(
        label=gettext_lazy("Channels"), choices=Channel.choices, widget=forms.CheckboxSelectMultiple
    )
    fallback = forms.MultipleChoiceField(
        label=gettext_lazy("Fallback"), choices=Channel.choices, widget=forms.CheckboxSelectMultiple, required=False
    )

    def clean_throttle(self) -> str:
        """Workers can read it."""
        text: str = self.cleaned_data["throttle"]
        try:
            parse_throttle(text)
        except ValueError as error:
            what = _("Write a number from 1 to 9999 per minute, hour or day, such as 5/hour, or nothing.")
            raise forms.ValidationError(what) from error
        return text

    def clean_digest(self) -> str:
        """Workers can read it."""
        text: str = self.cleaned_data["digest"]
        try:
            parse_digest(text)
        except ValueError as error:
            what = _("Write hourly, or a time of day such as daily 09:00, or nothing.")
            raise forms.ValidationError(what) from error
        return text

    def clean(self) -> dict[str, Any]:
        """A channel is tried first or as a fallback, durations are some time, and secrets are not kept."""
        values: dict[str, Any] = super().clean() or {}
        if set(values.get("channels", ())) & set(values.get("fallback", ())):
            self.add_error("fallback", _("A channel cannot fall back to itself."))
        for name in _DURATIONS:
            if values.get(name) is not None and values[name] <= timedelta():
                self.add_error(name, _("Write a duration of more than 0 seconds, such as 600 or 00:10:00."))
        self._keep_secrets_short(values)
        if "patience" in values:
            values["patience"] = patience_within(values["patience"], values.get("ttl"))
        return values

    def _keep_secrets_short(self, values: dict[str, Any]) -> None:
        """Refuse what would keep the sensitive variables of the category's templates for too long."""
        if self.instance.pk is None:
            return
        names = ", ".join(self.instance.templates.exclude(sensitive=[]).values_list("slug", flat=True))
        if names and "ttl" in values and values["ttl"] is None:
            what = _("Write how long its messages are of use, such as 600. Templates with sensitive variables: %s")
            self.add_error("ttl", what % names)
        if names and values.get("digest"):
            what = _("Leave this empty. Templates with sensitive variables, which are never gathered: %s")
            self.add_error("digest", what % names)
