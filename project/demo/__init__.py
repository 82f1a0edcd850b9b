"""The demo: starts everything, sends real traffic over HTTP and shows what became of it."""

import os

# The demo never reads a developer's `.env`: it could name a real database and real providers.
os.environ.setdefault("CARILLON_ENV_FILE", os.devnull)
