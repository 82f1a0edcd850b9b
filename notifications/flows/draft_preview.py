"""Draft preview: what a broadcast would be like for its first recipients; nothing is sent, and nothing is written.

Planning and composing are the functions that workers call. What is missing is grouped and counted; of people only
their keys are named, of values nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.urls import Resolver404, resolve

from .. import conf
from ..enums import BroadcastStatus, Channel, Reason, State
from ..exceptions import WrongStatus
from ..messages import Content
from ..models import Broadcast, Category, Delivery, Notification, Template
from ..models.console_queries import TooSlow, deadline
from ..rules.dead_links import fault_of, links_in, shown
from ..rules.identity import user_key, user_recipient
from ..rules.locales import choose_locale
from ..rules.rendering import RenderError
from .apart import Parts, split
from .audience_pages import next_keys
from .compose import compose, wants_links, words
from .launch import expiry_at_launch
from .pages import Sending, foresee_rows
from .personal import personal_variables
from .templates import find_template
from .unsubscribe import links_of

MOST_RECIPIENTS = 1_000
SECONDS = 10.0
_PAGE = 100
_EXAMPLES = 3
_BEFORE = (BroadcastStatus.DRAFT, BroadcastStatus.SCHEDULED)


@dataclass(frozen=True)
class Gap:
    """One thing that is not as it should be: what, on which channel, for how many, and for whom for example."""

    kind: str
    channel: str
    what: str
    count: int
    examples: list[str]


@dataclass(frozen=True)
class DraftPreview:
    """How many recipients were looked at, whether those are all, how many messages would go out, and the gaps."""

    recipients: int
    is_all: bool
    would_send: dict[str, int]
    gaps: list[Gap]


def preview_broadcast(broadcast_id: UUID) -> DraftPreview:
    """Return how a broadcast that is not planned yet would turn out for its first 1,000 recipients, or as many as fit.

    It runs in a transaction in which PostgreSQL refuses writes and which is rolled back, for about ten seconds at most.

    Raises:
        WrongStatus: it is being planned already, or over.
        InvalidData: its audience cannot be made.
    """
    made = Broadcast.objects.get(pk=broadcast_id)
    if made.status not in _BEFORE:
        raise WrongStatus(f"A broadcast that is {made.status} cannot be previewed: see its deliveries.")
    notification = Notification.objects.get(pk=made.notification_id)
    now = Delivery.objects.database_now()
    notification.expires_at = expiry_at_launch(notification, made, now)
    category = Category.objects.get(slug=notification.category)
    run = _Preview(Sending(notification, category, now), find_template(notification.template))
    try:
        with deadline(Delivery.objects.db, int(SECONDS * 1_000)), transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION READ ONLY")
            run.go(made)
            # Otherwise an outer transaction would stay read-only.
            transaction.set_rollback(True)
    except TooSlow:
        run.is_all = False
        run.note("too_slow", "", f"reading the audience took longer than {SECONDS:.0f} s", "")
    return run.result()


@dataclass
class _Preview:
    sending: Sending
    template: Template
    recipients: int = 0
    is_all: bool = False
    would_send: dict[str, int] = field(default_factory=dict)
    found: dict[tuple[str, str, str], dict[str, None]] = field(default_factory=dict)

    def go(self, made: Broadcast) -> None:
        """Look at one small page after the other, until there are enough or the time is over."""
        until = time.monotonic() + SECONDS
        cursor = ""
        while self.recipients < MOST_RECIPIENTS and time.monotonic() < until:
            page = next_keys(made.audience, made.exclude, cursor, _PAGE)
            keys, cursor, self.is_all = [row["pk"] for row in page.rows], page.cursor, page.complete
            parts: Parts[Delivery] = Parts(keys, most=len(keys))
            own: dict[str, Mapping[str, object]] = {}

            def work(rows: list[dict[str, object]], own: dict[str, Mapping[str, object]] = own) -> list[Delivery]:
                own.update(personal_variables(rows, self.sending.notification)[0])
                return foresee_rows(self.sending, rows)

            with deadline(Delivery.objects.db, max(1, int((until - time.monotonic()) * 1_000))):
                split(made, work, parts, until=until)
            for key, error in parts.left_out.items():
                self.note("cannot_plan", "", f"cannot be planned: {error}", user_recipient(key))
            self.recipients += len(keys)
            for row in parts.written:
                if time.monotonic() >= until:
                    self.is_all = False
                    return
                self.look_at(row, own.get(row.recipient, {}))
            if self.is_all:
                return

    def look_at(self, row: Delivery, own: Mapping[str, object]) -> None:
        """Note what is missing in one delivery."""
        if row.state != State.PENDING:
            why = Reason(row.reason).label or State(row.state).label
            self.note("skipped", row.channel, f"would be {row.state}: {why}", row.recipient)
            return
        self.would_send[str(row.channel)] = self.would_send.get(str(row.channel), 0) + 1
        values = {**self.sending.notification.data, **own}
        for name in self.template.variables:
            if _is_empty(values.get(name)):
                self.note("empty_variable", "", f"variable {name} is empty", row.recipient)
        self.compare_language(row)
        try:
            content = self.compose(row)
        except RenderError as error:
            self.note("render_error", row.channel, f"cannot be rendered: {str(error)[:200]}", row.recipient)
        except Exception as error:  # noqa: BLE001 - as when it is sent: words may fail in any way
            self.note("render_error", row.channel, f"cannot be rendered: {type(error).__name__}", row.recipient)
        else:
            for what in self.dead_links(row, content):
                self.note("dead_link", row.channel, what, row.recipient)

    def compose(self, row: Delivery) -> Content:
        """Return the message as it would be composed for sending."""
        notification, channel = self.sending.notification, Channel(row.channel)
        links = links_of(row, self.sending.category) if wants_links(notification.words_id, channel) else {}
        data = {**links, **notification.data, **(row.data or {})}
        return compose(notification.words_id, channel, row.locale, row.time_zone, data)

    def compare_language(self, row: Delivery) -> None:
        """Note a language that there are no words in."""
        wanted = row.locale.replace("_", "-").partition("-")[0].lower()
        there = words(self.sending.notification.words_id)[Channel(row.channel)].by_locale
        taken = choose_locale(row.locale, settings.LANGUAGE_CODE, there)
        if wanted and taken and taken.replace("_", "-").partition("-")[0].lower() != wanted:
            self.note("language", row.channel, f"no words in {wanted}: would get {taken}", row.recipient)

    def dead_links(self, row: Delivery, content: Content) -> Iterator[str]:
        """Yield what is wrong with links, each as it may be shown."""
        there = words(self.sending.notification.words_id)[Channel(row.channel)].by_locale
        taken = choose_locale(row.locale, settings.LANGUAGE_CODE, there) or ""
        for name in ("url", "image"):
            # What cannot be opened from a message is left out of a push message, and so is not seen in it.
            if row.channel == Channel.PUSH and name in there.get(taken, {}) and not getattr(content, name):
                yield f"the {name} is empty or relative, and would be left out"
        for link in dict.fromkeys(links_in(content)):
            if fault := fault_of(link, conf.get().public_url, _is_ours):
                yield f"dead link ({fault}): {shown(link) or '(nothing)'}"

    def note(self, kind: str, channel: str, what: str, recipient: str) -> None:
        """Count a gap for a recipient, once."""
        self.found.setdefault((kind, str(channel), what), {})[recipient] = None

    def result(self) -> DraftPreview:
        """Return what was found, the most frequent first."""
        gaps = [
            Gap(kind, channel, what, len(who), _examples(list(who)))
            for (kind, channel, what), who in self.found.items()
        ]
        gaps.sort(key=lambda gap: (-gap.count, gap.kind, gap.channel, gap.what))
        return DraftPreview(self.recipients, self.is_all, self.would_send, gaps)


def _examples(recipients: Sequence[str]) -> list[str]:
    return [key for key in (str(user_key(item) or "") for item in recipients[:_EXAMPLES]) if key]


def _is_empty(value: object) -> bool:
    text = value.strip() if isinstance(value, str) else value
    return text is None or text in ("", [], {})


def _is_ours(path: str) -> bool:
    """Whether this project has a page under a path, with or without the prefix that a proxy may take away."""
    rest = "/" + path.removeprefix(urlsplit(conf.get().public_url).path).lstrip("/")
    return any(_resolves(item, urlconf) for item, urlconf in ((path, None), (rest, None), (rest, "notifications.urls")))


def _resolves(path: str, urlconf: str | None) -> bool:
    try:
        resolve(path, urlconf)
    except Resolver404:
        return False
    return True
