"""The scheduler process: woken by NOTIFY, it plans, grants, publishes and keeps deadlines. Nothing here polls.

One leader at a time holds an advisory lock; that saves work, correctness never depends on it (see service.leases).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from datetime import datetime, timedelta

import psycopg
import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from service import accounts, capacity, claims, clock, counters, db, departures, fleet, leases, logs, schedules
from service.db import Sessions
from service.deliveries import Deliveries
from service.models import LIVE, Lease, LeaseState, Worker, WorkerState, WorkItem
from service.retention import Retention
from service.scheduler import rounds
from service.scheduler.publish import Publisher
from service.settings import Settings
from workers import contract

LEADER = 0x776F726C64  # "world": the key of the advisory lock
RETRY_S = 1.0
"""Pause before a broker that did not answer is tried again."""
IDLE_S = 60.0
"""Longest sleep without a deadline."""

log = structlog.get_logger()


async def step(sessions: Sessions) -> int:
    """Plan and grant once, in one transaction under the root's lock; answers how many items were granted."""
    async with sessions.begin() as session:
        await capacity.lock_root(session)
        return (await rounds.play(session, now=await clock.now(session))).granted


async def sweep(sessions: Sessions) -> None:
    """Check the counters, and keep the deadlines that have come."""
    async with sessions.begin() as session:
        await capacity.lock_root(session)
        await counters.check(session)
        now = await clock.now(session)
        await keep_deadlines(session, now=now, accepting=await clock.accepting(session, now=now))


async def keep_deadlines(session: AsyncSession, *, now: datetime, accepting: bool) -> None:
    """Of windows, claims, silent workers and leases, departures, exceptions, scheduled changes and the rotation of
    whole slots. Needs the root lock."""
    await accounts.open_window(session, await capacity.commitment(session), now=now)
    late = await leases.overdue(session, now=now, accepting=accepting)
    if late:
        log.info("lease.overdue", leases=len(late))
        await leases.end(session, late, now=now)
    if accepting:
        await fleet.lose_silent(session, now=now)
    await departures.depart(session, now=now)
    await capacity.end_exception(session, now=now)
    await schedules.keep(session, now=now)
    if await _queue_not_empty(session):
        await capacity.rotate(session, now=now)


async def next_deadline_s(sessions: Sessions) -> float:
    """Seconds until `sweep` may find something to do."""
    async with sessions() as session:
        now = await clock.now(session)
        ttl = timedelta(seconds=contract.TTL_S)
        granted = await session.scalar(select(func.min(Lease.granted_at)).where(Lease.state == LeaseState.GRANTED))
        seen = await session.scalar(
            select(func.min(Lease.seen_at)).where(Lease.state.in_([LeaseState.RUNNING, LeaseState.DRAINING]))
        )
        alive = await session.scalar(select(func.min(Worker.seen_at)).where(Worker.state.in_(LIVE)))
        departure = await session.scalar(
            select(func.min(Worker.departs_at)).where(Worker.state == WorkerState.DRAINING)
        )
        scheduled = await schedules.next_at(session)
        row = await capacity.commitment(session)
        cooldown = timedelta(seconds=row.cooldown_s)
        cooling = (await claims.reclaimed(session, since=now - cooldown)).values() if cooldown else ()
        waits = await _queue_not_empty(session)
    deadlines = [
        at + after
        for at, after in (
            (granted, timedelta(seconds=contract.CLAIM_DEADLINE_S)),
            (seen, ttl),
            (alive, ttl),
            (departure, timedelta()),
            (row.min_slots_until, timedelta()),
            (min(cooling, default=None), cooldown),
            (now if cooldown else None, cooldown),  # to see in time what begins to cool down meanwhile
            (scheduled, timedelta()),
            (row.rotated_at if waits else None, capacity.ROTATION),
            (row.window_ends_at if waits else None, timedelta()),
        )
        if at is not None
    ]
    return _seconds_until(min(deadlines), now) if deadlines else IDLE_S


def _seconds_until(deadline: datetime, now: datetime) -> float:
    # a deadline that passed and still stands waits for something else, such as the API to come back
    return min(max((deadline - now).total_seconds(), 1.0), IDLE_S)


async def _queue_not_empty(session: AsyncSession) -> bool:
    return bool(await session.scalar(select(select(WorkItem.id).where(WorkItem.state == "queued").exists())))


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Lead until `stop`: wait for work or a deadline, act, and begin again."""
    engine = db.create_engine(settings.database_url, pool_size=4)
    sessions = db.sessions(engine)
    publisher = Publisher(sessions)
    try:
        async with db.listening(settings.database_url, db.SCHEDULE) as connection:
            await _lead(connection, stop)
            if stop.is_set():
                return
            log.info("scheduler.leads")
            wake, deadlines = asyncio.Event(), asyncio.Event()
            listener = asyncio.create_task(_listen(connection, wake, deadlines))
            wakeups = db.Wakeups(settings.database_url, db.WEBHOOK)
            works = (
                Retention(sessions, timedelta(hours=settings.orphan_hours)).serve(),
                wakeups.listen(),
                Deliveries(sessions, wakeups, private=settings.webhook_private).serve(),
            )
            beside = [asyncio.create_task(work) for work in works]
            try:
                await _loop(sessions, publisher, wake, deadlines, stop, listener)
            finally:
                for task in (listener, *beside):
                    task.cancel()
                await asyncio.gather(listener, *beside, return_exceptions=True)
    finally:
        await engine.dispose()


async def _lead(connection: psycopg.AsyncConnection, stop: asyncio.Event) -> None:
    waiting = asyncio.create_task(connection.execute("SELECT pg_advisory_lock(%s)", (LEADER,)))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not waiting.done():
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    else:
        waiting.result()


async def _listen(connection: psycopg.AsyncConnection, wake: asyncio.Event, deadlines: asyncio.Event) -> None:
    async for notification in connection.notifies():
        if notification.payload == db.SWEEP:
            deadlines.set()
        wake.set()


async def _loop(
    sessions: Sessions,
    publisher: Publisher,
    wake: asyncio.Event,
    deadlines: asyncio.Event,
    stop: asyncio.Event,
    listener: asyncio.Task[None],
) -> None:
    clock_s = asyncio.get_running_loop().time
    due = clock_s()
    while not stop.is_set():
        wake.clear()
        if clock_s() >= due or deadlines.is_set():
            deadlines.clear()
            await sweep(sessions)
            due = clock_s() + await next_deadline_s(sessions)
        granted, published = await _act(sessions, publisher)
        if granted:
            due = min(due, clock_s() + contract.CLAIM_DEADLINE_S)
        timeout = max(due - clock_s(), 0.0) if published else RETRY_S
        waits = [asyncio.create_task(wake.wait()), asyncio.create_task(stop.wait())]
        done, _ = await asyncio.wait({*waits, listener}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()
        if listener in done:
            listener.result()  # the connection broke: end, and let the supervisor start anew
            return


async def _act(sessions: Sessions, publisher: Publisher) -> tuple[int, bool]:
    """Grant all that can start and send it: how many, and false if a broker must be tried again."""
    granted = 0
    published = await publisher.flush()
    try:
        while count := await step(sessions):
            granted += count
            published = await publisher.flush()
    except leases.StaleGrant as stale:
        log.info("grant.stale", what=str(stale))
    return granted, published


def main(settings: Settings) -> None:
    """Run until SIGTERM or Ctrl-C."""
    logs.configure(settings)

    async def guarded() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        with contextlib.suppress(asyncio.CancelledError):
            await run(settings, stop)

    try:
        asyncio.run(guarded())
    except (psycopg.OperationalError, DBAPIError) as error:
        log.error("scheduler.database_lost", error=str(error).splitlines()[0])
        raise SystemExit(1) from None
