"""The page at ``/sandbox/``: what arrived, by person, as they would have seen it. All but live works by forms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from html import escape
from urllib.parse import urlencode

from aiohttp import web

from .credentials import POSTMARK_SERVER_TOKEN
from .door import Desk, address_in, json_answer
from .inbox_acts import KNOBS, InboxActs
from .inbox_html import CHANNEL_NAMES, Shown, groups_html, hidden, render, text_of
from .modes import MODES
from .people import People
from .records import CHANNELS, Accepted

SHOWN = 200
"""How many of the newest messages the page shows."""

SHOWN_EACH = 40
"""How many of each channel it shows at least, so that a flood of push does not hide the mails."""

REFRESH_SECONDS = 3

# Email carries its styles inline and its frame inherits this policy, hence 'unsafe-inline' for styles. A frame may run
# no script at all (`sandbox`); no remote picture (it would tell a sender about the reader), no form but the page's own.
_POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src data:; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class InboxDoor:
    """The inbox page, its style sheet and script, and what tells the script that there is something new."""

    def __init__(self, desk: Desk, people: People, acts: InboxActs) -> None:
        """Show what ``desk`` holds."""
        self._desk = desk
        self._people = people
        self._acts = acts

    def add_routes(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/sandbox", self.redirect)
        app.router.add_get("/sandbox/", self.page)
        app.router.add_get("/sandbox/inbox.css", self.style)
        app.router.add_get("/sandbox/inbox.js", self.script)
        app.router.add_get("/sandbox/revision", self.revision)

    async def redirect(self, _request: web.Request) -> web.StreamResponse:
        """Lead to the page."""
        raise web.HTTPFound("/sandbox/")

    async def style(self, _request: web.Request) -> web.Response:
        """Answer the style sheet."""
        return web.Response(text=text_of("inbox.css"), content_type="text/css", headers={"Cache-Control": "no-cache"})

    async def script(self, _request: web.Request) -> web.Response:
        """Answer the script that keeps the page up to date."""
        headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
        return web.Response(text=text_of("inbox.js"), content_type="text/javascript", headers=headers)

    async def revision(self, _request: web.Request) -> web.Response:
        """Answer a text that is another one as soon as the page would be."""
        return json_answer({"revision": self._revision()}, headers={"Cache-Control": "no-store"})

    async def page(self, request: web.Request) -> web.Response:
        """Answer the page, filtered by ``?to=``, ``?who=`` and ``?channel=``, reloading itself with ``?refresh=1``."""
        to, who, channel = address_in(request), request.query.get("who", ""), request.query.get("channel", "")
        if channel not in CHANNEL_NAMES:
            channel = ""
        found = self._found(to, who, channel)
        shown = _chosen(found)
        refreshing = request.query.get("refresh") == "1"
        asked = {"to": to, "who": who, "channel": channel, "refresh": "1" if refreshing else ""}
        back = urlencode({name: value for name, value in asked.items() if value})
        view = Shown(self._people, self._desk.stopped, self._desk.gone, self._acts.token, back)
        html = render(
            "inbox.html",
            refresh=f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">' if refreshing else "",
            toggle=_toggle(asked, refreshing=refreshing),
            revision=escape(self._revision()),
            to=escape(to or who),
            options=_options(channel),
            counts=self._counts(),
            told=self._told(),
            faults=self._faults(),
            knobs=self._knobs(back),
            groups=groups_html(shown, view) if shown else self._empty(request, to or who, channel),
            note=f"{len(shown):,} of the newest {len(found):,} that match." if len(shown) < len(found) else "",
        )
        return web.Response(text=html, content_type="text/html", headers=_HEADERS)

    def _found(self, to: str, who: str, channel: str) -> list[Accepted]:
        """Return the messages of an address, or of a person by name, whichever the filter's text is."""
        name = who or (to if self._people.addresses_of(to) else "")
        wanted = set(self._people.addresses_of(name)) if name else None
        newest = self._desk.store.newest(*([channel] if channel else []), to=None if name else to or None)
        return [accepted for accepted in newest if wanted is None or accepted.to in wanted]

    def _revision(self) -> str:
        store = self._desk.store
        modes = ",".join(sorted(f"{name}:{mode['mode']}" for name, mode in self._desk.modes.as_json().items()))
        parts = (store.accepted.total(), store.refused.total(), self._desk.changes, len(self._people), modes)
        return ".".join(str(part) for part in parts)

    def _counts(self) -> str:
        store = self._desk.store
        rows = [
            f'<div><dt><a href="?channel={channel}">{name}</a></dt>'
            f"<dd>{_of(channel, store.accepted):,}"
            f"<small>{_of(channel, store.refused):,} refused</small></dd></div>"
            for channel, name in CHANNEL_NAMES.items()
        ]
        return "".join(rows)

    def _told(self) -> str:
        lines = [
            f'<p class="{"well" if well else "ill"}">{escape(sentence)}</p>'
            for sentence, well in self._acts.take_told()
        ]
        return f'<div class="told" role="status">{"".join(lines)}</div>' if lines else ""

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

    def _knobs(self, back: str) -> str:
        """Return a row of buttons for each provider; the one that is as it behaves now is pressed."""
        rows = []
        modes = self._desk.modes.as_json()
        fields = hidden(token=self._acts.token, back=back)
        for provider in CHANNELS:
            now = modes[provider]["mode"]
            buttons = "".join(
                f'<button name="knob" value="{knob}" aria-pressed="{_bool(mode["mode"] == now)}">{name}</button>'
                for knob, (name, mode) in KNOBS.items()
            )
            rows.append(
                f'<form class="knob" method="post" action="/sandbox/inbox/knob" aria-label="{provider}">{fields}'
                f'{hidden(provider=provider)}<span class="knob-name">{provider}</span>{buttons}</form>'
            )
        return "".join(rows)

    def _empty(self, request: web.Request, to: str, channel: str) -> str:
        """Say that nothing arrived only where nothing did: older messages are in the file, not in memory."""
        if to or channel:
            store = self._desk.store
            kept = store.kept(*([channel] if channel else []))
            ever = _of(channel, store.accepted) if channel else store.accepted.total()
            name = f"{CHANNEL_NAMES[channel]} messages" if channel else "messages"
            heading = (
                f"Nothing like that among the newest {kept:,} {name}" if ever > kept else "Nothing like that arrived"
            )
            older = f"{ever - kept:,} older ones are in <code>{escape(str(store.file))}</code>. " if ever > kept else ""
            return render("nothing_found.html", heading=heading, older=older)
        base = escape(f"{request.scheme}://{request.host}")
        return render("empty.html", base=base, token=POSTMARK_SERVER_TOKEN)


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


def _bool(value: bool) -> str:  # noqa: FBT001
    return "true" if value else "false"


def _options(chosen: str) -> str:
    names = {"": "Every channel", **CHANNEL_NAMES}
    return "".join(
        f'<option value="{value}"{" selected" if value == chosen else ""}>{name}</option>'
        for value, name in names.items()
    )


def _toggle(asked: dict[str, str], *, refreshing: bool) -> str:
    """Return the link that starts or stops the reloading, keeping the filter; the script makes it needless."""
    query = {**asked, "refresh": "" if refreshing else "1"}
    target = urlencode({key: value for key, value in query.items() if value})
    words = "Stop reloading" if refreshing else f"Reload every {REFRESH_SECONDS} seconds"
    return f'<a id="toggle" href="?{escape(target)}">{words}</a>'
