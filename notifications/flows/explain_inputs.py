"""What each rule had before it when it decided about one target: told in a few words, addresses masked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import gettext as _

from .. import conf
from ..channels import SPECS
from ..cipher import address_hash
from ..enums import Channel
from ..models import Category, Delivery, Notification, Suppression
from ..rules.foresight import Rule, Verdict, cure
from ..rules.locales import choose_locale
from ..rules.planning import Person
from ..rules.quiet_hours import zone
from ..rules.routing import candidates
from ..rules.throttling import digest_at
from . import gate
from .compose import words
from .limits import limits_of
from .recheck import Facts
from .throttle import days_of, standing_window

_HELD = Callable[[str, str], datetime | None]


@dataclass(frozen=True)
class Setting:
    """Where to change what a rule decides by: what it is (`category`, `template`, `suppression`, ...) and its key."""

    kind: str
    key: str


@dataclass(frozen=True)
class Line:
    """One rule's part in an outcome; `cure` says what to change, `setting` where, if there is a page for it."""

    rule: Rule
    input: str
    verdict: Verdict
    cure: str
    setting: Setting | None = None


class Inputs:
    """Tells what the rules looked at, for one message to one recipient."""

    def __init__(self, notification: Notification, category: Category, person: Person, facts: Facts) -> None:
        self.notification, self.category, self.person, self.facts = notification, category, person, facts
        hashes = {target.address_hash for target in person.targets}
        rows = Suppression.objects.in_force(facts.now).filter(address_hash__in=hashes) if hashes else ()
        self.suppressions = {(row.channel, row.address_hash): row for row in rows}
        self.tell: dict[Rule, Callable[[Delivery], str]] = {
            Rule.WORDS: self._words,
            Rule.PREFERENCE: self._preference,
            Rule.ADDRESS: self._address,
            Rule.DEVICE: self._device,
            Rule.GUEST_LIST: self._guest_list,
            Rule.COUNTRY: self._country,
            Rule.SUPPRESSION: self._suppression,
            Rule.SCHEDULE: self._schedule,
            Rule.QUIET_HOURS: self._quiet_hours,
            Rule.COLLAPSE: self._collapse,
            Rule.THROTTLE: self._throttle,
            Rule.LIMIT: self._limit,
            Rule.EXPIRY: self._expiry,
        }

    def line(self, row: Delivery, rule: Rule, verdict: Verdict, held_until: _HELD) -> Line:
        """Return one rule's line."""
        told = self._route(row, held_until) if rule is Rule.ROUTE else self.tell[rule](row)
        return Line(rule, told, verdict, cure(rule), self._setting(row, rule))

    def _setting(self, row: Delivery, rule: Rule) -> Setting | None:
        if rule is Rule.WORDS:
            return Setting("template", self.notification.template)
        if rule in (Rule.PREFERENCE, Rule.DEVICE, Rule.QUIET_HOURS):
            return Setting("preference", row.recipient) if row.recipient in self.facts.wishes else None
        if rule in (Rule.THROTTLE, Rule.EXPIRY):
            return Setting("category", str(self.category.pk))
        if rule is Rule.ADDRESS and row.device_id is not None:
            return Setting("device", str(row.device_id))
        found = self._suppressed(row) if rule is Rule.SUPPRESSION else None
        return Setting("suppression", str(found.pk)) if found else None

    def _words(self, row: Delivery) -> str:
        found = words(self.notification.version_id).get(Channel(row.channel))
        if found is None:
            return _("none for this channel")
        chosen = choose_locale(row.locale, settings.LANGUAGE_CODE, found.by_locale)
        return _("wanted: %(wanted)s; taken: %(chosen)s; there are: %(known)s") % {
            "wanted": row.locale or "–",
            "chosen": chosen,
            "known": ", ".join(sorted(found.by_locale)),
        }

    def _preference(self, row: Delivery) -> str:
        wishes = self.person.wishes
        own = wishes.categories.get(self.category.slug)
        switches = {
            row.channel: wishes.channels.get(row.channel),
            f"{self.category.slug} · {row.channel}": own.get(row.channel) if isinstance(own, dict) else None,
        }
        off = [name for name, on in switches.items() if on is False]
        told = _("switched off: %(names)s") % {"names": ", ".join(off)} if off else _("nothing is switched off")
        return self._with_mandatory(told)

    def _with_mandatory(self, told: str) -> str:
        return f"{told}; {_('the category is mandatory and overrides it')}" if self.category.mandatory else told

    def _address(self, row: Delivery) -> str:
        if row.address:
            return SPECS[Channel(row.channel)].mask(row.address)
        count = sum(target.channel == row.channel for target in self.person.targets)
        return _("known on this channel: %(count)d") % {"count": count}

    def _device(self, row: Delivery) -> str:
        if row.device_id is None:
            return _("no device of its own")
        off = self.person.wishes.devices.get(str(row.device_id)) is False
        return self._with_mandatory(_("switched off") if off else _("not switched off"))

    def _guest_list(self, _row: Delivery) -> str:
        listed = conf.get().only_to
        return (
            _("not set: everybody may be written to")
            if listed is None
            else _("%(count)d entries") % {"count": len(listed)}
        )

    def _country(self, row: Delivery) -> str:
        countries = conf.get().abuse.sms_countries
        if row.channel != Channel.SMS or countries is None:
            return _("no limit")
        return ", ".join(sorted(countries))

    def _limit(self, row: Delivery) -> str:
        limits = conf.get().abuse
        told = {"codes_per_recipient": limits.codes_per_recipient}
        if row.channel == Channel.SMS:
            told["sms_per_prefix"] = limits.sms_per_prefix
        return "; ".join(f"{name}: {cap.most}/{cap.per}" for name, cap in told.items() if cap) or _("no limit")

    def _suppressed(self, row: Delivery) -> Suppression | None:
        return self.suppressions.get((row.channel, address_hash(row.channel, row.address))) if row.address else None

    def _suppression(self, row: Delivery) -> str:
        found = self._suppressed(row)
        if found is None:
            return _("none in force")
        told = _("%(cause)s, from %(source)s, since %(since)s") % {
            "cause": found.get_cause_display(),
            "source": found.source or "–",
            "since": self._clock(row, found.created_at),
        }
        return f"{told}, {_('until')} {self._clock(row, found.expires_at)}" if found.expires_at else told

    def _schedule(self, row: Delivery) -> str:
        asked = self.notification.send_at
        return _("for %(moment)s") % {"moment": self._clock(row, asked)} if asked else _("at once")

    def _quiet_hours(self, row: Delivery) -> str:
        windows = self.person.wishes.quiet_hours
        if not windows:
            return _("none")
        names = (_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun"))
        told = "; ".join(
            f"{', '.join(names[day] for day in sorted(item.days)) if len(item.days) < len(names) else _('daily')} "
            f"{item.start:%H:%M}–{item.end:%H:%M}"
            for item in windows
        )
        return self._with_mandatory(f"{told} ({row.time_zone})")

    def _collapse(self, _row: Delivery) -> str:
        return self.notification.collapse_key or _("no collapse key")

    def _throttle(self, row: Delivery) -> str:
        limits = limits_of(self.category)
        limit, schedule = limits.throttle, limits.digest
        told = [_("cannot be read and counts as none: %(what)s") % {"what": what} for what in limits.unreadable]
        window = standing_window(row, self.facts)
        if limit is not None and window is not None:
            used = {"used": len(window.admitted), "most": limit.most, "end": self._clock(row, window.ends_at)}
            told.append(_("%(used)d of %(most)d used until %(end)s") % used)
        if schedule is not None:
            due = digest_at(schedule, self.facts.now, days_of(row, self.facts))
            told.append(_("the digest goes out at %(moment)s") % {"moment": self._clock(row, due)})
        return "; ".join(told) or _("no limit")

    def _expiry(self, row: Delivery) -> str:
        until = self.notification.expires_at
        return _("of use until %(moment)s") % {"moment": self._clock(row, until)} if until else _("no time to live")

    def _route(self, row: Delivery, held_until: _HELD) -> str:
        if not row.address:
            return "–"
        device = self.facts.devices.get(row.device_id) if row.device_id else None
        platform, token_type = (device.platform, device.token_type) if device else ("", "")
        route = candidates(conf.get().routes.get(Channel(row.channel), ()), row.address, platform)
        serves = {alias: gate.can_serve(alias, platform, token_type) for alias in route}
        told = [f"{alias}: {self._provider(alias, serves[alias], held_until(alias, platform))}" for alias in route]
        return "; ".join(told) or _("none in ROUTES")

    def _provider(self, alias: str, serves: bool, held: datetime | None) -> str:  # noqa: FBT001
        if not serves:
            return _("cannot serve it")
        if held is not None:
            return _("held until %(moment)s") % {"moment": f"{held:%Y-%m-%d %H:%M} UTC"}
        state = gate.breaker(alias).look().state
        return _("free") if state == "closed" else _("breaker %(state)s") % {"state": state}

    def _zone(self, row: Delivery) -> ZoneInfo:
        return zone(row.time_zone) or ZoneInfo("UTC")

    def _clock(self, row: Delivery, moment: datetime) -> str:
        return f"{moment.astimezone(self._zone(row)):%Y-%m-%d %H:%M} {row.time_zone}"
