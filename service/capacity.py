"""Capacity and commitment: what the active workers stand for, the limit that follows, and each node's whole slots.

Every change is made under the root's row lock and appends a capacity epoch; a grant commits only at the newest epoch.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from uuid import UUID

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service import accounts, db, webhooks
from service.models import (
    COUNTED,
    CapacityEpoch,
    Commitment,
    Lease,
    LeaseState,
    QuotaNode,
    Worker,
    WorkerState,
    WorkItem,
)
from service.scheduler.entitlement import SLOT_MC, Share, capacity_mc, divided, limit_mc
from service.webhooks import Event
from workers import contract

ROTATION = timedelta(seconds=10)
"""How long a rounding of fractional shares to whole slots stands before the carry decides anew."""

log = structlog.get_logger()


async def lock_root(session: AsyncSession) -> UUID:
    """Take the lock that orders all grants, releases and capacity changes; the first statement of each of them."""
    return (await session.execute(select(QuotaNode.id).where(QuotaNode.kind == "root").with_for_update())).scalar_one()


async def commitment(session: AsyncSession) -> Commitment:
    return (await session.execute(select(Commitment).execution_options(populate_existing=True))).scalar_one()


async def recount(session: AsyncSession, *, now: datetime, cause: str) -> None:
    """Sum the capacity of the workers that count; if it or the share changed, begin an epoch. Divide anew if more or
    less may be granted now. Needs the root lock."""
    row = await commitment(session)
    rows = await session.execute(
        select(Worker.state, func.sum(Worker.contributes_mc)).where(Worker.state.in_(COUNTED)).group_by(Worker.state)
    )
    counted = {state: int(mc) for state, mc in rows}
    capacity, leaving = sum(counted.values()), counted.get(WorkerState.DRAINING, 0)
    limit = limit_mc(capacity, row.numerator, row.denominator, min_slots=row.min_slots)
    if (capacity, leaving, limit) == (row.capacity_mc, row.leaving_mc, row.limit_mc):
        return
    row.leaving_mc = leaving
    if (capacity, limit) != (row.capacity_mc, row.limit_mc):
        row.capacity_mc, row.limit_mc, row.epoch = capacity, limit, row.epoch + 1
        session.add(
            CapacityEpoch(
                epoch=row.epoch,
                at=now,
                capacity_mc=row.capacity_mc,
                limit_mc=limit,
                numerator=row.numerator,
                denominator=row.denominator,
                min_slots=row.min_slots,
                cause=cause,
            )
        )
        log.info("capacity.epoch", epoch=row.epoch, capacity_mc=capacity, limit_mc=limit, cause=cause)
    await session.flush()
    await divide(session, now=now)
    await note_debt(session, row, now=now)


def limit_of_grants(row: Commitment, *, now: datetime) -> int:
    """The K that counts for new grants: as it will be when the workers that are to leave have left, and without an
    exception that is over."""
    min_slots = row.min_slots if row.min_slots_until is None or now < row.min_slots_until else 0
    after = row.capacity_mc - row.leaving_mc
    return limit_mc(after, row.numerator, row.denominator, min_slots=min_slots)


async def end_exception(session: AsyncSession, *, now: datetime) -> None:
    """Give the small pool its strict limit again when its exception is over. Needs the root lock."""
    row = await commitment(session)
    if row.min_slots_until is not None and row.min_slots_until <= now:
        cause = f"the exception of {row.min_slots} slots by {row.min_slots_by} ended"
        row.min_slots, row.min_slots_until, row.min_slots_by = 0, None, None
        row.version += 1
        await session.flush()
        await recount(session, now=now, cause=cause)
        await db.notify(session, db.SCHEDULE)


async def note_debt(session: AsyncSession, row: Commitment, *, now: datetime) -> None:
    """Mark that more runs than the limit allows, or no longer, and tell of it. Needs the root lock."""
    query = select(QuotaNode).where(QuotaNode.kind == "root").execution_options(populate_existing=True)
    root = (await session.execute(query)).scalar_one()
    if (root.used_mc > row.limit_mc) == (row.debt_since is not None):
        return
    event = Event.DEBT_ENDED if row.debt_since else Event.DEBT_BEGAN
    row.debt_since = None if row.debt_since else now
    await webhooks.notify(session, event, root, {"used_mc": root.used_mc, "limit_mc": row.limit_mc}, now=now)


async def divide(session: AsyncSession, *, now: datetime) -> None:
    """Set every node's share of the limit by the weights, round it to whole slots, and carry the fractions on. Needs
    the root lock."""
    row = await commitment(session)
    await accounts.open_window(session, row, now=now)
    await accounts.accrue(session, row, until=now)
    query = select(QuotaNode).order_by(QuotaNode.id).execution_options(populate_existing=True)
    nodes = (await session.execute(query)).scalars().all()
    among = sharing(nodes)
    children: defaultdict[UUID | None, list[Share]] = defaultdict(list)
    for node in among:
        children[node.parent_id].append(Share(node.id, node.weight, node.carry))
    slots = divided(limit_of_grants(row, now=now) // SLOT_MC, children)
    part = parts(nodes)
    values = []
    for node in nodes:
        given, carry = slots.get(node.id, (0, 0))
        share_mc = float(part.get(node.id, 0) * row.limit_mc)
        values.append({"id": node.id, "nominal_mc": given * SLOT_MC, "carry": carry, "share_mc": share_mc})
    await session.execute(update(QuotaNode), values)
    await move(session)
    row.rotated_at = now


async def move(session: AsyncSession) -> None:
    """What was planned from before is not granted any more. Needs the root lock."""
    await session.execute(update(QuotaNode).where(QuotaNode.kind == "root").values(moves=QuotaNode.moves + 1))


def sharing(nodes: Sequence[QuotaNode]) -> list[QuotaNode]:
    """Those among which shares are divided: a group without cells takes none from its siblings."""
    parents = {node.id: node.parent_id for node in nodes}
    found: set[UUID] = set()
    for node in nodes:
        above: UUID | None = None if node.kind == "group" else node.id
        while above is not None and above not in found:
            found.add(above)
            above = parents[above]
    return [node for node in nodes if node.id in found]


def parts(nodes: Sequence[QuotaNode]) -> dict[UUID, Fraction]:
    """The part of the whole that each node is entitled to, exactly; none of a group without cells."""
    among = sharing(nodes)
    weights: Counter[UUID | None] = Counter()
    for node in among:
        weights[node.parent_id] += node.weight
    own = {node.id: Fraction(node.weight, weights[node.parent_id]) for node in among}
    by_id = {node.id: node for node in among}
    one = Fraction(1)
    return {node.id: math.prod((own[above.id] for above in path(node, by_id)), start=one) for node in among}


def path(node: QuotaNode, nodes: Mapping[UUID, QuotaNode]) -> list[QuotaNode]:
    """From the node up to the root."""
    found = [node]
    while node.parent_id is not None:
        node = nodes[node.parent_id]
        found.append(node)
    return found


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


async def needed_mc(session: AsyncSession, item_mc: int) -> int | None:
    """The pool of which the committed share holds the slots of such an item; None where nothing is committed."""
    row = await commitment(session)
    return capacity_mc(-(-item_mc // SLOT_MC) * SLOT_MC, row.numerator, row.denominator)


# --- debt


@dataclass(frozen=True)
class Debt:
    """How much more runs than is committed since capacity was lost, and when that is over: as the estimates of what
    runs say, and at the latest."""

    mc: int
    expected_end: datetime
    latest_end: datetime


async def debt(session: AsyncSession, *, now: datetime) -> Debt | None:
    """Nothing is granted in debt, so it ends when as much has ended."""
    row = await commitment(session)
    used = await session.scalar(select(QuotaNode.used_mc).where(QuotaNode.kind == "root"))
    mc = (used or 0) - row.limit_mc
    if mc <= 0:
        return None
    live = await session.execute(
        select(Lease.mc, Lease.granted_at, Lease.claimed_at, Lease.estimate_ms, WorkItem.max_ms)
        .join(WorkItem, WorkItem.id == Lease.item_id)
        .where(Lease.state != LeaseState.RELEASED)
    )
    expected: list[tuple[datetime, int]] = []
    latest: list[tuple[datetime, int]] = []
    for lease in live:
        begun = lease.claimed_at or lease.granted_at
        last = begun + timedelta(milliseconds=lease.max_ms, seconds=contract.TTL_S)
        estimate = begun + timedelta(milliseconds=lease.estimate_ms)
        expected.append((min(estimate, last) if estimate > now else last, lease.mc))
        latest.append((last, lease.mc))
    return Debt(mc, _freed(expected, mc, now=now), _freed(latest, mc, now=now))


def _freed(ends: Sequence[tuple[datetime, int]], mc: int, *, now: datetime) -> datetime:
    """When so much has ended."""
    at = now
    for end, each in sorted(ends):
        if mc <= 0:
            break
        at, mc = max(end, now), mc - each
    return at
