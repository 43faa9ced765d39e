"""A pool without its API, for tests of what operators change: cells, a worker of so many slots, runs, leases."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from service import audit, bootstrap, capacity, changes, db, departures, documents, fleet, leases, quotas, sites
from service.api import schemas
from service.edited_tree import Edit, EditedTree
from service.ids import new_id, show
from service.models import Lease, LeaseState, QuotaNode, Run, Site, WindowAccount, WorkItem
from service.scheduler import rounds
from workers import contract

T = TypeVar("T")
OPERATOR = audit.Known("key_operator", "a test")


class Ground:
    """`do` runs something in a transaction of its own, at `now`, which only the test moves."""

    def __init__(self, database_url: str) -> None:
        self.runner = asyncio.Runner()
        self.engine = db.create_engine(database_url, pool_size=2)
        self.sessions = db.sessions(self.engine)
        self.now = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
        self.do(bootstrap.plant)

    def close(self) -> None:
        self.runner.run(self.engine.dispose())
        self.runner.close()

    def do(self, work: Callable[..., Awaitable[T]], *arguments: Any, **named: Any) -> T:
        async def transaction() -> T:
            async with self.sessions.begin() as session:
                return await work(session, *arguments, **named)

        return self.runner.run(transaction())

    # --- the pool

    def site(self) -> Site:
        return self.do(sites.create, name="here", redis_url="redis://x", store_url="file:///x")

    def cell(self, name: str, weight: int = 1) -> UUID:
        return self.do(self._cell, name, weight)

    async def _cell(self, session: AsyncSession, name: str, weight: int) -> UUID:
        tree = await EditedTree.read(session, now=self.now)
        made = await tree.create("cell", name, tree.root, {"weight": weight})
        await tree.finish()
        assert made.cell_id is not None
        return made.cell_id

    def join(self, site: Site, slots: int, name: str = "w") -> UUID:
        """A worker that works; its slots are the committed third of what it stands for."""
        request = contract.Registration(name=name, incarnation=uuid4(), slots=slots, memory_mb=9999, runtime="r")
        worker = self.do(fleet.register, site, request, now=self.now)
        for _ in range(departures.DWELL_HEARTBEATS):
            heartbeat = contract.Heartbeat(incarnation=request.incarnation)
            self.do(fleet.heartbeat, site, worker.id, heartbeat, now=self.now)
        return worker.id

    def submit(self, cell: str, count: int) -> None:
        self.do(self._submit, cell, count)

    async def _submit(self, session: AsyncSession, cell: str, count: int) -> None:
        node = (await session.execute(select(QuotaNode).where(QuotaNode.name == cell))).scalar_one()
        run = Run(
            id=new_id(), cell_id=node.cell_id, environments=1, policies=["random"], steps_per_env=1, seeds=[0],
            labels={}, items_total=count, steps_expected=count,
        )  # fmt: skip
        session.add(run)
        await session.flush()
        values = {"node_id": node.id, "memory_mb": 1, "estimate_ms": 2000, "max_ms": 9000, "specs": [], "segments": []}
        rows = [
            {"id": new_id(), "run_id": run.id, "ordinal": i, "policy": "random", "seed": 0, **values}
            for i in range(count)
        ]
        await session.execute(insert(WorkItem), rows)

    def grant(self) -> int:
        return self.do(self._grant)

    async def _grant(self, session: AsyncSession) -> int:
        await capacity.lock_root(session)
        return (await rounds.play(session, now=self.now)).granted

    def live(self) -> list[Lease]:
        return self.do(_live)

    def release(self, lease: Lease) -> None:
        """It failed: so the item is over, whatever it was."""
        self.do(leases.end, [leases.Ending(lease_id=lease.id, outcome=leases.Outcome.FAILED)], now=self.now)

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    # --- quotas

    def node(self, name: str) -> QuotaNode:
        return next(node for node in self.do(quotas.tree) if node.name == name)

    def id(self, name: str) -> str:
        return show("quota", self.node(name).id)

    def settled(self, name: str) -> int:
        """Core-milliseconds that the node's budgets paid for, of all windows."""
        query = select(func.coalesce(func.sum(WindowAccount.settled_core_ms), 0))
        query = query.where(WindowAccount.node_id == self.node(name).id)
        return int(self.do(lambda session: session.scalar(query)))

    def edit(self, name: str, **wanted: Any) -> schemas.QuotaChange:
        """A change that edits one node."""
        return schemas.QuotaChange.model_validate({"quotas": [{"quota": self.id(name), **wanted}]})

    def apply(self, change: schemas.QuotaChange) -> list[Edit]:
        """Whatever it takes away."""
        return self.do(_apply, change, now=self.now)

    def document(self) -> schemas.QuotaDocument:
        return self.do(quotas.document)

    def become(self, document: dict[str, Any]) -> list[Edit]:
        return self.apply(schemas.QuotaChange.model_validate({"document": document}))

    def exported(self) -> dict[str, Any]:
        return documents.canonical(self.document())

    def audited(self, name: str) -> list[tuple[str, dict[str, Any]]]:
        """What was done to a node, oldest first."""
        rows = self.do(_audited, name)
        return [(row.action, row.change) for row in rows]


async def _apply(session: AsyncSession, change: schemas.QuotaChange, *, now: datetime) -> list[Edit]:
    edits = await changes.apply(session, change, by="an operator", now=now)
    changes.write_down(session, OPERATOR, edits)
    return edits


async def _audited(session: AsyncSession, name: str) -> list[Any]:
    query = await audit.matching(session, actor=None, action=None, target=name, since=None)
    return sorted(await session.scalars(query), key=lambda row: row.id)


async def _live(session: AsyncSession) -> list[Lease]:
    query = select(Lease).where(Lease.state != LeaseState.RELEASED).order_by(Lease.granted_at, Lease.id)
    return list((await session.scalars(query)).all())


@contextmanager
def opened(database_url: str) -> Iterator[Ground]:
    ground = Ground(database_url)
    try:
        yield ground
    finally:
        ground.close()
