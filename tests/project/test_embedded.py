"""The embedded services keep data, share one server among a checkout's processes, and survive whoever is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis

from project import embedded
from project.embedded_home import LONGEST_SOCKET_DIR, Account, Home, make_private
from project.embedded_postgres import Postgres
from project.embedded_valkey import Valkey

CHECKOUT = Path(__file__).resolve().parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root lends PostgreSQL another account")


def sql(services: embedded.Services, text: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(services.database_url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(text)
        return list(cursor.fetchall()) if cursor.description else []


def cache(services: embedded.Services) -> redis.Redis:
    return redis.Redis.from_url(services.redis_url)


def kill(pid: int | None) -> None:
    assert pid is not None
    process = psutil.Process(pid)
    process.kill()
    process.wait(30)


def forget(root: Path) -> None:
    """Stop whatever a test left, and remove it."""
    if root.exists():
        embedded.remove(embedded.start(root, reset=False, postgres=False, valkey=False))


@pytest.fixture
def root() -> Iterator[Path]:
    # Not below pytest's own folder, which is closed to the account that root's PostgreSQL runs as.
    path = CHECKOUT / ".services" / "scratch" / f"e{uuid.uuid4().hex[:8]}"
    yield path
    forget(path)


@pytest.fixture(scope="module")
def prepared() -> Iterator[Home]:
    """A home whose PostgreSQL was made and stopped."""
    path = CHECKOUT / ".services" / "scratch" / f"p{uuid.uuid4().hex[:8]}"
    embedded.start(path, reset=False, valkey=False).stop()
    yield Home.of(path)
    forget(path)


@pytest.fixture
def used(root: Path, prepared: Home) -> Path:
    """A root that was used before, for tests that are not about the first start: making a PostgreSQL takes long."""
    home = Home.of(root)
    make_private(home.root, Account(os.geteuid(), os.getegid()), 0o711 if home.account.is_other else 0o700)
    make_private(home.postgres, home.account)
    subprocess.run(["cp", "-a", str(prepared.postgres / "data"), str(home.postgres)], check=True)
    return root


class Neighbour:
    """Another process of the same checkout that holds the services until it is told to go."""

    def __init__(self, root: Path, before: str = "", after: str = "") -> None:
        code = f"""
            import os, sys
            from pathlib import Path
            from project import embedded
            {before}
            with embedded.start(Path({str(root)!r}), reset=False) as services:
                {after}
                print("up", services.postgres_pid, services.valkey_pid, os.geteuid(), flush=True)
                sys.stdin.read()
        """
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.answer = self.process.stdout.readline().split()

    def leave(self) -> int:
        self.process.communicate()
        return self.process.returncode


def test_both_answer_and_every_durability_setting_is_on(root: Path) -> None:
    with embedded.start(root, reset=False) as services:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert sql(services, f"SHOW {setting}") == [("on",)]
        assert int(str(sql(services, "SHOW max_connections")[0][0])) >= 100
        assert sql(services, "SHOW listen_addresses") == [("",)]
        assert cache(services).config_get("save") == {"save": ""}
        assert cache(services).config_get("appendonly") == {"appendonly": "no"}
    assert services.postgres_pid is None
    assert services.valkey_pid is None


def test_data_survives_a_restart(root: Path) -> None:
    with embedded.start(root, reset=False) as services:
        sql(services, "CREATE TABLE kept (word text); INSERT INTO kept VALUES ('here')")
        cache(services).set("word", "gone")
    with embedded.start(root, reset=False) as services:
        assert sql(services, "SELECT word FROM kept") == [("here",)]
        assert cache(services).get("word") is None


def test_a_reset_begins_anew(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with embedded.start(root, reset=False) as services:
        sql(services, "CREATE TABLE kept (word text)")
    monkeypatch.setenv("RESET", "1")
    with embedded.start(root) as services:
        assert sql(services, "SELECT to_regclass('kept')") == [(None,)]


def test_a_reset_is_refused_while_somebody_uses_the_services(used: Path) -> None:
    with embedded.start(used, reset=False) as services:
        with pytest.raises(embedded.ServicesInUse, match=str(os.getpid())):
            embedded.start(used, reset=True)
        assert sql(services, "SELECT 1") == [(1,)]


def test_processes_share_one_server_and_the_last_one_stops_it(used: Path) -> None:
    mine = embedded.start(used, reset=False)
    neighbour = Neighbour(used)
    assert neighbour.answer[1:3] == [str(mine.postgres_pid), str(mine.valkey_pid)]
    mine.stop()
    assert mine.postgres_pid is not None
    assert mine.valkey_pid is not None
    assert neighbour.leave() == 0
    assert mine.postgres_pid is None
    assert mine.valkey_pid is None


def test_two_holds_of_one_process_count_as_two(used: Path) -> None:
    first, second = embedded.start(used, reset=False), embedded.start(used, reset=False)
    first.stop()
    first.stop()
    assert sql(second, "SELECT 1") == [(1,)]
    second.stop()
    assert second.postgres_pid is None


def test_a_killed_user_is_struck_off_by_the_next_start(used: Path) -> None:
    neighbour = Neighbour(used)
    neighbour.process.kill()
    neighbour.process.wait()
    with embedded.start(used, reset=False) as services:
        # Joined, not started again.
        assert str(services.postgres_pid) == neighbour.answer[1]
        assert sql(services, "SELECT 1") == [(1,)]
    assert services.postgres_pid is None


def test_everything_killed_at_once_comes_back_with_its_data(used: Path) -> None:
    neighbour = Neighbour(used)
    home = Home.of(used)
    services = embedded.Services(home, Postgres(home), Valkey(home))
    sql(services, "CREATE TABLE kept AS SELECT 'here'::text AS word")
    for pid in (neighbour.process.pid, services.valkey_pid, services.postgres_pid):
        os.kill(pid or 0, signal.SIGKILL)
    neighbour.process.wait()
    with embedded.start(used, reset=False) as again:
        assert sql(again, "SELECT word FROM kept") == [("here",)]
        assert cache(again).ping()


def test_killed_servers_are_revived_at_the_same_urls(used: Path) -> None:
    with embedded.start(used, reset=False) as services:
        sql(services, "CREATE TABLE kept AS SELECT 'here'::text AS word")
        kill(services.postgres_pid)
        kill(services.valkey_pid)
        assert services.postgres_pid is None
        assert services.valkey_pid is None
        services.revive()
        assert sql(services, "SELECT word FROM kept") == [("here",)]
        assert cache(services).ping()


def test_a_lock_file_that_names_a_stranger_does_not_stop_the_start(used: Path) -> None:
    with embedded.start(used, reset=False) as services:
        lock = Postgres(services.home).data / "postmaster.pid"
        lines = lock.read_text().splitlines()
    lock.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    with embedded.start(used, reset=False) as services:
        assert sql(services, "SELECT 1") == [(1,)]


def test_two_checkouts_run_side_by_side(used: Path) -> None:
    other = used.with_name(used.name + "b")
    try:
        with embedded.start(used, reset=False) as one, embedded.start(other, reset=False) as two:
            assert one.environ != two.environ
            sql(one, "CREATE TABLE only_here ()")
            cache(one).set("word", "only here")
            assert sql(two, "SELECT to_regclass('only_here')") == [(None,)]
            assert cache(two).get("word") is None
    finally:
        forget(other)


def test_a_deep_checkout_gets_a_short_socket_path(root: Path) -> None:
    deep = root / ("d" * 60) / ("e" * 60)
    home = Home.of(deep)
    assert len(os.fsencode(home.sockets)) <= LONGEST_SOCKET_DIR
    try:
        with embedded.start(deep, reset=False) as services:
            assert sql(services, "SELECT 1") == [(1,)]
            assert cache(services).ping()
    finally:
        forget(deep)
    assert not home.sockets.exists()


def test_only_what_is_asked_for_is_started(root: Path) -> None:
    with embedded.start(root, reset=False, postgres=False) as services:
        assert set(services.environ) == {"REDIS_URL"}
        assert cache(services).ping()
        assert Postgres(services.home).pid is None


def test_what_killed_runs_left_is_removed(root: Path) -> None:
    abandoned, used = root / "a", root / "b"
    neighbour = Neighbour(abandoned)
    neighbour.process.kill()
    neighbour.process.wait()
    with embedded.start(used, reset=False) as services:
        embedded.remove_abandoned(root)
        assert not abandoned.exists()
        assert not psutil.pid_exists(int(neighbour.answer[1]))
        assert sql(services, "SELECT 1") == [(1,)]
    embedded.remove_abandoned(root)


def test_removing_the_folder_under_a_running_valkey_leaves_no_orphan(root: Path) -> None:
    services = embedded.start(root, reset=False, postgres=False)
    lost = psutil.Process(services.valkey_pid)
    shutil.rmtree(root)
    with embedded.start(root, reset=False, postgres=False) as again:
        lost.wait(30)
        assert cache(again).ping()


@as_root
def test_root_under_a_closed_folder_moves_what_postgresql_must_reach(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    home = Home.of(closed / "services")
    assert closed not in home.postgres.parents
    try:
        with embedded.start(home.root, reset=False) as services:
            sql(services, "CREATE TABLE kept AS SELECT 'here'::text AS word")
        with embedded.start(home.root, reset=False) as services:
            assert sql(services, "SELECT word FROM kept") == [("here",)]
    finally:
        forget(home.root)
    assert not home.postgres.exists()


@as_root
def test_an_ordinary_user_needs_no_more_rights(root: Path) -> None:
    nobody = Home.of(root).account
    if not nobody.reaches(Path(psutil.__file__).parent):
        pytest.skip("this checkout is closed to other users")
    root.mkdir(parents=True)
    root.chmod(0o777)
    drop = f"os.setgroups([]); os.setgid({nobody.gid}); os.setuid({nobody.uid}); os.environ['HOME'] = '/nonexistent'"
    mine = root / "mine"
    neighbour = Neighbour(mine, before=drop)
    try:
        assert neighbour.answer[0] == "up"
        assert neighbour.answer[3] == str(nobody.uid)
        assert psutil.Process(int(neighbour.answer[2])).uids().effective == nobody.uid
    finally:
        assert neighbour.leave() == 0
    assert not psutil.pid_exists(int(neighbour.answer[1]))


@as_root
def test_a_folder_of_somebody_else_is_refused_with_the_cure(root: Path) -> None:
    root.mkdir(parents=True)
    os.chown(root, 65533, 65533)
    with pytest.raises(PermissionError, match="CARILLON_SERVICES_DIR"):
        embedded.start(root, reset=False)
    root.rmdir()


def test_an_account_reaches_only_what_is_open_to_it(tmp_path: Path) -> None:
    other = Account(os.geteuid() + 4242, os.getegid())
    inner = tmp_path / "inner"
    inner.mkdir()
    tmp_path.chmod(0o700)
    assert not other.reaches(inner)
    assert Account(os.geteuid(), os.getegid()).reaches(inner)
