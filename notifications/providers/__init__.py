"""The adapters: one file per provider, each saying what kind of outcome it saw."""

from .base import Adapter, EmailAdapter, Option, OptionProblem, PushAdapter, SMSAdapter
from .registry import adapter_class, adapter_for, reset

__all__ = [
    "Adapter",
    "EmailAdapter",
    "Option",
    "OptionProblem",
    "PushAdapter",
    "SMSAdapter",
    "adapter_class",
    "adapter_for",
    "reset",
]
