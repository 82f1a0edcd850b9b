#!/usr/bin/env python
"""Runs a Django command, with this checkout's own PostgreSQL and Valkey where the environment names none."""

import os
import sys

from django.core.management import execute_from_command_line

from project import embedded


def main() -> None:
    """Run the command of the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    with embedded.for_command(sys.argv):
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
