"""The agent: one for each worker process. Registers, heartbeats, and takes grants from claim to release.

Owns the conversation with the service and when it is repeated. Knows nothing of Celery.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import structlog

from workers import contract, frames, store
from workers.api import Refused, ServiceApi, Unavailable
from workers.files import PolicyFiles, WrongContent
from workers.leases import FENCE_S, Lease, Leases
from workers.runners import RunnerPool
from workers.slots import STALL_S, Attempt, Slots

_FIRST_RETRY_S = 0.1
_MOST_RETRY_S = 5.0
_JOIN_BEAT_S = 0.5
"""Pause before the second heartbeat, with which a new worker begins to count."""
_LEAVE_BEAT_S = 0.5
"""Pause between heartbeats of a worker that leaves."""
LEAVE_S = 5.0
"""How long a worker with nothing left to do stays for work elsewhere that its capacity stands for."""
log = structlog.get_logger()


class Agent:
    """Speaks for one worker process; safe to call from every thread.

    `runtime` is the digest of the engines that stand here. `on_queue(queue)` is called whenever the service names the
    Celery queue on which this process must listen: at the start, and again after the service had lost sight of it.
    """

    def __init__(
        self,
        api: ServiceApi,
        *,
        name: str,
        slots: int,
        memory_mb: int,
        runtime: str,
        on_queue: Callable[[str], None],
        contributes_mc: int | None = None,
        stall_s: float = STALL_S,
        leave_s: float = LEAVE_S,
    ) -> None:
        self._api = api
        self._name = name
        self._size = {"slots": slots, "memory_mb": memory_mb, "contributes_mc": contributes_mc}
        self._slot_mb = memory_mb // slots
        self._runtime = runtime
        self._on_queue = on_queue
        self._leave_s = leave_s
        self._leases = Leases()
        self._files = PolicyFiles(api.policy_file)
        self._pool = RunnerPool(slots)
        self._slots = Slots(self._pool, self._leases, stall_s=stall_s)
        self._draining = False
        self._stopping = False
        self._stopped = False
        self._wake = threading.Event()
        self._joining = False
        self._departed = threading.Event()
        self._thread = threading.Thread(target=self._beat_until_stopped, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Register, as often as it takes, and start to heartbeat."""
        self._register()
        self._thread.start()

    def drain(self, *, hand_back: bool = False) -> None:
        """Take no more grants, and say so at once. What runs goes on, or is stopped and handed back unfinished."""
        self._draining = True
        if hand_back:
            self._slots.stop()
        self._wake.set()

    def stop(self) -> None:
        """Hand back what still runs, leave as soon as the service can do without, and end the runners."""
        if self._stopping:
            return
        self._stopping = True
        self._departed.clear()
        self.drain(hand_back=True)
        self._departed.wait(self._leave_s)
        self._stopped = True
        self._wake.set()
        self._thread.join(contract.HEARTBEAT_S)
        try:
            self._api.leave(self._worker.worker_id)
        except (Unavailable, Refused) as error:
            log.warning("worker.leave_failed", cause=str(error))
        self._pool.close()
        self._files.close()
        self._api.close()

    # --- one grant

    def run_grant(self, grant: contract.Grant) -> None:
        """Claim, run, release. Returns quietly where the lease is not, or no longer, ours."""
        if self._draining or self._leases.fenced(time.monotonic()):
            log.info("grant.dropped", lease=str(grant.lease_id))
            return
        worker = self._worker
        item = self._claim(grant, worker.worker_id)
        while item is not None:
            item = self._run(item, worker)

    def _run(self, item: contract.Item, worker: contract.Registered) -> contract.Item | None:
        """Run an item and release it; answers the item to go on with."""
        lease = self._leases.hold(contract.Grant(lease_id=item.lease_id, fence=item.fence))
        try:
            job = self._job(item, worker)
            attempt = self._attempt(job, lease)
            return None if attempt is None else self._release(job, lease, worker.worker_id, attempt)
        finally:
            self._leases.drop(lease)

    def _attempt(self, job: frames.Job, lease: Lease) -> Attempt | None:
        try:
            files = self._files.get(job.item.policy.files)
        except (Unavailable, Refused, WrongContent) as error:
            return Attempt(contract.Outcome.LOST, contract.Failure.STORE_ERROR, str(error))
        return self._slots.run(job.model_copy(update={"files": files}), lease)

    def _claim(self, grant: contract.Grant, worker_id: UUID) -> contract.Item | None:
        """As long as the lease may still be ours; a message that comes again is another attempt, and refused."""
        claim = contract.Claim(worker_id=worker_id, fence=grant.fence, attempt=uuid4())
        deadline = time.monotonic() + FENCE_S
        for _ in _attempts(lambda: time.monotonic() < deadline):
            try:
                item = self._api.claim(grant.lease_id, claim)
            except Refused as error:
                log.info("lease.refused", lease=str(grant.lease_id), cause=str(error))
                return None
            except Unavailable as error:
                log.warning("lease.claim_failed", lease=str(grant.lease_id), cause=str(error))
                continue
            log.info("lease.claimed", lease=str(grant.lease_id), item=str(item.item_id))
            return item
        return None

    def _job(self, item: contract.Item, worker: contract.Registered) -> frames.Job:
        """The item's own memory is an estimate, by which items are packed; none is failed below its slot's share."""
        item = item.model_copy(update={"memory_mb": max(item.memory_mb, self._slot_mb)})
        return frames.Job(item=item, site=worker.site, runtime=self._runtime, store_url=worker.store_url)

    def _release(self, job: frames.Job, lease: Lease, worker_id: UUID, attempt: Attempt) -> contract.Item | None:
        """Until the fence has passed, because a release may be sent twice; a chunk that was not taken is removed.
        Answers what the slot goes on with."""
        release = contract.Release(
            worker_id=worker_id,
            fence=lease.fence,
            outcome=attempt.outcome,
            failure=attempt.failure,
            detail=attempt.detail,
            chunk=attempt.chunk,
            cpu_ms=attempt.cpu_ms,
            take=None if self._draining else uuid4(),
        )
        for _ in _attempts(lambda: not self._leases.fenced(time.monotonic())):
            try:
                released = self._api.release(lease.lease_id, release)
            except Refused as error:
                log.warning("lease.release_refused", lease=str(lease.lease_id), cause=str(error))
                return None
            except Unavailable as error:
                log.warning("lease.release_failed", lease=str(lease.lease_id), cause=str(error))
                continue
            log.info("lease.released", lease=str(lease.lease_id), outcome=release.outcome, accepted=released.accepted)
            if attempt.chunk is not None and not released.accepted:
                store.delete(job.store_url, job.item.object_key)
            return released.next
        log.warning("lease.given_up", lease=str(lease.lease_id))  # the service collects what it left in the store
        return None

    # --- heartbeats

    def _register(self) -> None:
        """As a new incarnation, whose leases are none of those before."""
        self._leases.abandon_all()
        self._incarnation = uuid4()
        registration = contract.Registration(
            name=self._name, incarnation=self._incarnation, runtime=self._runtime, **self._size
        )
        for _ in _attempts(lambda: not self._stopped):
            sent_at = time.monotonic()
            try:
                self._worker = self._api.register(registration)
            except (Unavailable, Refused) as error:
                log.warning("worker.registration_failed", cause=str(error))
                continue
            self._leases.heard(sent_at)
            log.info("worker.registered", worker=self._name, site=self._worker.site, queue=self._worker.queue)
            self._on_queue(self._worker.queue)
            self._wake.set()
            return

    def _beat_until_stopped(self) -> None:
        while not self._stopped:
            self._wake.wait(self._pause_s)
            self._joining = self._wake.is_set()  # right after it registered; the next beat makes it count
            self._wake.clear()
            self._beat()

    @property
    def _pause_s(self) -> float:
        if self._stopping:
            return _LEAVE_BEAT_S
        return _JOIN_BEAT_S if self._joining else contract.HEARTBEAT_S

    def _beat(self) -> None:
        heartbeat = contract.Heartbeat(
            incarnation=self._incarnation, draining=self._draining, leases=self._leases.progress()
        )
        sent_at = time.monotonic()
        try:
            reply = self._api.heartbeat(self._worker.worker_id, heartbeat)
        except Unavailable as error:
            log.warning("heartbeat.failed", cause=str(error))
            self._departed.set()  # nobody is there to wait for
        except Refused as error:
            log.warning("heartbeat.refused", cause=str(error))
            self._departed.set()
            if error.status in (404, 410) and not self._stopping:
                self._register()
        else:
            self._leases.heard(sent_at)
            self._leases.abandon(reply.abandon)
            if reply.departed:
                self._departed.set()


def _attempts(going: Callable[[], bool]) -> Iterator[None]:
    """One attempt now, and more with growing pauses as long as it goes on."""
    pause = _FIRST_RETRY_S
    yield
    while going():
        time.sleep(pause)
        pause = min(2 * pause, _MOST_RETRY_S)
        yield
