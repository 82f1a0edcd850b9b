"""The door of unsubscribe links: looking never changes anything, one click does (RFC 8058), and back again."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from .enums import Channel
from .flows.hosted import exists, labels, locale_of
from .flows.unsubscribe import is_subscribed, preferences_url, resubscribe, unsubscribe
from .public_pages import page
from .rules.links import Subscription, read_unsubscribe_token

_BACK = "resubscribe"


@csrf_exempt  # the token is the proof: a mail program posts without a cookie
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@transaction.non_atomic_requests
def unsubscribe_page(request: HttpRequest, token: str) -> HttpResponse:
    """Show what the link is about; by POST end the subscription, or with `action=resubscribe` begin it again."""
    subscription = read_unsubscribe_token(token)
    if subscription is None or not _is_somebody(subscription):
        return page(request, "carillon/public/bad_link.html", status=404)
    if request.method == "POST":
        act = resubscribe if request.POST.get("action") == _BACK else unsubscribe
        if not act(subscription):
            return page(request, "carillon/public/unsubscribe_refused.html", locale=locale_of(subscription.recipient))
    return _shown(request, subscription)


def _is_somebody(subscription: Subscription) -> bool:
    """Whether there is (still) somebody behind the link: an address without an account, or a user of the host's."""
    return bool(subscription.address_hash) or exists(subscription.recipient)


def _shown(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    def context() -> dict[str, object]:
        return {
            "subscribed": is_subscribed(subscription),
            "label": labels([subscription.category])[subscription.category],
            # Without an account there is nothing to keep a wish in: the address gets nothing at all any more.
            "whole_address": bool(subscription.address_hash),
            "channel_label": Channel(subscription.channel).label,
            "preferences_url": preferences_url(subscription),
            "back": _BACK,
        }

    return page(request, "carillon/public/unsubscribe.html", context, locale=locale_of(subscription.recipient))
