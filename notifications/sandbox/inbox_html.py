"""Messages as their recipients would see them: a phone's lock screen, a thread, a mail; every value escaped."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import urlencode

from .control import EVENTS
from .inbox_acts import EVENT_NAMES
from .people import People
from .records import Accepted

CHANNEL_NAMES = {"push": "Push", "sms": "SMS", "email": "Email"}
_TEMPLATES = Path(__file__).with_name("templates")
_VIEWS = (("desktop", "Desktop"), ("phone", "Phone"), ("dark", "Dark"), ("text", "Text"), ("source", "Source"))


@dataclass(frozen=True, slots=True)
class Shown:
    """What the messages are shown with: names, addresses that opted out or are gone, and what forms must carry."""

    people: People
    stopped: Collection[str]
    gone: Mapping[str, int]
    token: str
    back: str


def groups_html(shown: Sequence[Accepted], view: Shown) -> str:
    """Return one section per person (or address, where nobody said whose it is), the newest message's first."""
    groups: dict[str, dict[tuple[str, str], list[Accepted]]] = {}
    for accepted in shown:
        places = groups.setdefault(view.people.name_of(accepted.to) or accepted.to, {})
        places.setdefault((accepted.channel, accepted.to), []).append(accepted)
    sections = []
    for number, (who, places) in enumerate(groups.items()):
        count = sum(len(messages) for messages in places.values())
        known = bool(view.people.addresses_of(who))
        sections.append(
            render(
                "group.html",
                id=f"person-{number}",
                to=escape(who),
                name=escape(_short(who)),
                query=escape(urlencode({"who" if known else "to": who})),
                count=f"{count} message{'' if count == 1 else 's'}",
                places="".join(
                    _place(channel, to, messages, view, f"{number}-{index}", named=known)
                    for index, ((channel, to), messages) in enumerate(places.items())
                ),
            )
        )
    return "".join(sections)


def hidden(**fields: str) -> str:
    """Return hidden fields of a form."""
    return "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields.items())


def _place(channel: str, to: str, messages: Sequence[Accepted], view: Shown, key: str, *, named: bool) -> str:
    """Return what lies at one address: a lock screen, a thread in the order of a phone, or mails."""
    chip = f'<span class="chip">{CHANNEL_NAMES[channel]}</span>'
    name = f" {escape(_short(to))}" if named else ""
    inner = _inner(channel, to, messages, view, key)
    return f'<div class="place {channel}s"><p class="place-name">{chip}{name}</p>{inner}</div>'


def _inner(channel: str, to: str, messages: Sequence[Accepted], view: Shown, key: str) -> str:
    if channel == "sms":
        inner = "".join(_sms(message, view) for message in reversed(messages))
        said = '<li class="reply">STOP</li>' if to in view.stopped else ""
        return f'<div class="handset thread"><ol>{inner}{said}</ol></div>'
    if channel == "email":
        mails = "".join(_email(message, view, f"{key}-{number}") for number, message in enumerate(messages))
        return f"<ol>{mails}</ol>"
    clock = escape(messages[0].at[11:16])
    gone = '<p class="gone">The app was uninstalled.</p>' if to in view.gone else ""
    inner = "".join(_push(message, view) for message in messages)
    screen = f'<p class="clock" aria-hidden="true">{clock}</p>{gone}<ol>{inner}</ol>'
    return f'<div class="handset lock">{screen}</div>'


def _sms(accepted: Accepted, view: Shown) -> str:
    content = accepted.content
    return render("sms.html", _meta(accepted, view), text=_value(content, "text"), segments=_segments(content))


def _push(accepted: Accepted, view: Shown) -> str:
    content = accepted.content
    image = f'<p class="extra">Image: {_value(content, "image")}</p>' if content.get("image") else ""
    return render(
        "push.html",
        _meta(accepted, view),
        title=_value(content, "title") or "(data only)",
        body=_value(content, "body"),
        image=image,
        data=_data(content),
    )


def _email(accepted: Accepted, view: Shown, key: str) -> str:
    content = accepted.content
    return render(
        "email.html",
        _meta(accepted, view),
        subject=_value(content, "subject") or "(no subject)",
        sender=escape(str(accepted.request.get("From") or accepted.request.get("from") or "")),
        body=_email_body(content, key),
    )


def _email_body(content: Mapping[str, object], key: str) -> str:
    """Return the rendered HTML, in a frame that may do nothing, with text and source to change to."""
    html, text = _value(content, "html"), _value(content, "text")
    if not html:
        return f"<pre>{text}</pre>"
    views = [(name, label) for name, label in _VIEWS if name != "text" or text]
    choices = "".join(
        f'<label><input type="radio" name="view-{key}" class="{name}" value="{name}"'
        f"{' checked' if name == 'desktop' else ''}>{label}</label>"
        for name, label in views
    )
    frame = f'title="{_value(content, "subject")}, as rendered" srcdoc="{html}"'
    plain = f'<pre class="as-text">{text}</pre>' if text else ""
    return (
        f'<fieldset class="views"><legend class="hidden">View</legend>{choices}</fieldset>'
        f'<iframe sandbox="" {frame} loading="lazy"></iframe>{plain}<pre class="as-source">{html}</pre>'
    )


def _meta(accepted: Accepted, view: Shown) -> dict[str, str]:
    """Return what every message shows small: when, through whom, for which delivery; and its buttons."""
    attempt = "" if accepted.attempt is None else f", attempt {accepted.attempt}"
    delivery = "no delivery id" if accepted.delivery is None else f"delivery {accepted.delivery}{attempt}"
    return {
        "at": escape(accepted.at),
        "time": escape(accepted.at[11:19] + " UTC"),
        "channel": CHANNEL_NAMES[accepted.channel],
        "provider": escape(accepted.provider),
        "delivery": escape(delivery),
        "provider_id": escape(accepted.provider_message_id),
        "events": _events(accepted, view),
    }


def _events(accepted: Accepted, view: Shown) -> str:
    """Return the buttons that send something back for this message."""
    events = EVENTS.get(accepted.provider, ())
    if not events:
        return '<p class="extra">A mail server reports nothing back.</p>'
    fields = hidden(
        token=view.token,
        back=view.back,
        provider=accepted.provider,
        to=accepted.to,
        message=accepted.provider_message_id,
    )
    buttons = "".join(f'<button name="event" value="{event}">{EVENT_NAMES[event]}</button>' for event in events)
    return (
        f'<form class="events" method="post" action="/sandbox/inbox/event">{fields}'
        f'<span class="extra">Send back:</span>{buttons}</form>'
    )


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


def _value(content: Mapping[str, object], key: str) -> str:
    return escape(str(content.get(key) or ""))


def _short(to: str) -> str:
    """Return an address as a heading: push tokens are 150 characters and more, and differ at both ends."""
    return to if len(to) <= 64 else f"{to[:36]}…{to[-16:]}"


def render(name: str, /, *values: Mapping[str, str], **more: str) -> str:
    """Fill a template; every value must be HTML already."""
    merged: dict[str, str] = {}
    for mapping in values:
        merged |= mapping
    return _template(name).substitute(merged, **more)


@cache
def _template(name: str) -> Template:
    return Template(text_of(name))


@cache
def text_of(name: str) -> str:
    """Return a file of the page."""
    return (_TEMPLATES / name).read_text(encoding="utf-8")
