"""A deploy never overwrites the console's words silently, however many deploys follow."""

from __future__ import annotations

import pytest

from notifications import Address, notify
from notifications.enums import Channel, Source
from notifications.exceptions import ConfigurationError, UnknownTemplate
from notifications.flows.declare import Words, load_declarations, publish, words_of
from notifications.models import Template

pytestmark = pytest.mark.django_db


def _words(text: str) -> Words:
    return {(Channel.SMS, "en"): {"text": text}}


@pytest.fixture
def template() -> Template:
    """The login code, with words of its own from a deploy."""
    found = Template.objects.get(slug="login-code")
    publish(found, _words("first {{ code }}"), Source.CODE)
    return found


def shown(template: Template) -> str:
    """Return the published text."""
    template.refresh_from_db()
    assert template.current is not None
    return words_of(template.current)[Channel.SMS, "en"]["text"]


def test_a_deploy_replaces_words_of_an_earlier_deploy(template: Template) -> None:
    publish(template, _words("second {{ code }}"), Source.CODE)
    assert shown(template) == "second {{ code }}"


def test_the_same_words_make_no_new_version(template: Template) -> None:
    assert publish(template, _words("first {{ code }}"), Source.CODE) is None
    before = template.versions.count()
    load_declarations()
    load_declarations()
    assert template.versions.count() == before + 1  # the files' own words, once


def test_no_deploy_overwrites_the_console(template: Template) -> None:
    publish(template, _words("console {{ code }}"), Source.CONSOLE)
    for deploy in ("third", "fourth", "fifth"):
        made = publish(template, _words(f"{deploy} {{{{ code }}}}"), Source.CODE)
        assert made is not None
        assert made.conflict
        assert shown(template) == "console {{ code }}"


def test_words_that_cannot_be_compiled_are_refused(template: Template) -> None:
    with pytest.raises(ConfigurationError, match="login-code"):
        publish(template, _words("{% include 'x' %}"), Source.CONSOLE)
    assert shown(template) == "first {{ code }}"


def test_a_template_that_is_declared_but_not_loaded_says_so(db: None) -> None:
    Template.objects.filter(slug="invoice").delete()
    with pytest.raises(UnknownTemplate, match="declared, but not loaded yet"):
        notify(Address(email="a@example.com"), "invoice", {"order": {}})
