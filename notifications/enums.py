"""The field's own words as enumerations: every choice that is stored, shown or compared.

What recipients read and other apps translate too has a context: the first app in INSTALLED_APPS would win otherwise.
"""

from enum import Enum, IntEnum

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Channel(TextChoices):
    """How a message reaches a person; a new channel is one line here, one file in channels/."""

    PUSH = "push", pgettext_lazy("carillon", "Push")
    SMS = "sms", pgettext_lazy("carillon", "SMS")
    EMAIL = "email", pgettext_lazy("carillon", "Email")


class Priority(TextChoices):
    """A category's claim on the workers; each has a lane of its own."""

    CRITICAL = "critical", _("Critical")
    HIGH = "high", _("High")
    NORMAL = "normal", _("Normal")
    BULK = "bulk", _("Bulk")

    @property
    def lane(self) -> "Lane":
        """The lane that rows of this priority wait in."""
        return Lane[self.name]


class Lane(IntEnum):
    """Priority class of due rows: a smaller number is always claimed first."""

    CRITICAL = 0
    HIGH = 1
    NORMAL = 2
    BULK = 3


class State(TextChoices):
    """Where one delivery stands; `rules.transitions` says which may follow which."""

    PENDING = "pending", _("Pending")
    SENDING = "sending", _("Sending")
    SENT = "sent", _("Sent")
    DELIVERED = "delivered", _("Delivered")
    OPENED = "opened", _("Opened")
    CLICKED = "clicked", _("Clicked")
    BOUNCED = "bounced", _("Bounced")
    COMPLAINED = "complained", _("Complained")
    FAILED = "failed", _("Failed")
    DEAD = "dead", _("Dead letter")
    UNCERTAIN = "uncertain", _("Uncertain")
    DIGESTED = "digested", _("Digested")
    SKIPPED = "skipped", _("Skipped")
    EXPIRED = "expired", _("Expired")
    CANCELLED = "cancelled", _("Cancelled")

    @property
    def family(self) -> "Family":
        """The family people see this state as: one word, icon and colour."""
        return _FAMILY[self]

    @property
    def is_open(self) -> bool:
        """Whether Carillon may still act on the delivery by itself."""
        return self in OPEN_STATES


class Family(TextChoices):
    """The five families in which people meet states."""

    WAITING = "waiting", _("Waiting")
    ON_ITS_WAY = "on_its_way", _("On its way")
    REACHED = "reached", _("Reached")
    NOT_SENT = "not_sent", _("Not sent on purpose")
    FAILED = "failed", _("Failed")


OPEN_STATES = frozenset({State.PENDING, State.SENDING, State.UNCERTAIN})
REACHED_STATES = frozenset({State.DELIVERED, State.OPENED, State.CLICKED})
#: Few deliveries end so, unless much is wrong; a tuple, since an index is made of it.
RARE_STATES = (State.BOUNCED, State.COMPLAINED, State.FAILED, State.DEAD, State.EXPIRED, State.CANCELLED)
TAKEN_STATES = REACHED_STATES | {State.SENT, State.COMPLAINED}

_FAMILY = {
    State.PENDING: Family.WAITING,
    State.SENDING: Family.ON_ITS_WAY,
    State.SENT: Family.ON_ITS_WAY,
    State.UNCERTAIN: Family.ON_ITS_WAY,
    State.DELIVERED: Family.REACHED,
    State.OPENED: Family.REACHED,
    State.CLICKED: Family.REACHED,
    State.DIGESTED: Family.NOT_SENT,
    State.SKIPPED: Family.NOT_SENT,
    State.EXPIRED: Family.NOT_SENT,
    State.CANCELLED: Family.NOT_SENT,
    State.FAILED: Family.FAILED,
    State.BOUNCED: Family.FAILED,
    State.COMPLAINED: Family.FAILED,
    State.DEAD: Family.FAILED,
}


class Reason(TextChoices):
    """Why a delivery stands where it stands; support reads the sentence in `rules.explanations`."""

    NONE = "", ""
    # pending
    NEW = "new", _("new")
    RETRY = "retry", _("waiting to retry")
    QUIET_HOURS = "quiet_hours", _("quiet hours")
    SCHEDULED = "scheduled", _("scheduled")
    THROTTLED = "throttled", _("throttled")
    BREAKER_OPEN = "breaker_open", _("provider breaker open")
    PACED = "paced", _("provider pacing")
    PAUSED = "paused", _("paused")
    # dead
    RETRIES_EXHAUSTED = "retries_exhausted", _("retries exhausted")
    WORKER_DIED = "worker_died", _("worker died while sending")
    HELD = "held", _("held: outcome unknown")
    MISCONFIGURED = "misconfigured", _("provider misconfigured")
    RENDER_ERROR = "render_error", _("template could not be rendered")
    NO_ROUTE = "no_route", _("no provider for this channel")
    # skipped
    PREFERENCE = "preference", _("the recipient opted out")
    SUPPRESSION = "suppression", _("the address is suppressed")
    NO_ADDRESS = "no_address", _("no address")
    DEVICE_GONE = "device_gone", _("the device is gone")
    NO_TEMPLATE = "no_template", _("no words for this channel")
    NO_VARIABLE = "no_variable", _("a variable is missing")
    GUEST_LIST = "guest_list", _("not on the guest list")
    REPLACED = "replaced", _("replaced by a newer message")
    LIMIT = "limit", _("over a limit")
    # failed
    INVALID_RECIPIENT = "invalid_recipient", _("the provider says the address does not exist")
    REFUSED = "refused", _("the provider refused the message for good")
    # expired, uncertain
    TTL = "ttl", _("time to live is over")
    # cancelled
    FALLBACK = "fallback", _("another channel took over")
    LEASE_EXPIRED = "lease_expired", _("the worker did not report back")
    NO_ANSWER = "no_answer", _("the provider gave no answer that can be trusted")


class Hint(TextChoices):
    """What kind of act a dead letter asks for."""

    RETRY = "retry", _("retry")
    MEND = "mend", _("mend, then retry")
    PERMANENT = "permanent", _("permanent")


class ProviderState(TextChoices):
    """How a provider stands for those who look: whether workers use it now, and if not, why."""

    WORKING = "working", _("working")
    PARTLY = "partly", _("held for some devices")
    PAUSED = "paused", _("asked us to wait")
    PROBING = "probing", _("being tried again")
    OPEN = "open", _("breaker open")
    HELD = "held", _("held")
    UNKNOWN = "unknown", _("unknown: Redis is away")
    BROKEN = "broken", _("cannot be loaded")


class Refusal(TextChoices):
    """Why a replay does not send a letter, where its state does not say so afterwards."""

    GONE = "already replayed or not dead", _("were replayed already, or are not dead any more")
    REACHED = "reached by another channel", _("end as cancelled: another channel reached the person meanwhile")
    TRYING = "another channel is trying", _("stay here: another channel is trying to reach the person")
    CATEGORY = "category gone", _("stay here: their category is still gone")
    NO_ROUTE = "still no route", _("stay here: still no provider is configured that can carry them")
    ERASED = "secrets erased", _("stay here: their sensitive variables have been erased, so they can never be sent")
    TOO_LATE = "expires before its turn", _("stay here: at this rate they would expire before their turn")


class ReceiptKind(TextChoices):
    """What a provider's callback says became of a message."""

    SENT = "sent", _("Sent")
    DELIVERED = "delivered", _("Delivered")
    OPENED = "opened", _("Opened")
    CLICKED = "clicked", _("Clicked")
    DEFERRED = "deferred", _("Deferred")
    SOFT_BOUNCED = "soft_bounced", _("Soft bounce")
    BOUNCED = "bounced", _("Bounced")
    UNDELIVERED = "undelivered", _("Undelivered")
    COMPLAINED = "complained", _("Complained")
    UNSUBSCRIBED = "unsubscribed", _("Unsubscribed")
    RESUBSCRIBED = "resubscribed", _("Resubscribed")
    IGNORED = "ignored", _("Ignored")


class SuppressionCause(TextChoices):
    """Why an address must not be written to."""

    HARD_BOUNCE = "hard_bounce", _("Hard bounce")
    COMPLAINT = "complaint", _("Complaint")
    STOP = "stop", _("Opted out by STOP")
    SOFT_BOUNCE = "soft_bounce", _("Soft bounces, for a while")
    UNREACHABLE = "unreachable", _("Out of reach, for a while")
    UNSUBSCRIBE = "unsubscribe", _("Unsubscribed")
    MANUAL = "manual", _("By hand")


class Platform(TextChoices):
    """What a push device runs."""

    ANDROID = "android", "Android"
    IOS = "ios", "iOS"
    WEB = "web", pgettext_lazy("carillon", "Web")


class TokenType(TextChoices):
    """Whose token a push device registered with."""

    FCM = "fcm", "FCM"
    APNS = "apns", "APNs"


class DeactivatedReason(TextChoices):
    """Why a device is not written to any more."""

    NONE = "", ""
    UNREGISTERED = "unregistered", _("The provider says the token is dead")
    MOVED = "moved", _("Another user registered the same token")
    TOO_MANY = "too_many", _("The user has too many devices; this one was seen longest ago")
    REMOVED = "removed", _("Removed through the API")
    PRUNED = "pruned", _("Pruned by hand")
    QUARANTINED = "quarantined", _("Quarantined: sender or environment mismatch")
    UNREACHABLE = "unreachable", _("Several messages in a row did not arrive")
    STALE = "stale", _("Not seen for longer than devices are kept")


class UncertainPolicy(TextChoices):
    """What to do when nobody can know whether a message went out."""

    RESEND = "resend", _("Send again, marked as a possible duplicate")
    HOLD = "hold", _("Hold for a person to decide")


class BroadcastStatus(TextChoices):
    """Where a broadcast stands."""

    DRAFT = "draft", _("Draft")
    SCHEDULED = "scheduled", _("Scheduled")
    PLANNING = "planning", _("Planning")
    SENDING = "sending", _("Sending")
    PAUSED = "paused", _("Paused")
    DONE = "done", _("Done")
    CANCELLED = "cancelled", _("Cancelled")
    STOPPED = "stopped", _("Stopped")


#: A person has to let such a broadcast go on: nothing of it is tried meanwhile.
HELD_STATUSES = (BroadcastStatus.PAUSED, BroadcastStatus.STOPPED)


class NotificationStatus(TextChoices):
    """Where a notification stands, derived from its deliveries."""

    SCHEDULED = "scheduled", _("Scheduled")
    IN_PROGRESS = "in_progress", _("In progress")
    DONE = "done", _("Done")
    CANCELLED = "cancelled", _("Cancelled")


class Source(TextChoices):
    """Who owns a declaration or a version."""

    CODE = "code", _("Code")
    CONSOLE = "console", _("Console")


class Scope(TextChoices):
    """What an API key may do."""

    SEND = "send", _("Send notifications")
    BROADCAST = "broadcast", _("Launch broadcasts")
    DEVICES = "devices", _("Manage devices")
    PREFERENCES = "preferences", _("Manage preferences")
    READ = "read", _("Read notifications and deliveries")
    ERASE = "erase", _("Export and erase recipients")


class BreakerEffect(Enum):
    """What an outcome tells the provider's breaker."""

    SUCCESS = "success"
    FAILURE = "failure"
    NEUTRAL = "neutral"
