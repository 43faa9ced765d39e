"""Slots: a claimed item is driven through a runner until there is something to release.

Owns watching a runner: its death, its silence and its time limit. Knows nothing of the network.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import structlog

from workers import contract, frames
from workers.leases import Lease, Leases
from workers.runners import RunnerDied, RunnerPool, RunnerProcess

STALL_S = 30.0
"""Seconds without progress after which a runner counts as hung."""
_LOOK_S = 0.25  # between two looks at the clock and at the lease
_LOST = contract.Outcome.LOST
log = structlog.get_logger()


@dataclass(frozen=True)
class Attempt:
    """How an attempt at an item ended; what a release says besides who releases."""

    outcome: contract.Outcome
    failure: contract.Failure | None = None
    detail: str | None = None
    chunk: contract.ChunkInfo | None = None
    cpu_ms: int = 0


class Slots:
    """Runs jobs, each in a runner of its own; called from as many threads as there are slots."""

    def __init__(self, pool: RunnerPool, leases: Leases, *, stall_s: float = STALL_S) -> None:
        self._pool = pool
        self._leases = leases
        self._stall_s = stall_s
        self._stopping = threading.Event()

    def run(self, job: frames.Job, lease: Lease) -> Attempt | None:
        """The attempt's end, or None where the lease is no longer ours: then its work was stopped."""
        runner = self._pool.take()
        runner.start(job)
        attempt, usable = self._watch(runner, job, lease)
        if usable:
            self._pool.give_back(runner)
        else:
            self._pool.replace(runner)
        return attempt

    def stop(self) -> None:
        """Hand back whatever still runs."""
        self._stopping.set()

    def _watch(self, runner: RunnerProcess, job: frames.Job, lease: Lease) -> tuple[Attempt | None, bool]:
        """The attempt's end, and whether the runner may run another item."""
        started = heard = time.monotonic()
        cpu_ms = 0
        while True:
            try:
                frame = runner.receive(_LOOK_S)
            except RunnerDied as death:
                log.warning("runner.died", lease=str(lease.lease_id), pid=runner.pid, cause=str(death))
                return Attempt(_LOST, contract.Failure.RUNNER_DIED, str(death), cpu_ms=cpu_ms), False
            now = time.monotonic()
            match frame:
                case frames.Result():
                    spoilt = frame.failure is contract.Failure.MEMORY_LIMIT
                    return Attempt(frame.outcome, frame.failure, frame.detail, frame.chunk, frame.cpu_ms), not spoilt
                case frames.Progress():
                    lease.steps, cpu_ms, heard = frame.steps, frame.cpu_ms, now
                case frames.Ready():
                    started = heard = now
            if lease.abandoned or self._leases.fenced(now):
                log.warning("lease.abandoned", lease=str(lease.lease_id), fenced=not lease.abandoned)
                return None, False
            failed = self._overdue(now - started, now - heard, job.item.max_ms)
            if failed is not None:
                outcome, failure, detail = failed
                log.warning("runner.killed", lease=str(lease.lease_id), pid=runner.pid, cause=str(failure))
                return Attempt(outcome, failure, detail, cpu_ms=cpu_ms), False

    def _overdue(
        self, running_s: float, silent_s: float, max_ms: int
    ) -> tuple[contract.Outcome, contract.Failure, str] | None:
        if self._stopping.is_set():
            return contract.Outcome.ABANDONED, contract.Failure.DRAINED, "the worker stops"
        if running_s * 1000 > max_ms:
            return contract.Outcome.FAILED, contract.Failure.TIME_LIMIT, f"over {max_ms} ms"
        if silent_s > self._stall_s:
            return _LOST, contract.Failure.STALLED, f"no progress for {self._stall_s:g} s"
        return None
