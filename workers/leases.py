"""The leases that a worker process holds, and the fence behind which it may hold none.

Owns when work must stop. Knows nothing of runners or of the network; the time is handed in.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from uuid import UUID

from workers import contract

FENCE_S = contract.TTL_S - contract.FENCE_MARGIN_S
"""Seconds after the last accepted heartbeat at which a worker stops all work by itself."""


class Lease:
    """One lease while it is held. `steps` is written by its slot and read by heartbeats."""

    def __init__(self, grant: contract.Grant) -> None:
        self.lease_id = grant.lease_id
        self.fence = grant.fence
        self.steps = 0
        self.abandoned = False


class Leases:
    """All leases of a worker process; safe to use from every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[UUID, Lease] = {}
        self._heard_at = float("-inf")

    def heard(self, sent_at: float) -> None:
        """The service accepted a heartbeat that was sent at this monotonic time: it cannot have counted earlier."""
        self._heard_at = max(self._heard_at, sent_at)

    def fenced(self, now: float) -> bool:
        """Whether the service may soon end our leases without our hearing of it."""
        return now - self._heard_at > FENCE_S

    def hold(self, grant: contract.Grant) -> Lease:
        with self._lock:
            lease = self._held[grant.lease_id] = Lease(grant)
            return lease

    def drop(self, lease: Lease) -> None:
        with self._lock:
            self._held.pop(lease.lease_id, None)

    def abandon(self, lease_ids: Iterable[UUID]) -> None:
        with self._lock:
            for lease_id in lease_ids:
                if lease_id in self._held:
                    self._held[lease_id].abandoned = True

    def abandon_all(self) -> None:
        with self._lock:
            for lease in self._held.values():
                lease.abandoned = True

    def progress(self) -> list[contract.LeaseProgress]:
        with self._lock:
            return [
                contract.LeaseProgress(lease_id=lease.lease_id, fence=lease.fence, steps=lease.steps)
                for lease in self._held.values()
                if not lease.abandoned
            ]
