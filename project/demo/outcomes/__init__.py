"""The ten outcomes that the demo shows, one file each, in the order of the table."""

from .base import Outcome, World
from .broadcast import ToFollowers
from .dead_device import DeadDevice
from .hard_bounce import HardBounce
from .idempotency import Idempotency
from .login_code import LoginCode
from .opted_out import OptedOut
from .order_email import OrderEmail
from .outage import ProviderOutage
from .poison import PoisonMessage
from .quiet_hours import QuietHours

OUTCOMES: tuple[Outcome, ...] = (
    LoginCode(),
    OrderEmail(),
    DeadDevice(),
    Idempotency(),
    OptedOut(),
    QuietHours(),
    ProviderOutage(),
    PoisonMessage(),
    HardBounce(),
    ToFollowers(),
)

__all__ = ["OUTCOMES", "Outcome", "World"]
