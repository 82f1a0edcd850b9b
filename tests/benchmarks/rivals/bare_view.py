"""A bare DRF view with one INSERT, behind the same server and middleware: no key, no checks, no rules, no rows else."""

from __future__ import annotations

import json
from typing import ClassVar

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

_INSERT = (
    "INSERT INTO bench_bare (recipient, template, data, created_at) VALUES (%s, %s, %s, clock_timestamp()) RETURNING id"
)


class Bare(APIView):
    """`POST bare/`."""

    authentication_classes: ClassVar = []
    permission_classes: ClassVar = []

    def post(self, request: Request) -> Response:
        """Store the request as it is; committed when it is answered."""
        body = request.data
        with connection.cursor() as cursor:
            cursor.execute(_INSERT, [body["user"], body["template"], json.dumps(body["data"])])
            (identity,) = cursor.fetchone()
        return Response({"id": identity, "status": "in_progress"}, status=202)


def healthz(request: HttpRequest) -> HttpResponse:
    """Say that it is up."""
    return HttpResponse("ok")


urlpatterns = [path("bare/", Bare.as_view()), path("healthz", healthz)]
