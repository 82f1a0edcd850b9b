"""Topics from files: a CSV of users, read line by line and written batch by batch, however long it is."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from django.db import connections, transaction

from .. import conf
from ..exceptions import InvalidData, Problem
from ..models import TopicSubscription
from ..rules.identity import UserKey
from .topics import locked_topic
from .users import keys_by_lookup

BATCH = 1_000
MOST_NAMED = 100
#: What the only column may be called if its first line is no user, besides the look-up's own name.
_USUAL_NAMES = ("user", "users", "user_id", "id", "pk")
_DELIMITERS = (",", ";", "\t")
_BOM = "\ufeff"


@dataclass(frozen=True)
class Import:
    """What a file is to do to a topic: add its users, or `remove` them, or `replace` all who are on it."""

    slug: str
    column: str = ""
    remove: bool = False
    replace: bool = False
    dry_run: bool = False


@dataclass
class Imported:
    """What became of a file's lines: changed, already so, and the lines whose users do not exist (the first named)."""

    lines: int = 0
    added: int = 0
    removed: int = 0
    unchanged: int = 0
    unknown: int = 0
    unknown_lines: list[int] = field(default_factory=list)


def import_users(
    wanted: Import, text: Iterable[str], *, each: Callable[[Imported], None] = lambda _: None, at_once: bool = False
) -> Imported:
    """Put the users of a CSV file on a topic, or take them off, and return what became of its lines.

    Unknown users are passed over and reported. Every thousand lines commit by themselves, so that a file that broke
    off is simply imported again; a replacement, a dry run, and what is asked for `at_once`, are one transaction.

    Raises:
        InvalidData: it is no CSV, or lacks the column; with `at_once`, nothing was changed then.
    """
    rows = read_users(text, wanted.column)
    if not (wanted.replace or wanted.dry_run or at_once):
        return _in_batches(wanted, rows, each)
    with transaction.atomic():
        if wanted.replace:
            _begin_keeping()
        done = _in_batches(wanted, rows, each)
        if wanted.replace:
            _refuse_emptying(done)
            done.removed = _remove_others(wanted.slug)
        if wanted.dry_run:
            transaction.set_rollback(True)
    return done


def read_users(text: Iterable[str], column: str = "") -> Iterator[tuple[int, str]]:
    """Yield (line, look-up value) for each row of a CSV file that has one.

    The column is the one that is named; without a name, the only one, or the one that the first line calls by the
    look-up's name. Commas, semicolons and tabs part columns.

    Raises:
        InvalidData: it is no CSV, or lacks the column.
    """
    at: int | None = None
    for line, cells in _lines(text):
        if at is None:
            at, is_header = _column(cells, column)
            if is_header:
                continue
        if at < len(cells) and cells[at]:
            yield line, cells[at]


def _lines(text: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield each line that has anything in it, with its number."""
    lines = iter(text)
    number = 0
    try:
        first = next(lines, "").removeprefix(_BOM)
        reader = csv.reader(chain([first], lines), delimiter=max(_DELIMITERS, key=first.count), strict=True)
        for row in reader:
            number = reader.line_num
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield number, cells
    except csv.Error as error:
        problem = Problem("", "not_csv", f"after line {number}: {error}")
        raise InvalidData("The file is no CSV.", problem) from error
    except UnicodeDecodeError as error:
        raise InvalidData("The file is no CSV.", Problem("", "not_csv", "it is not UTF-8")) from error


def _column(cells: list[str], wanted: str) -> tuple[int, bool]:
    """Return where the users stand, and whether this first line only says so."""
    names = [cell.casefold() for cell in cells]
    if wanted:
        if wanted.casefold() in names:
            return names.index(wanted.casefold()), True
        detail = f"its first line names no column {wanted[:63]!r}"
        raise InvalidData("The column is not in the file.", Problem("", "no_column", detail))
    lookup = conf.get().recipient.lookup
    known = (lookup.casefold(), *_USUAL_NAMES)
    if len(cells) == 1:
        return 0, names[0] in known and not keys_by_lookup([cells[0]])
    for name in known:
        if name in names:
            return names.index(name), True
    detail = f"it has {len(cells)} columns: name one of them {lookup!r} in its first line, or say which it is"
    raise InvalidData("The column is not in the file.", Problem("", "no_column", detail))


def _in_batches(wanted: Import, rows: Iterator[tuple[int, str]], each: Callable[[Imported], None]) -> Imported:
    done = Imported()
    while batch := list(islice(rows, BATCH)):
        keys = keys_by_lookup(value for _, value in batch)
        done.lines += len(batch)
        unknown = [line for line, value in batch if value not in keys]
        done.unknown += len(unknown)
        done.unknown_lines += unknown[: MOST_NAMED - len(done.unknown_lines)]
        known = list(dict.fromkeys(keys[value] for _, value in batch if value in keys))
        _write(wanted, known, done)
        done.unchanged = done.lines - done.unknown - done.added - done.removed
        each(done)
    return done


def _write(wanted: Import, keys: list[UserKey], done: Imported) -> None:
    if not keys:
        return
    with transaction.atomic():
        if wanted.remove:
            gone, _ = TopicSubscription.objects.filter(topic__slug=wanted.slug, user__in=keys).delete()
            done.removed += gone
            return
        topic = locked_topic(wanted.slug)
        there = set(TopicSubscription.objects.filter(topic=topic, user__in=keys).values_list("user_id", flat=True))
        new = [TopicSubscription(topic=topic, user_id=key) for key in keys if key not in there]
        TopicSubscription.objects.bulk_create(new, batch_size=BATCH, ignore_conflicts=True)
        done.added += len(new)
        if wanted.replace:
            _keep(keys)


# Whom a replacement keeps: a table of the transaction's own, since a million keys are too many for memory.
_KEPT = "carillon_kept_subscribers"


def _begin_keeping() -> None:
    with _cursor() as cursor:
        cursor.execute(
            f"CREATE TEMPORARY TABLE {_KEPT} ON COMMIT DROP AS "  # noqa: S608 - names of ours only
            "SELECT user_id FROM carillon_topicsubscription WHERE false"
        )
        cursor.execute(f"CREATE UNIQUE INDEX ON {_KEPT} (user_id)")


def _keep(keys: list[UserKey]) -> None:
    field = TopicSubscription._meta.get_field("user")
    connection = connections[TopicSubscription.objects.db]
    with connection.cursor() as cursor:
        # All at once: a driver's `executemany` may be a round trip for each, while the topic is locked.
        cursor.execute(
            f"INSERT INTO {_KEPT} (user_id) SELECT unnest(%s::{field.db_type(connection)}[]) ON CONFLICT DO NOTHING",
            [[field.get_db_prep_save(key, connection) for key in keys]],
        )


def _remove_others(slug: str) -> int:
    with _cursor() as cursor:
        cursor.execute(f"ANALYZE {_KEPT}")
        cursor.execute(
            f"DELETE FROM carillon_topicsubscription s USING carillon_topic t "  # noqa: S608 - names of ours only
            f"WHERE s.topic_id = t.id AND t.slug = %s "
            f"AND NOT EXISTS (SELECT 1 FROM {_KEPT} k WHERE k.user_id = s.user_id)",
            [slug],
        )
        return int(cursor.rowcount)


def _refuse_emptying(done: Imported) -> None:
    if done.lines == done.unknown:
        detail = "none of its users exist, so that nobody would be left on the topic"
        raise InvalidData("The file names nobody.", Problem("", "nobody", detail))


def _cursor() -> Any:
    return connections[TopicSubscription.objects.db].cursor()
