"""The project's own URLs: where the root leads, and that none of them is for everybody without anybody saying so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, path

from project.urls import urlpatterns
from tests.addresses import METHODS, addresses, nothing_changes
from tests.api.matrix import BEHIND_A_KEY, OPEN

ADMIN, CONSOLE = "admin/", "admin/carillon/"  # the console has a matrix of its own
#: For everybody: a redirect to the console, and probes; the metrics want a token of their own.
PROJECTS = {"", "healthz", "readyz", "metrics"}
LOGIN = {"admin/login/", "admin/logout/"}


def test_the_root_leads_to_the_console(client: Client) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


def nobodys(patterns: Sequence[URLPattern | URLResolver]) -> set[str]:
    """Return addresses outside of the console that no matrix knows."""
    known = {f"api/v1/{route}" for route in BEHIND_A_KEY} | set(OPEN) | PROJECTS
    found = {route for route, item in addresses(patterns) if item.name != "nothing-here"}
    return {route for route in found if not route.startswith(ADMIN)} - known


def open_to_strangers(patterns: Sequence[URLPattern | URLResolver], strangers: Sequence[Client]) -> Iterator[str]:
    """Yield addresses of Django's admin, the console's own apart, that do not lead a stranger to the login."""
    for route, _ in addresses(patterns):
        if not route.startswith(ADMIN) or route.startswith(CONSOLE) or route in LOGIN:
            continue
        where = "/" + re.sub(r"\^.*|\(.*|<[^>]*>", "1", route)
        for client in strangers:
            answers = [client.generic(method, where) for method in METHODS]
            if not all(answer.status_code == 302 and "/login/" in answer["Location"] for answer in answers):
                yield route


def anything(request: HttpRequest) -> HttpResponse:
    """A view that somebody forgot to guard."""
    return HttpResponse("secrets")


FORGOTTEN = [path("api/v2/secrets/", anything), path("admin/secrets/", anything)]


class Forgetful:
    """A URL conf with views that nobody guards."""

    urlpatterns = [*FORGOTTEN, *urlpatterns]


def test_every_address_is_in_a_matrix_and_a_new_one_is_noticed() -> None:
    assert nobodys(urlpatterns) == set()
    assert nobodys(Forgetful.urlpatterns) == {"api/v2/secrets/"}


@pytest.mark.django_db
def test_the_admin_leads_strangers_to_the_login_and_an_unguarded_page_is_noticed(settings: Any) -> None:
    nobody, customer = Client(), Client()
    customer.force_login(get_user_model().objects.create_user("customer"))
    with nothing_changes():
        assert set(open_to_strangers(urlpatterns, [nobody, customer])) == set()
        settings.ROOT_URLCONF = Forgetful
        assert set(open_to_strangers(FORGOTTEN, [nobody])) == {"admin/secrets/"}
