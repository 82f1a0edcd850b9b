"""The test kit for host projects: the real flows, in one process, without Redis and without a network.

::

    from django.test import TestCase
    from notifications.testing import outbox

    class SignUp(TestCase):
        def setUp(self):
            self.enterContext(outbox)

        def test_a_code_is_sent(self):
            user = sign_up("ada@example.com")
            outbox.assert_sent_to(user, channel="email", template="login-code")

With pytest the fixture `carillon_outbox` does the same; installing the package is enough to have it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .far_end import Sent
    from .kit import Outbox, outbox

__all__ = ["Outbox", "Sent", "outbox"]

_HOME = {"Outbox": "kit", "Sent": "far_end", "outbox": "kit"}


def __getattr__(name: str) -> object:
    """Load the public names when first used: pytest reads the plugin beside this before Django has its settings."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
