"""The console is its staff's: every address and method of the URL conf refuses who may not; looking changes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from notifications.admin import PAGES
from notifications.models import AuditEntry, Broadcast
from project.urls import urlpatterns
from tests.addresses import METHODS, SAFE, addresses, nothing_changes

from .test_pages import everything

__all__ = ["everything"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]

CONSOLE = "admin/carillon/"
UNSAFE = METHODS[len(SAFE) :]
OFTEN = ("GET", "POST")
#: The other methods lead to the same views, and are tried now and then.
EVERY = pytest.mark.parametrize(
    "methods",
    [
        pytest.param(OFTEN, id="often"),
        pytest.param([item for item in METHODS if item not in OFTEN], id="others", marks=pytest.mark.long),
    ],
)
BY_NAME = {str(model._meta.model_name): model for model in PAGES}


def console() -> Iterator[tuple[str, str, bool]]:
    """Yield every address of the console with the model that it is about, and whether it only leads to another one."""
    for route, item in addresses(urlpatterns):
        if route.startswith(CONSOLE):
            model = route.removeprefix(CONSOLE).partition("/")[0]
            yield filled(route, model), model, item.name is None


def first_of(model: str) -> Any:
    """Return the first row of a page's own table, if it has one."""
    return None if BY_NAME[model]._meta.proxy else BY_NAME[model]._default_manager.order_by("pk").first()


def filled(route: str, model: str) -> str:
    first = first_of(model)
    keys = {"object_id": first, "uuid:key": Broadcast.objects.first(), "int:key": AuditEntry.objects.first()}
    names = {"<slug:action>": "pause", "<str:alias>": "fcm", "<str:channel>": "push"}
    path = re.sub(
        r"<(uuid:key|int:key|path:object_id)>",
        lambda found: str(getattr(keys[found[1].removeprefix("path:")], "pk", "1")),
        re.sub("<(?:slug|str):[a-z_]+>", lambda found: names.get(found[0], found[0]), route),
    )
    assert "<" not in path, f"{route} names something that this test does not know"
    return f"/{path}"


def bodies(model: str) -> Iterator[dict[str, Any]]:
    """Yield forms that do something where they are taken: every action, confirmed; saving, deleting, publishing."""
    key = str(getattr(first_of(model), "pk", ""))
    sure = {"confirm": "yes", "reason": "because", "post": "yes"}
    for action in [*(PAGES[BY_NAME[model]].actions or ()), "delete_selected"]:
        yield {**sure, "action": action, "_selected_action": [key], "index": "0"}
    yield {**sure, "_save": "Save", "act": "publish", "slug": "another", "channel": "email", "address": "eve@b.example"}


def send(client: Client, method: str, path: str, form: dict[str, Any]) -> Any:
    return client.post(path, form) if method == "POST" else client.generic(method, path)


def test_there_is_a_console() -> None:
    names = {model for _, model, _ in console()}
    assert names == set(BY_NAME), "a page that no address of the console leads to, or the other way round"


@EVERY
def test_who_is_not_staff_is_led_to_the_login(ada: Any, methods: Sequence[str]) -> None:
    nobody, customer = Client(), Client()
    customer.force_login(ada)
    with nothing_changes():
        for (path, model, _), method, client in product(console(), methods, (nobody, customer)):
            answer = send(client, method, path, next(bodies(model)))
            assert answer.status_code == 302, (method, path, answer.status_code)
            assert answer["Location"].startswith("/admin/login/"), (method, path)


@EVERY
def test_staff_without_permission_is_refused(staff: Callable[..., Client], methods: Sequence[str]) -> None:
    clerk = staff()
    with nothing_changes():
        for (path, model, leads_on), method in product(console(), methods):
            answer = send(clerk, method, path, next(bodies(model)))
            assert answer.status_code in ((302, 405) if leads_on else (403, 405)), (method, path, answer.status_code)


@pytest.mark.long
def test_who_may_look_changes_nothing_by_any_form(staff: Callable[..., Client]) -> None:
    looking = Permission.objects.filter(content_type__app_label="carillon", codename__startswith="view_")
    viewer = staff(*looking.values_list("codename", flat=True))
    viewer.raise_request_exception = False
    before = set(AuditEntry.objects.values_list("pk", flat=True))
    with nothing_changes("carillon_auditentry"):
        for path, model, _ in console():
            for form in bodies(model):
                assert viewer.post(path, form).status_code < 500, (path, form)
            for method in UNSAFE[1:]:
                assert viewer.generic(method, path).status_code < 500, (method, path)
    # Who may look may take along what they see, and that it was taken is written down.
    written = AuditEntry.objects.exclude(pk__in=before).values_list("action", flat=True)
    assert {action for action in written if not action.startswith("export_")} == set()


@pytest.mark.long
def test_looking_acts_on_nothing_not_even_for_the_superuser(browser: Client) -> None:
    with nothing_changes():
        for (path, model, _), method in product(console(), SAFE):
            query = "&".join(f"{name}={value}" for name, value in next(bodies(model)).items())
            assert browser.generic(method, path, QUERY_STRING=query if method == "GET" else "").status_code < 500
