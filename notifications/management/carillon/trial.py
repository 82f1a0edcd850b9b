"""`carillon trial`: one real message through the same flows as any other, in this process, each step printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.db.models.functions import Now

from notifications import conf
from notifications.channels import SPECS
from notifications.cipher import address_hash
from notifications.declarations.slugs import TRIAL
from notifications.enums import TAKEN_STATES, Channel, Lane, Reason, State
from notifications.exceptions import RequestRejected, UnknownRecipient, UnknownTemplate
from notifications.flows.accept import accept
from notifications.flows.cancel import cancel
from notifications.flows.claim import Batch, claim
from notifications.flows.deliver import deliver
from notifications.flows.recipients import address_recipient, find_recipient
from notifications.flows.release import release
from notifications.flows.requests import Request
from notifications.jobs import worker_name
from notifications.messages import Address
from notifications.models import Delivery, DeliveryEvent, ProviderHold
from notifications.rules.explanations import explain
from notifications.rules.planning import Person, Target

from .base import Console, Subcommand, text_of

ACTOR = "carillon trial"
_HINTS: Mapping[tuple[State, Reason], str] = {
    (State.SKIPPED, Reason.GUEST_LIST): 'add the address or its domain to NOTIFICATIONS["ONLY_TO"]',
    (State.SKIPPED, Reason.SUPPRESSION): "lift the suppression in the admin, if the person agrees",
    (State.SKIPPED, Reason.NO_ADDRESS): 'name the field in NOTIFICATIONS["RECIPIENT"], or register a device',
    (State.SKIPPED, Reason.DEVICE_GONE): "register the device again, with the token that the app has now",
    (State.DEAD, Reason.NO_ROUTE): 'name a provider for the channel in NOTIFICATIONS["ROUTES"]',
    (State.DEAD, Reason.MISCONFIGURED): "mend the provider's OPTIONS, then run this again with --release",
    (State.PENDING, Reason.BREAKER_OPEN): "the provider failed too often just now: wait a minute, then run this again",
    (State.PENDING, Reason.PACED): "wait a minute, then run this again",
}


class Trial(Subcommand):
    """Sends one message and says what became of it."""

    name = "trial"
    help = "send one real message now, without a worker, and print each step and the provider's own answer"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("to", help="a mailbox, a number such as +4915112345678, a device token, or a user")
        parser.add_argument("--channel", required=True, choices=Channel.values)
        parser.add_argument("--release", action="store_true", help="first release providers of the channel from a hold")

    def run(self, console: Console, options: Mapping[str, object]) -> int:
        """Accept, plan, claim, deliver and record; return 0 if a provider took it, else 1."""
        channel = Channel(cast("str", options["channel"]))
        if options["release"]:
            for entry in conf.get().routes.get(channel, ()):
                release(entry.provider)
        try:
            person = recipient(text_of(options, "to").strip(), channel)
            batches, rows = prepare(console, person, channel)
        except UnknownTemplate as error:
            raise CommandError(f"{error.detail} Run `manage.py carillon templates sync`.") from error
        except UnknownRecipient as error:
            known = "; ".join(item.detail for item in error.problems)
            raise CommandError(
                f"{options['to']!r}: {error.detail}{f' ({known})' if known else ''} "
                'Users are looked up by NOTIFICATIONS["RECIPIENT"]["lookup"].'
            ) from error
        except RequestRejected as error:
            raise CommandError(f"{error.detail} {'; '.join(item.detail for item in error.problems)}") from error
        for batch in batches:
            console.step("sending", f"through {batch.adapter.describe()}, {batch.adapter.timeout:g} s at most")
            deliver(batch, lambda: True)
        return report(console, channel, rows, {batch.adapter.alias: batch.adapter.describe() for batch in batches})


def recipient(to: str, channel: Channel) -> Person:
    """Return whom the argument means: an address, else a user, else (push only) a device token.

    Raises:
        UnknownRecipient: it means nobody.
    """
    if channel == Channel.EMAIL and "@" in to:
        return find_recipient(Address(email=to))
    if channel == Channel.SMS and to.startswith("+"):
        return find_recipient(Address(sms=to))
    try:
        return find_recipient(to)
    except UnknownRecipient:
        if channel != Channel.PUSH:
            raise
    try:
        token = SPECS[Channel.PUSH].normalise(to)
    except ValueError as error:
        raise UnknownRecipient(f"{to!r} is neither a user nor a device token: it {error}.") from error
    target = Target(Channel.PUSH, token, address_hash(Channel.PUSH, token))
    return Person(recipient=address_recipient(Channel.PUSH, token), targets=(target,))


def prepare(console: Console, person: Person, channel: Channel) -> tuple[list[Batch], list[Delivery]]:
    """Accept, plan and claim in one transaction, so that no worker can take the message first."""
    data = {"installation": conf.get().public_url or settings.ROOT_URLCONF.partition(".")[0]}
    batches = []
    with transaction.atomic():
        accepted = accept(Request(person, TRIAL, data, channels=(channel,), owner=ACTOR))
        console.step("accepted", f"notification {accepted.notification_id}, template {TRIAL}")
        rows = list(Delivery.objects.filter(notification_id=accepted.notification_id).order_by("pk"))
        for row in rows:
            to = SPECS[channel].mask(row.address) if row.address else "nobody"
            console.step("planned", f"{channel} to {to}: {state_of(row)}")
        waiting = [row.pk for row in rows if row.state == State.PENDING]
        while waiting:
            batch = claim(channel, tuple(Lane), worker_name(), only=waiting).batch
            if batch is None:
                break
            console.step("claimed", f"{len(batch.deliveries)} for {batch.adapter.alias}")
            batches.append(batch)
            waiting = [key for key in waiting if key not in {row.pk for row in batch.deliveries}]
    return batches, rows


def report(console: Console, channel: Channel, rows: Sequence[Delivery], asked: Mapping[str, str]) -> int:
    """Print the provider's own answer for each delivery; return 0 if one was taken, else 1.

    `asked` describes the adapters that were used, by alias.
    """
    taken = False
    routed = [entry.provider for entry in conf.get().routes.get(channel, ())]
    holds = list(ProviderHold.objects.filter(alias__in=routed, until__gt=Now()))
    for row in Delivery.objects.filter(pk__in=[row.pk for row in rows]).order_by("pk"):
        state, reason = State(row.state), Reason(row.reason)
        if row.attempt or row.error_code:
            console.step("answer", answer(row))
        # What is pending is cancelled below: that it would be tried again is not said of it.
        meaning = "" if state == State.PENDING else f". {explain(state, reason)}"
        console.step("recorded", f"{state_of(row)}{meaning}")
        hint = hint_for(state, reason, asked.get(row.provider, ""), [hold.alias for hold in holds])
        if hint and state not in TAKEN_STATES:
            console.step("hint", hint)
        taken = taken or state in TAKEN_STATES
    for hold in holds:
        console.step("held", f"{hold.alias} until {hold.until:%H:%M:%S} UTC: {hold.reason}")
    if rows and cancel(rows[0].notification_id, actor=ACTOR):
        console.step("cancelled", "what would have been tried again later: a trial is one attempt")
    console.note("The provider took it." if taken else "Nothing was taken by a provider.")
    return 0 if taken else 1


def hint_for(state: State, reason: Reason, asked: str, held: Sequence[str]) -> str:
    """Return what to do about a delivery that was not taken, or ""."""
    if (state, reason) == (State.PENDING, Reason.BREAKER_OPEN) and held:
        options = " and ".join(f'NOTIFICATIONS["PROVIDERS"]["{alias}"]["OPTIONS"]' for alias in held)
        return f"correct {options} (credentials, sender, base_url), then run this again with --release"
    if reason in (Reason.RETRY, Reason.NO_ANSWER) and asked:
        return f"is the network open, the provider up and base_url right? This asked {asked}"
    return _HINTS.get((state, reason), "")


def answer(row: Delivery) -> str:
    """Return what the provider said, with its id or its error code."""
    if row.error_code or not row.provider_message_id:
        last = DeliveryEvent.objects.filter(delivery_id=row.pk).order_by("-pk").first()
        said = " ".join(filter(None, (row.error_code, row.error_detail or (last.detail if last else ""))))
        return f"{row.provider or 'no provider'}: {said or 'accepted, without an id'}"
    return f"{row.provider}: accepted, id {row.provider_message_id}"


def state_of(row: Delivery) -> str:
    """Return state and reason as words."""
    return f"{row.state} ({row.reason})" if row.reason else row.state
