"""The hosted preference page: a signed link, no log-in, no script; what a recipient wants, in their own language."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language_info
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from .exceptions import InvalidData, Problem
from .flows.hosted import devices_of, exists, groups_of, locale_of, save_switches
from .flows.preferences import read_preferences
from .public_pages import page
from .rules.links import read_preferences_token

_DAYS = 7
_SHOWN = "shown"


@csrf_exempt  # the token is the proof, and no cookie is set or read
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@transaction.non_atomic_requests
def preference_page(request: HttpRequest, token: str) -> HttpResponse:
    """Show a recipient's switches; by POST keep them."""
    recipient = read_preferences_token(token)
    if recipient is None or not exists(recipient):
        return page(request, "carillon/public/bad_link.html", status=404)
    problems: list[Problem] = []
    if request.method == "POST":
        if _SHOWN not in request.POST:
            # A scanner, or a form that was cut off: nobody has seen a box and left it empty.
            return page(request, "carillon/public/incomplete_form.html", status=400, locale=locale_of(recipient))
        try:
            save_switches(recipient, _boxes_shown(request), request.POST.keys(), _others(request))
        except InvalidData as error:
            problems = list(error.problems)
    return _shown(request, recipient, problems)


def _boxes_shown(request: HttpRequest) -> dict[str, bool]:
    """Return the boxes that the form had, and whether they were ticked when it was made."""
    found = (item.partition(" ") for item in request.POST.getlist(_SHOWN))
    return {field: state == "on" for state, _, field in found if field}


def _others(request: HttpRequest) -> dict[str, object]:
    """Return what was changed in the form beside its boxes."""
    changes: dict[str, object] = {
        name: request.POST[name].strip() or None for name in ("time_zone", "locale") if _is_changed(request, name)
    }
    names = ("quiet_start", "quiet_end")
    if all(name in request.POST for name in names) and any(_is_changed(request, name) for name in names):
        start, end = (request.POST[name] for name in names)
        changes["quiet_hours"] = [{"start": start, "end": end}] if start or end else []
    return changes


def _is_changed(request: HttpRequest, name: str) -> bool:
    """Whether the form has this field, and with another value than it was shown with."""
    return name in request.POST and request.POST[name] != request.POST.get(f"{_SHOWN}_{name}")


def _shown(request: HttpRequest, recipient: str, problems: Sequence[Problem]) -> HttpResponse:
    status = 400 if problems else 200
    saved = request.method == "POST" and not problems

    def context() -> dict[str, object]:
        return {**_context(recipient), "saved": saved, "problems": list(dict.fromkeys(map(_told, problems)))}

    return page(request, "carillon/public/preferences.html", context, status=status, locale=locale_of(recipient))


def _context(recipient: str) -> dict[str, object]:
    stored = read_preferences(recipient)
    windows = stored["quiet_hours"]
    several = isinstance(windows, list) and (len(windows) > 1 or any(len(item["days"]) < _DAYS for item in windows))
    first = windows[0] if isinstance(windows, list) and windows and not several else {}
    languages = [(code, _own_name(code, str(name))) for code, name in settings.LANGUAGES]
    return {
        "groups": groups_of(recipient),
        "devices": devices_of(recipient),
        "quiet": first,
        "several_windows": several,
        "time_zone": stored["time_zone"] or "",
        # One that the page cannot offer is not shown as chosen, and therefore not changed by saving.
        "locale": stored["locale"] if stored["locale"] in dict(languages) else "",
        "languages": languages,
    }


def _told(problem: Problem) -> str:
    """Return what is wrong, in words for whoever filled in the form."""
    field = problem.pointer.strip("/").partition("/")[0]
    if field == "time_zone":
        return _("This time zone is not known. Write one such as Europe/Berlin.")
    if field == "quiet_hours":
        return _("The quiet time needs a beginning and an end that differ.")
    if field == "locale":
        return _("This language is not known.")
    return _("Something else cannot be kept. Load the page anew and try again.")


def _own_name(code: str, name: str) -> str:
    """Return a language's name in that language, which its readers find; the project's name for it if unknown."""
    try:
        return str(get_language_info(code)["name_local"])
    except KeyError:
        return name
