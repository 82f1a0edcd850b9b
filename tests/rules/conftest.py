"""Hypothesis draws the same examples in every run, and no example fails for being slow."""

from hypothesis import settings

settings.register_profile("carillon", derandomize=True, deadline=None, max_examples=100, database=None)
settings.load_profile("carillon")
