"""Quotas: the entitlement tree as operators edit it and cells see it, with what follows from it now."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service import capacity, clock, db, roles, webhooks
from service.api import schemas
from service.errors import Invalid, NotFound, PreconditionFailed
from service.ids import read, show
from service.keys import Caller
from service.models import Cell, Commitment, Lease, LeaseState, NodeState, QuotaNode, WorkItem
from service.scheduler.entitlement import decayed
from service.webhooks import Event


async def tree(session: AsyncSession) -> Sequence[QuotaNode]:
    """All nodes, the root first."""
    query = select(QuotaNode).order_by(QuotaNode.parent_id.is_not(None), QuotaNode.id)
    return (await session.execute(query.execution_options(populate_existing=True))).scalars().all()


async def get(session: AsyncSession, quota_id: str) -> QuotaNode:
    found = await session.get(QuotaNode, read("quota", quota_id), populate_existing=True)
    if found is None:
        raise NotFound(f"there is no quota {quota_id}")
    return found


async def find_group(session: AsyncSession, name_or_id: str) -> QuotaNode:
    """
    Raises
    ------
    NotFound
        No group has this id, or none or several have this name.
    """
    groups = select(QuotaNode).where(QuotaNode.kind == "group")
    found = (await session.scalars(groups.where(QuotaNode.name == name_or_id))).all()
    if not found and name_or_id.startswith("quota_"):
        found = (await session.scalars(groups.where(QuotaNode.id == read("quota", name_or_id)))).all()
    if len(found) > 1:
        raise NotFound(f"there are {len(found)} groups {name_or_id}; name one by its id")
    if not found:
        raise NotFound(f"there is no group {name_or_id}")
    return found[0]


async def change(
    session: AsyncSession, quota_id: str, request: schemas.QuotaPatch, *, version: int, now: datetime
) -> Mapping[str, Any]:
    """Edit a node that still has `version`; shares are divided anew at once. Answers what changed, old and new.

    Raises
    ------
    PreconditionFailed
        Somebody edited the node meanwhile.
    Invalid
        The root has no siblings to weigh against, lend to or borrow from.
    """
    await capacity.lock_root(session)
    node = await get(session, quota_id)
    if node.version != version:
        raise PreconditionFailed(f"the quota is at version {node.version} now; read it again, then decide")
    wanted = request.model_dump(exclude_unset=True)
    if node.kind == "root" and wanted.keys() - {"state"}:
        errors = [(f"body.{name}", "edit /v1/admin/commitment instead") for name in sorted(wanted.keys() - {"state"})]
        raise Invalid("the root lends to and borrows from nobody", errors=errors)
    changed = {name: [getattr(node, name), value] for name, value in wanted.items() if getattr(node, name) != value}
    for name, (_, value) in changed.items():
        setattr(node, name, value)
    if changed:
        node.version += 1
        await session.flush()
        await capacity.divide(session, now=now)
        await db.notify(session, db.SCHEDULE)
    if "state" in changed:
        event = Event.HOLD_RELEASED if node.state == NodeState.ACTIVE else Event.HOLD_SET
        await webhooks.notify(session, event, node, {"state": node.state}, now=now)
    return changed


async def change_commitment(
    session: AsyncSession, caller: Caller, request: schemas.CommitmentPatch, *, version: int, now: datetime
) -> Mapping[str, Any]:
    """Edit the share of the pool that is committed. A new limit begins a capacity epoch.

    Raises
    ------
    PreconditionFailed
        Somebody edited the commitment meanwhile.
    Invalid
        More than the whole pool; an exception without an end.
    """
    await capacity.lock_root(session)
    row = await capacity.commitment(session)
    if row.version != version:
        raise PreconditionFailed(f"the commitment is at version {row.version} now; read it again, then decide")
    wanted = request.model_dump(exclude_none=True)
    numerator, denominator = wanted.get("numerator", row.numerator), wanted.get("denominator", row.denominator)
    if numerator > denominator:
        raise Invalid(
            "more than the whole pool", errors=[("body.numerator", f"must not exceed the denominator, {denominator}")]
        )
    if wanted.keys() & {"min_slots", "min_slots_until"}:
        wanted |= _exception(row, wanted, by=caller.name, now=now)
    changed = {name: [getattr(row, name), value] for name, value in wanted.items() if getattr(row, name) != value}
    for name, (_, value) in changed.items():
        setattr(row, name, value)
    if changed:
        row.version += 1
        await session.flush()
        await capacity.recount(session, now=now, cause=_cause(row, changed))
        await capacity.move(session)
        await db.notify(session, db.SCHEDULE, db.SWEEP)
    return to_jsonable_python(changed)  # type: ignore[no-any-return]


def _exception(row: Commitment, wanted: Mapping[str, Any], *, by: str, now: datetime) -> dict[str, Any]:
    """The exception of so many slots as its author wants it: it has an end, or it is none."""
    slots, until = wanted.get("min_slots", row.min_slots), wanted.get("min_slots_until")
    if not slots:
        if until is not None:
            raise Invalid("an exception of no slots", errors=[("body.min_slots_until", "goes with min_slots")])
        return {"min_slots": 0, "min_slots_until": None, "min_slots_by": None}
    if until is None:
        raise Invalid("an exception needs an end", errors=[("body.min_slots_until", "is missing")])
    clock.check_ahead(until, now=now, field="body.min_slots_until")
    return {"min_slots": slots, "min_slots_until": until, "min_slots_by": by}


def _cause(row: Commitment, changed: Mapping[str, Any]) -> str:
    if row.min_slots and "min_slots" in changed:
        return f"an exception of {row.min_slots} slots by {row.min_slots_by} began"
    return "the commitment was edited"


def show_small_pool(row: Commitment) -> schemas.SmallPool | None:
    """The exception that is in force."""
    if row.min_slots_until is None or row.min_slots_by is None:
        return None
    return schemas.SmallPool(min_slots=row.min_slots, until=row.min_slots_until, by=row.min_slots_by)


def show_quota(node: QuotaNode, row: Commitment, *, now: datetime) -> schemas.Quota:
    return schemas.Quota(
        id=show("quota", node.id),
        name=node.name,
        kind=node.kind,
        parent=show("quota", node.parent_id) if node.parent_id else None,
        cell=show("cell", node.cell_id) if node.cell_id else None,
        weight=node.weight,
        borrowing_limit_mc=node.borrowing_limit_mc,
        lending_limit_mc=node.lending_limit_mc,
        max_loan_ms=node.max_loan_ms,
        reclaim_first=node.reclaim_first,
        window_budget_core_ms=node.window_budget_core_ms,
        state=node.state,
        frozen=node.frozen,
        version=node.version,
        nominal_mc=node.nominal_mc,
        used_mc=node.used_mc,
        used_core_ms=node.used_core_ms,
        decayed_core_ms=decayed(node.decayed_core_ms, node.decayed_at, now, timedelta(seconds=row.half_life_s)),
        small_pool=show_small_pool(row),
    )


async def me(session: AsyncSession, caller: Caller, *, now: datetime) -> schemas.Me:
    """What the caller's cell may use and uses; an operator sees the whole commitment as one, a steward its group."""
    row: Commitment = await capacity.commitment(session)
    nodes = await tree(session)
    root = nodes[0]
    own = await roles.summit(session, caller)
    below = await roles.nodes(session, caller, roles.Act.SEE)
    cell = await session.get(Cell, caller.cell_id) if caller.cell_id else None
    return schemas.Me(
        cell=cell.name if cell else None,
        scopes=sorted(caller.scopes),
        share_mc=share_mc(own, nodes, row.limit_mc),
        nominal_mc=own.nominal_mc,
        used_mc=own.used_mc,
        borrowed_mc=max(own.used_mc - own.nominal_mc, 0),
        commitment_mc=row.limit_mc,
        commitment_used_mc=root.used_mc,
        queued_items=await _queued(session, below),
        running_items=await _running(session, below),
        used_core_ms=own.used_core_ms,
        decayed_core_ms=decayed(own.decayed_core_ms, own.decayed_at, now, timedelta(seconds=row.half_life_s)),
        held=any(node.state != NodeState.ACTIVE for node in path(own, {each.id: each for each in nodes})),
        small_pool=show_small_pool(row),
    )


def path(node: QuotaNode, nodes: Mapping[UUID, QuotaNode]) -> list[QuotaNode]:
    """From the node up to the root."""
    found = [node]
    while node.parent_id is not None:
        node = nodes[node.parent_id]
        found.append(node)
    return found


def share_mc(node: QuotaNode, nodes: Sequence[QuotaNode], limit_mc: int) -> float:
    """What `node` is entitled to of the limit, before rounding to slots: by weight among siblings, up to the root."""
    return float(parts(nodes).get(node.id, Fraction(0)) * limit_mc)


def parts(nodes: Sequence[QuotaNode]) -> dict[UUID, Fraction]:
    """The part of the whole that each node is entitled to, exactly; none of a group without cells."""
    sharing = capacity.sharing(nodes)
    weights: Counter[UUID | None] = Counter()
    for node in sharing:
        weights[node.parent_id] += node.weight
    own = {node.id: Fraction(node.weight, weights[node.parent_id]) for node in sharing}
    by_id = {node.id: node for node in sharing}
    one = Fraction(1)
    return {node.id: math.prod((own[above.id] for above in path(node, by_id)), start=one) for node in sharing}


async def _queued(session: AsyncSession, leaves: Collection[UUID]) -> int:
    query = select(func.count()).select_from(WorkItem).where(WorkItem.state == "queued")
    return int(await session.scalar(query.where(WorkItem.node_id.in_(leaves))) or 0)


async def _running(session: AsyncSession, leaves: Collection[UUID]) -> int:
    query = select(func.count()).select_from(Lease).where(Lease.state != LeaseState.RELEASED)
    return int(await session.scalar(query.where(Lease.node_id.in_(leaves))) or 0)
