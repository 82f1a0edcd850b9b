"""Devices and suppressions as CSV files: out page by page, however many there are; in line by line, all or nothing."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from .. import conf
from ..channels import SPECS
from ..enums import Channel, SuppressionCause
from ..exceptions import InvalidData, Problem
from ..models import Device, Suppression
from .devices import Registration, register
from .suppress import suppress
from .users import keys_by_lookup

#: What one request may read in; a larger file is cut into several.
MOST_LINES = 5_000
_PAGE = 2_000
_MOST_NAMED = 20
_DELIMITERS = (",", ";", "\t")
_LONGEST_DAYS = 3_650
DEVICE_COLUMNS = ("user", "channel", "platform", "token_type", "address", "locale", "time_zone")
DEVICE_FACTS = ("is_active", "deactivated_reason", "deactivated_by", "deactivated_at", "last_seen_at", "created_at")
SUPPRESSION_COLUMNS = ("channel", "address", "cause", "days")
SUPPRESSION_FACTS = ("channel", "hint", "cause", "source", "created_at", "expires_at", "lifted_at", "lifted_reason")


@dataclass
class Taken:
    """What became of a file's lines; the first that could not be taken are told by number and why."""

    lines: int = 0
    new: int = 0
    unchanged: int = 0
    refused: int = 0
    why: list[tuple[int, str]] = field(default_factory=list)

    def refuse(self, line: int, why: str) -> None:
        """Count a line that cannot be taken."""
        self.refused += 1
        if len(self.why) < _MOST_NAMED:
            self.why.append((line, why))


def device_lines(rows: QuerySet[Device], *, full: bool) -> Iterator[list[str]]:
    """Yield a header and a line for each device; without `full`, users by key and addresses masked."""
    user = f"user__{conf.get().recipient.lookup}" if full else "user_id"
    yield ["id", *DEVICE_COLUMNS, *DEVICE_FACTS]
    for key, owner, channel, platform, kind, address, *rest in _paged(
        rows, "pk", user, *DEVICE_COLUMNS[1:], *DEVICE_FACTS
    ):
        shown = address if full else SPECS[Channel(channel)].mask(address)
        yield [_cell(item) for item in (key, owner, channel, platform, kind, shown, *rest)]


def suppression_lines(rows: QuerySet[Suppression]) -> Iterator[list[str]]:
    """Yield a header and a line for each suppression; an address is only kept as a hash, and known by its hint."""
    yield list(SUPPRESSION_FACTS)
    for _key, *rest in _paged(rows, "pk", *SUPPRESSION_FACTS):
        yield [_cell(item) for item in rest]


def take_devices(text: Iterable[str], *, dry_run: bool) -> Taken:
    """Register the devices of a CSV file and return what became of its lines; one that is there is only seen again.

    Raises:
        InvalidData: it is no CSV, lacks a column or is too long; nothing was changed.
    """
    return _take(text, ("user", "address"), _take_device, dry_run=dry_run)


def take_suppressions(text: Iterable[str], source: str, *, dry_run: bool) -> Taken:
    """Suppress the addresses of a CSV file and return what became of its lines; what holds longer already stays.

    Raises:
        InvalidData: it is no CSV, lacks a column or is too long; nothing was changed.
    """

    def take(line: Mapping[str, str]) -> bool:
        return _take_suppression(line, source)

    return _take(text, ("channel", "address"), take, dry_run=dry_run)


def _take(
    text: Iterable[str], needed: tuple[str, ...], take: Callable[[Mapping[str, str]], bool], *, dry_run: bool
) -> Taken:
    done = Taken()
    with transaction.atomic():
        for number, line in _read(text, needed):
            done.lines += 1
            try:
                with transaction.atomic():
                    is_new = take(line)
            except (InvalidData, ValueError) as error:
                problems = [item.detail for item in error.problems] if isinstance(error, InvalidData) else []
                done.refuse(number, " ".join([str(error) if not problems else error.args[0], *problems]))
            else:
                done.new += is_new
                done.unchanged += not is_new
        if dry_run:
            transaction.set_rollback(True)
    return done


def _take_device(line: Mapping[str, str]) -> bool:
    user = line.get("user", "")
    keys = keys_by_lookup([user])
    if user not in keys:
        raise ValueError("there is no such user")
    names = ("platform", "token_type", "address", "locale", "time_zone")
    given = {name: line[name] for name in names if line.get(name)}
    return register(keys[user], Registration(channel=line.get("channel") or Channel.PUSH, **given))[1]


def _take_suppression(line: Mapping[str, str], source: str) -> bool:
    channel = line["channel"]
    if channel not in Channel.values:
        raise ValueError(f"the channel is none of {', '.join(Channel.values)}")
    cause = line.get("cause") or SuppressionCause.MANUAL
    if cause not in SuppressionCause.values:
        raise ValueError(f"the cause is none of {', '.join(SuppressionCause.values)}")
    days = line.get("days", "")
    if days and not (days.isascii() and days.isdigit() and 0 < int(days[:6]) <= _LONGEST_DAYS):
        raise ValueError(f"days must be a whole number from 1 to {_LONGEST_DAYS}, or empty")
    address = SPECS[Channel(channel)].normalise(line["address"])
    ends = timezone.now() + timedelta(days=int(days)) if days else None
    newest = Suppression.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    return suppress(channel, address, SuppressionCause(cause), source, expires_at=ends).pk > newest


def _read(text: Iterable[str], needed: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (number, cells by column) for each line that has anything in it."""
    lines = iter(text)
    number = 0
    try:
        first = next(lines, "").removeprefix("\ufeff")
        reader = csv.reader(chain([first], lines), delimiter=max(_DELIMITERS, key=first.count), strict=True)
        header = [cell.strip().casefold() for cell in next(reader, [])]
        if missing := [name for name in needed if name not in header]:
            detail = f"its first line must name the columns; missing: {', '.join(missing)}"
            raise InvalidData("The file cannot be read.", Problem("", "no_column", detail))
        for count, row in enumerate((row for row in reader if any(cell.strip() for cell in row)), start=1):
            if count > MOST_LINES:
                detail = f"at most {MOST_LINES:,} lines at once: cut it into several files"
                raise InvalidData("The file is too long.", Problem("", "too_long", detail))
            number = reader.line_num
            yield number, {name: _plain(cell.strip()) for name, cell in zip(header, row, strict=False)}
    except csv.Error as error:
        problem = Problem("", "not_csv", f"after line {number}: {error}")
        raise InvalidData("The file is no CSV.", problem) from error
    except UnicodeDecodeError as error:
        raise InvalidData("The file is no CSV.", Problem("", "not_csv", "it is not UTF-8")) from error


def _paged(rows: QuerySet[Any], *names: str) -> Iterator[tuple[Any, ...]]:
    """Yield rows in the order of their key, a page at a time, so that no statement and no transaction is long."""
    ordered, after = rows.order_by("pk"), None
    while True:
        page = list((ordered if after is None else ordered.filter(pk__gt=after)).values_list(*names)[:_PAGE])
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1][0]


def _cell(value: object) -> str:
    """Return a value as a cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    is_number = text[:1] == "+" and text[1:].isdigit()
    return f"'{text}" if text[:1] in "=+-@\t\r" and text and not is_number else text


def _plain(cell: str) -> str:
    """Return a cell without the mark that an export puts before what looks like a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in ("=", "+", "-", "@") else cell
