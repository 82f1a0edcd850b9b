"""Flows are tested against real PostgreSQL and Valkey, with the sandbox as the network's far end."""

import pytest

from tests.fixtures import own_redis, patient_redis, person, running_sandbox, sandbox

__all__ = ["clean_redis", "own_redis", "patient_redis", "person", "running_sandbox", "sandbox"]


@pytest.fixture(autouse=True)
def clean_redis(own_redis: None) -> None:
    """Claims ask breakers and pace in Redis, with or without a sandbox: no test may meet what another one left."""
