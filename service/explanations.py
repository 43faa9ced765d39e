"""Why a run's next item waits, in one reason, and what would start it. Names nothing of other cells."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from service import capacity, clock
from service.api import schemas
from service.ids import show
from service.models import FINISHED, Lease, LeaseState, Run, WorkItem
from service.scheduler import eta, rounds, snapshot
from service.scheduler.entitlement import Reason
from service.scheduler.eta import Estimate
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
PASSING = {
    Reason.BEHIND_OTHERS,
    Reason.BORROWING_LIMIT,
    Reason.COMMITMENT_FULL,
    Reason.NOTHING_LENT,
    Reason.NO_FREE_MEMORY,
    Reason.NO_FREE_SLOT,
    Reason.ROOM_CLAIMED,
}
"""What ends by itself as items end, so that a start can be estimated."""
FURTHEST_MS = clock.FURTHEST / timedelta(milliseconds=1)
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
    held = await snapshot.held_back(session)
    ahead, ahead_core_ms = await _ahead(session, item, held)
    shown = _show(run, None, found, ahead=ahead, names=_names(seen))
    if found.wait and found.wait.reason in PASSING:
        start = await _start(session, seen, item, ahead_core_ms, held, now=now)
        return shown.model_copy(update=_times(start, now=now))
    match shown.reason:
        case Reason.COMMITMENT_BELOW_ONE_SLOT:
            return shown.model_copy(update={"pool_needed_mc": await capacity.needed_mc(session, item.mc)})
        case Reason.CAPACITY_DEBT:
            debt = await capacity.debt(session, now=now)
            return shown.model_copy(update={"expected_end": debt.expected_end if debt else now})
        case Reason.BUDGET_SPENT:
            return shown.model_copy(update={"until": (await capacity.commitment(session)).window_ends_at})
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


async def _ahead(session: AsyncSession, item: WorkItem, held: Collection[UUID]) -> tuple[int, float]:
    """Items of the same cell that come before it, and the core-milliseconds that those which are not `held` back should
    take."""
    before = tuple_(-WorkItem.priority, WorkItem.run_id, WorkItem.ordinal)
    query = select(func.count(), snapshot.core_ms_of_items(but=held)).where(
        WorkItem.node_id == item.node_id,
        WorkItem.state == "queued",
        before < tuple_(-item.priority, item.run_id, item.ordinal),
    )
    count, core_ms = (await session.execute(query)).one()
    return count, float(core_ms)


async def _start(
    session: AsyncSession,
    seen: Snapshot,
    item: WorkItem,
    ahead_core_ms: float,
    held: Collection[UUID],
    *,
    now: datetime,
) -> Estimate:
    """After how long it may start, if what is queued at nodes that are open and not `held` back is what there is to
    do."""
    running, queued = await snapshot.work_left(session, but=held, now=now)
    tree = seen.tree()
    base = eta.base_ms(
        seen.nodes,
        seen.limit_mc,
        running=running,
        queued_core_ms={leaf: core_ms for leaf, core_ms in queued.items() if tree.closed(leaf) is None},
        leaf=item.node_id,
        ahead_core_ms=ahead_core_ms,
    )
    return eta.estimate(base)


def _times(start: Estimate, *, now: datetime) -> dict[str, datetime]:
    """None where it would start in years, or never."""
    found = {"start_p50": start.p50_ms, "start_p90": start.p90_ms}
    return {name: now + timedelta(milliseconds=ms) for name, ms in found.items() if ms < FURTHEST_MS}


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
        start_p50=None,
        start_p90=None,
        ahead=ahead,
        until=None,
        changes=[_change(change, names) for change in (found.changes if found else [])],
    )


def _change(change: Change, names: Mapping[UUID, str]) -> schemas.Change:
    unit = UNITS.get(change.lever, "mc") if change.amount else None
    node = names[change.node] if change.node else None
    return schemas.Change(lever=change.lever, node=node, amount=change.amount, unit=unit)
