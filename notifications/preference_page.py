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
        try:
            save_switches(recipient, dict.fromkeys(request.POST, True), _others(request))
        except InvalidData as error:
            problems = list(error.problems)
    return _shown(request, recipient, problems)


def _others(request: HttpRequest) -> dict[str, object]:
    """Return what the form says beside its boxes."""
    start, end = request.POST.get("quiet_start", ""), request.POST.get("quiet_end", "")
    zone, locale = request.POST.get("time_zone", "").strip(), request.POST.get("locale", "")
    changes: dict[str, object] = {"time_zone": zone or None, "locale": locale or None}
    if "keep_quiet_hours" not in request.POST:
        changes["quiet_hours"] = [{"start": start, "end": end}] if start or end else []
    return changes


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
    return {
        "groups": groups_of(recipient),
        "devices": devices_of(recipient),
        "quiet": first,
        "several_windows": several,
        "time_zone": stored["time_zone"] or "",
        "locale": stored["locale"] or "",
        "languages": [(code, _own_name(code, str(name))) for code, name in settings.LANGUAGES],
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
