"""What an assertion that fails says: what became of everything instead, and what a developer may have forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from django.db import connections, router

from ..enums import TAKEN_STATES, Reason, State
from ..models import Delivery, Notification, RefusedRequest
from ..rules.explanations import explain

_MOST = 20


def what_there_is(rows: Sequence[Delivery], templates: dict[object, str], left: dict[str, int]) -> str:
    """Return what became of these deliveries, what was refused, and what may have been forgotten."""
    lines = [f"  {line(row, templates)}" for row in rows[:_MOST]]
    if len(rows) > _MOST:
        lines.append(f"  ... and {len(rows) - _MOST} more")
    head = ["What there is instead:"] if lines else ["Nobody was notified of anything."]
    return "\n".join([*head, *lines, *_refused(), *_forgotten(nothing=not rows), *_unmet(left)])


def line(row: Delivery, templates: dict[object, str]) -> str:
    """Return one delivery in a line: which template, to whom, and where it stands."""
    state, reason = State(row.state), Reason(row.reason)
    said = f"{state}, {reason}" if reason else str(state)
    if state in TAKEN_STATES:
        said += f" through {row.provider}"
    if state == State.PENDING:
        said += f", due {row.due_at:%Y-%m-%d %H:%M:%S} UTC"
    answer = f" [{row.error_code}: {row.error_detail}]" if row.error_code else ""
    to = f"{row.recipient} by {row.channel} ({row.address or 'no address'})"
    return f"{templates.get(row.notification_id, '?')} to {to}: {said}. {explain(state, reason)}{answer}"


def templates_of(rows: Iterable[Delivery]) -> dict[object, str]:
    """Return the templates of deliveries' notifications, by notification."""
    ids = {row.notification_id for row in rows}
    return dict(Notification.objects.filter(pk__in=ids).values_list("pk", "template"))


def _refused() -> list[str]:
    rows = RefusedRequest.objects.order_by("-pk")[:_MOST]
    return [f"  refused: {row.template} to {row.recipient or '?'}: {row.reason} {row.detail}".rstrip() for row in rows]


def _forgotten(*, nothing: bool) -> list[str]:
    waiting = [call for _, call, *_ in connections[router.db_for_write(Delivery)].run_on_commit if not _is_ours(call)]
    if not nothing or not waiting:
        return []
    hint = (
        f"{len(waiting)} on_commit callback(s) wait for a commit, which a TestCase never makes. If one of them"
        " notifies, put the code under test into `with self.captureOnCommitCallbacks(execute=True):`."
    )
    return [hint]


def _is_ours(call: object) -> bool:
    function = call.func if isinstance(call, partial) else call
    return str(getattr(function, "__module__", "")).startswith("notifications.")


def _unmet(left: dict[str, int]) -> list[str]:
    return [f"fail_next: {alias} has {count} failure(s) that no message met." for alias, count in left.items()]
