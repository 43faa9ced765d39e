"""Why a run's next item waits, in one reason, and what would start it. Names nothing of other cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from service import capacity, clock
from service.api import schemas
from service.ids import show
from service.models import FINISHED, Lease, LeaseState, Run, WorkItem
from service.scheduler import rounds, snapshot
from service.scheduler.entitlement import Reason
from service.scheduler.explain import Change, Explanation, Lever, explain
from service.scheduler.plan import Pending, Shape, Snapshot

UNITS: Mapping[str, str] = MappingProxyType(
    {
        Reason.BUDGET_SPENT: "core_ms",
        Reason.LOAN_TOO_LONG: "ms",
        Reason.NO_FREE_MEMORY: "MB",
        Reason.NO_WORKER_LARGE_ENOUGH: "MB",
        Lever.RAISE_BUDGET: "core_ms",
        Lever.RAISE_MAX_LOAN: "ms",
        Lever.FREE_MEMORY: "MB",
        Lever.ADD_WORKER: "MB",
    }
)
"""Of a deficit or an amount; the others are millicores."""
NOBODY: Mapping[UUID, str] = MappingProxyType({})


async def of_run(session: AsyncSession, run: Run) -> schemas.Explanation:
    """As of now. Nothing waits of a run that has ended, or whose items all run."""
    item = await _next(session, run)
    if run.state in FINISHED or item is None:
        return _show(run, None, None)
    own = await _own_reason(session, run)
    if own is not None:
        return _show(run, own, None)
    now = await clock.now(session)
    seen, _ = await rounds.decide(session, now=now)
    waiting = Pending(item.id, item.node_id, Shape(item.mc, item.memory_mb, item.estimate_ms, item.max_ms))
    if all(each.id != item.id for each in seen.pending):
        seen = replace(seen, pending=[*seen.pending, waiting])
    found = explain(seen, item.node_id, waiting.shape)
    shown = _show(run, None, found, ahead=await _ahead(session, item), names=_names(seen))
    match shown.reason:
        case Reason.COMMITMENT_BELOW_ONE_SLOT:
            return shown.model_copy(update={"pool_needed_mc": await capacity.needed_mc(session, item.mc)})
        case Reason.CAPACITY_DEBT:
            debt = await capacity.debt(session, now=now)
            return shown.model_copy(update={"expected_end": debt.expected_end if debt else now})
    return shown


async def _next(session: AsyncSession, run: Run) -> WorkItem | None:
    query = select(WorkItem).where(WorkItem.run_id == run.id, WorkItem.state == "queued")
    found = await session.scalars(query.order_by(WorkItem.priority.desc(), WorkItem.ordinal).limit(1))
    return found.one_or_none()


async def _own_reason(session: AsyncSession, run: Run) -> Reason | None:
    """What of the run itself keeps its items back."""
    held = (await snapshot.held_back(session, [run.id])).get(run.id)
    if held is not None or run.max_parallel is None:
        return held
    live = select(func.count()).select_from(Lease).join(WorkItem, WorkItem.id == Lease.item_id)
    count = await session.scalar(live.where(WorkItem.run_id == run.id, Lease.state != LeaseState.RELEASED))
    return Reason.MAX_PARALLEL if (count or 0) >= run.max_parallel else None


async def _ahead(session: AsyncSession, item: WorkItem) -> int:
    """Items of the same cell that come before it."""
    before = tuple_(-WorkItem.priority, WorkItem.run_id, WorkItem.ordinal)
    count = select(func.count()).where(
        WorkItem.node_id == item.node_id,
        WorkItem.state == "queued",
        before < tuple_(-item.priority, item.run_id, item.ordinal),
    )
    return int(await session.scalar(count) or 0)


def _names(seen: Snapshot) -> dict[UUID, str]:
    return {node.id: node.name for node in seen.nodes}


def _show(
    run: Run, own: Reason | None, found: Explanation | None, *, ahead: int = 0, names: Mapping[UUID, str] = NOBODY
) -> schemas.Explanation:
    wait = found.wait if found else None
    reason = own or (wait.reason if wait else None)
    return schemas.Explanation(
        run=show("run", run.id),
        reason=reason,
        node=names[wait.node] if wait and wait.node else None,
        deficit=wait.deficit if wait else 0,
        unit=UNITS.get(str(reason), "mc") if wait and wait.deficit else None,
        pool_needed_mc=None,
        expected_end=None,
        ahead=ahead,
        changes=[_change(change, names) for change in (found.changes if found else [])],
    )


def _change(change: Change, names: Mapping[UUID, str]) -> schemas.Change:
    unit = UNITS.get(change.lever, "mc") if change.amount else None
    node = names[change.node] if change.node else None
    return schemas.Change(lever=change.lever, node=node, amount=change.amount, unit=unit)
