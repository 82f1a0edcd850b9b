"""Puts emails into django-post_office's queue: `python -m tests.benchmarks.rivals.post_office_queue COUNT MARK`."""

from __future__ import annotations

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.benchmarks.rivals.post_office_settings")
django.setup()

from post_office import mail  # noqa: E402 - Django comes first

TEXT = "Hello Ada{0},\n\nBells is there. Read it before everybody else.\n"


def main(count: int, mark: str) -> None:
    """Queue so many, each with words of its own."""
    mail.send_many(
        {
            "sender": "bench@example.org",
            "recipients": [f"r{mark}-{number}@bench.example.org"],
            "subject": "New: Bells",
            "message": TEXT.format(number),
        }
        for number in range(count)
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
