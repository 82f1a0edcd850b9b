"""Providers: a card each, and what an operator does in an outage: hold, release, send a trial to oneself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from .. import conf
from ..enums import Platform
from ..exceptions import RequestRejected
from ..flows import operate
from ..flows.gate import channel_of
from ..flows.operate import By
from ..flows.provider_cards import cards
from ..flows.trial_send import send_trial
from ..models import ProviderHold
from .base import actor_of
from .confirm import ReasonForm
from .frame import OperatorPage
from .markup import moment, person_url, redacted, sees_personal_data
from .provider_shown import shown

HOLD, RELEASE, TRY = "carillon.add_providerhold", "carillon.delete_providerhold", "carillon.send_trial"
LONGEST_MINUTES = 7 * 24 * 60
_EVERY_SECONDS = 10


class HoldForm(ReasonForm):
    """For how long a provider is held, for what, and why."""

    minutes = forms.IntegerField(
        label=gettext_lazy("Minutes"), min_value=1, max_value=LONGEST_MINUTES, initial=30,
        help_text=gettext_lazy("A hold always ends by itself; hold again to prolong it."),
    )  # fmt: skip
    platform = forms.ChoiceField(
        label=gettext_lazy("For"), choices=[("", gettext_lazy("all it carries")), *Platform.choices], required=False
    )
    field_order = ("minutes", "platform", "reason")


class ProviderCardAdmin(OperatorPage):
    """The providers as cards; holding is done by the flow that the page of holds uses."""

    looks: ClassVar[str] = "carillon.view_providerhold"

    def more_urls(self) -> list[URLPattern]:
        """Return the addresses of the three acts."""
        wrap = self.admin_site.admin_view
        return [
            path(f"<str:alias>/{name}/", wrap(view), name=f"carillon_providercard_{name}")
            for name, view in (("hold", self.hold_view), ("release", self.release_view), ("trial", self.trial_view))
        ]

    def shown(self, request: HttpRequest) -> HttpResponse:
        """Show the cards."""
        full = sees_personal_data(request)
        may = request.user.has_perm
        context = {
            **self.frame(request, _("Providers")),
            "cards": [shown(card, full=full) for card in cards()],
            "may_hold": may(HOLD),
            "may_release": may(RELEASE),
            "may_try": may(TRY),
            "every": _EVERY_SECONDS,
        }
        return TemplateResponse(request, "carillon/console/providers.html", context)

    def hold_view(self, request: HttpRequest, alias: str) -> HttpResponse:
        """Ask for how long and why, then hold."""
        self._known(request, HOLD, alias)
        form = HoldForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            by = By(actor_of(request), given["reason"])
            operate.hold_provider(alias, timedelta(minutes=given["minutes"]), by, given["platform"])
            self.message_user(request, _("Held: %(alias)s.") % {"alias": alias}, messages.SUCCESS)
            return HttpResponseRedirect(self.home())
        effect = _(
            "Nothing more goes out through it within a second or so. What is due takes the next provider of the"
            " route; without one it waits, and uses up no try. What is being sent at this moment goes out."
        )
        title = _("Hold %(alias)s") % {"alias": alias}
        return self._ask(request, form, title=title, effect=effect, button=_("Hold"), dangerous=True)

    def release_view(self, request: HttpRequest, alias: str) -> HttpResponse:
        """Ask why, then end the provider's holds and pauses."""
        self._known(request, RELEASE, alias)
        form = ReasonForm(request.POST if request.method == "POST" else None)
        held = list(ProviderHold.objects.filter(alias=alias).order_by("platform"))
        full = sees_personal_data(request)
        if request.method == "POST" and form.is_valid():
            by = By(actor_of(request), form.cleaned_data["reason"])
            done = operate.release_providers([row.pk for row in held], by)
            if not done:  # a pause that the provider asked for is kept in Redis, not as a hold
                operate.release_alias(alias, by)
            text = ngettext("%(count)d hold has ended.", "%(count)d holds have ended.", done) % {"count": done}
            told = text if done else _("No hold was left; a pause, if there was one, has ended.")
            self.message_user(request, told, messages.SUCCESS)
            return HttpResponseRedirect(self.home())
        context = {
            "title": _("Release %(alias)s") % {"alias": alias},
            "effect": _("Holds and pauses end; workers use it again within a second or so. Its breaker still judges."),
            "button": _("Release"),
            "lines": [
                (row.platform or _("all it carries"), moment(row.until), row.reason if full else redacted(row.reason))
                for row in held
            ],
        }
        return self._ask(request, form, **context)

    def trial_view(self, request: HttpRequest, alias: str) -> HttpResponse:
        """Send the built-in trial message to the user's own address on the provider's channel."""
        self._known(request, TRY, alias)
        channel = channel_of(alias)
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid() and channel is not None and isinstance(request.user, Model):
            by, press = By(actor_of(request), form.cleaned_data["reason"]), request.POST.get("press", "")[:64]
            try:
                sent = send_trial(channel, request.user, press or uuid4().hex, by, alias)
            except RequestRejected as error:
                told = " ".join([error.detail, *(item.detail for item in error.problems)])
                self.message_user(request, told, messages.ERROR)
                return HttpResponseRedirect(self.home())
            self.message_user(request, _("It was accepted; below is what becomes of it."), messages.SUCCESS)
            return HttpResponseRedirect(person_url(sent, self.admin_site.name))
        effect = _(
            "One message goes to your own address, by the route of its channel: while %(alias)s is held or open, the"
            " next provider carries it. Suppression and the guest list apply."
        )
        context = {
            "title": _("Trial through the route of %(alias)s") % {"alias": alias},
            "effect": effect % {"alias": alias},
            "button": _("Send one message to me"),
            "press": request.POST.get("press") or uuid4().hex,
        }
        return self._ask(request, form, **context)

    def _known(self, request: HttpRequest, permission: str, alias: str) -> None:
        """Return if there is such a provider and the user may look at it and do this.

        Raises:
            PermissionDenied: they may not.
            Http404: there is no such provider.
        """
        if not (request.user.has_perm(permission) and self.has_view_permission(request)):
            raise PermissionDenied
        if alias not in conf.get().providers:
            raise Http404

    def _ask(self, request: HttpRequest, form: forms.Form, **context: Any) -> HttpResponse:
        title = context.pop("title")
        whole = {**self.frame(request, title), "form": form, "back": self.home(), **context}
        return TemplateResponse(request, "carillon/console/ask.html", whole)
