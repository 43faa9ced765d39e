"""The queue: what of each unfinished run waits and runs, why it waits, and how much of its cell comes before."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import Select, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from service import clock
from service.api import schemas
from service.ids import show
from service.models import FINISHED, Cell, Lease, LeaseState, QuotaNode, Run, WorkItem
from service.scheduler import rounds, snapshot
from service.scheduler.entitlement import Reason
from service.scheduler.explain import waits
from service.scheduler.plan import Pending, Shape

SLURM: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.NO_WORKERS: "NodeDown",
        Reason.HELD: "JobHeldAdmin",
        Reason.BUDGET_SPENT: "AssocGrpCPUMinutesLimit",
        Reason.LOAN_TOO_LONG: "AssocMaxWallDurationPerJobLimit",
        Reason.BORROWING_LIMIT: "AssocGrpCpuLimit",
        Reason.COMMITMENT_FULL: "AssocGrpCpuLimit",
        Reason.NO_FREE_SLOT: "Resources",
        Reason.NO_FREE_MEMORY: "Resources",
        Reason.NO_WORKER_LARGE_ENOUGH: "BadConstraints",
        Reason.ROOM_CLAIMED: "Priority",
        Reason.BEHIND_OTHERS: "Priority",
        Reason.MAX_PARALLEL: "JobArrayTaskLimit",
    }
)
"""What squeue would say, where Slurm knows such a reason."""


@dataclass(frozen=True)
class _Line:
    """What of a run waits, and the first of it."""

    items: int
    ahead: int
    first: Pending


def unfinished(leaves: Collection[UUID]) -> Select[Run]:
    """Runs of these quota nodes that have not ended."""
    query = select(Run).join(QuotaNode, QuotaNode.cell_id == Run.cell_id)
    return query.where(QuotaNode.id.in_(leaves), Run.state.not_in(FINISHED))


async def describe(session: AsyncSession, runs: Sequence[Run]) -> list[schemas.QueueEntry]:
    """How these runs stand in the queue now."""
    if not runs:
        return []
    ids = [run.id for run in runs]
    running = await _running(session, ids)
    lines = await _lines(session, ids)
    reasons = await _reasons(session, runs, lines, running)
    names = select(Cell.id, Cell.name).where(Cell.id.in_({run.cell_id for run in runs}))
    cells: dict[UUID, str] = dict((await session.execute(names)).all())
    return [
        schemas.QueueEntry(
            run=show("run", run.id),
            name=run.name,
            cell=cells[run.cell_id],
            running=running.get(run.id, 0),
            waiting=lines[run.id].items if run.id in lines else 0,
            reason=reasons.get(run.id),
            slurm=SLURM.get(reasons[run.id]) if run.id in reasons else None,
            ahead=lines[run.id].ahead if run.id in lines else 0,
            since=run.created_at,
        )
        for run in runs
    ]


async def _running(session: AsyncSession, runs: Sequence[UUID]) -> dict[UUID, int]:
    live = select(WorkItem.run_id, func.count()).join(Lease, Lease.item_id == WorkItem.id)
    live = live.where(WorkItem.run_id.in_(runs), Lease.state != LeaseState.RELEASED).group_by(WorkItem.run_id)
    return dict((await session.execute(live)).all())


async def _lines(session: AsyncSession, runs: Sequence[UUID]) -> dict[UUID, _Line]:
    rows = await session.execute(_LINES, {"runs": runs})
    return {
        row.run_id: _Line(
            items=row.items,
            ahead=row.ahead,
            first=Pending(row.id, row.node_id, Shape(row.mc, row.memory_mb, row.estimate_ms, row.max_ms)),
        )
        for row in rows
    }


# counted once by cell, priority and run, and not for each run what comes before it
_LINES = text(
    """
    WITH part AS (
        SELECT node_id, priority, run_id, count(*) AS items FROM work_item
        WHERE state = 'queued' AND node_id IN (
            SELECT n.id FROM quota_node n JOIN run r ON r.cell_id = n.cell_id WHERE r.id = ANY(CAST(:runs AS uuid[]))
        )
        GROUP BY node_id, priority, run_id
    ), line AS (
        SELECT node_id, priority, run_id,
            sum(items) OVER (PARTITION BY node_id ORDER BY priority DESC, run_id) - items AS ahead,
            sum(items) OVER (PARTITION BY run_id) AS items,
            row_number() OVER (PARTITION BY run_id ORDER BY priority DESC) AS place
        FROM part
    )
    SELECT line.run_id, line.node_id, CAST(line.ahead AS bigint) AS ahead, CAST(line.items AS bigint) AS items,
        first.id, first.mc, first.memory_mb, first.estimate_ms, first.max_ms
    FROM line CROSS JOIN LATERAL (
        SELECT id, mc, memory_mb, estimate_ms, max_ms FROM work_item
        WHERE node_id = line.node_id AND state = 'queued' AND priority = line.priority AND run_id = line.run_id
        ORDER BY ordinal LIMIT 1
    ) first
    WHERE place = 1 AND line.run_id = ANY(CAST(:runs AS uuid[]))
    """
)


async def _reasons(
    session: AsyncSession, runs: Sequence[Run], lines: Mapping[UUID, _Line], running: Mapping[UUID, int]
) -> dict[UUID, Reason]:
    """Why the next item of each run waits, where one does: what `explanations` says of the run."""
    waiting = [run for run in runs if run.id in lines]
    found = await snapshot.held_back(session, [run.id for run in waiting])
    for run in waiting:
        if run.max_parallel is not None and running.get(run.id, 0) >= run.max_parallel:
            found.setdefault(run.id, Reason.MAX_PARALLEL)
    others = [lines[run.id].first for run in waiting if run.id not in found]
    if not others:
        return found
    seen, _ = await rounds.decide(session, now=await clock.now(session))
    known = {item.id for item in seen.pending}
    seen = replace(seen, pending=[*seen.pending, *(item for item in others if item.id not in known)])
    told = waits(seen, {(item.leaf, item.shape) for item in others})
    for run in waiting:
        first = lines[run.id].first
        wait = told.get((first.leaf, first.shape))
        if run.id not in found and wait is not None:
            found[run.id] = wait.reason
    return found
