"""Workers: who is there, what each contributes, and when one counts as gone. Speaks with them by workers.contract."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service import capacity, db, departures, leases
from service.api import schemas
from service.errors import Gone, Invalid, NotFound
from service.ids import read, show
from service.models import COUNTED, LIVE, Duty, Lease, LeaseState, Site, Worker, WorkerState
from workers import contract

log = structlog.get_logger()


def default_contribution(slots: int) -> int:
    """Millicores of the pool that slots stand for where nothing is declared: these slots are the committed 33 %."""
    return -(-slots * 100_000 // 33)


async def register(session: AsyncSession, site: Site, request: contract.Registration, *, now: datetime) -> Worker:
    """A new incarnation of a worker; the one before it with the same name is lost at that moment, and what operators
    wanted of it holds for this one. Safe to send twice."""
    await capacity.lock_root(session)
    known = (
        await session.execute(select(Worker).where(Worker.incarnation == request.incarnation))
    ).scalar_one_or_none()
    if known is not None:
        if known.site_id != site.id or known.state not in LIVE:
            raise Invalid("this incarnation is over", errors=[("body.incarnation", "make a new one")])
        return known
    named = select(Worker).where(Worker.site_id == site.id, Worker.name == request.name)
    before = await session.scalar(named.order_by(Worker.id.desc()).limit(1))
    if before is not None and before.state in LIVE:
        await _end(
            session, before.id, WorkerState.LOST, leases.Outcome.WORKER_LOST, now=now, cause=f"{request.name} restarted"
        )
    worker = Worker(
        site_id=site.id,
        name=request.name,
        incarnation=request.incarnation,
        duty=before.duty if before is not None else Duty.ACTIVE,
        slots=request.slots,
        contributes_mc=request.contributes_mc or default_contribution(request.slots),
        memory_mb=request.memory_mb,
        runtime=request.runtime,
        registered_at=now,
        seen_at=now,
    )
    session.add(worker)
    await session.flush()
    log.info("worker.registered", worker=worker.name, slots=worker.slots)
    return worker


async def heartbeat(
    session: AsyncSession, site: Site, worker_id: UUID, request: contract.Heartbeat, *, now: datetime
) -> contract.HeartbeatReply:
    """Note that a worker lives and what it holds. Duplicates and late ones change nothing but the time it was seen.
    What drains leaves as soon as it can.

    Raises
    ------
    Gone
        The worker was declared lost or has left: it must register anew.
    """
    worker = await session.get(Worker, worker_id)
    if (
        worker is None
        or worker.site_id != site.id
        or worker.incarnation != request.incarnation
        or worker.state not in LIVE
    ):
        raise Gone("this worker is not registered; register a new incarnation")
    joins = worker.state == WorkerState.JOINING
    leaves = worker.state == WorkerState.DRAINING or (request.draining and not worker.leaving)
    if joins or leaves:
        await capacity.lock_root(session)  # before any row of ours: all capacity changes lock in one order
    seen = await session.scalars(
        update(Worker)
        .where(Worker.id == worker_id, Worker.state.in_(LIVE))
        .values(
            seen_at=func.greatest(Worker.seen_at, now),
            heartbeats=Worker.heartbeats + 1,
            leaving=Worker.leaving | request.draining,
        )
        .returning(Worker)
        .execution_options(populate_existing=True)
    )
    worker = seen.one_or_none()
    if worker is None:
        raise Gone("this worker is not registered; register a new incarnation")
    if joins or leaves:
        await departures.settle(session, [worker], now=now)
    abandon = await leases.refresh(session, worker_id, request.leases, now=now) if request.leases else []
    return contract.HeartbeatReply(abandon=abandon, departed=worker.leaving and worker.state not in COUNTED)


async def leave(session: AsyncSession, site: Site, worker_id: UUID, *, now: datetime) -> None:
    """A worker says good-bye: what it still held is queued again. Leaving twice changes nothing."""
    worker = await session.get(Worker, worker_id)
    if worker is None or worker.site_id != site.id:
        raise Gone("no such worker")
    await capacity.lock_root(session)
    await _end(session, worker_id, WorkerState.LEFT, leases.Outcome.ABANDONED, now=now, cause=f"{worker.name} left")


async def lose_silent(session: AsyncSession, *, now: datetime) -> int:
    """Declare lost whoever was not heard of for one TTL. Call it only while heartbeats are accepted."""
    silent = await session.scalars(
        select(Worker).where(Worker.state.in_(LIVE), Worker.seen_at < now - timedelta(seconds=contract.TTL_S))
    )
    lost = silent.all()
    if lost:
        await capacity.lock_root(session)
    for worker in lost:
        await _end(
            session,
            worker.id,
            WorkerState.LOST,
            leases.Outcome.WORKER_LOST,
            now=now,
            cause=f"{worker.name} fell silent",
        )
    return len(lost)


async def _end(
    session: AsyncSession, worker_id: UUID, state: WorkerState, outcome: leases.Outcome, *, now: datetime, cause: str
) -> None:
    """One transaction: the worker is gone, its capacity with it, and its leases end."""
    ended = await session.execute(
        update(Worker).where(Worker.id == worker_id, Worker.state.in_(LIVE)).values(state=state).returning(Worker.id)
    )
    if ended.one_or_none() is None:
        return
    await leases.end_of_worker(session, worker_id, outcome, now=now)
    await capacity.recount(session, now=now, cause=cause)
    await db.notify(session, db.SCHEDULE)
    log.info("worker.ended", state=str(state), cause=cause)


def show_worker(worker: Worker, site: Site, *, busy: int) -> schemas.Worker:
    return schemas.Worker(
        id=show("worker", worker.id),
        name=worker.name,
        site=site.name,
        state=worker.state,
        cordoned=worker.duty != Duty.ACTIVE or site.state != Duty.ACTIVE,
        departs_at=worker.departs_at,
        slots=worker.slots,
        busy=busy,
        contributes_mc=worker.contributes_mc,
        memory_mb=worker.memory_mb,
        runtime=worker.runtime,
        registered_at=worker.registered_at,
        seen_at=worker.seen_at,
    )


async def busy_slots(session: AsyncSession) -> dict[UUID, int]:
    """Live leases by worker."""
    query = select(Lease.worker_id, func.count()).where(Lease.state != LeaseState.RELEASED).group_by(Lease.worker_id)
    return dict((await session.execute(query)).all())


async def find(session: AsyncSession, worker: str) -> Worker:
    """By id, or by name while it lives.

    Raises
    ------
    NotFound
        No worker has this name or id, or workers of several sites have the name.
    """
    named = (await session.scalars(select(Worker).where(Worker.name == worker, Worker.state.in_(LIVE)))).all()
    if len(named) > 1:
        raise NotFound(f"several sites have a worker {worker}; name it by its id")
    found = named[0] if named else None
    if found is None and worker.startswith("worker_"):
        found = await session.get(Worker, read("worker", worker))
    if found is None:
        raise NotFound(f"there is no worker {worker}")
    return found


async def live(session: AsyncSession) -> Sequence[Worker]:
    return (await session.execute(select(Worker).where(Worker.state.in_(LIVE)).order_by(Worker.id))).scalars().all()


async def runtime(session: AsyncSession) -> str | None:
    """The runtime that all active workers have, or None where none works or they differ."""
    found = (await session.scalars(select(Worker.runtime).where(Worker.state == WorkerState.ACTIVE).distinct())).all()
    return found[0] if len(found) == 1 else None
