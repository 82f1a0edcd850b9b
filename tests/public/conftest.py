"""Public pages are tested over Django's client, with the sandbox as the network's far end."""

from tests.fixtures import person, running_sandbox, sandbox

__all__ = ["person", "running_sandbox", "sandbox"]
