"""Capacity and commitment: what the active workers stand for, the limit that follows, and each node's whole slots.

Every change is made under the root's row lock and appends a capacity epoch; a grant commits only at the newest epoch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service import db
from service.models import CapacityEpoch, Commitment, QuotaNode, Worker, WorkerState
from service.scheduler.entitlement import SLOT_MC, Share, limit_mc, whole_slots

ROTATION = timedelta(seconds=10)
"""How long a rounding of fractional shares to whole slots stands before the carry decides anew."""

log = structlog.get_logger()


async def lock_root(session: AsyncSession) -> UUID:
    """Take the lock that orders all grants, releases and capacity changes; the first statement of each of them."""
    return (await session.execute(select(QuotaNode.id).where(QuotaNode.kind == "root").with_for_update())).scalar_one()


async def commitment(session: AsyncSession) -> Commitment:
    return (await session.execute(select(Commitment).execution_options(populate_existing=True))).scalar_one()


async def recount(session: AsyncSession, *, now: datetime, cause: str) -> None:
    """Sum the capacity of active workers; if it or the share changed, begin an epoch and divide anew. Needs the
    root lock."""
    row = await commitment(session)
    capacity = (
        await session.execute(
            select(func.coalesce(func.sum(Worker.contributes_mc), 0)).where(Worker.state == WorkerState.ACTIVE)
        )
    ).scalar_one()
    limit = limit_mc(int(capacity), row.numerator, row.denominator)
    if (int(capacity), limit) == (row.capacity_mc, row.limit_mc):
        return
    row.capacity_mc, row.limit_mc, row.epoch = int(capacity), limit, row.epoch + 1
    session.add(
        CapacityEpoch(
            epoch=row.epoch,
            at=now,
            capacity_mc=row.capacity_mc,
            limit_mc=limit,
            numerator=row.numerator,
            denominator=row.denominator,
            cause=cause,
        )
    )
    await session.flush()
    await divide(session, now=now)
    log.info("capacity.epoch", epoch=row.epoch, capacity_mc=row.capacity_mc, limit_mc=limit, cause=cause)


async def divide(session: AsyncSession, *, now: datetime) -> None:
    """Set every node's nominal slots from the limit and the weights, and carry the fractions on. Needs the root
    lock."""
    row = await commitment(session)
    query = select(QuotaNode).order_by(QuotaNode.id).execution_options(populate_existing=True)
    nodes = (await session.execute(query)).scalars().all()
    children: defaultdict[UUID | None, list[QuotaNode]] = defaultdict(list)
    for node in nodes:
        children[node.parent_id].append(node)
    values: list[dict[str, Any]] = []
    _divide_below(children[None], row.limit_mc // SLOT_MC, children, values)
    await session.execute(update(QuotaNode), values)
    await session.execute(update(QuotaNode).where(QuotaNode.kind == "root").values(moves=QuotaNode.moves + 1))
    row.rotated_at = now


def _divide_below(
    siblings: Sequence[QuotaNode],
    slots: int,
    children: dict[UUID | None, list[QuotaNode]],
    values: list[dict[str, Any]],
) -> None:
    shares = [Share(node.id, node.weight, node.carry) for node in siblings]
    for id, (given, carry) in whole_slots(slots, shares).items():
        values.append({"id": id, "nominal_mc": given * SLOT_MC, "carry": carry})
        if children.get(id):
            _divide_below(children[id], given, children, values)


async def rotate(session: AsyncSession, *, now: datetime) -> bool:
    """Divide anew if the present rounding has stood for `ROTATION` and leaves a fraction. Needs the root lock."""
    row = await commitment(session)
    if now - row.rotated_at < ROTATION:
        return False
    owed = await session.scalar(select(func.count()).where(QuotaNode.carry != 0))
    if not owed:
        row.rotated_at = now  # looked at again when the next rounding is due, not at every sweep
        return False
    await divide(session, now=now)
    await db.notify(session, db.SCHEDULE)
    return True
