"""A pool of 1,000 cells in a three-level tree with simulated workers, for benchmarks of the scheduler.

Workers hear grants from the broker and call the functions behind the internal API (`leases.claim`, and `Releases.end`
with `take`), as one API process does for real ones; what HTTP costs is measured elsewhere.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import redis.asyncio
from sqlalchemy import func, insert, select, text

from service import bootstrap, clock, db, departures, fleet, leases, sites, successors
from service.db import Sessions
from service.embedded.redis import EmbeddedRedis
from service.errors import Problem
from service.ids import new_id
from service.models import Cell, Lease, LeaseState, QuotaNode, Run, Site, WorkItem
from service.releases import Releases
from service.scheduler import loop
from workers import contract

GROUPS, CELLS = 20, 1000
WORKERS, SLOTS = 16, 32
CHUNK = contract.ChunkInfo(
    bytes=1,
    sha256="0" * 64,
    rows=1,
    episodes=1,
    steps=1,
    summary=[
        contract.SpecSummary(
            spec=0, episodes=1, steps=1, returns=1, return_sum=0, return_min=0, return_max=0, wall_ms=1
        )
    ],
)


@dataclass(frozen=True)
class Held:
    """A lease that a simulated slot runs."""

    lease: UUID
    worker: UUID
    fence: int

    @property
    def ending(self) -> leases.Ending:
        return leases.Ending(lease_id=self.lease, outcome=leases.Outcome.DONE, fence=self.fence, chunk=CHUNK)


class Crowd:
    """The cells' runs and the workers' slots."""

    def __init__(self, sessions: Sessions, broker: EmbeddedRedis) -> None:
        self.sessions = sessions
        self.cycles = 0
        self.warm = asyncio.Event()
        self._broker = redis.asyncio.Redis(unix_socket_path=str(broker.socket))
        self._workers: list[UUID] = []
        self._site: UUID | None = None

    # --- cells

    async def found(self, broker: EmbeddedRedis) -> None:
        async with self.sessions.begin() as session:
            await bootstrap.plant(session)
            site = await sites.create(session, name="site", redis_url=broker.url, store_url="file:///x")
            root = await session.scalar(select(QuotaNode.id))
            groups = [{"id": new_id(), "parent_id": root, "name": f"group-{i}", "kind": "group"} for i in range(GROUPS)]
            await session.execute(insert(QuotaNode), groups)
            cells = [{"id": new_id(), "name": f"cell-{i}"} for i in range(CELLS)]
            await session.execute(insert(Cell), cells)
            leaves = [
                {"id": new_id(), "parent_id": groups[i % GROUPS]["id"], "cell_id": cell["id"], "name": cell["name"]}
                for i, cell in enumerate(cells)
            ]
            await session.execute(insert(QuotaNode), [{**leaf, "kind": "cell"} for leaf in leaves])
            run = {"environments": 1, "policies": ["random"], "steps_per_env": 1, "seeds": [0], "labels": {}}
            run |= {"items_total": 10**9, "steps_expected": 10**9}  # none of them ends
            await session.execute(insert(Run), [{"id": new_id(), "cell_id": cell["id"], **run} for cell in cells])
        self._site = site.id
        for i in range(WORKERS):
            self._workers.append(await self._join(site, f"worker-{i}"))

    async def _join(self, site: Site, name: str) -> UUID:
        request = contract.Registration(name=name, incarnation=uuid4(), slots=SLOTS, memory_mb=10**6, runtime="r")
        async with self.sessions.begin() as session:
            worker = await fleet.register(session, site, request, now=await clock.now(session))
        message = contract.Heartbeat(incarnation=request.incarnation)
        for _ in range(departures.DWELL_HEARTBEATS):
            async with self.sessions.begin() as session:
                await fleet.heartbeat(session, site, worker.id, message, now=await clock.now(session))
        return worker.id

    async def queued(self) -> int:
        async with self.sessions() as session:
            return await session.scalar(select(func.count()).where(WorkItem.state == "queued")) or 0

    async def fill(self, items: int) -> None:
        """Queue items until so many of each cell wait."""
        async with self.sessions.begin() as session:
            await session.execute(_FILL, {"each": items // CELLS})
        async with self.sessions() as session:
            await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
            await session.execute(text("ANALYZE"))

    async def wake(self) -> None:
        async with self.sessions.begin() as session:
            await db.notify(session, db.SCHEDULE)

    # --- workers

    async def claim(self, message: contract.Grant, worker: UUID) -> Held | None:
        """As a worker that was told; None if the grant has lapsed."""
        claim = contract.Claim(worker_id=worker, fence=message.fence, attempt=uuid4())
        assert self._site is not None
        try:
            async with self.sessions.begin() as session:
                now = await clock.now(session)
                await leases.claim(session, message.lease_id, claim, site_id=self._site, now=now)
        except Problem:
            return None
        return Held(message.lease_id, worker, message.fence)

    async def told(self) -> tuple[contract.Grant, UUID]:
        """The next grant that comes for any worker, and whose it is."""
        queues = {leases.queue(worker).encode(): worker for worker in self._workers}
        name, message = await self._broker.blpop(list(queues))
        _, body, _ = json.loads(base64.b64decode(json.loads(message)["body"]))
        return contract.Grant(**body), queues[name]

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """In this block each slot that is granted an item ends it at once and goes on with the next."""
        releases = Releases(self.sessions)
        tasks: set[asyncio.Task[None]] = set()
        self.cycles = 0
        self.warm.clear()

        async def go_on(held: Held | None) -> None:
            while held is not None:
                released = await releases.end(held.ending, uuid4())
                self.cycles += 1
                if self.cycles == 4 * WORKERS * SLOTS:
                    self.warm.set()
                following = released.next
                held = following and Held(following.lease_id, held.worker, following.fence)

        async def begin(message: contract.Grant, worker: UUID) -> None:
            await go_on(await self.claim(message, worker))

        def start(slot: Coroutine[Any, Any, None]) -> None:
            task = asyncio.create_task(slot)
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        async def listen() -> None:
            while True:
                start(begin(*await self.told()))

        serving = [asyncio.create_task(releases.serve()), asyncio.create_task(listen())]
        for held in await self.running():
            start(go_on(held))
        try:
            yield
        finally:
            tasks |= set(serving)
            for task in list(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def running(self) -> list[Held]:
        """What all slots run."""
        async with self.sessions() as session:
            query = select(Lease.id, Lease.worker_id, Lease.fence).where(Lease.state == LeaseState.RUNNING)
            return [Held(*row) for row in await session.execute(query)]

    async def hold(self, slots: int) -> list[Held]:
        """So many slots that run something, started if need be."""
        while len(held := await self.running()) < slots:
            await loop.step(self.sessions)
            async with self.sessions() as session:
                query = select(Lease.id, Lease.worker_id, Lease.fence).where(Lease.state == LeaseState.GRANTED)
                granted = (await session.execute(query)).all()
            for lease, worker, fence in granted:
                await self.claim(contract.Grant(lease_id=lease, fence=fence), worker)
        return held[:slots]

    async def cycle(self, held: Sequence[Held]) -> list[Held]:
        """End leases and go on, in one transaction."""
        takes = {each.lease: uuid4() for each in held}
        async with self.sessions.begin() as session:
            now = await clock.now(session)
            assert all(await leases.end(session, [each.ending for each in held], now=now, wake=False))
            found = await successors.start(session, takes, now=now)
        workers = {each.lease: each.worker for each in held}
        return [Held(item.lease_id, workers[lease], item.fence) for lease, item in found.items()]


_FILL = text(
    """
    INSERT INTO work_item (id, run_id, node_id, ordinal, priority, state, mc, memory_mb, estimate_ms, max_ms, attempts,
        fence, policy, seed, batch, specs, segments)
    SELECT gen_random_uuid(), run.id, node.id, coalesce(have.last, -1) + i, 0, 'queued', 1000, 1024, 2000, 60000, 0,
        0, 'random', 0, 1,
        jsonb_build_array(jsonb_build_object('ref', 'classic/cartpole@1', 'digest', repeat('0', 64))),
        '[{"spec": 0, "env_index": 0, "first_episode": 0, "steps": 4096}]'
    FROM run JOIN quota_node node ON node.cell_id = run.cell_id
    CROSS JOIN LATERAL (
        SELECT max(ordinal) AS last, count(*) FILTER (WHERE state = 'queued') AS waiting
        FROM work_item WHERE run_id = run.id
    ) have
    CROSS JOIN LATERAL generate_series(1, :each - have.waiting) i
    """
)
