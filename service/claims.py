"""Claims: how long entitled items wait for room that others have borrowed. What a claim does, plan() decides; here it
is remembered from one round to the next."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.ids import new_id
from service.models import Claim, Lease, LeaseState, WorkItem
from service.scheduler.plan import Plan, Snapshot
from workers import contract


async def open_since(session: AsyncSession) -> dict[UUID, datetime]:
    """Since when each leaf claims room, by leaf."""
    rows = await session.execute(select(Claim.node_id, Claim.opened_at).where(Claim.closed_at.is_(None)))
    return dict(rows.all())


async def longest_wait(session: AsyncSession) -> timedelta:
    """After so long every item that runs now has ended, one way or another."""
    query = (
        select(func.max(WorkItem.max_ms))
        .join(Lease, Lease.item_id == WorkItem.id)
        .where(Lease.state != LeaseState.RELEASED)
    )
    return timedelta(milliseconds=await session.scalar(query) or 0, seconds=contract.TTL_S)


async def reclaimed(session: AsyncSession, *, since: datetime) -> dict[UUID, datetime]:
    """When leaves last got back what they had lent, by leaf, of those that did after `since`."""
    rows = await session.execute(
        select(Claim.node_id, func.max(Claim.closed_at).label("at"))
        .where(Claim.granted.is_(True), Claim.lent.is_(True), Claim.closed_at > since)
        .group_by(Claim.node_id)
    )
    return {row.node_id: row.at for row in rows}


async def remember(session: AsyncSession, decided: Plan, *, of: Snapshot, now: datetime) -> None:
    """Open the claims that a plan has, and close those that it has no more. Needs the root lock."""
    lent = any(node.used_mc > node.nominal_mc for node in of.nodes if node.parent is not None)
    opened = [
        {"id": new_id(), "node_id": leaf, "mc": claim.mc, "opened_at": now, "lent": lent and claim.entitled}
        for leaf, claim in decided.claims.items()
        if leaf not in of.claimed
    ]
    if opened:
        await session.execute(insert(Claim), opened)
    if decided.cut:  # it did not come to all leaves
        return
    granted = {grant.leaf for grant in decided.grants}
    closed = of.claimed.keys() - decided.claims.keys()
    for leaves, started in ((closed & granted, True), (closed - granted, False)):
        if leaves:
            still = update(Claim).where(Claim.node_id.in_(leaves), Claim.closed_at.is_(None))
            await session.execute(still.values(closed_at=now, granted=started))
