"""Free slots and memory of the workers, as one decision uses them up. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from service.scheduler.entitlement import Reason, Wait


@dataclass(frozen=True, slots=True)
class Slots:
    """What a worker has free, and has in all."""

    worker: UUID
    slots: int
    memory_mb: int
    most_memory_mb: int


class Placement:
    """Puts each item on the worker with most free slots, so that load spreads, among those whose memory it fits."""

    def __init__(self, workers: Sequence[Slots]) -> None:
        self._most = {w.worker: w.most_memory_mb for w in workers}
        self._free = {w.worker: (w.slots, w.memory_mb) for w in workers}
        self._largest_mb = max(self._most.values(), default=0)
        self._slots = sum(max(w.slots, 0) for w in workers)

    @property
    def full(self) -> bool:
        return self._slots <= 0

    @property
    def most_mb(self) -> int:
        """The memory that an item may need to start at all."""
        return max((memory for slots, memory in self._free.values() if slots > 0), default=self._largest_mb)

    def take(self, memory_mb: int) -> UUID | Wait:
        """A worker for the item, or why there is none."""
        if not self._most:
            return Wait(Reason.NO_WORKERS)
        if memory_mb > self._largest_mb:
            return Wait(Reason.NO_WORKER_LARGE_ENOUGH, None, memory_mb - self._largest_mb)
        if self.full:
            return Wait(Reason.NO_FREE_SLOT)
        open_ = [(slots, memory, worker) for worker, (slots, memory) in self._free.items() if slots > 0]
        fitting = [(slots, worker) for slots, memory, worker in open_ if memory >= memory_mb]
        if not fitting:
            return Wait(Reason.NO_FREE_MEMORY, None, memory_mb - max(memory for _, memory, _ in open_))
        worker = max(fitting)[1]
        self._use(worker, memory_mb)
        return worker

    def hold(self, memory_mb: int) -> None:
        """Keep what is or becomes free for an item that does not fit yet, where it will fit soonest."""
        large = [
            (memory, slots, worker) for worker, (slots, memory) in self._free.items() if self._most[worker] >= memory_mb
        ]
        if large:
            self._use(max(large)[2], memory_mb)

    def _use(self, worker: UUID, memory_mb: int) -> None:
        slots, memory = self._free[worker]
        self._free[worker] = slots - 1, memory - memory_mb
        self._slots -= slots > 0
