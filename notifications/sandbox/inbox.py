"""The page at ``/sandbox/``: what arrived, grouped by address, as the person would have seen it. No JavaScript."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import urlencode

from aiohttp import web

from .credentials import POSTMARK_SERVER_TOKEN
from .door import Desk, address_in
from .modes import MODES
from .records import CHANNELS, Accepted

SHOWN = 200
"""How many of the newest messages the page shows."""

SHOWN_EACH = 40
"""How many of each channel it shows at least, so that a flood of push does not hide the mails."""

REFRESH_SECONDS = 3

# Email carries its styles inline and its frame inherits this policy, hence 'unsafe-inline' for styles. Nothing else is
# allowed: no script, no remote picture (it would tell a sender about the reader), no form but the filter.
_POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_TEMPLATES = Path(__file__).with_name("templates")
_CHANNEL_NAMES = {"push": "Push", "sms": "SMS", "email": "Email"}


class InboxDoor:
    """The inbox page and its style sheet."""

    def __init__(self, desk: Desk) -> None:
        """Show what ``desk`` holds."""
        self._desk = desk

    def add_routes(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/sandbox", self.redirect)
        app.router.add_get("/sandbox/", self.page)
        app.router.add_get("/sandbox/inbox.css", self.style)

    async def redirect(self, _request: web.Request) -> web.StreamResponse:
        """Lead to the page."""
        raise web.HTTPFound("/sandbox/")

    async def style(self, _request: web.Request) -> web.Response:
        """Answer the style sheet."""
        return web.Response(text=_text("inbox.css"), content_type="text/css", headers={"Cache-Control": "no-cache"})

    async def page(self, request: web.Request) -> web.Response:
        """Answer the page, filtered by ``?to=`` and ``?channel=``, reloading itself with ``?refresh=1``."""
        to, channel = address_in(request), request.query.get("channel", "")
        if channel not in _CHANNEL_NAMES:
            channel = ""
        found = list(self._desk.store.newest(*([channel] if channel else []), to=to or None))
        shown = _chosen(found)
        refreshing = request.query.get("refresh") == "1"
        html = _render(
            "inbox.html",
            refresh=f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">' if refreshing else "",
            toggle=_toggle(to, channel, refreshing=refreshing),
            to=escape(to),
            options=_options(channel),
            counts=self._counts(),
            faults=self._faults(),
            groups=_groups(shown) if shown else self._empty(request, to, channel),
            note=f"{len(shown):,} of the newest {len(found):,} that match." if len(shown) < len(found) else "",
        )
        return web.Response(text=html, content_type="text/html", headers=_HEADERS)

    def _counts(self) -> str:
        store = self._desk.store
        rows = [
            f'<div><dt><a href="?channel={channel}">{name}</a></dt>'
            f"<dd>{_of(channel, store.accepted):,}"
            f"<small>{_of(channel, store.refused):,} refused</small></dd></div>"
            for channel, name in _CHANNEL_NAMES.items()
        ]
        return "".join(rows)

    def _faults(self) -> str:
        """Say which provider is at fault just now, so that nobody looks for the reason elsewhere."""
        lines = []
        for provider, mode in self._desk.modes.as_json().items():
            if mode["mode"] == "ok":
                continue
            left = "" if mode["seconds"] is None else f", {mode['seconds']:.0f} s left"
            share = "" if mode["share"] == 1 else f", {mode['share']:.0%} of requests"
            lines.append(
                f"<p><strong>{escape(provider)}: {escape(mode['mode'])}</strong> "
                f"({escape(MODES[mode['mode']])}{share}{left})</p>"
            )
        return f'<div class="faults" role="status">{"".join(lines)}</div>' if lines else ""

    def _empty(self, request: web.Request, to: str, channel: str) -> str:
        """Say that nothing arrived only where nothing did: older messages are in the file, not in memory."""
        if to or channel:
            store = self._desk.store
            kept = store.kept(*([channel] if channel else []))
            ever = _of(channel, store.accepted) if channel else store.accepted.total()
            name = f"{_CHANNEL_NAMES[channel]} messages" if channel else "messages"
            heading = (
                f"Nothing like that among the newest {kept:,} {name}" if ever > kept else "Nothing like that arrived"
            )
            older = f"{ever - kept:,} older ones are in <code>{escape(str(store.file))}</code>. " if ever > kept else ""
            return _render("nothing_found.html", heading=heading, older=older)
        base = escape(f"{request.scheme}://{request.host}")
        return _render("empty.html", base=base, token=POSTMARK_SERVER_TOKEN)


def _of(channel: str, counts: Counter[str]) -> int:
    """Return what a channel's providers come to together."""
    return sum(counts[provider] for provider, served in CHANNELS.items() if served == channel)


def _chosen(found: Iterable[Accepted]) -> list[Accepted]:
    """Return the newest of each channel and, as far as there is room, the newest of all; newest first."""
    seen: Counter[str] = Counter()
    first: list[tuple[int, Accepted]] = []
    others: list[tuple[int, Accepted]] = []
    for item in enumerate(found):
        seen[item[1].channel] += 1
        (first if seen[item[1].channel] <= SHOWN_EACH else others).append(item)
    chosen = sorted(first + others[: SHOWN - len(first)], key=lambda item: item[0])
    return [accepted for _, accepted in chosen]


def _groups(shown: list[Accepted]) -> str:
    """Return one section per address, the one with the newest message first."""
    groups: dict[str, list[Accepted]] = {}
    for accepted in shown:
        groups.setdefault(accepted.to, []).append(accepted)
    sections = []
    for number, (to, messages) in enumerate(groups.items()):
        kinds = {message.channel for message in messages}
        sections.append(
            _render(
                "group.html",
                id=f"address-{number}",
                to=escape(to),
                name=escape(_short(to)),
                kind=escape(" ".join(sorted(kinds))),
                query=escape(urlencode({"to": to})),
                count=f"{len(messages)} message{'' if len(messages) == 1 else 's'}",
                messages="".join(_message(message) for message in messages),
            )
        )
    return "".join(sections)


def _short(to: str) -> str:
    """Return an address as a heading: push tokens are 150 characters and more, and differ at both ends."""
    return to if len(to) <= 64 else f"{to[:36]}…{to[-16:]}"


def _message(accepted: Accepted) -> str:
    content = accepted.content
    if accepted.channel == "sms":
        return _render("sms.html", _meta(accepted), text=_shown(content, "text"), segments=_segments(content))
    if accepted.channel == "email":
        return _render(
            "email.html",
            _meta(accepted),
            subject=_shown(content, "subject") or "(no subject)",
            sender=escape(str(accepted.request.get("From", ""))),
            body=_email_body(content),
        )
    image = f'<p class="extra">Image: {_shown(content, "image")}</p>' if content.get("image") else ""
    return _render(
        "push.html",
        _meta(accepted),
        title=_shown(content, "title") or "(data only)",
        body=_shown(content, "body"),
        image=image,
        data=_data(content),
    )


def _meta(accepted: Accepted) -> dict[str, str]:
    """Return what every message shows small: when, through whom, for which delivery."""
    attempt = "" if accepted.attempt is None else f", attempt {accepted.attempt}"
    delivery = "no delivery id" if accepted.delivery is None else f"delivery {accepted.delivery}{attempt}"
    return {
        "at": escape(accepted.at),
        "time": escape(accepted.at[11:19] + " UTC"),
        "channel": _CHANNEL_NAMES[accepted.channel],
        "delivery": escape(delivery),
        "provider_id": escape(accepted.provider_message_id),
    }


def _email_body(content: Mapping[str, object]) -> str:
    """Return the rendered HTML, in a frame that may do nothing, with text and source beside it."""
    html, text = _shown(content, "html"), _shown(content, "text")
    parts = []
    if html:
        frame = f'title="{_shown(content, "subject")}, as rendered" srcdoc="{html}"'
        parts.append(f'<iframe sandbox="" {frame} loading="lazy"></iframe>')
        parts.append(f"<details><summary>HTML source</summary><pre>{html}</pre></details>")
    if text:
        hidden = "" if not html else "<details><summary>Plain text</summary>"
        parts.append(f"{hidden}<pre>{text}</pre>{'</details>' if html else ''}")
    return "".join(parts)


def _data(content: Mapping[str, object]) -> str:
    data = content.get("data")
    if not isinstance(data, dict) or not data:
        return ""
    rows = "".join(
        f"<div><dt>{escape(str(key))}</dt><dd>{escape(str(value))}</dd></div>" for key, value in data.items()
    )
    return f'<details><summary>Data</summary><dl class="data">{rows}</dl></details>'


def _segments(content: Mapping[str, object]) -> str:
    count = content.get("segments", 1)
    return escape(f"{count} segment{'' if count == 1 else 's'}, {content.get('encoding', '')}")


def _shown(content: Mapping[str, object], key: str) -> str:
    return escape(str(content.get(key) or ""))


def _options(chosen: str) -> str:
    names = {"": "Every channel", **_CHANNEL_NAMES}
    return "".join(
        f'<option value="{value}"{" selected" if value == chosen else ""}>{name}</option>'
        for value, name in names.items()
    )


def _toggle(to: str, channel: str, *, refreshing: bool) -> str:
    """Return the link that starts or stops the reloading, keeping the filter."""
    query = {"to": to, "channel": channel, "refresh": "" if refreshing else "1"}
    target = urlencode({key: value for key, value in query.items() if value})
    words = "Stop reloading" if refreshing else f"Reload every {REFRESH_SECONDS} seconds"
    return f'<a href="?{escape(target)}">{words}</a>'


def _render(name: str, /, *values: Mapping[str, str], **more: str) -> str:
    """Fill a template; every value must be HTML already."""
    merged: dict[str, str] = {}
    for mapping in values:
        merged |= mapping
    return _template(name).substitute(merged, **more)


@cache
def _template(name: str) -> Template:
    return Template(_text(name))


@cache
def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")
