"""Role × address × method, sent directly: each address of the URL conf has its line here, and a new one without fails.

What an address needs is said a second time, apart from the code and from the roles' fixture: the three are compared.
"""

from __future__ import annotations

import pytest
from django.core.management import call_command

from notifications.admin import PAGES
from project.urls import urlpatterns
from tests.addresses import METHODS, addresses, contents, undone

from .test_matrix import CONSOLE, filled
from .test_pages import everything
from .test_roles import ALWAYS, ROLES, client_of

__all__ = ["everything"]
pytestmark = [pytest.mark.django_db, pytest.mark.long]

NOBODY = {"nobody"}
#: What the pages of a model's rows need where it is not `view_` and the model's name.
LOOKS = {
    "overview": {"view_traffic"}, "person": {"view_delivery"}, "deadletter": {"view_delivery"},
    "queue": {"view_claim"}, "providercard": {"view_providerhold"},
}  # fmt: skip
#: Rows that people add, change and delete by forms, with the permission of that name; all others are only read.
ADDED = {"broadcast", "category", "providerhold", "suppression", "template", "topic", "topicsubscription"}
CHANGED = {"category", "template", "topic"}
DELETED = {"topicsubscription"}
#: What the other addresses need to be opened, and to be sent to.
OWN = {
    "person_resend": ({"view_delivery", "resend"}, {"view_delivery", "resend"}),
    "person_lift": ({"view_delivery", "change_suppression"}, {"view_delivery", "change_suppression"}),
    "deadletter_replay": ({"replay"}, {"replay"}),
    "deadletter_discard": ({"replay"}, {"replay"}),
    "deadletter_run": ({"view_delivery"}, {"view_delivery", "replay"}),
    "broadcast_preview": ({"view_broadcast"}, {"view_broadcast"}),
    "broadcast_live": ({"view_broadcast"}, {"view_broadcast"}),
    "broadcast_do": ({"change_broadcast"}, {"change_broadcast"}),
    "template_words": ({"view_template"}, {"view_template", "publish"}),
    "template_preview": ({"view_template"}, {"view_template"}),
    "device_export": ({"view_device"}, {"view_device"}),
    "device_import": ({"add_device"}, {"add_device"}),
    "device_undo": ({"prune"}, {"prune"}),
    "device_prune": ({"prune"}, {"prune"}),
    "suppression_export": ({"view_suppression"}, {"view_suppression"}),
    "suppression_import": ({"add_suppression"}, {"add_suppression"}),
    "topic_import": ({"view_topic", "add_topicsubscription"}, {"view_topic", "add_topicsubscription"}),
    "providercard_hold": ({"view_providerhold", "add_providerhold"}, {"view_providerhold", "add_providerhold"}),
    "providercard_release": ({"view_providerhold", "delete_providerhold"},) * 2,
    "providercard_trial": ({"view_providerhold", "send_trial"}, {"view_providerhold", "send_trial"}),
    "queue_clear": ({"view_claim", "clear_waiting"}, {"view_claim", "clear_waiting"}),
    "queue_run": ({"view_claim"}, {"view_claim", "clear_waiting"}),
    "queue_pause": ({"view_claim", "add_channelpause"}, {"view_claim", "add_channelpause"}),
    "queue_resume": ({"view_claim", "delete_channelpause"}, {"view_claim", "delete_channelpause"}),
    "apikey_rotate": ({"view_apikey", "add_apikey"}, {"view_apikey", "add_apikey"}),
    "auditentry_export": ({"view_auditentry"}, {"view_auditentry"}),
}  # fmt: skip


def rows_of(model: str) -> dict[str, tuple[set[str], set[str]]]:
    """Return what the admin's own addresses of a model need, to be opened and to be sent to."""
    looks = LOOKS.get(model, {f"view_{model}"})
    lists = {f"{model}_changelist": (looks, looks)}
    if model in LOOKS:
        return lists
    adds = {f"add_{model}"} if model in ADDED else NOBODY
    changes = {f"view_{model}", f"change_{model}"} if model in CHANGED else NOBODY
    deletes = {f"delete_{model}"} if model in DELETED else NOBODY
    return lists | {
        f"{model}_add": (adds, adds), f"{model}_change": (looks, changes), f"{model}_delete": (deletes, deletes),
        f"{model}_history": (looks, looks),
    }  # fmt: skip


NEEDS = {name: pair for model in PAGES for name, pair in rows_of(str(model._meta.model_name)).items()} | OWN
#: Runs, of which there is none here.
RUNS = ("deadletter_run", "queue_run")
#: What code declares is changed by nobody here, whatever they were granted.
DECLARED = ("category_change", "template_change")
#: By name: the path of each address, filled with what `everything` made.
Named = dict[str, str]


def named() -> Named:
    routes = [(route, item) for route, item in addresses(urlpatterns) if route.startswith(CONSOLE)]
    return {
        str(item.name).removeprefix("carillon_"): filled(route, route.removeprefix(CONSOLE).partition("/")[0])
        for route, item in routes
        if item.name is not None  # what leads on to another address; it is tried with all the others elsewhere
    }


def test_every_address_of_the_console_has_its_line(everything: None) -> None:
    assert set(named()) == set(NEEDS)


@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_was_not_granted_is_refused_and_what_it_was_is_not(everything: None, role: str) -> None:
    call_command("loaddata", "carillon_roles", verbosity=0)
    client, granted = client_of(role)
    wrong = []
    with undone():
        before = contents()
        for name, path in named().items():
            looks, acts = NEEDS[name]
            for method in METHODS:
                may = (acts if method == "POST" else looks) <= granted  # only a POST acts, as is seen below
                if may and method not in ("GET", "POST"):
                    continue  # they lead to the same views; what they are refused is what counts
                answer = client.post(path) if method == "POST" else client.generic(method, path)
                refused = answer.status_code in (403, 405) or (name in RUNS and answer.status_code == 404)
                if answer.status_code >= 500 or (
                    answer.status_code == 403 and name not in DECLARED if may else not refused
                ):
                    wrong.append((name, method, answer.status_code))
        changed = {table for table, rows in contents().items() if rows != before[table]} - ALWAYS
    assert not wrong
    assert not changed, "an empty form does nothing"
