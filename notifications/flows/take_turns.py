"""Take turns: a client that asked for much at once does not hold up others of the same lane.

Only a full claim can leave anything behind that is due. So a small backlog costs nothing, and a large one a statement
for each claim.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..models import Delivery
from ..rules.sharing import by_turns, quota

#: Beyond so many clients with something due at once, the others' turn is that of age.
MOST_CLIENTS = 250


def take_turns(oldest: Sequence[Delivery], channel: str, lane: int, most: int) -> list[Delivery]:
    """Return what a claim of `most` takes of a lane, given what has been due longest: that, or others' share with it.

    What is locked and not returned stays due, and is free again when the claim's transaction is over.
    """
    if len(oldest) < most:
        return list(oldest)
    clients = Delivery.objects.clients_due(channel, lane, MOST_CLIENTS)
    # All broadcasts are one party: they share the lane among themselves by how far each may plan ahead.
    parties = len(clients) + any(row.client is None for row in oldest)
    if not clients or parties == 1:
        return list(oldest)
    firsts = Delivery.objects.lock_of_clients(channel, lane, clients, quota(most, parties))
    return by_turns(oldest, firsts, most)
