"""Who lives in the demo: the people of `fixtures/demo/users.json` by name, and the made-up crowd."""

from __future__ import annotations

import json
from pathlib import Path

_FIXTURES = Path(__file__).resolve().parent.parent.parent / "fixtures" / "demo"

ADMIN_NAME, ADMIN_PASSWORD = "admin", "carillon"

ADA, JONAS, TOM, EMIL, YUKI, BEATRIX, CLARA = "2", "3", "4", "5", "6", "7", "8"
"""User keys, as the API takes them."""

ADA_EMAIL = "ada.nowak@example.com"
EMIL_PHONE_TOKEN = "emil-phone-77aa66bb55cc44dd33ee22ff11aa00bb"
YUKI_ZONE = "Asia/Tokyo"
TOM_PHONE_TOKEN = "tom-phone-f3a1c0d2e4b5968778695a4b3c2d1e0f"

AUTHOR = int(BEATRIX)
"""Whom the crowd follows."""

FIRST_FOLLOWER = 1001
FOLLOWERS = 5_000
FIRST_NAMES = (
    "Amara", "Bruno", "Chiara", "Dilan", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jakub", "Katja", "Liam", "Mira",
    "Nils", "Olga", "Pavel", "Rosa", "Samir", "Thea", "Viktor",
)  # fmt: skip
LAST_NAMES = (
    "Abel", "Brandt", "Castell", "Dietz", "Ekberg", "Fischer", "Galli", "Hansen", "Ivanov", "Jansen", "Keller",
    "Lindt", "Marin", "Novak", "Orlov", "Petit", "Ricci", "Silva", "Toth", "Weber", "Young", "Zeman",
)  # fmt: skip


def follower(number: int) -> str:
    """Return the user key of one of the crowd, from 1."""
    return str(FIRST_FOLLOWER + number - 1)


def follower_email(number: int) -> str:
    """Return the mailbox of one of the crowd, from 1."""
    return f"follower{number:04}@example.com"


def follower_token(number: int) -> str:
    """Return the push token of one of the crowd, from 1."""
    return f"8c1f2e7ab94d4f06a3c5-follower-{number:04}"


def whose() -> dict[str, list[str]]:
    """Return the addresses of those with a name, so that the sandbox's inbox can show each person's side by side."""
    users = json.loads((_FIXTURES / "users.json").read_text("utf-8"))
    profiles = json.loads((_FIXTURES / "profiles.json").read_text("utf-8"))
    phones = {row["fields"]["user"]: row["fields"]["phone"] for row in profiles}
    tokens = {EMIL: [EMIL_PHONE_TOKEN], TOM: [TOM_PHONE_TOKEN]}
    found = {}
    for row in users:
        fields, key = row["fields"], row["pk"]
        addresses = [fields["email"], phones.get(key, ""), *tokens.get(str(key), ())]
        found[f"{fields['first_name']} {fields['last_name']}".strip()] = [item for item in addresses if item]
    return found
