"""Checks of RQ: the queues that wake-ups travel on and the worker that answers them. Nothing is connected to."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from django.apps import apps
from django.core.checks import CheckMessage
from django.core.management import load_command_class
from django.utils.module_loading import import_string
from rq.serializers import JSONSerializer, resolve_serializer

from ..conf import did_you_mean
from ..enums import Channel
from . import lines
from .base import error, setting, warning

_OURS = "notifications.workers.ChannelWorker"
_WHERE = ("URL", "HOST", "UNIX_SOCKET_PATH", "SENTINELS", "USE_REDIS_CACHE")
_SERVE = "manage.py rqworker push sms email"
_SCHEMES = ("redis://", "rediss://", "unix://")


def check_django_rq(**_: object) -> list[CheckMessage]:
    """E020: django-rq is not installed as an app, so there is no `rqworker` command."""
    if apps.is_installed("django_rq"):
        return []
    return [error(20, "django_rq is not in INSTALLED_APPS, so `manage.py rqworker` is missing.", lines.INSTALLED_APPS)]


def check_queues(**_: object) -> list[CheckMessage]:
    """E021, E023, E024: a channel without a queue, a queue that is not asynchronous or not in JSON."""
    queues = setting("RQ_QUEUES")
    if not queues:
        what = "RQ_QUEUES is not set, so no worker can be woken."
        return [error(21, what, lines.RQ_QUEUES)]
    messages = []
    for channel in Channel:
        queue = queues.get(channel.value)
        if not isinstance(queue, Mapping) or not any(name in queue for name in _WHERE):
            what = f'RQ_QUEUES has no queue "{channel}" with a URL; `rqworker push sms email` needs all three.'
            messages.append(error(21, what, f'RQ_QUEUES["{channel}"] = {{"URL": os.environ["REDIS_URL"]}}'))
            continue
        url = queue.get("URL")
        if url and not str(url).startswith(_SCHEMES):
            what = f'RQ_QUEUES["{channel}"]["URL"] is no URL of a Redis; it begins with one of {", ".join(_SCHEMES)}.'
            messages.append(error(21, what, "redis://localhost:6379/0"))
            continue
        serializer = queue.get("SERIALIZER")
        if serializer is not None and not _is_json(serializer):
            what = f'RQ_QUEUES["{channel}"]["SERIALIZER"] is not JSON, which is all that our worker reads.'
            messages.append(error(23, what, '"SERIALIZER": "rq.serializers.JSONSerializer",'))
        if queue.get("ASYNC") is False:
            what = f'RQ_QUEUES["{channel}"]["ASYNC"] is False: sends would run inside the request.'
            messages.append(error(24, what, '"ASYNC": True,'))
    return messages


def check_worker(**_: object) -> list[CheckMessage]:
    """E022: `rqworker` would run a worker that cannot read wake-ups, starves queues and does not sweep."""
    named = setting("RQ").get("WORKER_CLASS")
    try:
        found = import_string(named) if isinstance(named, str) else named
    except ImportError:
        found = None
    # Named, not imported above: a web process starts without loading all of RQ's worker.
    if isinstance(found, type) and issubclass(found, import_string(_OURS)):
        return []
    what = f'RQ["WORKER_CLASS"] is {named!r}, not Carillon\'s worker.' if named else 'RQ["WORKER_CLASS"] is not set.'
    return [error(22, what, lines.RQ)]


def check_served(**_: object) -> list[CheckMessage]:
    """E026: this very command is a worker of queues that there are not; django-rq would end it with a KeyError."""
    queues = setting("RQ_QUEUES")
    if sys.argv[1:2] != ["rqworker"] or not queues:
        return []
    # Its own parser, loaded for a worker only: a web process starts without all of RQ's worker.
    parser = load_command_class("django_rq", "rqworker").create_parser("manage.py", "rqworker")
    named = parser.parse_known_args(sys.argv[2:])[0].args
    if not named and "default" not in queues:
        return [error(26, "`rqworker` is started without a queue, and there is none called default.", _SERVE)]
    return [
        error(26, f"RQ_QUEUES has no queue {name!r}.", f"{did_you_mean(name, tuple(queues))} {_SERVE}")
        for name in named
        if name not in queues
    ]


def check_commit_mode(**_: object) -> list[CheckMessage]:
    """W025: a commit mode under which the host's own jobs are sent by web requests only."""
    mode = setting("RQ").get("COMMIT_MODE")
    old = mode is None and setting("RQ").get("AUTOCOMMIT") is False
    if mode in (None, "on_db_commit", "auto") and not old:
        return []
    what = (
        'RQ["COMMIT_MODE"] is "request_finished": jobs enqueued outside a web request, by workers or commands, '
        "are never sent. Carillon's own wake-ups do not depend on it."
    )
    return [warning(25, what, '"COMMIT_MODE": "on_db_commit",')]


def _is_json(serializer: object) -> bool:
    try:
        return resolve_serializer(serializer) is JSONSerializer  # type: ignore[arg-type, unused-ignore]
    except (ImportError, AttributeError, NotImplementedError, TypeError, ValueError):
        return False
