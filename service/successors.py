"""Successors: a slot that releases its lease goes on with its next item, in one transaction and one answer.

Which item that is the scheduler's own plan decides; what it grants to other slots is sent to them as ever.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service import db, leases
from service.models import Lease
from service.scheduler import rounds
from workers import contract


async def start(session: AsyncSession, takes: Mapping[UUID, UUID], *, now: datetime) -> dict[UUID, contract.Item]:
    """The items that slots go on with, by the lease that each has released. `takes` holds the attempts by lease; one
    that comes again gets its item again. Needs the root lock."""
    held = await session.execute(select(Lease.id, Lease.worker_id).where(Lease.id == db.any_of(takes)))
    workers = dict(held.all())
    found = await leases.started(session, workers.values(), takes.values())
    waiting: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for lease, attempt in takes.items():
        if attempt not in found:
            waiting[workers[lease]].append(attempt)
    if await _play(session, waiting, now=now):
        await db.notify(session, db.SCHEDULE)
    if waiting:
        found |= await leases.started(session, waiting, [one for some in waiting.values() for one in some])
    return {lease: found[attempt] for lease, attempt in takes.items() if attempt in found}


async def _play(session: AsyncSession, waiting: Mapping[UUID, list[UUID]], *, now: datetime) -> bool:
    """Whether something is left to the scheduler."""
    try:
        async with session.begin_nested():
            takers = {worker: iter(attempts) for worker, attempts in waiting.items()}
            played = await rounds.play(session, now=now, takers=takers)
    except leases.StaleGrant:
        return True
    return played.promised > 0 or played.again
