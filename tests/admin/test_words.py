"""Publishing words: tried with the sample before anybody is sent them, never silently over somebody else's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from notifications import broadcast, notify
from notifications.enums import Channel, Source
from notifications.flows.compose import compose
from notifications.flows.declare import load_declarations, publish, words_of
from notifications.flows.operate import By
from notifications.flows.word_files import check_words, export_words, import_words
from notifications.models import AuditEntry, Broadcast, Delivery, Template

TEXT = "sms|en|text"


@pytest.fixture
def template(db: None) -> Template:
    return Template.objects.get(slug="login-code")


def page_of(template: Template) -> str:
    return reverse("admin:carillon_template_words", args=[template.pk])


def filled(browser: Client, template: Template, **changed: str) -> dict[str, str]:
    """Return the form as the page shows it, with what somebody changed."""
    form = browser.get(page_of(template)).context["form"]
    values = {field.name: str(field.value() or "") for field in form}
    return {**values, "reason": "wording", **changed}


def test_the_page_shows_every_part_of_the_words_in_use(browser: Client, template: Template) -> None:
    names = set(filled(browser, template))
    assert {TEXT, "sms|de|text", "email|en|subject", "email|de|text", "email|en|html"} <= names


def test_the_preview_begins_in_the_language_of_the_project(browser: Client) -> None:
    page = browser.get(page_of(Template.objects.get(slug="order-shipped")))  # in Arabic, German and English
    form = page.context["asked"]
    assert [form["locale"].value(), form["values"].value()] == ["en", "{}"]


def test_publish_makes_a_new_version_that_is_used_from_then_on(browser: Client, template: Template, ada: Any) -> None:
    before = notify(ada, "login-code", {"code": "111111"})
    data = filled(browser, template, **{TEXT: "Code {{ code }}, quickly!"})
    assert browser.post(page_of(template), data, follow=True).status_code == 200
    template.refresh_from_db()
    assert template.current is not None
    assert (template.current.number, template.current.source) == (2, Source.CONSOLE)
    assert template.current.created_by.username == "root"
    assert notify(ada, "login-code", {"code": "222222"}).version_id == template.current_id != before.version_id
    assert compose(template.current_id, Channel.SMS, "en", "", {"code": "1"}).text == "Code 1, quickly!"
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject, entry.reason) == ("publish", "login-code v2", "wording")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("Code {{ cod }}", "variable cod is missing"),
        ("Code {% if %}", "if"),
        ("Code {% load static %}", "load"),
        ("", "must have words"),
    ],
)
def test_an_error_is_shown_at_its_field_and_nothing_is_published(
    browser: Client, template: Template, words: str, problem: str
) -> None:
    data = filled(browser, template, **{TEXT: words})
    if not words:
        data |= {"email|en|subject": "", "email|en|text": "Code {{ code }}"}
    response = browser.post(page_of(template), data)
    assert response.status_code == 200
    field = TEXT if words else "email|en|subject"
    assert problem in str(response.context["form"].errors[field])
    template.refresh_from_db()
    assert template.current is not None
    assert template.current.number == 1


def test_the_same_words_again_are_not_a_version(browser: Client, template: Template) -> None:
    response = browser.post(page_of(template), filled(browser, template))
    assert "nothing to publish" in response.content.decode()


def test_two_editors_do_not_overwrite_each_other(browser: Client, template: Template) -> None:
    mine = filled(browser, template, **{TEXT: "Mine {{ code }}"})
    theirs = filled(browser, template, **{TEXT: "Theirs {{ code }}"})
    browser.post(page_of(template), theirs)
    assert "Somebody else has published" in browser.post(page_of(template), mine).content.decode()
    template.refresh_from_db()
    assert words_of(template.current)[Channel.SMS, "en"]["text"] == "Theirs {{ code }}"


def test_a_language_is_added_and_an_earlier_version_taken_up_again(browser: Client, template: Template) -> None:
    first = template.current_id
    form = browser.get(page_of(template), {"channel": "sms", "locale": "fr"}).context["form"]
    values = {field.name: str(field.value() or "") for field in form}
    assert "sms|fr|text" in values
    browser.post(page_of(template), {**values, "sms|fr|text": "Le code : {{ code }}", "reason": "French"})
    template.refresh_from_db()
    assert words_of(template.current)[Channel.SMS, "fr"] == {"text": "Le code : {{ code }}"}

    form = browser.get(page_of(template), {"from": first}).context["form"]
    values = {field.name: str(field.value() or "") for field in form}
    browser.post(f"{page_of(template)}?from={first}", {**values, "reason": "back"})
    template.refresh_from_db()
    assert (Channel.SMS, "fr") not in words_of(template.current)
    assert template.current.number == 3


def test_a_language_is_one_that_files_can_be_in(browser: Client, template: Template, tmp_path: Path) -> None:
    """What the console takes, an import takes too; what it refuses can be written past it by nobody."""
    form = browser.get(page_of(template), {"channel": "sms", "locale": "aa-bb-cc-dd"}).context["form"]
    values = {field.name: str(field.value() or "") for field in form}
    written = {"sms|aa-bb-cc-dd|text": "Code {{ code }}\r\nBell", "sms|../x|text": "{{ code }}", "sms|x|text": "x"}
    assert browser.post(page_of(template), {**values, **written, "reason": "more"}).status_code == 302
    template.refresh_from_db()
    assert {locale for _, locale in words_of(template.current)} == {"aa-bb-cc-dd", "ar", "de", "en"}
    export_words(tmp_path)
    assert check_words(tmp_path) == []
    assert import_words(tmp_path, None, By("root", "")) == []
    for locale in ("English", "x", "de-" + "a" * 14):
        added = browser.get(page_of(template), {"channel": "sms", "locale": locale}).context["added"]
        assert "such as en, de or pt-BR" in str(added.errors["locale"])


def test_the_line_ends_of_a_browser_make_no_other_words(browser: Client, template: Template) -> None:
    posted = {name: text.replace("\n", "\r\n") for name, text in filled(browser, template).items()}
    assert "\r\n" in posted["email|en|html"]
    assert "nothing to publish" in browser.post(page_of(template), posted).content.decode()
    browser.post(page_of(template), {**posted, "do": "test:sms"})
    assert template.versions.count() == 1


def test_a_deploy_does_not_undo_what_the_console_published(browser: Client, template: Template) -> None:
    browser.post(page_of(template), filled(browser, template, **{TEXT: "Ours {{ code }}"}))
    load_declarations()
    template.refresh_from_db()
    assert words_of(template.current)[Channel.SMS, "en"]["text"] == "Ours {{ code }}"


def test_reading_and_publishing_are_two_permissions(staff: Callable[..., Client], template: Template) -> None:
    reader, editor = staff("view_template"), staff("view_template", "publish")
    data = filled(reader, template, **{TEXT: "New {{ code }}"})
    assert staff().get(page_of(template)).status_code == 403
    assert reader.post(page_of(template), data).status_code == 403
    assert editor.post(page_of(template), data).status_code == 302


def test_a_draft_is_kept_found_again_and_published(browser: Client, template: Template) -> None:
    data = filled(browser, template, **{TEXT: "Draft {{ code }}", "do": "draft", "reason": ""})
    page = browser.post(page_of(template), data, follow=True)
    draft = template.versions.get(draft=True)
    template.refresh_from_db()
    assert template.current is not None
    assert (template.current.number, page.context["start"]) == (1, draft)
    assert "There is a draft, version 2" in browser.get(page_of(template)).content.decode()
    shown = browser.get(f"{page_of(template)}?from={draft.pk}")
    [part] = shown.context["diff"]
    assert (part.channel, part.locale, part.part) == ("sms", "en", "text")
    assert ("added", "Draft {{ code }}") in part.lines
    form = {field.name: str(field.value() or "") for field in shown.context["form"]}
    browser.post(f"{page_of(template)}?from={draft.pk}", {**form, "reason": "good", "do": "publish"})
    template.refresh_from_db()
    assert words_of(template.current)[Channel.SMS, "en"]["text"] == "Draft {{ code }}"


def test_roll_back_takes_the_words_of_the_version_that_is_open(browser: Client, template: Template) -> None:
    first = template.current
    assert first is not None
    browser.post(page_of(template), filled(browser, template, **{TEXT: "New {{ code }}"}))
    data = filled(browser, template, do="roll_back", reason="")
    page = f"{page_of(template)}?from={first.pk}"
    assert browser.post(page, data).status_code == 200  # why is asked for
    assert browser.post(page, {**data, "reason": "worse"}).status_code == 302
    template.refresh_from_db()
    assert template.current is not None
    assert (template.current.number, words_of(template.current)) == (3, words_of(first))


def test_words_of_a_deploy_are_compared_with_those_in_use(browser: Client, template: Template) -> None:
    browser.post(page_of(template), filled(browser, template, **{TEXT: "Ours {{ code }}"}))
    template.refresh_from_db()
    made = publish(template, {(Channel.SMS, "en"): {"text": "Theirs {{ code }}"}}, Source.CODE)
    assert made is not None
    assert f"?from={made.pk}" in browser.get(page_of(template)).content.decode()
    text = browser.get(f"{page_of(template)}?from={made.pk}").content.decode()
    assert "− Ours {{ code }}" in text
    assert "+ Theirs {{ code }}" in text


def test_a_preview_is_of_what_is_written_and_may_run_nothing(browser: Client, template: Template) -> None:
    data = filled(
        browser, template, **{TEXT: "Now {{ code }} €", "show-locale": "en", "show-values": '{"code": "777"}'}
    )
    response = browser.post(f"{page_of(template)}preview/", data)
    text = response.content.decode()
    assert "Now 777 €" in text
    assert "1 segment, GSM-7, 10 units" in text
    assert "sandbox" in text
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    assert template.versions.count() == 1
    german = browser.get(f"{page_of(template)}preview/?show-locale=de-CH").content.decode()
    assert "Ihr Code" in german
    wrong = browser.post(f"{page_of(template)}preview/", {**data, TEXT: "{{ cod }}", "show-values": "[1]"})
    assert "cod is missing" in wrong.content.decode()
    assert "Write names and values" in wrong.content.decode()


def test_a_test_send_is_on_its_way_to_who_pressed(browser: Client, template: Template, root: Any) -> None:
    data = filled(browser, template, **{"email|en|text": "Try {{ code }}", "do": "test:email", "show-locale": "en"})
    page = browser.post(page_of(template), data, follow=True)
    assert "On its way to you" in page.content.decode()
    row = Delivery.objects.get()
    assert (row.address, row.channel, row.locale) == ("root@example.com", "email", "en")
    assert template.versions.get(draft=True).pk == row.notification.version_id
    nothing = browser.post(page_of(template), {**data, "do": "test:sms"}, follow=True)
    assert "Nothing was sent: You have no sms address" in nothing.content.decode()


@pytest.mark.parametrize("do", ["publish", "draft", "roll_back", "test:email", "nonsense"])
def test_nothing_is_done_without_the_permission(staff: Callable[..., Client], template: Template, do: str) -> None:
    reader = staff("view_template")
    data = filled(reader, template, **{TEXT: "New {{ code }}", "do": do})
    assert reader.post(page_of(template), data).status_code == 403
    assert reader.post(f"{page_of(template)}preview/", data).status_code == 200
    assert staff().get(f"{page_of(template)}preview/").status_code == 403
    assert template.versions.count() == 1


def test_what_a_text_message_costs_can_stop_it(browser: Client, template: Template) -> None:
    response = browser.post(page_of(template), filled(browser, template, **{TEXT: "{{ code }}" + "ж" * 700}))
    assert "takes 11 segments of UCS-2; 10 are allowed" in str(response.context["form"].errors[TEXT])


def test_a_broadcast_under_way_with_the_template_is_warned_of(browser: Client, ada: Any, own_redis: None) -> None:
    post = Template.objects.get(slug="new-post")
    made = broadcast("new-post", {"users": [str(ada.pk)]}, {"title": "Bells"})
    other = Template.objects.get(slug="order-shipped")
    with CaptureQueriesContext(connection) as queries:
        text = browser.get(page_of(post)).content.decode()
    assert len(queries) <= 12, [query["sql"] for query in queries]
    assert not [query for query in queries if '"audience"' in query["sql"] or '"exclude"' in query["sql"]]
    assert "Broadcasts go out with this template" in text
    assert str(made.pk) in text
    assert "Broadcasts go out with this template" not in browser.get(page_of(other)).content.decode()
    Broadcast.objects.update(status="done")
    assert "Broadcasts go out with this template" not in browser.get(page_of(post)).content.decode()


def test_languages_variables_and_versions_are_beside_the_words(browser: Client, template: Template) -> None:
    browser.post(page_of(template), filled(browser, template, **{"sms|de|text": ""}))
    shown = browser.get(page_of(template))
    table = shown.context["languages"]
    assert (table["locales"], table["missing"]) == (["ar", "de", "en"], 1)
    text = shown.content.decode()
    assert "channel=sms&amp;locale=de" in text
    assert [row["name"] for row in shown.context["variables"]] == ["code"]
    assert [(row["number"], row["standing"]) for row in shown.context["versions"]] == [(2, "in use"), (1, "")]
    listed = browser.get(reverse("admin:carillon_template_changelist")).content.decode()
    assert "SMS: de" in listed


def test_the_preview_says_what_makes_a_text_message_long(browser: Client, template: Template) -> None:
    data = filled(browser, template, **{TEXT: "Код {{ code }}", "show-locale": "en"})
    text = browser.post(f"{page_of(template)}preview/", data).content.decode()
    assert "UCS-2" in text
    assert '<bdi class="letter">К</bdi>' in text
