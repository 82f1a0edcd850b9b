"""Receipts of phones: the app reports that a message arrived or was opened, with the token that came with it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request as HttpCall
from rest_framework.response import Response

from ..flows.receive_phone import EVENTS, receive_from_phone
from .base import ApiView
from .fields import StrictSerializer, Text, checked


class ReceiptFields(StrictSerializer):
    """The body of `POST receipts/{token}/`."""

    event = Text(max_length=16)

    def validate_event(self, value: str) -> str:
        """Refuse what a phone cannot know."""
        if value not in EVENTS:
            raise serializers.ValidationError(f"must be one of {', '.join(EVENTS)}", "unknown_event")
        return value


class ClientReceipts(ApiView):
    """`POST receipts/{token}/`: no key and no session, for the token is the proof."""

    authentication_classes: Any = ()
    permission_classes: Any = ()
    body_limit = 1_024
    value_limit = 8

    def post(self, request: HttpCall, token: str) -> Response:
        """Store the report and answer 204; a repetition is answered alike and changes nothing."""
        values = checked(ReceiptFields, request.data)
        if not receive_from_phone(token, values["event"]):
            raise NotFound("The token is none of ours, or its time is over.")
        return Response(status=204)
