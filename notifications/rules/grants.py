"""What an API key may send: everything, some templates or categories only, and as a test key to sandboxes only."""

from __future__ import annotations

from dataclasses import dataclass

#: How the owner of a test key begins. What such a key sends carries the mark in its owner for as long as it is kept,
#: and what the two kinds of keys sent is never mixed up by an idempotency key.
TEST_MARK = "test:"


@dataclass(frozen=True)
class Grant:
    """What a caller may send: these templates, those of these categories, or everything where neither is named."""

    templates: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    test: bool = False

    @property
    def is_narrow(self) -> bool:
        """Whether it is not for everything."""
        return bool(self.templates or self.categories)

    def covers(self, template: str, category: str) -> bool:
        """Whether a template of a category is among what it names."""
        return not self.is_narrow or template in self.templates or category in self.categories

    def told(self) -> str:
        """Return what it names, for people."""
        parts = (("templates", self.templates), ("categories", self.categories))
        return " and ".join(f"{name} {', '.join(sorted(found))}" for name, found in parts if found)


#: What Python's own calls and unrestricted keys may.
EVERYTHING = Grant()


def is_test(owner: str) -> bool:
    """Whether what this owner sends may reach sandboxes only."""
    return owner.startswith(TEST_MARK)
