"""The page of a new broadcast: who, what, how fast and when; a look at what it means; then it is kept as a draft."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from ..declarations.slugs import LAYOUT
from ..enums import Channel, Reason
from ..exceptions import IdempotencyConflict, RequestRejected
from ..flows.estimate import Estimate, estimate
from ..flows.launch import BroadcastRequest, launch
from ..flows.operate import By, audit
from ..models import Broadcast, Notification, Template
from .audience_form import AudienceFields, topics
from .base import actor_of, as_uuid, without_nul
from .broadcast_form import BroadcastForm, TemplateChoice
from .markup import sees_personal_data

if TYPE_CHECKING:
    from .base import ConsoleAdmin
else:
    ConsoleAdmin = object

_LONGEST_VALUES = 3_000


class NewBroadcastPages(ConsoleAdmin):
    """Where broadcasts are drafted."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may draft one."""
        return bool(request.user.has_perm("carillon.add_broadcast"))

    @without_nul
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for everything; show what it would mean; keep it as a draft."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        earlier = self._corrected(request)
        slugs = list(_broadcastable().values_list("slug", flat=True))
        asked = request.GET.get("template") or (earlier[1].template if earlier else "")
        choice = TemplateChoice({"template": asked} if asked else None, slugs=slugs)
        template = _broadcastable().filter(slug=asked).first() if asked in slugs else None
        context = {"choice": choice, "template": template, "topics": topics(), "has_templates": bool(slugs)}
        if template is not None:
            answer, more = self._ask(request, template, earlier)
            if answer is not None:
                return answer
            context |= more
        return self._new_page(request, {**context, "corrected": earlier[0] if earlier else None})

    def _ask(
        self, request: HttpRequest, template: Template, earlier: tuple[Broadcast, Notification] | None
    ) -> tuple[HttpResponse | None, dict[str, Any]]:
        data = request.POST if request.method == "POST" else None
        form = BroadcastForm(template, data, initial=_initial(request, template, earlier))
        whom = {"kind": "broadcast", "broadcast": str(earlier[0].pk)} if earlier else {}
        audience = AudienceFields(data, prefix="audience", initial=whom)
        exclude = AudienceFields(data, prefix="exclude", may_be_nobody=True)
        context: dict[str, Any] = {"form": form, "audience": audience, "exclude": exclude}
        if data is None or not all([form.is_valid(), audience.is_valid(), exclude.is_valid()]):
            return None, context
        wanted = form.request(audience, exclude)
        try:
            if data.get("do") == "keep":
                return self._keep(request, wanted), context
            context |= {"looked": estimate_lines(estimate(wanted)), "frame": self._frame(template, wanted.data)}
        except RequestRejected as error:
            form.blame(error, audience, exclude)
        return None, context

    def _keep(self, request: HttpRequest, wanted: BroadcastRequest) -> HttpResponse:
        """Keep a draft; a second press finds the first one's."""
        try:
            accepted = launch(wanted)
        except IdempotencyConflict:
            self.message_user(request, _("This form was kept as a draft before: open it anew."), messages.WARNING)
            return HttpResponseRedirect(self._list_url())
        made = Broadcast.objects.get(notification_id=accepted.notification_id)
        if not accepted.replayed:
            audit(By(actor_of(request), ""), "draft_broadcast", subject=str(made.pk), template=wanted.template)
            self.message_user(request, _("Kept as a draft: nothing has gone out."), messages.SUCCESS)
        url = reverse("admin:carillon_broadcast_change", args=[made.pk], current_app=self.admin_site.name)
        return HttpResponseRedirect(url)

    def _frame(self, template: Template, data: Mapping[str, object]) -> str:
        """Return where the words are shown with these variables; "" for who may not see templates."""
        values = json.dumps(dict(data), ensure_ascii=False)
        asked = {"show-values": values} if len(values) <= _LONGEST_VALUES else {}
        url = reverse("admin:carillon_template_preview", args=[template.pk], current_app=self.admin_site.name)
        return f"{url}?{urlencode(asked)}"

    def _corrected(self, request: HttpRequest) -> tuple[Broadcast, Notification] | None:
        """Return the broadcast that is to be corrected, if the page was opened from one."""
        key = as_uuid(request.GET.get("correct", ""))
        made = Broadcast.objects.filter(pk=key, outcome__isnull=True).first() if key else None
        notification = Notification.objects.filter(pk=made.notification_id).first() if made else None
        return (made, notification) if made and notification else None

    def _new_page(self, request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
        return TemplateResponse(
            request,
            "carillon/console/broadcast_new.html",
            {
                **self.admin_site.each_context(request),
                "title": _("New broadcast"),
                "opts": self.opts,
                "media": self.media,
                "back": self._list_url(),
                "may_see_words": request.user.has_perm("carillon.view_template"),
                **context,
            },
        )

    def _list_url(self) -> str:
        return reverse("admin:carillon_broadcast_changelist", current_app=self.admin_site.name)


def estimate_lines(found: Estimate) -> dict[str, Any]:
    """Return an estimate as a page shows it: people, and by channel how many would go out and why not the others."""
    channels = [
        {
            "channel": Channel(channel).label,
            "deliveries": f"{forecast.deliveries:,}",
            "skipped": [
                (str(Reason(why).label) if why in Reason.values else _("Left out"), f"{count:,}")
                for why, count in forecast.skipped.items()
            ],
        }
        for channel, forecast in found.channels.items()
    ]
    is_sample = found.sampled < found.members
    return {
        "members": found.members,
        "told": f"{found.members:,}",
        "exact": found.exact,
        "sampled": f"{found.sampled:,}" if is_sample else "",
        "channels": channels,
    }


def _broadcastable() -> Any:
    """Return templates that have words and nothing sensitive."""
    found = Template.objects.exclude(current=None).exclude(slug=LAYOUT).filter(sensitive=[])
    return found.select_related("category").order_by("slug")


def _initial(
    request: HttpRequest, template: Template, earlier: tuple[Broadcast, Notification] | None
) -> dict[str, Any]:
    """Return what a correction begins with: what the one to correct was sent with, at its speed."""
    if earlier is None:
        return {}
    made, notification = earlier
    found: dict[str, Any] = {"rate": made.per_second, "ramp_up": made.ramp_minutes, "channels": notification.channels}
    if notification.template == template.slug and sees_personal_data(request):
        found |= {f"var|{name}": value for name, value in notification.data.items()}
    return found
