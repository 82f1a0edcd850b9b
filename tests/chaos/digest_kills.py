"""A person gets far more of a throttled category than its throttle lets through, while workers and sweepers are killed.

The throttle counts by the recipient's day, and the recipients live where it is noon, so that the whole scenario lies in
one throttle window. Digests are hourly, in a deployment whose hour is short: several of them close under load, by the
clock and by nothing else. No row is touched from outside.
"""

from __future__ import annotations

import random
import re
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

from tests.chaos.acknowledged import Book, read
from tests.chaos.client import Client
from tests.chaos.deployment import Deployment, wait_until
from tests.chaos.digest_judge import Letter, Verdict, judge
from tests.chaos.killer import Kill, Killer
from tests.chaos.messages import AUTHOR, Message, token, tokens
from tests.ground.figures import Figure, Run

WANT = (
    "500 notifications of one category to one recipient from 8 callers, one in five by broadcast, under kills: exactly "
    "the throttle's 20 by themselves, one digest per window with the rest (its count is the rest); lost 0, unflagged "
    "duplicates 0"
)
MOST = 20
CALLERS = 8
ONE_BROADCAST_IN = 5
FOLLOWERS, DEVICES = 3, 2  # the first of them gets the single messages too
KINDS = {"worker": 4, "leader": 3, "sender": 1}
THROTTLED = "UPDATE carillon_category SET throttle = %s, digest = 'hourly' WHERE slug = 'social'"
AT_NOON = "UPDATE carillon_device SET time_zone = %s"
GATHERING = "SELECT count(*) FROM carillon_digest WHERE notification_id IS NULL"
ROWS_SQL = """
    SELECT d.id::text, d.address, n.data->>'name', n.digest_id::text, d.possible_duplicate FROM carillon_delivery d
    JOIN carillon_notification n ON n.id = d.notification_id
"""
ITEMS_SQL = """
    SELECT g.recipient, g.id::text, g.due_at::text, array_agg(n.data->>'name') FROM carillon_digest g
    JOIN carillon_digestitem i ON i.digest_id = g.id JOIN carillon_notification n ON n.id = i.notification_id
    GROUP BY g.id ORDER BY g.due_at
"""
WINDOWS_SQL = """
    SELECT recipient, count(*), sum(cardinality(admitted)) FROM carillon_throttlewindow GROUP BY recipient ORDER BY 1
"""
_BY_ITSELF = re.compile(r"(\S+) follows you now\.")
_COUNT = re.compile(r"(\d+) new notifications")


def run(run: Run) -> list[Figure]:
    """Kill while one person gets too much."""
    return [digest_kills(run, messages=run.size(500, 300), kills=run.size(60, 8), lasting=run.size(120, 12))]


def digest_kills(run: Run, *, messages: int, kills: int, lasting: int) -> Figure:
    """Send so many messages to one recipient within so many seconds and during so many kills; judge what came of it."""
    hour = lasting // 2  # at least one digest closes under load, and what comes after it needs another
    with Deployment(run, latency=0.1, env={"CHAOS_HOUR_SECONDS": str(hour)}) as deployment:
        deployment.database.do(THROTTLED, f"{MOST}/day")
        key = deployment.begin(users=FOLLOWERS, devices=DEVICES, workers=3)
        deployment.database.do(AT_NOON, where_it_is_noon(datetime.now(UTC)))
        book = Book(run.folder / "acknowledged.jsonl")
        client = Client(deployment.stack.url, key, book, CALLERS)
        client.start([wanted(number) for number in range(messages)], messages / lasting)
        wait_until(lambda: deployment.accepted_count() > 0, "the first message")
        killer = Killer(deployment, run.draw, kills=kills, every=0.8 * lasting / kills, kinds=KINDS)
        killer.start()
        closing = kill_leaders_as_digests_close(deployment, killer, run.draw, hour)
        all_acknowledged = client.join(300)
        killer.join()
        quiet = deployment.wait_quiet(run.size(240, 60))
        gathered = wait_until(lambda: not deployment.database.value(GATHERING), "the last digest", hour + 60, 0.2)
        quiet += gathered + deployment.wait_quiet(run.size(240, 60))
        still_open = deployment.open_count()
        asked = [line["key"] for line in read(book.path)]
        verdicts, letters = judge_addresses(deployment, asked)
        windows = deployment.database.rows(WINDOWS_SQL)
        struck = [kill for kill in closing if kill is not None]
        wrong_kills = killer.objections(struck)
        restarts = deployment.supervisor.restarts
        book.close()
    one_window = len(windows) == FOLLOWERS and all(number == 1 for _, number, _ in windows)
    copies = sum(verdict.copies for verdict in verdicts.values())
    passed = (
        all_acknowledged
        and not client.refused
        and not still_open
        and len(asked) == messages
        and one_window
        and not wrong_kills
        and len(letters[token(0)]) > 1
        and all(verdict.clean for verdict in verdicts.values())
    )
    detail = {
        "messages": messages,
        "of_these_by_broadcast": sum(name.startswith("b-") for name in asked),
        "callers": CALLERS,
        "throttle": f"{MOST}/day, in a zone where it is noon: one window",
        "digest": f"hourly; the hour lasts {hour} s",
        "digests": [{"to": to, "window": letter.window, "gathered": len(letter.items), "said": list(letter.said)}
                    for to, found in letters.items() for letter in found],
        "addresses": {to: verdict.detail() for to, verdict in verdicts.items()},
        "throttle_windows": windows,
        "leaders_killed_as_a_window_closed": len(struck),
        "copies_in_all": copies,
        "started_and_unrecorded_in_all": killer.bound + sum(len(kill.held) for kill in struck),
        "objections_to_the_kills": wrong_kills,
        "refused": client.refused[:3],
        "restarts": restarts,
        "still_open": still_open,
        "quiet_after_s": round(quiet, 1),
        "waits": deployment.waits or "the defaults",
        "sql": [" ".join(sql.split()) for sql in (ROWS_SQL, ITEMS_SQL, WINDOWS_SQL)],
        "counted": "the sandbox's file by the words of each message; the items of a digest from the database",
        **killer.summary(),
    }  # fmt: skip
    wrong = sum(verdict.wrong for verdict in verdicts.values())
    return Figure("digest_kills", wrong, "messages", WANT, passed, detail)


def wanted(number: int) -> Message:
    """Return message `number`, whose words name it; the last of every five is a broadcast to all followers."""
    if number % ONE_BROADCAST_IN == ONE_BROADCAST_IN - 1:
        key = f"b-{number}"
        audience = {"name": "followers", "params": {"author_id": AUTHOR}}
        body = {"audience": audience, "template": "new-follower", "data": {"name": key}}
        return Message(key, "push", token(0), body, "broadcasts/")
    key = f"m-{number}"
    body = {"user": "1", "template": "new-follower", "data": {"name": key}, "channels": ["push"]}
    return Message(key, "push", token(0), body)


def where_it_is_noon(now: datetime) -> str:
    """Return a time zone in which it is between twelve and one: its day is half a day from either end."""
    east = 12 - now.hour
    return f"Etc/GMT{-east:+d}" if east else "Etc/GMT"


def kill_leaders_as_digests_close(
    deployment: Deployment, killer: Killer, draw: random.Random, hour: int
) -> list[Kill | None]:
    """While there are kills to come, kill whoever leads the sweepers whenever a digest window has just ended."""
    struck: list[Kill | None] = []
    while killer.is_alive():
        ends = (time.time() // hour + 1) * hour + draw.uniform(0, deployment.waits.get("SWEEP_SECONDS", 2))
        while killer.is_alive() and time.time() < ends:
            time.sleep(0.02)
        if killer.is_alive():
            struck.append(killer.strike("leader"))
    return struck


def judge_addresses(deployment: Deployment, asked: Sequence[str]) -> tuple[dict[str, Verdict], dict[str, list[Letter]]]:
    """Judge each follower's address; all but the first were only sent the broadcasts."""
    rows = {key: rest for key, *rest in deployment.database.rows(ROWS_SQL)}
    alone: dict[str, list[str]] = defaultdict(list)
    said: dict[tuple[str, str], list[int]] = defaultdict(list)
    for line in deployment.accepted():
        _, _, digest, _ = rows.get(line.delivery or "", (None, None, None, None))
        title, body = line.content["title"], line.content["body"]
        if digest is None:
            alone[line.to].append(match[1] if (match := _BY_ITSELF.fullmatch(body)) else body)
        else:
            # Of a single notification a digest has that one's own words.
            said[line.to, digest].append(int(match[1]) if (match := _COUNT.fullmatch(title)) else 1)
    flagged = {(to, digest or name) for to, name, digest, flag in rows.values() if flag}
    digests = deployment.database.rows(ITEMS_SQL)
    broadcasts = [name for name in asked if name.startswith("b-")]
    verdicts, letters = {}, {}
    for number, to in [(who, to) for who in range(FOLLOWERS) for to in tokens(who, DEVICES)]:
        letters[to] = [
            Letter(window, names, said[to, digest], (to, digest) in flagged)
            for recipient, digest, window, names in digests
            if recipient == f"u:{number + 1}"
        ]
        names = broadcasts if number else asked
        verdicts[to] = judge(names, alone[to], letters[to], {name for at, name in flagged if at == to}, MOST)
    return verdicts, letters
