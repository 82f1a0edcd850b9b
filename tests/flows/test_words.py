"""Words from draft to roll-back, the layout that goes with them, and words as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from notifications import notify
from notifications.declarations.slugs import LAYOUT
from notifications.enums import Channel, Source, State
from notifications.exceptions import ConfigurationError, RequestRejected, UnknownTemplate
from notifications.flows.compose import compose
from notifications.flows.declare import load_declarations, publish
from notifications.flows.drain import drain
from notifications.flows.layout import Words, words_of
from notifications.flows.operate import By, Outdated, draft_words, publish_words, roll_back
from notifications.flows.preview import gaps, preview
from notifications.flows.trials import send_test
from notifications.flows.word_files import check_words, export_words, import_words
from notifications.models import AuditEntry, Delivery, Notification, Template
from notifications.sandbox.process import SandboxProcess

pytestmark = pytest.mark.django_db
BY = By("root", "wording")
EMAIL = (Channel.EMAIL, "en")


@pytest.fixture
def template() -> Template:
    return Template.objects.get(slug="order-shipped")


def words(html: str, subject: str = "S") -> Words:
    return {EMAIL: {"subject": subject, "html": html}}


def html_of(template: Template) -> str:
    template.refresh_from_db()
    data = {**template.sample, "unsubscribe_url": "", "preferences_url": ""}
    return compose(template.current_id or 0, Channel.EMAIL, "en", "", data).html


def test_a_draft_is_kept_and_not_used(template: Template) -> None:
    before = template.current
    draft = draft_words(template, words("<p>draft {{ number }}</p>"), None, BY)
    template.refresh_from_db()
    assert (template.current, draft.draft, draft.source) == (before, True, Source.CONSOLE)
    load_declarations()
    template.refresh_from_db()
    assert template.current == before


def test_a_roll_back_brings_words_back_as_a_version_of_its_own(template: Template) -> None:
    first = template.current
    assert first is not None
    second = publish_words(template, words("<p>new</p>"), first.pk, None, BY)
    assert second is not None
    with pytest.raises(Outdated):
        roll_back(first, first.pk, None, BY)
    third = roll_back(first, second.pk, None, BY)
    assert third is not None
    assert (third.number, words_of(third)) == (second.number + 1, words_of(first))
    assert roll_back(first, third.pk, None, BY) is None
    assert {"publish", "roll_back"} <= set(AuditEntry.objects.values_list("action", flat=True))


def test_words_that_explode_are_refused_from_whatever_door(template: Template) -> None:
    bomb = words("{% for a in 'x'|ljust:900 %}{% for b in 'x'|ljust:900 %}x{% endfor %}{% endfor %}")
    for save in (
        lambda: publish(template, bomb, Source.CODE),
        lambda: publish_words(template, bomb, template.current_id, None, BY),
        lambda: draft_words(template, bomb, None, BY),
    ):
        with pytest.raises(ConfigurationError, match="steps"):
            save()


# --- layout


def layout(text: str) -> Words:
    return {EMAIL: {"html": f"<!doctype html><html><body><b>{text}</b>{{{{ content }}}}</body></html>"}}


def test_a_version_keeps_the_layout_it_was_published_with_and_a_new_layout_frames_all_anew(template: Template) -> None:
    frame = Template.objects.get(slug=LAYOUT)
    assert "prefers-color-scheme" in html_of(template)
    old = template.current
    assert old is not None
    publish(frame, layout("ours"), Source.CONSOLE)
    assert "<b>ours</b>" in html_of(template)
    new = template.current
    assert new is not None
    assert (new.number, new.source, new.checksum) == (old.number + 1, old.source, old.checksum)
    assert words_of(new) == words_of(old)
    sent = compose(old.pk, Channel.EMAIL, "en", "", template.sample)
    assert "<b>ours</b>" not in sent.html
    load_declarations()  # neither the layout nor what it frames has changed in the code
    assert "<b>ours</b>" in html_of(template)
    assert template.current == new


def test_a_whole_document_gets_no_layout(template: Template) -> None:
    publish(template, words("<html><body><p>mine</p></body></html>"), Source.CONSOLE)
    publish(Template.objects.get(slug=LAYOUT), layout("ours"), Source.CONSOLE)
    assert "ours" not in html_of(template)


def test_nothing_is_sent_with_the_layout_itself(person: Callable[..., User]) -> None:
    with pytest.raises(UnknownTemplate, match="Nothing is sent with"):
        notify(person(), LAYOUT, {"content": "", "subject": "", "lang": "", "dir": ""})


def test_a_frame_does_not_hide_a_conflict(template: Template) -> None:
    publish(template, words("<p>console</p>"), Source.CONSOLE)
    waiting = publish(template, words("<p>deploy</p>"), Source.CODE)
    publish(Template.objects.get(slug=LAYOUT), layout("ours"), Source.CONSOLE)
    assert waiting is not None
    waiting.refresh_from_db()
    assert waiting.conflict
    publish(template, words("<p>decided</p>"), Source.CONSOLE)
    waiting.refresh_from_db()
    assert not waiting.conflict


# --- preview and test send


def test_a_preview_shows_every_channel_with_what_it_costs(template: Template) -> None:
    login = Template.objects.get(slug="login-code")
    assert login.current is not None
    shown = {item.channel: item for item in preview(login, words_of(login.current), "de-AT", {"code": "€"})}
    assert shown[Channel.SMS].segments == ("GSM-7", 54, 1)
    assert shown[Channel.SMS].locale == "de"
    assert 'lang="de" dir="ltr"' in shown[Channel.EMAIL].content.html
    broken = preview(login, {(Channel.SMS, "en"): {"text": "{{ cod }}"}}, "en")
    assert "cod is missing" in broken[0].problem
    pushed = preview(Template.objects.get(slug="new-follower"), {(Channel.PUSH, "en"): {"title": "t", "body": "b"}}, "")
    assert 0 < pushed[0].size < pushed[0].most
    frame = Template.objects.get(slug=LAYOUT)
    assert frame.current is not None
    assert "A button" in preview(frame, words_of(frame.current), "en")[0].content.html


def test_gaps_are_languages_that_another_channel_has() -> None:
    assert gaps({(Channel.SMS, "en"): {}, (Channel.EMAIL, "en"): {}, (Channel.EMAIL, "de"): {}}) == {
        Channel.SMS: ["de"]
    }


def test_a_test_send_goes_to_who_asks_in_words_that_nobody_else_gets(
    sandbox: SandboxProcess, person: Callable[..., User], template: Template
) -> None:
    user = person(email="editor@example.com")
    draft = draft_words(template, words("<p>try {{ number }}</p>"), None, BY)
    key = send_test(draft, Channel.EMAIL, user, "en", BY)
    drain(Channel.EMAIL, "test", [Channel.EMAIL])
    row = Delivery.objects.get(notification_id=key)
    assert (row.state, row.address) == (State.SENT, "editor@example.com")
    arrived = next(item for item in sandbox.client.messages() if item.delivery == str(row.pk))
    assert "try A-1042" in arrived.content["html"]
    assert Notification.objects.get(pk=key).tags == ["test-send"]
    assert AuditEntry.objects.get(action="test_send").subject == f"order-shipped v{draft.number}"


def test_a_test_send_heeds_the_guest_list(person: Callable[..., User], template: Template, settings: Any) -> None:
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "ONLY_TO": ["example.org"]}
    assert template.current is not None
    key = send_test(template.current, Channel.EMAIL, person(email="editor@example.com"), "", BY)
    row = Delivery.objects.get(notification_id=key)
    assert (row.state, row.reason) == (State.SKIPPED, "guest_list")


def test_a_test_send_to_nobody_says_so(template: Template) -> None:
    user = User.objects.create(username="editor")
    assert template.current is not None
    with pytest.raises(RequestRejected, match="no email address"):
        send_test(template.current, Channel.EMAIL, user, "", BY)


# --- files


def test_what_is_exported_is_what_apps_ship(tmp_path: Path) -> None:
    files = export_words(tmp_path)
    assert tmp_path / "order-shipped" / "de" / "email.html" in files
    ours = Path(__file__).parents[2] / "project" / "shop" / "notification_templates"
    for shipped in ours.rglob("*.*"):
        exported = tmp_path / shipped.relative_to(ours)
        if shipped.suffix == ".toml":
            continue  # the same values, written in another way
        assert exported.read_text().strip() == shipped.read_text().strip(), shipped
    assert check_words(tmp_path) == []
    assert import_words(tmp_path, None, BY) == []


def test_an_import_publishes_as_the_console_would(tmp_path: Path, template: Template) -> None:
    export_words(tmp_path)
    file = tmp_path / "order-shipped" / "en" / "email.html"
    file.write_text(file.read_text().replace("on its way", "coming"))
    [made] = import_words(tmp_path, None, BY)
    assert (made.version.template.slug, made.version.source) == ("order-shipped", Source.CONSOLE)
    assert (made.changed, made.kept) == (("email en",), ("email ar", "email de"))
    assert (made.added, made.removed) == ((), ())
    assert "coming" in html_of(template)


def returned(folder: Path, locale: str, **files: str) -> None:
    """Write what a translator returns: one language of one template, and nothing else."""
    place = folder / "order-shipped" / locale
    place.mkdir(parents=True)
    for name, text in files.items():
        (place / f"email.{name.replace('_', '.')}").write_text(text)


def test_a_part_that_is_imported_leaves_the_rest_as_it_is(tmp_path: Path, template: Template) -> None:
    before = words_of(template.current)  # type: ignore[arg-type]
    returned(tmp_path, "fr", subject_txt="En route", txt="Bientôt : {{ number }}")
    returned(tmp_path, "de", subject_txt="Unterwegs", txt="Bald: {{ number }}")
    [made] = import_words(tmp_path, None, BY)
    assert (made.added, made.changed, made.kept, made.removed) == (
        ("email fr",),
        ("email de",),
        ("email ar", "email en"),
        (),
    )
    after = words_of(made.version)
    german = {**before[Channel.EMAIL, "de"], "subject": "Unterwegs", "text": "Bald: {{ number }}"}
    french = {"subject": "En route", "text": "Bientôt : {{ number }}"}
    assert after == {**before, (Channel.EMAIL, "de"): german, (Channel.EMAIL, "fr"): french}


def test_a_file_of_several_parts_is_taken_as_a_whole(tmp_path: Path) -> None:
    place = tmp_path / "new-follower" / "en"
    place.mkdir(parents=True)
    (place / "push.toml").write_text('title = "New"\nbody = "{{ name }}"\nimage = "https://example.com/a.png"')
    assert import_words(tmp_path, None, BY)
    (place / "push.toml").write_text('title = "New"\nbody = "{{ name }}"')
    [made] = import_words(tmp_path, None, BY)
    assert words_of(made.version)[Channel.PUSH, "en"] == {"title": "New", "body": "{{ name }}"}


def test_what_is_not_there_is_removed_only_on_request(tmp_path: Path) -> None:
    returned(tmp_path, "de", subject_txt="Unterwegs", txt="Bald: {{ number }}")
    others = Template.objects.get(slug="invoice").current
    [made] = import_words(tmp_path, None, BY, remove=True)
    assert (made.changed, made.kept, made.removed) == (("email de",), (), ("email ar", "email en"))
    assert words_of(made.version) == {(Channel.EMAIL, "de"): {"subject": "Unterwegs", "text": "Bald: {{ number }}"}}
    assert Template.objects.get(slug="invoice").current == others


def test_words_written_in_a_browser_go_out_to_files_and_come_in_unchanged(tmp_path: Path, template: Template) -> None:
    login = Template.objects.get(slug="login-code")
    typed = {"subject": "S", "html": "<p>\r\n{{ number }}\r\n</p>\r\n", "text": "One\r\nTwo\rThree\n"}
    publish_words(template, {EMAIL: typed}, template.current_id, None, BY)
    publish_words(login, {(Channel.SMS, "en"): {"text": " Code {{ code }}\r\n\r\n"}}, login.current_id, None, BY)
    template.refresh_from_db()
    assert words_of(template.current)[EMAIL]["text"] == "One\nTwo\nThree\n"  # type: ignore[arg-type]
    again = {EMAIL: typed}
    assert publish_words(template, again, template.current_id, None, BY) is None
    draft = draft_words(template, {EMAIL: {**typed, "subject": "T"}}, None, BY)
    assert words_of(draft)[EMAIL]["html"] == "<p>\n{{ number }}\n</p>\n"
    export_words(tmp_path)
    assert import_words(tmp_path, None, BY) == []


def test_words_that_were_stored_with_other_line_ends_come_in_unchanged(tmp_path: Path, template: Template) -> None:
    assert template.current is not None
    row = template.current.translations.get(channel="email", locale="en")
    row.parts["text"] = "One\r\nTwo"
    row.save()
    export_words(tmp_path)
    assert import_words(tmp_path, None, BY) == []


def test_one_wrong_file_stops_an_import_as_a_whole(tmp_path: Path, template: Template) -> None:
    export_words(tmp_path)
    (tmp_path / "invoice" / "en" / "email.txt").write_text("changed")
    (tmp_path / "order-shipped" / "en" / "email.html").write_text("<p>{{ nummer }}</p>")
    (tmp_path / "nobodys" / "en").mkdir(parents=True)
    (tmp_path / "nobodys" / "en" / "sms.txt").write_text("x")
    before = template.current
    with pytest.raises(ConfigurationError) as caught:
        import_words(tmp_path, None, BY)
    assert "order-shipped/en/email.html: html: variable nummer is missing" in str(caught.value)
    assert "nobodys" in str(caught.value)
    template.refresh_from_db()
    assert template.current == before
    assert Template.objects.get(slug="invoice").versions.count() == 1


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("order-shipped/en/email.html", "<p>{{ nummer }}</p>", "variable nummer is missing"),
        ("order-shipped/en/email.html", "<p onclick=x>a</p>", "for no mail client"),
        ("order-shipped/en/email.html", "{% load x %}", "load"),
        ("login-code/en/sms.txt", "ж" * 671, "takes 11 segments of UCS-2"),
        ("new-follower/en/push.toml", 'title = "t', "push.toml"),
        ("new-follower/en/push.toml", 'title = "t"\nbody = "b"\n[data]\nx = "' + "y" * 4_000 + '"', "without its body"),
        ("invoice/en/letter.txt", "x", "unknown files letter.txt"),
        ("carillon-layout/en/email.html", "<html><body>no place</body></html>", "content"),
    ],
)
def test_a_check_names_the_file(tmp_path: Path, file: str, text: str, problem: str) -> None:
    export_words(tmp_path)
    (tmp_path / file).write_text(text)
    found = check_words(tmp_path)
    assert len(found) == 1, found
    assert str(tmp_path / Path(file).parent) in found[0]
    assert problem in found[0]


def test_the_words_of_this_project_and_of_carillon_are_sound() -> None:
    assert check_words() == []
