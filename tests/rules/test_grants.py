"""What a key may send: what it names, or everything where it names nothing."""

from __future__ import annotations

import pytest

from notifications.rules.grants import EVERYTHING, Grant, is_test

LOGIN = Grant(categories=frozenset({"login"}))
INVOICE = Grant(templates=frozenset({"invoice"}))
BOTH = Grant(frozenset({"invoice", "order-shipped"}), frozenset({"login"}))


@pytest.mark.parametrize(
    ("grant", "template", "category", "covered"),
    [
        pytest.param(EVERYTHING, "invoice", "billing", True, id="nothing is named"),
        pytest.param(Grant(test=True), "invoice", "billing", True, id="a test key names nothing either"),
        pytest.param(LOGIN, "login-code", "login", True, id="its category"),
        pytest.param(LOGIN, "invoice", "billing", False, id="another category"),
        pytest.param(LOGIN, "login", "billing", False, id="a template with a category's name"),
        pytest.param(INVOICE, "invoice", "billing", True, id="its template"),
        pytest.param(INVOICE, "receipt", "billing", False, id="another template of the same category"),
        pytest.param(BOTH, "invoice", "billing", True, id="its template, in no category of its own"),
        pytest.param(BOTH, "login-code", "login", True, id="its category, with no template of its own"),
        pytest.param(BOTH, "receipt", "billing", False, id="neither"),
    ],
)
def test_what_is_covered(grant: Grant, template: str, category: str, covered: bool) -> None:
    assert grant.covers(template, category) is covered


@pytest.mark.parametrize(
    ("grant", "narrow", "told"),
    [
        pytest.param(EVERYTHING, False, "", id="everything"),
        pytest.param(LOGIN, True, "categories login", id="a category"),
        pytest.param(INVOICE, True, "templates invoice", id="a template"),
        pytest.param(BOTH, True, "templates invoice, order-shipped and categories login", id="both"),
    ],
)
def test_what_it_names_is_told(grant: Grant, narrow: bool, told: str) -> None:
    assert (grant.is_narrow, grant.told()) == (narrow, told)


def test_a_test_keys_owner_is_known_by_its_mark() -> None:
    assert is_test("test:shop")
    assert not is_test("shop")
