"""An installation of migration 0001, with rows in every state, upgraded to the newest and taken back again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from psycopg2.extras import Json

from notifications.enums import OPEN_STATES, State
from notifications.rules.identity import delivery_id, new_id
from project import embedded
from project.demo.stack import Stack
from tests.ground.database import Database
from tests.live import wait_for
from tests.promises.deployment import accepted, host

pytestmark = pytest.mark.long
NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=1)
TABLES = (
    "category",
    "template",
    "templateversion",
    "translation",
    "notification",
    "delivery",
    "deliveryevent",
    "receipt",
)
_COLUMNS = """
    SELECT column_name, data_type FROM information_schema.columns
    WHERE table_name = %s AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'
"""
_EMPTY: dict[str, Any] = {
    "boolean": False, "jsonb": Json({}), "timestamp with time zone": NOW, "character varying": "", "text": "",
    "integer": 0, "smallint": 0, "bigint": 0, "interval": timedelta(minutes=5), "uuid": str(new_id()),
}  # fmt: skip


class Rows:
    """Rows of the schema as it is: what a table demands and nobody names is empty."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)

    def add(self, table: str, **values: Any) -> Any:
        """Insert one and return its id."""
        demanded = {name: _EMPTY[kind] for name, kind in self.database.rows(_COLUMNS, table) if name not in values}
        made = {**demanded, **values}
        names, marks = ", ".join(f'"{name}"' for name in made), ", ".join(["%s"] * len(made))
        sql = f"INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING id"
        return self.database.value(sql, *(str(item) if isinstance(item, UUID) else item for item in made.values()))

    def counts(self) -> dict[str, int]:
        """Return how many rows of each kind there are."""
        return {name: self.database.value(f"SELECT count(*) FROM carillon_{name}") for name in TABLES}

    def states(self) -> dict[str, str]:
        """Return the state of each delivery."""
        return dict(self.database.rows("SELECT id::text, state FROM carillon_delivery"))


@pytest.fixture
def old(tmp_path: Path, database_url: str, valkey: embedded.Services) -> Iterator[Stack]:
    """A deployment whose tables are those of migration 0001."""
    with Stack(tmp_path / "stack", database_url, valkey.redis_url) as made:
        for app in ("contenttypes", "auth", "admin", "sessions", "carillon", "shop"):
            made.manage("migrate", app, *(["0001"] if app == "carillon" else []), "--verbosity", "0")
        yield made


def test_rows_of_migration_0001_live_on(old: Stack, database_url: str) -> None:
    rows = Rows(database_url)
    waiting = fill(rows)
    before, states = rows.counts(), rows.states()
    assert before["delivery"] == len(State) + 1

    old.manage("migrate", "--verbosity", "0")
    upgraded = rows.states()
    assert upgraded == states
    assert rows.counts()["delivery"] == before["delivery"]
    told = json.loads(host(old, "explanations()"))
    assert set(told) == set(states)
    assert all(told.values())
    assert "no changes" in old.manage("makemigrations", "--check", "--dry-run", "carillon").lower()

    old.start_web(1)
    old.start_worker()
    host(old, "email_to('new@example.com')")
    wait_for(lambda: len(accepted(old)) >= 2, "what waited before, and what was asked for since")
    wait_for(lambda: host(old, "open_deliveries()") == "1", "all but what is due tomorrow to be over")
    now = rows.states()
    assert now[str(waiting)] in ("sent", "delivered")
    assert {key for key, state in now.items() if key in states and state != states[key]} == {
        key for key, state in states.items() if state in OPEN_STATES and now[key] != "pending"
    }
    assert old.stop("worker") == 0
    assert old.stop("web") == 0

    kept = rows.states()
    old.manage("migrate", "carillon", "0001", "--verbosity", "0")
    assert rows.states() == kept
    old.manage("migrate", "--verbosity", "0")
    assert rows.states() == kept


def fill(rows: Rows) -> UUID:
    """Write a message in each state, and one that is due now, whose delivery's id is returned."""
    user = rows.add("auth_user", username="ada", email="ada@example.com", is_active=True)
    rows.add("shop_profile", user_id=user, phone="+4915112345678", locale="en", time_zone="Europe/Berlin")
    category = rows.add(
        "carillon_category", slug="orders", priority="high", source="code", uncertain="resend",
        channels=Json(["email"]), fallback=Json([]),
    )  # fmt: skip
    template = rows.add("carillon_template", slug="old-words", category_id=category, source="code", variables=Json({}))
    version = rows.add("carillon_templateversion", template_id=template, number=1, checksum="old", source="code")
    parts = Json({"subject": "Old", "text": "As it was."})
    rows.add("carillon_translation", version_id=version, channel="email", locale="en", parts=parts)
    rows.database.do("UPDATE carillon_template SET current_id = %s WHERE id = %s", version, template)
    claim = rows.add(
        "carillon_claim", worker="gone", channel="email", provider="email", started_upto=5, lease_expires_at=NOW
    )

    def message(state: str, due_at: datetime, **values: Any) -> UUID:
        key = new_id()
        rows.add(
            "carillon_notification", id=key, recipient=f"u:{user}", template="old-words", category="orders",
            version_id=version, channels=Json([]), tags=Json([]), locale="en", time_zone="Europe/Berlin",
        )  # fmt: skip
        made = delivery_id(key, f"u:{user}", "email", "hash")
        rows.add(
            "carillon_delivery", id=made, notification_id=key, recipient=f"u:{user}", channel="email", lane=1,
            address="ada@example.com", locale="en", time_zone="Europe/Berlin", state=state, due_at=due_at, **values,
        )  # fmt: skip
        rows.add("carillon_deliveryevent", id=new_id(), delivery_id=made, state=state)
        return made

    for state in State:
        held = {"claim_id": claim, "position": 1} if state == State.SENDING else {}
        message(state, LATER if state == State.PENDING else NOW, provider="email" if held else "", **held)
    due = message("pending", NOW, reason="new")
    rows.add("carillon_receipt", provider="email", event_key="old", kind="delivered", received_at=NOW)
    return due
