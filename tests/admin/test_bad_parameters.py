"""Whatever stands in the address or in a form, nobody gets a server error: every list, filter and action is tried."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, IS_POPUP_VAR, ORDER_VAR, PAGE_VAR, SEARCH_VAR
from django.test import Client
from django.urls import reverse

from notifications.admin import PAGES
from notifications.admin.base import ReadOnlyAdmin
from notifications.models import Category, Template, Topic, TopicSubscription

from .conftest import killed

LISTS = sorted(model._meta.model_name for model in PAGES)
REAL = sorted(model._meta.model_name for model in PAGES if not model._meta.proxy)
NUL = "a\x00b"
LONG = "9" * 5_000
BAD = (NUL, "²", "٣", LONG, "x")
#: Parameters of every list, of single lists, and of the two pages that are none.
EVERYWHERE = (
    SEARCH_VAR, ORDER_VAR, PAGE_VAR, ALL_VAR, IS_POPUP_VAR, ERROR_FLAG, "older", "newer", "before", "window",
    "family", "provider", "channel", "code", "template", "why", "id", "pk__exact",
)  # fmt: skip


def page_of(name: str) -> Any:
    return next((model, page) for model, page in PAGES.items() if model._meta.model_name == name)


def filters_of(name: str) -> list[str]:
    _model, page = page_of(name)
    names = [item[0] if isinstance(item, tuple) else item for item in page.list_filter]
    plain = [item for item in names if isinstance(item, str)]
    return [f"{item}{suffix}" for item in plain for suffix in ("", "__exact", "__isempty")]


def url(name: str, *arguments: object) -> str:
    return reverse(f"admin:carillon_{name}", args=arguments)


@pytest.fixture
def quiet(browser: Client) -> Client:
    """A superuser's browser that reports a server error as its status."""
    browser.raise_request_exception = False
    return browser


# Every day a fifth of all pairs of a parameter and a value, another fifth on each list; `make verify` tries them all.
SOME_OF_ALL = pytest.mark.parametrize(
    "step", [pytest.param(5, id="some"), pytest.param(1, id="all", marks=pytest.mark.long)]
)


@SOME_OF_ALL
@pytest.mark.parametrize("name", LISTS)
def test_no_parameter_of_a_list_is_a_server_error(quiet: Client, ada: Any, name: str, step: int) -> None:
    killed(ada)
    page, failed = url(f"{name}_changelist"), []
    tried = [(parameter, NUL) for parameter in (*EVERYWHERE, *filters_of(name), NUL)]
    tried += [(parameter, bad) for parameter in (SEARCH_VAR, "older", "newer", *filters_of(name)) for bad in BAD[1:]]
    for parameter, bad in tried[LISTS.index(name) % step :: step]:
        answer = quiet.get(f"{page}?{urlencode({parameter: bad})}")
        if answer.status_code not in (200, 302, 400):
            failed.append((parameter, bad[:9], answer.status_code))
    assert failed == []


def test_a_nul_in_a_parameter_leads_to_the_list_without_it(browser: Client, ada: Any) -> None:
    row = killed(ada)
    page = url("delivery_changelist")
    answer = browser.get(f"{page}?{urlencode({'state__exact': NUL, 'channel__exact': 'email'})}")
    assert (answer.status_code, answer["Location"]) == (302, f"{page}?channel__exact=email")
    assert [item.pk for item in browser.get(answer["Location"]).context["cl"].result_list] == [row.pk]
    assert browser.get(f"{page}?{urlencode({NUL: '1'})}")["Location"] == page


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: ascii(bad)[:9])
def test_no_place_on_a_timeline_is_a_server_error(quiet: Client, ada: Any, bad: str) -> None:
    killed(ada)
    page = url("person_changelist")
    for query in ({"q": f"u:{ada.pk}", "before": bad}, {"q": bad, "before": bad}, {"q": f"u:{bad}"}, {"q": f"a:{bad}"}):
        assert quiet.get(f"{page}?{urlencode(query)}", follow=True).status_code == 200, query


def actions_of(name: str) -> list[str]:
    _model, page = page_of(name)
    return [*(page.actions or ()), *([] if issubclass(page, ReadOnlyAdmin) else ["delete_selected"])]


@pytest.mark.parametrize(("name", "action"), [(name, action) for name in REAL for action in actions_of(name)])
def test_no_ticked_key_is_a_server_error(quiet: Client, name: str, action: str) -> None:
    page, failed = url(f"{name}_changelist"), []
    for bad in BAD:
        chosen = {"action": action, ACTION_CHECKBOX_NAME: bad}
        for more in ({}, {"index": "0"}, {"confirm": "yes", "reason": "x"}, {"confirm": "yes", "reason": NUL}):
            answer = quiet.post(page, {**chosen, **more})
            if answer.status_code not in (200, 302):
                failed.append((bad[:9], more, answer.status_code))
        if quiet.post(f"{page}?{urlencode({'x': NUL})}", chosen).status_code >= 500:
            failed.append((bad[:9], "query", 500))
    assert failed == []


def test_a_bad_key_among_good_ones_takes_only_itself_out(browser: Client) -> None:
    topic = Topic.objects.create(slug="news")
    chosen = {"action": "delete_selected", ACTION_CHECKBOX_NAME: [str(topic.pk), "²", NUL, LONG], "post": "yes"}
    assert browser.post(url("topic_changelist"), chosen).status_code == 302
    assert not Topic.objects.exists()


@pytest.mark.parametrize("act", ["replay", "discard"])
@pytest.mark.parametrize("bad", BAD, ids=lambda bad: ascii(bad)[:9])
def test_no_group_of_dead_letters_is_a_server_error(quiet: Client, ada: Any, act: str, bad: str) -> None:
    killed(ada)
    page = url(f"deadletter_{act}")
    for form in ({"ids": bad}, {"whole": "1", "code": bad, "template": bad}, {ACTION_CHECKBOX_NAME: bad}):
        assert quiet.post(page, form).status_code == 200, form
        assert quiet.post(page, {**form, "confirm": "yes", "reason": "x"}).status_code == 302, form


@SOME_OF_ALL
@pytest.mark.parametrize("name", REAL)
def test_no_key_in_an_address_is_a_server_error(quiet: Client, name: str, step: int) -> None:
    failed, views = [], ("change", "delete", "history")
    tried = [(bad, view) for bad in ("_00", "²", "٣", LONG, "-1", "x", "%00") for view in views]
    for bad, view in tried[REAL.index(name) % step :: step]:
        status = quiet.get(url(f"{name}_{view}", bad).replace("_00", "%00"), follow=True).status_code
        if status >= 500:
            failed.append((view, bad[:9], status))
    assert failed == []


@SOME_OF_ALL
def test_forms_and_words_take_no_nul_for_a_server_error(quiet: Client, ada: Any, step: int) -> None:
    template = Template.objects.get(slug="login-code")
    topic = Topic.objects.create(slug="news")
    row = TopicSubscription.objects.create(topic=topic, user=ada)
    pages = [url("template_words", template.pk), url("topicsubscription_change", row.pk)]
    pages += [url(f"{name}_add") for name in ("topicsubscription", "suppression", "category", "template", "topic")]
    pages += [url("category_change", Category.objects.get(slug="news").pk)]
    names = ("from", "channel", "locale", "topic", "user", "slug", "category", "_changelist_filters", IS_POPUP_VAR)
    tried = [(page, name, bad) for page in pages for name in names for bad in (NUL, LONG)]
    failed = [
        (page, name, bad[:9])
        for page, name, bad in tried[::step]
        if quiet.get(f"{page}?{urlencode({name: bad})}", follow=True).status_code not in (200, 400)
    ]
    assert failed == []
    words = {"based_on": LONG, "reason": "x", "sms|en|text": "{{ code }}", f"sms|{NUL}|text": "x"}
    assert quiet.post(pages[0], words).status_code == 200


def test_an_export_by_a_filter_that_is_none_leads_to_the_list(quiet: Client) -> None:
    answer = quiet.get(f"{url('device_export')}?is_active__exact=maybe")
    assert (answer.status_code, ERROR_FLAG in answer["Location"]) == (302, True)
