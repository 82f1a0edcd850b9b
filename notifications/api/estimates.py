"""Estimates over HTTP: what a broadcast would mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rest_framework.request import Request as HttpCall
from rest_framework.response import Response

from ..enums import Scope
from ..flows.estimate import Estimate, estimate
from .base import ApiView
from .broadcasts import LARGE_BODY, BroadcastFields, requested
from .fields import checked


class Estimates(ApiView):
    """`POST broadcasts/estimate/`."""

    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.BROADCAST}
    body_limit = LARGE_BODY

    def post(self, request: HttpCall) -> Response:
        """Say what the same body would mean at `POST broadcasts/`; nothing is stored, not even a refusal."""
        return Response(present_estimate(estimate(requested(self, checked(BroadcastFields, request.data), None))))


def present_estimate(found: Estimate) -> dict[str, object]:
    """Return an estimate for JSON."""
    return {
        "members": found.members,
        "exact": found.exact,
        "sampled": found.sampled,
        "channels": {
            channel: {"deliveries": forecast.deliveries, "skipped": dict(forecast.skipped)}
            for channel, forecast in found.channels.items()
        },
    }
