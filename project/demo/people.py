"""Who lives in the demo: the people of `fixtures/demo/users.json` by name, and the made-up crowd."""

from __future__ import annotations

ADMIN_NAME, ADMIN_PASSWORD = "admin", "carillon"

ADA, JONAS, TOM, EMIL, YUKI, BEATRIX, CLARA = "2", "3", "4", "5", "6", "7", "8"
"""User keys, as the API takes them."""

ADA_EMAIL = "ada.nowak@example.com"
ADA_PHONE = "+447700900101"
JONAS_EMAIL = "jonas.albers@example.com"
CLARA_EMAIL = "clara.moreau@example.com"
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
