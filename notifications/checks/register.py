"""Registers every check under the tag `carillon`; imported once, when the apps are ready."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.core.checks import CheckMessage, Tags, register

from . import configuration, database, declared, deployment, mounting, people, queues, words
from .base import TAG

Check = Callable[..., Sequence[CheckMessage]]

ALWAYS: tuple[Check, ...] = (
    configuration.check_shape,
    configuration.check_keys,
    configuration.check_routes,
    configuration.check_adapters,
    people.check_recipient,
    people.check_me,
    queues.check_django_rq,
    queues.check_queues,
    queues.check_worker,
    queues.check_served,
    queues.check_commit_mode,
    mounting.check_mounted,
    mounting.check_public_url,
    mounting.check_rq_pages,
    declared.check_declarations,
    declared.check_categories,
    declared.check_sensitive,
    declared.check_words,
    words.check_places,
    words.check_email_extra,
    database.check_engine,
)
ON_DEPLOY: tuple[Check, ...] = (
    deployment.check_guest_list,
    deployment.check_countries,
    deployment.check_far_ends,
)
ON_DATABASE: tuple[Check, ...] = (database.check_server,)

for _check in ALWAYS:
    register(_check, TAG)
for _check in ON_DEPLOY:
    register(_check, TAG, deploy=True)
for _check in ON_DATABASE:
    register(_check, TAG, Tags.database)
