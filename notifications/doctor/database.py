"""PostgreSQL: reachable, migrated, filled, of the same time as this machine; and who sweeps."""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.core.checks import run_checks
from django.db import DatabaseError, connections, router
from django.db.migrations.executor import MigrationExecutor
from django.db.models.functions import Now
from django.db.utils import OperationalError

from ..checks.base import TAG
from ..checks.database import first_line, unreached
from ..declarations import registry
from ..models import Alert, Delivery, Lease, ProviderHold, Template
from .findings import CHECKS_PAGE, Finding, Level, error, fine, note, warning

#: Beyond this, what one clock says is due is not due by the other.
MOST_SKEW_SECONDS = 2.0
_MIGRATE = "manage.py migrate"


def examine_database() -> Iterator[Finding]:
    """Look at the database that deliveries are in; stop at what makes the rest pointless."""
    alias = router.db_for_write(Delivery)
    try:
        yield from _look(alias)
    except OperationalError as found:
        yield error(110, "PostgreSQL", *unreached(alias, found))
    except DatabaseError as found:
        what = f"PostgreSQL does not answer as it should: {first_line(found)}"
        yield error(111, "PostgreSQL", what, f"{_MIGRATE}, as a user who may change tables")


def _look(alias: str) -> Iterator[Finding]:
    connection = connections[alias]
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        (version,) = cursor.fetchone()
    yield fine("PostgreSQL", f"{str(version).split(' ')[0]}, {connection.settings_dict['NAME']}")
    executor = MigrationExecutor(connection)
    waiting = [
        f"{step.app_label}.{step.name}" for step, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())
    ]
    ours = [name for name in waiting if name.startswith("carillon.")]
    if ours:
        what = f"{len(ours)} migration(s) of Carillon were not applied: {', '.join(ours[:3])}"
        yield error(112, "migrations", what, _MIGRATE)
        return
    yield fine("migrations", "all applied")
    if waiting:
        yield warning(113, "migrations", f"not applied: {', '.join(waiting[:3])}", _MIGRATE)
    for message in run_checks(tags=[TAG], databases=[alias]):
        if message.id in ("carillon.E051", "carillon.E053"):
            yield Finding(Level.ERROR, "PostgreSQL", str(message.msg), str(message.id), str(message.hint), CHECKS_PAGE)
    yield from _contents()
    yield _clock(alias)


def _contents() -> Iterator[Finding]:
    stored = set(Template.objects.values_list("slug", flat=True))
    lacking = sorted(slug for slug in registry.templates if slug not in stored)
    if lacking:
        what = f"declared, but not in the database: {', '.join(lacking[:5])}"
        yield error(114, "templates", what, "manage.py carillon templates sync (migrate does it, too)")
    else:
        yield fine("templates", f"{len(stored)} in the database")
    if Lease.objects.filter(name="sweeper", expires_at__gt=Now()).exists():
        yield fine("sweeper", "one leads")
    else:
        what = "nobody sweeps: retries, digests, fallbacks and lost wake-ups wait"
        yield error(115, "sweeper", what, "start a worker: manage.py rqworker push sms email")
    for hold in ProviderHold.objects.filter(until__gt=Now()):
        what = f"{hold.alias} is held until {hold.until:%Y-%m-%d %H:%M} UTC: {hold.reason}"
        yield warning(116, "hold", what, "mend what is said, then release it on the console's page of provider holds")
    for alert in Alert.objects.filter(acknowledged_at=None).order_by("-last_at")[:10]:
        yield note("alert", f"{alert.kind} {alert.subject}: {alert.detail}")


def _clock(alias: str) -> Finding:
    began = time.time()
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        (theirs,) = cursor.fetchone()
    return clocks("PostgreSQL", float(theirs), began, time.time())


def clocks(whose: str, theirs: float, began: float, ended: float) -> Finding:
    """Compare a server's clock with ours, asked between two moments; all in seconds since 1970."""
    apart = max(0.0, began - theirs, theirs - ended)
    if apart <= MOST_SKEW_SECONDS:
        return fine("clocks", f"{whose} and this machine agree")
    what = f"{whose} and this machine are {apart:.0f} s apart: links, tokens and callbacks are judged by both"
    return warning(130, "clocks", what, "let NTP set the clocks of all machines (timedatectl set-ntp true)")
