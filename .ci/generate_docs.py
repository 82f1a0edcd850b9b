"""Writes docs/states.md, docs/providers.md and the OpenAPI document from the code, so that they cannot disagree.

python .ci/generate_docs.py            writes them
python .ci/generate_docs.py --check    exits 1 if one of them is stale
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

import django  # noqa: E402 - it reads the settings named above
from django.utils.translation import override  # noqa: E402

from notifications.api.schema.text import as_json, as_yaml  # noqa: E402
from notifications.enums import BreakerEffect, Family, Reason, State  # noqa: E402
from notifications.exceptions import (  # noqa: E402
    InvalidRecipient,
    PermanentFailure,
    ProviderError,
    ProviderMisconfigured,
    ProviderUnavailable,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
)
from notifications.providers.answers import Answer, by_status  # noqa: E402
from notifications.rules import explanations  # noqa: E402
from notifications.rules.retries import RATE_LIMITED, RATE_LIMITED_AT_LEAST, USUAL  # noqa: E402
from notifications.rules.transitions import ALLOWED  # noqa: E402
from notifications.rules.undelivered import MISCONFIGURED_RETRIES  # noqa: E402

_MADE = "<!-- Made by .ci/generate_docs.py from the code; edit that, not this. -->"
_RETRY: Mapping[type[ProviderError], str] = {
    UnknownOutcome: "no: the delivery is `uncertain` until a receipt or the category's policy settles it",
    InvalidRecipient: "never",
    PermanentFailure: "never",
    ProviderMisconfigured: "when the provider's hold ends; uses up no retry",
    ProviderUnavailable: "when the breaker allows it; uses up no retry",
    RateLimited: f"up to {RATE_LIMITED.most} times",
    TemporaryFailure: f"up to {USUAL.most} times, with backoff and jitter",
}
_STATES_HEAD = f"""\
# States of a delivery

{_MADE}

A delivery is one message to one device or address. It is always in exactly one state, most of them with a reason. Only
`notifications/flows/record.py` writes either, and it refuses a step that is not allowed here. A delivery may also stay
where it is, with another reason or due time; such steps are not drawn.

The diagram shows what Carillon does. A provider's receipts may then raise a delivery further, and correct what we
believed of it, since an earlier attempt may have arrived after all: those steps are in the table below it.

```mermaid
stateDiagram-v2
    direction LR
    [*] --> pending
    [*] --> skipped
    [*] --> expired"""
_PROVIDERS_HEAD = f"""\
# What a provider's answer leads to

{_MADE}

An adapter only says which kind of outcome it saw; `notifications/rules/outcomes.py` decides what follows. The rows
below are the adapters' own tables (`notifications/providers/*.py`), in the order in which they are written.

| outcome | tried again? | breaker |
|---|---|---|"""
_PROVIDERS_RULES = """
A Retry-After that the provider sends is never undercut, up to one of a day. An answer that does not exclude
that the message went out all the same makes the next attempt a possible duplicate, and the delivery says so for ever.
No answer at all after the request was written is `UnknownOutcome`, whatever the provider, and so is a 5xx of Twilio
or Vonage, which honour no idempotency key; a connection that could not be made is `ProviderUnavailable`.

A retry through a provider that honours our key (Resend, for 24 hours) goes under the same key and is the same request,
byte for byte: it is no duplicate. A 409 about the key says nothing of the provider's health. Where it names a request
that is still under way, the key is tried again soon. Where it names another request, an earlier attempt was taken with
other words, say before a setting changed: the delivery is `uncertain`, its receipt settles that or in the end a person
does, since a replay has a key of its own.

"Deactivated" is the device at that address. A number or mailbox that is no device, but a recipient's field or given by
itself, is suppressed instead; a push token never is.

Tables headed "Callback answers" hold the codes of messages that a provider took and then reported as not delivered."""
_BREAKER = {BreakerEffect.SUCCESS: "success", BreakerEffect.FAILURE: "failure", BreakerEffect.NEUTRAL: "neutral"}


@dataclass(frozen=True)
class Table:
    """One table of answers: what it is about and its rows by code."""

    title: str
    rows: Mapping[str, Answer]
    is_callback: bool = False


def pages() -> dict[Path, str]:
    """Return what the generated pages must say; the app serves the document in JSON, the YAML is for readers."""
    with override("en"):
        made = import_module("notifications.api.schema.build").document()  # which needs Django's apps
        return {
            ROOT / "docs/states.md": states_page(),
            ROOT / "docs/providers.md": providers_page(),
            ROOT / "docs/openapi.yaml": as_yaml(made),
            ROOT / "notifications/api/schema/openapi.json": as_json(made),
        }


def states_page() -> str:
    """Return the page about states: the diagram, and what each state and reason means."""
    lines = [_STATES_HEAD]
    lines += [f"    {state} --> {following}" for state, following in _steps() if not _is_receipt(state, following)]
    lines += ["```", "", "| from | to, by a receipt |", "|---|---|"]
    for state in State:
        receipts = [f"`{after}`" for before, after in _steps() if before is state and _is_receipt(state, after)]
        if receipts:
            lines.append(f"| `{state}` | {', '.join(receipts)} |")
    lines += [
        "",
        "## What each state means",
        "",
        "| state | family | what it means, and what it does not |",
        "|---|---|---|",
    ]
    lines += [f"| `{state}` | {state.family.label} | {explanations.explain(state, Reason.NONE)} |" for state in State]
    lines += [
        "",
        "People meet five families, each with one word, icon and colour: "
        + ", ".join(str(family.label).lower() for family in Family)
        + ".",
        "",
        "## What each reason means",
        "",
        "| state | reason | what support can say |",
        "|---|---|---|",
    ]
    for state in State:
        rows = [(reason, text) for (own, reason), text in explanations.BY_REASON.items() if own is state]
        lines += [f"| `{state}` | `{reason}` | {text} |" for reason, text in sorted(rows)]
    return "\n".join(lines) + "\n"


def providers_page() -> str:
    """Return the page about providers: each answer, and what follows from it."""
    lines = [_PROVIDERS_HEAD]
    lines += [f"| `{kind.__name__}` | {text} | {_BREAKER[kind.breaker]} |" for kind, text in _RETRY.items()]
    lines += [_PROVIDERS_RULES]
    seen: list[object] = []
    for module in provider_modules():
        tables = [table for table in tables_of(module) if not any(table.rows is rows for rows in seen)]
        seen += [table.rows for table in tables]
        if tables:
            name = module.__name__.rpartition(".")[2].removesuffix("_answers")
            about = import_module(f"notifications.providers.{name}").__doc__ or ""
            lines += ["", f"## {name}", "", about.strip().split("\n")[0]]
        for table in tables:
            lines += ["", f"### {table.title}", "", *_rows(table)]
    general = {str(status): row for status in (300, *_known_statuses(), 400, 500) if (row := by_status(status))}
    general = {{"300": "3xx", "400": "other 4xx", "500": "5xx"}.get(code, code): row for code, row in general.items()}
    lines += ["", "## Any provider", "", "What an HTTP status means where the body names no code that is known.", ""]
    return "\n".join([*lines, *_rows(Table("", general))]) + "\n"


def provider_modules() -> Iterator[ModuleType]:
    """Yield the adapters' modules in the order of their names; those that hold only tables come first.

    A table is shown where it is written, not where it is imported.
    """
    paths = (ROOT / "notifications/providers").glob("*.py")
    for path in sorted(
        paths, key=lambda path: (path.stem.removesuffix("_answers"), not path.stem.endswith("_answers"))
    ):
        if path.stem not in {"__init__", "answers"}:
            yield import_module(f"notifications.providers.{path.stem}")


def tables_of(module: ModuleType) -> Iterator[Table]:
    """Yield a module's tables of answers: mappings from a code, or from an account's kind to such a mapping."""
    for name, value in vars(module).items():
        if not name.isupper() or not isinstance(value, Mapping) or not value:
            continue
        title, first = name.replace("_", " ").capitalize(), next(iter(value.values()))
        if isinstance(first, Answer):
            yield Table(title, value, is_callback="CALLBACK" in name)
        elif isinstance(first, tuple) and isinstance(first[-1], Mapping):
            for kind, (*_, rows) in value.items():
                if all(isinstance(row, Answer) for row in rows.values()):
                    yield Table(f"{title}: {kind}", rows)


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` compare them; return the exit code."""
    django.setup()
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale: run python .ci/generate_docs.py")
        return 1 if stale else 0
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


def _steps() -> list[tuple[State, State]]:
    return [(state, following) for state in State for following in State if following in ALLOWED[state] - {state}]


def _is_receipt(state: State, following: State) -> bool:
    told = {State.DELIVERED, State.OPENED, State.CLICKED, State.BOUNCED, State.COMPLAINED}
    return following in told and not (state is State.SENT and following is State.DELIVERED)


def _known_statuses() -> list[int]:
    answers = import_module("notifications.providers.answers")
    return list(answers.BY_STATUS)


def _rows(table: Table) -> list[str]:
    head = ["code", "what support reads", "outcome", "tried again?", "device or address", "breaker", "source"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for code, row in table.rows.items():
        cells = [
            f"`{code}`",
            row.says,
            f"`{row.outcome.__name__}`",
            _retry(table, row),
            _address(table, row),
            _breaker(table, row),
            f"[page]({row.page})",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _retry(table: Table, row: Answer) -> str:
    if table.is_callback:
        if issubclass(row.outcome, ProviderMisconfigured):
            return f"at most {MISCONFIGURED_RETRIES} more, when the provider's hold ends"
        return f"at most {row.retries} more" if row.retries else "never"
    text = _RETRY[row.outcome]
    least = row.retry_after or (RATE_LIMITED_AT_LEAST if issubclass(row.outcome, RateLimited) else None)
    if least and row.at_least:
        text += f", not before {least:g} s, or Retry-After if that is later"
    elif least:
        text += f", after Retry-After or at least {least:g} s"
    text += ", that device alone" if row.one_device else ""
    return text + (", as a possible duplicate" if row.maybe_sent else "")


def _address(table: Table, row: Answer) -> str:
    if table.is_callback:
        times = row.deactivate_after
        if row.suppress:
            return "address suppressed"
        return "kept" if not times else "deactivated" if times == 1 else f"deactivated after {times} in a row"
    if not issubclass(row.outcome, InvalidRecipient):
        return "kept"
    if row.suppress:
        return "address suppressed"
    return "quarantined" if row.quarantine else "deactivated"


def _breaker(table: Table, row: Answer) -> str:
    if table.is_callback:
        if row.filtered:
            return "neutral; an alert when it is frequent"
        return "the provider is held, with an alert" if issubclass(row.outcome, ProviderMisconfigured) else "neutral"
    if issubclass(row.outcome, ProviderMisconfigured):
        return "neutral; the provider is held, with an alert"
    return _BREAKER[row.breaker]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
