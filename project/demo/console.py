"""An operator in the console: logs in, publishes words, replays a dead letter. Pages only, as in a browser."""

from __future__ import annotations

import re
from urllib.parse import urlencode, urljoin

import requests

from .pages import Form, errors_in, forms_in

SECONDS = 15.0


class ConsoleError(Exception):
    """A page did not do what an operator wanted of it; the text says which and why."""


class Operator:
    """Somebody with an account, in one browser session; for one thread."""

    def __init__(self, url: str, name: str, password: str) -> None:
        """Work in the console of the server at `url`."""
        self._console = f"{url}/admin/"
        self._account = {"username": name, "password": password}
        self._session = requests.Session()
        self._session.trust_env = False  # never through a proxy: this is our own machine
        self._logged_in = False

    def publish(self, template: str, words: str, better: str, reason: str) -> None:
        """Open the page of a template's words, put `better` in the place of `words`, and publish.

        Raises:
            ConsoleError: the words are not there, or the page refuses them.
        """
        self._log_in()
        found = self._get(f"{self._console}carillon/template/?{urlencode({'q': template})}")
        link = re.search(r'href="([^"]+/words/)"', found.text)
        if link is None:
            raise ConsoleError(f"{_path(found)}: no template named {template} is listed")
        page = self._get(urljoin(found.url, link[1]))
        form = self._form_with(page, words)
        changed = {name: text.replace(words, better) for name, text in form.fields.items()}
        self._submit(page, form, {**changed, "reason": reason})

    def replay(self, delivery: str, reason: str) -> None:
        """Replay a dead letter: first the dry run, then with a reason.

        Raises:
            ConsoleError: the pages refuse it, or there is nothing to replay.
        """
        self._log_in()
        page = self._get(f"{self._console}carillon/deadletter/")
        token = next((form.fields["csrfmiddlewaretoken"] for form in forms_in(page.text) if form.fields), "")
        start = Form(f"{self._console}carillon/deadletter/replay/", "post", {"csrfmiddlewaretoken": token})
        dry_run = self._submit(page, start, {**start.fields, "ids": delivery})
        form = self._form_with(dry_run, delivery)
        self._submit(dry_run, form, {**form.fields, "reason": reason})

    def _log_in(self) -> None:
        if self._logged_in:
            return
        page = self._get(f"{self._console}login/?next=/admin/")
        form = next((form for form in forms_in(page.text) if "password" in form.fields), None)
        if form is None:
            raise ConsoleError("the console has no log-in form")
        self._submit(page, form, {**form.fields, **self._account})
        self._logged_in = True

    def _get(self, url: str) -> requests.Response:
        return self._answer("GET", url)

    def _submit(self, page: requests.Response, form: Form, fields: dict[str, str]) -> requests.Response:
        """Send a form; a page that comes back with errors in it has refused it."""
        answer = self._answer("POST", urljoin(page.url, form.action or page.url), fields)
        wrong = errors_in(answer.text)
        if wrong:
            raise ConsoleError(f"{_path(answer)}: {'; '.join(wrong)}")
        return answer

    def _answer(self, method: str, url: str, fields: dict[str, str] | None = None) -> requests.Response:
        headers = {"Referer": url}
        try:
            answer = self._session.request(method, url, data=fields, headers=headers, timeout=SECONDS)
        except requests.RequestException as error:
            raise ConsoleError(f"{method} {url}: no answer ({type(error).__name__})") from error
        if not answer.ok:
            raise ConsoleError(f"{method} {_path(answer)}: {answer.status_code} {answer.reason}")
        return answer

    def _form_with(self, page: requests.Response, text: str) -> Form:
        """Return the form that holds a text in one of its fields."""
        for form in forms_in(page.text):
            if any(text in value for value in form.fields.values()):
                return form
        raise ConsoleError(f"{_path(page)}: no form there holds “{text}”")


def _path(answer: requests.Response) -> str:
    return answer.url.partition("://")[2].partition("/")[2].partition("?")[0]
