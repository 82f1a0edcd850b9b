"""Commands are tested against real PostgreSQL and Valkey, with the sandbox as the network's far end."""

from tests.fixtures import own_redis, patient_redis, person, running_sandbox, sandbox

__all__ = ["own_redis", "patient_redis", "person", "running_sandbox", "sandbox"]
