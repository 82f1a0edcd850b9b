"""`carillon api-key`: make, list and revoke keys for the HTTP API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import cast

from django.core.management.base import CommandError, CommandParser

from notifications.enums import Scope
from notifications.exceptions import InvalidData
from notifications.flows.keys import create_key, revoke_key
from notifications.models import ApiKey, Delivery

from .base import Console, Subcommand, duration, text_of


class ApiKeys(Subcommand):
    """Keys for the HTTP API; only a digest of each is kept."""

    name = "api-key"
    help = "make, list or revoke keys for the HTTP API"
    below = ("create", "list", "revoke")

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
        below.add_parser("list", help="list keys, never the keys themselves")
        revoke = below.add_parser("revoke", help="revoke a key at once")
        revoke.add_argument("prefix", help="the key's first letters, as `list` shows them")

    def run(self, console: Console, options: Mapping[str, object]) -> int:
        """Do one of the three."""
        if options["action"] == "create":
            return _create(console, options)
        return _list(console) if options["action"] == "list" else _revoke(console, text_of(options, "prefix"))


def _create(console: Console, options: Mapping[str, object]) -> int:
    scopes = cast("list[str]", options["scope"])
    lifetime = cast("timedelta | None", options["expires"])
    until = Delivery.objects.database_now() + lifetime if lifetime else None
    try:
        made, plain = create_key(text_of(options, "name"), scopes, owner=text_of(options, "owner"), expires_at=until)
    except InvalidData as error:
        raise CommandError("; ".join(f"{item.pointer[1:]}: {item.detail}" for item in error.problems)) from error
    ending = f"until {until:%Y-%m-%d %H:%M} UTC" if until else "until it is revoked"
    console.note(f"{made} may {', '.join(made.scopes)} {ending}. This is the only time it is shown:")
    console.out.write(plain)
    return 0


def _list(console: Console) -> int:
    for key in ApiKey.objects.order_by("created_at", "pk"):
        used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never"
        may = ",".join(key.scopes)
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
