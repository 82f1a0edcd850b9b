"""Forms are read as a browser reads them."""

from __future__ import annotations

from project.demo.pages import errors_in, forms_in

PAGE = """
<form method="get"><input name="q" value="x"></form>
<form method="post" action="/go/">
  <input type="hidden" name="token" value="a&amp;b"><input type="checkbox" name="off">
  <input type="checkbox" name="on" checked>
  <textarea name="email|en|text">
Your invoice: {{ order.total }} &euro;.
</textarea>
  <select name="kind"><option value="1">one</option><option value="2" selected>two</option></select>
  <input type="submit" name="discard" value="Discard">
</form>
<ul class="messagelist"><li>Published.</li></ul>
"""


def test_a_form_holds_what_a_browser_would_send() -> None:
    search, words = forms_in(PAGE)
    assert (search.method, search.fields) == ("get", {"q": "x"})
    assert (words.method, words.action) == ("post", "/go/")
    assert words.fields == {
        "token": "a&b",
        "on": "on",
        "email|en|text": "Your invoice: {{ order.total }} €.\n",
        "kind": "2",
    }


def test_only_lists_of_errors_are_errors() -> None:
    assert errors_in(PAGE) == []
    wrong = '<ul class="errorlist" id="e"><li>This field is required.</li></ul><ul><li>Menu</li></ul>'
    assert errors_in(wrong) == ["This field is required."]
