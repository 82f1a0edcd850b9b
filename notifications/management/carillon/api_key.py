"""`carillon api-key`: make, list, rotate and revoke keys for the HTTP API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import cast

from django.core.management.base import CommandError, CommandParser

from notifications.enums import Scope
from notifications.exceptions import InvalidData
from notifications.flows.keys import create_key, revoke_key, rotate_key
from notifications.models import ApiKey, Delivery
from notifications.rules.grants import Grant

from .base import Console, Subcommand, duration, text_of


class ApiKeys(Subcommand):
    """Keys for the HTTP API; only a digest of each is kept."""

    name = "api-key"
    help = "make, list, rotate or revoke keys for the HTTP API"
    below = ("create", "list", "rotate", "revoke")

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        below = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
        create = below.add_parser("create", help="make a key and print it, alone, on stdout; it is shown once")
        create.add_argument("name", help="what the key is for")
        create.add_argument(
            "--scope", action="append", choices=Scope.values, required=True, help="what it may do; may be given again"
        )
        create.add_argument("--owner", help="who owns its idempotency keys; keys that rotate share one (default: NAME)")
        create.add_argument("--expires", type=duration, help="after 90d, 12h, ... (default: never)")
        create.add_argument("--template", action="append", help="send only this template; may be given again")
        create.add_argument("--category", action="append", help="send only templates of this category; likewise")
        create.add_argument("--test", action="store_true", help="a test key: reaches providers named in SANDBOX only")
        rotate = below.add_parser("rotate", help="make a key in place of another one, which goes on for a while")
        rotate.add_argument("name", help="the key's name, or its prefix")
        rotate.add_argument("--overlap", type=duration, default="24h", help="how long the old one goes on (24h)")
        below.add_parser("list", help="list keys, never the keys themselves")
        revoke = below.add_parser("revoke", help="revoke a key at once")
        revoke.add_argument("prefix", help="the key's first letters, as `list` shows them")

    def run(self, console: Console, options: Mapping[str, object]) -> int:
        """Do one of the four."""
        action = options["action"]
        if action in ("create", "rotate"):
            return _create(console, options) if action == "create" else _rotate(console, options)
        return _list(console) if action == "list" else _revoke(console, text_of(options, "prefix"))


def _create(console: Console, options: Mapping[str, object]) -> int:
    scopes = cast("list[str]", options["scope"])
    lifetime = cast("timedelta | None", options["expires"])
    until = Delivery.objects.database_now() + lifetime if lifetime else None
    templates, categories = (frozenset(cast("list[str]", options[name] or ())) for name in ("template", "category"))
    grant = Grant(templates, categories, test=bool(options["test"]))
    try:
        made, plain = create_key(
            text_of(options, "name"), scopes, owner=text_of(options, "owner"), expires_at=until, grant=grant
        )
    except InvalidData as error:
        raise CommandError(_told(error)) from error
    return _show(console, made, plain)


def _rotate(console: Console, options: Mapping[str, object]) -> int:
    try:
        made, plain, replaced = rotate_key(text_of(options, "name"), cast("timedelta", options["overlap"]))
    except InvalidData as error:
        raise CommandError(_told(error)) from error
    for key in replaced:
        console.note(f"{key} goes on until {key.expires_at:%Y-%m-%d %H:%M} UTC.")
    return _show(console, made, plain)


def _show(console: Console, made: ApiKey, plain: str) -> int:
    """Print a new key, alone, on stdout."""
    ending = f"until {made.expires_at:%Y-%m-%d %H:%M} UTC" if made.expires_at else "until it is revoked"
    limits = f", {_limits(made)}," if _limits(made) else ""
    console.note(f"{made} may {', '.join(made.scopes)}{limits} {ending}. This is the only time it is shown:")
    console.out.write(plain)
    return 0


def _limits(key: ApiKey) -> str:
    """Return what a key is for, where that is not everything."""
    grant = key.grant
    parts = [f"for {grant.told()} only" if grant.is_narrow else "", "in sandboxes only" if grant.test else ""]
    return ", ".join(filter(None, parts))


def _told(error: InvalidData) -> str:
    return "; ".join(f"{item.pointer[1:]}: {item.detail}" for item in error.problems)


def _list(console: Console) -> int:
    for key in ApiKey.objects.order_by("created_at", "pk"):
        used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never"
        may = " ".join(filter(None, [",".join(key.scopes), _limits(key)]))
        console.out.write(f"{key.prefix:<12}  {_standing(key):<22}  {key.name} ({key.owner})  {may}  last used: {used}")
    return 0


def _revoke(console: Console, prefix: str) -> int:
    found = list(ApiKey.objects.filter(prefix__startswith=prefix)[:2]) if prefix else []
    if len(found) != 1:
        problem = "no key begins" if not found else "more than one key begins"
        raise CommandError(f"{problem} with {prefix!r}; `carillon api-key list` shows them")
    console.note(f"{found[0]}: {'revoked' if revoke_key(found[0]) else 'was revoked before'}.")
    return 0


def _standing(key: ApiKey) -> str:
    if key.revoked_at:
        return "revoked"
    if key.expires_at is None:
        return "active"
    over = key.expires_at <= Delivery.objects.database_now()
    return "expired" if over else f"until {key.expires_at:%Y-%m-%d %H:%M}"
