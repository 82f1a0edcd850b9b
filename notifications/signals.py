"""The one public signal."""

from django.dispatch import Signal

delivery_changed = Signal()
"""Sent after commit for each delivery that changed, with `delivery_id`, `state` and `reason`."""
