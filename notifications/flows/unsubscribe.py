"""Unsubscribe: one click ends one kind of message on one channel; another brings it back."""

from __future__ import annotations

from ..cipher import address_hash
from ..conf import get
from ..enums import Channel, SuppressionCause
from ..models import Category, Delivery, Suppression
from ..rules.identity import user_key
from ..rules.links import Subscription, preferences_token, unsubscribe_token
from ..rules.preferences import Wishes, is_wanted
from .compose import LINK_NAMES
from .people import load_wishes
from .preferences import change_preferences
from .suppress import lift, suppress_hash

SOURCE = "unsubscribe link"
_HEADER = "List-Unsubscribe"


def subscription_of(row: Delivery, category: Category) -> Subscription:
    """Return what an unsubscribe link in this delivery is about."""
    hashed = "" if user_key(row.recipient) is not None else address_hash(row.channel, row.address)
    return Subscription(row.recipient, category.slug, row.channel, hashed)


def links_of(row: Delivery, category: Category) -> dict[str, str]:
    """Return the links that words may use; empty ones where there is nothing to link to."""
    base = get().public_url
    links = dict.fromkeys(LINK_NAMES, "")
    if base and not category.mandatory:
        links["unsubscribe_url"] = f"{base}/unsubscribe/{unsubscribe_token(subscription_of(row, category))}/"
    if base and user_key(row.recipient) is not None:
        links["preferences_url"] = f"{base}/preferences/{preferences_token(row.recipient)}/"
    return links


def preferences_url(subscription: Subscription) -> str:
    """Return the address of the recipient's preference page, or "" for somebody without an account."""
    if subscription.address_hash:
        return ""
    return f"{get().public_url}/preferences/{preferences_token(subscription.recipient)}/"


def headers_of(row: Delivery, category: Category, url: str) -> dict[str, str]:
    """Return the headers of an email that let its reader unsubscribe with one click.

    https://www.rfc-editor.org/rfc/rfc8058
    """
    if row.channel != Channel.EMAIL or category.mandatory or not url:
        return {}
    return {
        _HEADER: f"<{url}>",
        f"{_HEADER}-Post": f"{_HEADER}=One-Click",
    }


def unsubscribe(subscription: Subscription) -> bool:
    """End a subscription; safe to repeat. Return False if it is of a kind that cannot be switched off (any more).

    A user's preference changes; the address of somebody without an account is suppressed on its channel.
    """
    if Category.objects.filter(slug=subscription.category, mandatory=True).exists():
        return False
    if subscription.address_hash:
        suppress_hash(subscription.channel, subscription.address_hash, SuppressionCause.UNSUBSCRIBE, SOURCE)
        return True
    return _switch(subscription, on=False)


def resubscribe(subscription: Subscription) -> bool:
    """Take an unsubscription by link back; what else keeps messages from an address stays in force."""
    if subscription.address_hash:
        mine = Suppression.objects.filter(
            channel=subscription.channel,
            address_hash=subscription.address_hash,
            lifted_at=None,
            cause=SuppressionCause.UNSUBSCRIBE,
        )
        if mine.exists():
            lift(subscription.channel, subscription.address_hash, "resubscribed by link")
        return True
    return _switch(subscription, on=True)


def is_subscribed(subscription: Subscription) -> bool:
    """Whether the subscription's messages go out, as far as unsubscribing is concerned."""
    if subscription.address_hash:
        return not Suppression.objects.active_among([subscription.address_hash])
    wishes = load_wishes([subscription.recipient]).get(subscription.recipient, Wishes())
    return is_wanted(wishes, subscription.category, subscription.channel, mandatory=False)


def _switch(subscription: Subscription, *, on: bool) -> bool:
    if not Category.objects.filter(slug=subscription.category).exists():
        return False
    change = {subscription.category: {subscription.channel: None if on else False}}
    change_preferences(subscription.recipient, {"categories": change})
    return True
