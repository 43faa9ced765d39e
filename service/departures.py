"""Departures: workers and sites that operators cordon and drain, and the moment at which capacity leaves.

A worker that is to leave starts nothing more, and grants are planned as if it had left. Its capacity leaves when
nothing runs on it and all that runs elsewhere fits into what stays. So what is planned never makes debt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service import capacity, clock, db, leases
from service.errors import Conflict
from service.models import COUNTED, LIVE, Duty, Lease, LeaseState, QuotaNode, Site, Worker, WorkerState
from service.scheduler.entitlement import limit_mc

DWELL_HEARTBEATS = 2
"""Heartbeats after which a worker's capacity counts."""


# --- what operators want


async def ask_worker(
    session: AsyncSession, worker: Worker, duty: Duty, *, departs_at: datetime | None = None, now: datetime
) -> Mapping[str, Any]:
    """Cordon, drain or neither; at `departs_at` a drained worker goes, whatever it still runs. Answers what changed,
    old and new.

    Raises
    ------
    Conflict
        The worker is gone.
    Invalid
        The moment to depart has passed.
    """
    await capacity.lock_root(session)
    await session.refresh(worker)
    if worker.state not in LIVE:
        raise Conflict(f"{worker.name} is {worker.state}; there is nothing to cordon")
    _check(departs_at, now=now)
    changed = _changes((worker.duty, worker.departs_at), duty, departs_at)
    worker.duty, worker.departs_at = duty, departs_at
    await _apply(session, [worker], now=now)
    return changed


async def ask_site(
    session: AsyncSession, site: Site, duty: Duty, *, departs_at: datetime | None = None, now: datetime
) -> Mapping[str, Any]:
    """The same for all workers of a site, those that come later too. What was asked of single workers stays."""
    await capacity.lock_root(session)
    await session.refresh(site)
    _check(departs_at, now=now)
    changed = _changes((site.state, None), duty, departs_at)
    site.state = duty
    workers = await _live_of(session, site)
    for worker in workers:
        if worker.duty != Duty.DRAINED:
            worker.departs_at = departs_at
    await _apply(session, workers, now=now)
    return changed


def _check(departs_at: datetime | None, *, now: datetime) -> None:
    if departs_at is not None:
        clock.check_ahead(departs_at, now=now, field="body.departs_at")


def _changes(before: tuple[str, datetime | None], duty: Duty, departs_at: datetime | None) -> dict[str, Any]:
    if before == (duty, departs_at):
        return {}
    return {"duty": [before[0], duty], "departs_at": departs_at and departs_at.isoformat()}


async def _apply(session: AsyncSession, workers: Sequence[Worker], *, now: datetime) -> None:
    await session.flush()
    await settle(session, workers, now=now)
    await capacity.move(session)
    await db.notify(session, db.SCHEDULE, db.SWEEP)


async def _live_of(session: AsyncSession, site: Site) -> Sequence[Worker]:
    query = select(Worker).where(Worker.site_id == site.id, Worker.state.in_(LIVE)).order_by(Worker.id)
    return (await session.scalars(query.execution_options(populate_existing=True))).all()


# --- what follows


async def settle(session: AsyncSession, workers: Sequence[Worker], *, now: datetime) -> None:
    """Let live workers be what they said and what operators want, and those go that can. Needs the root lock."""
    news = []
    for worker in workers:
        state = _state(worker, await session.get_one(Site, worker.site_id, populate_existing=True))
        if state != worker.state:
            worker.state = state
            news.append(f"{worker.name} is {state}")
    if news:
        await session.flush()
        await capacity.recount(session, now=now, cause=", ".join(news))
        await db.notify(session, db.SCHEDULE)
    await depart(session, now=now)


def _state(worker: Worker, site: Site) -> WorkerState:
    """Of a live worker, from what it said, what operators want, and whether it counted until now."""
    if worker.heartbeats < DWELL_HEARTBEATS:
        return WorkerState.JOINING
    if not (worker.leaving or Duty.DRAINED in (worker.duty, site.state)):
        return WorkerState.ACTIVE
    return WorkerState.DRAINING if worker.state in COUNTED else WorkerState.DRAINED


async def depart(session: AsyncSession, *, now: datetime) -> None:
    """Take the capacity of draining workers out, of each as soon as that makes no debt: nothing runs on it, and what
    runs elsewhere fits into what stays; at the latest when its time has come. Needs the root lock."""
    query = select(Worker).where(Worker.state == WorkerState.DRAINING).order_by(Worker.departs_at, Worker.id)
    for worker in (await session.scalars(query.execution_options(populate_existing=True))).all():
        late = worker.departs_at is not None and worker.departs_at <= now
        if late:
            await leases.end_of_worker(session, worker.id, leases.Outcome.WORKER_LOST, now=now)
        elif not await _may_go(session, worker):
            continue
        worker.state = WorkerState.DRAINED
        await session.flush()
        cause = f"{worker.name} left at its time" if late else f"{worker.name} left as planned"
        await capacity.recount(session, now=now, cause=cause)
        await db.notify(session, db.SCHEDULE)


async def _may_go(session: AsyncSession, worker: Worker) -> bool:
    row = await capacity.commitment(session)
    stays = limit_mc(row.capacity_mc - worker.contributes_mc, row.numerator, row.denominator, min_slots=row.min_slots)
    used = await session.scalar(select(QuotaNode.used_mc).where(QuotaNode.kind == "root"))
    busy = select(Lease.id).where(Lease.worker_id == worker.id, Lease.state != LeaseState.RELEASED).exists()
    return (used or 0) <= stays and not await session.scalar(select(busy))
