"""Reads what plan() decides on, in a handful of queries."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from service import capacity, clock
from service.models import Lease, LeaseState, NodeState, QuotaNode, Worker, WorkerState
from service.scheduler.plan import Node, Pending, Reason, Slots, Snapshot, decayed, plan

MOST_GRANTS = 128
"""Grants in one transaction."""


async def read(session: AsyncSession, *, now: datetime) -> Snapshot:
    """The pool at this moment. Of each cell only so many items as could start at once."""
    row = await capacity.commitment(session)
    half_life = timedelta(seconds=row.half_life_s)
    workers = await _workers(session)
    free = min(sum(worker.slots for worker in workers), MOST_GRANTS)
    nodes = await session.execute(select(QuotaNode).execution_options(populate_existing=True))
    return Snapshot(
        limit_mc=row.limit_mc,
        epoch=row.epoch,
        nodes=[
            Node(
                id=node.id,
                parent=node.parent_id,
                name=node.name,
                weight=node.weight,
                held=node.state != NodeState.ACTIVE,
                nominal_mc=node.nominal_mc,
                used_mc=node.used_mc,
                usage_core_ms=decayed(node.decayed_core_ms, node.decayed_at, now, half_life),
            )
            for node in nodes.scalars()
        ],
        pending=await _pending(session, most=max(free, 1)),
        workers=workers,
    )


async def _workers(session: AsyncSession) -> list[Slots]:
    held = (
        select(Lease.worker_id, func.count().label("slots"), func.sum(Lease.memory_mb).label("memory_mb"))
        .where(Lease.state != LeaseState.RELEASED)
        .group_by(Lease.worker_id)
        .subquery()
    )
    rows = await session.execute(
        select(
            Worker.id,
            Worker.slots - func.coalesce(held.c.slots, 0),
            Worker.memory_mb - func.coalesce(held.c.memory_mb, 0),
        )
        .outerjoin(held, held.c.worker_id == Worker.id)
        .where(Worker.state == WorkerState.ACTIVE)
        .order_by(Worker.id)
    )
    return [Slots(id, int(slots), int(memory_mb)) for id, slots, memory_mb in rows]


async def _pending(session: AsyncSession, *, most: int) -> list[Pending]:
    room = {row.id: max(row.room, 0) for row in await session.execute(_ROOM)}
    bounds = {"most": most, "bounded": list(room), "rooms": list(room.values())}
    return [
        Pending(row.id, row.node_id, row.mc, row.memory_mb, row.estimate_ms)
        for row in await session.execute(_QUEUE, bounds)
    ]


_ROOM = text(
    """
    SELECT run.id, run.max_parallel - coalesce(live.items, 0) AS room
    FROM run LEFT JOIN (
        SELECT work_item.run_id, count(*) AS items FROM lease JOIN work_item ON work_item.id = lease.item_id
        WHERE lease.state <> 'released' GROUP BY work_item.run_id
    ) live ON live.run_id = run.id
    WHERE run.max_parallel IS NOT NULL AND run.state IN ('queued', 'running')
    """
)
"""How many more items of runs that bound them may start."""

_QUEUE = text(
    """
    SELECT i.* FROM quota_node n CROSS JOIN LATERAL (
        SELECT id, node_id, mc, memory_mb, estimate_ms FROM (
            (
                SELECT * FROM work_item
                WHERE node_id = n.id AND state = 'queued' AND run_id <> ALL(:bounded)
                ORDER BY priority DESC, run_id, ordinal LIMIT :most
            )
            UNION ALL
            SELECT own.* FROM unnest(CAST(:bounded AS uuid[]), CAST(:rooms AS bigint[])) AS bound(run_id, room)
            CROSS JOIN LATERAL (
                SELECT * FROM work_item
                WHERE node_id = n.id AND state = 'queued' AND run_id = bound.run_id
                ORDER BY priority DESC, run_id, ordinal LIMIT bound.room
            ) own
        ) open
        ORDER BY priority DESC, run_id, ordinal LIMIT :most
    ) i
    WHERE n.kind = 'cell'
    """
)


async def reasons(session: AsyncSession, cells: Iterable[UUID]) -> dict[UUID, Reason]:
    """Why the next item of each cell does not start, by cell; nothing for cells whose next item is about to."""
    wanted = set(cells)
    if not wanted:
        return {}
    waits = plan(await read(session, now=await clock.now(session)), most=MOST_GRANTS).waits
    leaves = await session.execute(select(QuotaNode.id, QuotaNode.cell_id).where(QuotaNode.cell_id.in_(wanted)))
    return {cell: waits[leaf] for leaf, cell in leaves if cell is not None and leaf in waits}
