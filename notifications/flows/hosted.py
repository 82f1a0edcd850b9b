"""Hosted: what a recipient sees and changes on their own preference page."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from django.contrib.auth import get_user_model

from ..channels import SPECS
from ..declarations.slugs import BUILT_IN
from ..enums import Channel
from ..models import Category, Device, Preference
from ..rules.identity import user_key
from .people import load_wishes
from .preferences import change_preferences, read_preferences


@dataclass(frozen=True)
class Switch:
    """One box to tick: its field, what it says, and whether it is ticked."""

    field: str
    label: str
    on: bool


@dataclass(frozen=True)
class Group:
    """Boxes that belong together under a heading."""

    label: str
    description: str
    switches: tuple[Switch, ...]


def exists(recipient: str) -> bool:
    """Whether there is (still) a user behind this recipient; only users have a page."""
    return get_user_model()._default_manager.filter(pk__in=_key(recipient)).exists()


def labels(slugs: Iterable[str]) -> dict[str, str]:
    """Return what recipients read for these categories, in the active language."""
    found = {item.slug: item.name for item in Category.objects.filter(slug__in=list(slugs))}
    return {slug: found.get(slug, slug) for slug in slugs}


def locale_of(recipient: str) -> str:
    """Return the language that a recipient chose, or "" if they never did."""
    return Preference.objects.filter(pk=recipient).values_list("locale", flat=True).first() or ""


def groups_of(recipient: str) -> list[Group]:
    """Return the boxes of a recipient's page: one group per category that can be switched off, then the devices."""
    wishes = load_wishes([recipient]).get(recipient)
    categories = wishes.categories if wishes else {}
    channels = wishes.channels if wishes else {}
    groups = []
    for item in Category.objects.filter(mandatory=False, templates__isnull=False).exclude(slug__in=BUILT_IN).distinct():
        own = categories.get(item.slug, {})
        switches = tuple(
            Switch(
                f"c:{item.slug}:{channel}",
                str(channel.label),
                own.get(channel) is not False and channels.get(channel) is not False,
            )
            for channel in item.all_channels
        )
        groups.append(Group(item.name, item.description, switches))
    return groups


def devices_of(recipient: str) -> tuple[Switch, ...]:
    """Return a box per device of the recipient, named by its platform and the end of its address."""
    wishes = load_wishes([recipient]).get(recipient)
    muted = wishes.devices if wishes else {}
    rows = Device.objects.filter(user_id__in=_key(recipient), is_active=True).order_by("-last_seen_at", "pk")
    return tuple(
        Switch(
            f"d:{row.pk}",
            _device_label(row),
            muted.get(str(row.pk)) is not False,
        )
        for row in rows
    )


def _key(recipient: str) -> list[str]:
    key = user_key(recipient)
    return [key] if key is not None else []


def _device_label(row: Device) -> str:
    kind = row.get_platform_display() or Channel(row.channel).label
    return f"{kind} {SPECS[Channel(row.channel)].mask(row.address)}"


def save_switches(
    recipient: str, shown: Mapping[str, bool], ticked: Collection[str], others: Mapping[str, object]
) -> dict[str, object]:
    """Keep what somebody changed on the page and return the preferences.

    `shown` says which boxes the page had and which of them were ticked: what came since, and a box that was left as it
    was, is left alone. So is a box that is not on the page any more.

    Raises:
        InvalidData: a value cannot be; nothing was changed.
    """
    boxes = [switch.field for group in groups_of(recipient) for switch in group.switches]
    boxes += [switch.field for switch in devices_of(recipient)]
    stored = read_preferences(recipient)["channels"]
    off = {name for name, on in stored.items() if on is False} if isinstance(stored, dict) else set()
    changed = {field: field in ticked for field in boxes if field in shown and shown[field] != (field in ticked)}
    # Somebody who wants one kind on a channel wants the channel; the other kinds stay off by their own boxes.
    lifted = {channel_of(field) for field, wanted in changed.items() if wanted} & off
    kept = {field: False for field in shown if field in boxes and field not in ticked and channel_of(field) in lifted}
    categories: dict[str, dict[str, bool | None]] = {}
    devices: dict[str, bool | None] = {}
    for field, wanted in {**changed, **kept}.items():
        kind, _, rest = field.partition(":")
        if kind == "d":
            devices[rest] = None if wanted else False
        else:
            slug, _, channel = rest.rpartition(":")
            categories.setdefault(slug, {})[channel] = None if wanted else False
    changes = {"categories": categories, "devices": devices, "channels": dict.fromkeys(lifted)}
    return change_preferences(recipient, {**others, **changes})


def channel_of(field: str) -> str:
    """Return the channel that a category's box is about, or "" for a device's."""
    return field.rpartition(":")[2] if field.startswith("c:") else ""
