"""Signed links for people without a log-in: what a token says, and nothing else can be read out of or put into it."""

from __future__ import annotations

from typing import NamedTuple

from django.core.signing import BadSignature, Signer

_UNSUBSCRIBE = Signer(salt="carillon.unsubscribe")
_PREFERENCES = Signer(salt="carillon.preferences")
# Longer than any token of ours: nothing of this size is worth decoding.
_LONGEST = 2_000


class Subscription(NamedTuple):
    """What one unsubscribe link is about: a recipient's messages of one category on one channel.

    `address_hash` names the address of somebody without an account, and is empty for a user.
    """

    recipient: str
    category: str
    channel: str
    address_hash: str = ""


def unsubscribe_token(subscription: Subscription) -> str:
    """Return the token of an unsubscribe link: the same for the same subscription, so that retries are alike."""
    return _UNSUBSCRIBE.sign_object(list(subscription))


def read_unsubscribe_token(token: str) -> Subscription | None:
    """Return what an unsubscribe token is about, or None if it is none of ours."""
    values = _unsigned(_UNSUBSCRIBE, token)
    if isinstance(values, list) and len(values) == 4 and all(isinstance(value, str) for value in values):
        return Subscription(*values)
    return None


def preferences_token(recipient: str) -> str:
    """Return the token of a recipient's preference page."""
    return _PREFERENCES.sign_object([recipient])


def read_preferences_token(token: str) -> str | None:
    """Return the recipient whose preference page a token opens, or None if it is none of ours."""
    values = _unsigned(_PREFERENCES, token)
    if isinstance(values, list) and len(values) == 1 and isinstance(values[0], str):
        return values[0]
    return None


def _unsigned(signer: Signer, token: str) -> object:
    if len(token) > _LONGEST:
        return None
    try:
        return signer.unsign_object(token)
    except (BadSignature, ValueError):
        return None
