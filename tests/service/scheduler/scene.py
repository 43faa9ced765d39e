"""A small pool in a database, with workers and a broker played by hand: for tests that strike at the scheduler from
outside, what must hold of it at any time, and how it goes on to its end."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Sequence
from uuid import UUID, uuid4

import redis
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from service import bootstrap, capacity, cells, clock, departures, fleet, leases, sites
from service.db import Sessions
from service.embedded.redis import EmbeddedRedis
from service.errors import Problem
from service.ids import new_id
from service.models import Chunk, Lease, LeaseState, Outbox, QuotaNode, Run, Site, UsageSegment, Worker, WorkItem
from service.scheduler import loop
from service.scheduler.publish import Publisher
from workers import contract

CHUNK = contract.ChunkInfo(
    bytes=1,
    sha256="0",
    rows=1,
    episodes=1,
    steps=1,
    summary=[
        contract.SpecSummary(
            spec=0, episodes=1, steps=1, returns=1, return_sum=0, return_min=0, return_max=0, wall_ms=0
        )
    ],
)


class Scene:
    """Cells `a`, and `b` in a group, each with a run; workers `here` and `there` of two slots each."""

    def __init__(self, sessions: Sessions, broker: EmbeddedRedis) -> None:
        self.sessions = sessions
        self._broker = redis.Redis(unix_socket_path=str(broker.socket))

    @classmethod
    async def found(cls, sessions: Sessions, broker: EmbeddedRedis, *, items: int) -> Scene:
        """With so many items in each run."""
        async with sessions.begin() as session:
            await bootstrap.plant(session)
            await sites.create(session, name="site", redis_url=broker.url, store_url="file:///x")
            own = [await cells.create(session, name=name) for name in ("a", "b")]
            root = await session.scalar(select(QuotaNode.id).where(QuotaNode.kind == "root"))
            group = QuotaNode(parent_id=root, name="group", kind="group")
            session.add(group)
            await session.flush()
            await session.execute(update(QuotaNode).where(QuotaNode.name == "b").values(parent_id=group.id))
        scene = cls(sessions, broker)
        for name in ("here", "there"):
            await scene.join(name)
        for cell in own:
            await scene.submit(cell.name, items)
        return scene

    async def join(self, name: str, slots: int = 2) -> None:
        request = contract.Registration(name=name, incarnation=uuid4(), slots=slots, memory_mb=9999, runtime="r")
        async with self.sessions.begin() as session:
            site = (await session.scalars(select(Site))).one()
            worker = await fleet.register(session, site, request, now=await clock.now(session))
        for _ in range(departures.DWELL_HEARTBEATS):
            await self.beat(worker)

    async def beat(self, worker: Worker) -> None:
        async with self.sessions.begin() as session:
            site = (await session.scalars(select(Site))).one()
            message = contract.Heartbeat(incarnation=worker.incarnation)
            await fleet.heartbeat(session, site, worker.id, message, now=await clock.now(session))

    async def submit(self, name: str, items: int) -> None:
        async with self.sessions.begin() as session:
            node = (await session.scalars(select(QuotaNode).where(QuotaNode.name == name))).one()
            assert node.cell_id is not None
            run = Run(
                id=new_id(), cell_id=node.cell_id, environments=1, policies=["random"], steps_per_env=1, seeds=[0],
                labels={}, items_total=items, steps_expected=items,
            )  # fmt: skip
            session.add(run)
            await session.flush()
            values = {"run_id": run.id, "node_id": node.id, "memory_mb": 1, "estimate_ms": 2000, "max_ms": 9}
            values |= {"specs": [], "segments": [], "policy": "random", "seed": 0}
            await session.execute(insert(WorkItem), [{"id": new_id(), "ordinal": i, **values} for i in range(items)])
            await loop.db.notify(session, loop.db.SCHEDULE)

    # --- workers

    def forget(self) -> None:
        """Nothing waits at the broker."""
        self._broker.flushall()

    async def messages(self) -> list[contract.Grant]:
        """What has come for the workers, taken."""
        async with self.sessions() as session:
            workers = (await session.scalars(select(Worker.id))).all()
        found = []
        for worker in workers:
            while told := self._broker.lpop(leases.queue(worker)):
                _, body, _ = json.loads(base64.b64decode(json.loads(told)["body"]))  # type: ignore[arg-type]
                found.append(contract.Grant(**body))
        return found

    async def claim(self, message: contract.Grant) -> bool:
        """Whether it was the first to claim."""
        try:
            async with self.sessions.begin() as session:
                lease = await session.get_one(Lease, message.lease_id)
                site = (await session.scalars(select(Site))).one()
                claim = contract.Claim(worker_id=lease.worker_id, fence=message.fence, attempt=uuid4())
                await leases.claim(session, lease.id, claim, site_id=site.id, now=await clock.now(session))
        except Problem:
            return False
        return True

    async def running(self) -> Sequence[Lease]:
        async with self.sessions() as session:
            query = select(Lease).where(Lease.state == LeaseState.RUNNING).order_by(Lease.id)
            return (await session.scalars(query)).all()

    async def release(self, done: Sequence[Lease]) -> None:
        async with self.sessions.begin() as session:
            now = await clock.now(session)
            answers = await leases.end(session, [ending(lease) for lease in done], now=now)
            refused = [lease.id for lease, accepted in zip(done, answers, strict=True) if not accepted]
            states = await session.scalars(select(Lease.state).where(Lease.id.in_(refused)))
            assert set(states) <= {LeaseState.RELEASED}, "7: a result was refused whose lease is live"

    # --- what holds

    async def check(self, *, dropped: Sequence[UUID] = ()) -> None:
        """Counters are the live leases, each item is in one state, and no promise is lost but those `dropped`."""
        async with self.sessions() as session:
            await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            await self._check_counters(session)
            await self._check_items(session)
            bodies = (await session.scalars(select(Outbox.body))).all()
            granted = (await session.scalars(select(Lease.id).where(Lease.state == LeaseState.GRANTED))).all()
            unsent = {contract.Grant(**body).lease_id for body in bodies}
        # looked at later: a message is sent first and forgotten then
        sent = {message.lease_id for message in self._waiting(await self._queues())}
        assert set(granted) <= unsent | sent | set(dropped), "a lease of which no worker will hear"

    async def _queues(self) -> list[str]:
        async with self.sessions() as session:
            return [leases.queue(worker) for worker in await session.scalars(select(Worker.id))]

    def _waiting(self, queues: Sequence[str]) -> list[contract.Grant]:
        told = [message for queue in queues for message in self._broker.lrange(queue, 0, -1)]  # type: ignore[union-attr]
        return [contract.Grant(**json.loads(base64.b64decode(json.loads(message)["body"]))[1]) for message in told]

    async def _check_counters(self, session: AsyncSession) -> None:
        nodes = {node.id: node for node in await session.scalars(select(QuotaNode))}
        held: Counter[UUID] = Counter()
        for lease in await session.scalars(select(Lease).where(Lease.state != LeaseState.RELEASED)):
            above: UUID | None = lease.node_id
            while above is not None:
                held[above] += lease.mc
                above = nodes[above].parent_id
        assert {id: node.used_mc for id, node in nodes.items()} == {id: held[id] for id in nodes}, "4: counters"
        limit = (await capacity.commitment(session)).limit_mc
        root = next(node for node in nodes.values() if node.parent_id is None)
        assert root.used_mc <= limit, "1: more than the commitment"

    async def _check_items(self, session: AsyncSession) -> None:
        live = Counter(await session.scalars(select(Lease.item_id).where(Lease.state != LeaseState.RELEASED)))
        chunks = Counter(await session.scalars(select(Chunk.item_id)))
        won = Counter(await session.scalars(select(Lease.item_id).where(Lease.outcome == leases.Outcome.DONE)))
        for item in await session.scalars(select(WorkItem)):
            expected = {"queued": (0, 0, 0), "leased": (1, 0, 0), "done": (0, 1, 1)}[item.state]
            assert (live[item.id], chunks[item.id], won[item.id]) == expected, f"9: an item is {item.state}, but"
        settled = await session.scalar(select(func.count()).select_from(UsageSegment))
        ended = select(func.count()).where(Lease.state == LeaseState.RELEASED)
        assert settled == await session.scalar(ended), "5: a lease was settled twice, or not"
        workers = dict((await session.execute(select(Worker.id, Worker.slots))).all())
        held = (await session.scalars(select(Lease.worker_id).where(Lease.state != LeaseState.RELEASED))).all()
        assert all(count <= workers[worker] for worker, count in Counter(held).items()), "more leases than slots"

    async def finish(self) -> None:
        """Serve all that is left, as the scheduler and the workers would; each item must be done once."""
        publisher = Publisher(self.sessions)
        for _ in range(50):
            await loop.sweep(self.sessions)
            await loop._act(self.sessions, publisher)
            for message in await self.messages():
                await self.claim(message)
            running = await self.running()
            if running:
                await self.release(running)
            elif await self.is_finished():
                break
        await self.check()
        async with self.sessions() as session:
            states = (await session.execute(select(Run.state, Run.items_done, Run.items_total))).all()
            assert all(state == "succeeded" and done == total for state, done, total in states), f"9: runs {states}"
            assert set(await session.scalars(select(QuotaNode.used_mc))) == {0}

    async def is_finished(self) -> bool:
        async with self.sessions() as session:
            return not (await session.scalars(select(Run.id).where(Run.state != "succeeded"))).all()


def ending(lease: Lease, outcome: leases.Outcome = leases.Outcome.DONE) -> leases.Ending:
    chunk = CHUNK if outcome == leases.Outcome.DONE else None
    return leases.Ending(lease_id=lease.id, outcome=outcome, fence=lease.fence, chunk=chunk)
