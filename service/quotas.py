"""Quotas: the entitlement tree as operators edit it and cells see it, with what follows from it now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service import capacity, db
from service.api import schemas
from service.errors import Invalid, NotFound, PreconditionFailed
from service.ids import read, show
from service.keys import Caller
from service.models import Cell, Commitment, Lease, LeaseState, QuotaNode, WorkItem
from service.scheduler.entitlement import decayed


async def tree(session: AsyncSession) -> Sequence[QuotaNode]:
    """All nodes, the root first."""
    query = select(QuotaNode).order_by(QuotaNode.parent_id.is_not(None), QuotaNode.id)
    return (await session.execute(query.execution_options(populate_existing=True))).scalars().all()


async def get(session: AsyncSession, quota_id: str) -> QuotaNode:
    found = await session.get(QuotaNode, read("quota", quota_id), populate_existing=True)
    if found is None:
        raise NotFound(f"there is no quota {quota_id}")
    return found


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
    return changed


async def change_commitment(
    session: AsyncSession, request: schemas.CommitmentPatch, *, version: int, now: datetime
) -> Mapping[str, Any]:
    """Edit the share of the pool that is committed. A new limit begins a capacity epoch."""
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
    changed = {name: [getattr(row, name), value] for name, value in wanted.items() if getattr(row, name) != value}
    for name, (_, value) in changed.items():
        setattr(row, name, value)
    if changed:
        row.version += 1
        await session.flush()
        await capacity.recount(session, now=now, cause="the commitment was edited")
        await db.notify(session, db.SCHEDULE)
    return changed


def show_quota(node: QuotaNode, *, now: datetime, half_life_s: int) -> schemas.Quota:
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
        window_budget_core_ms=node.window_budget_core_ms,
        state=node.state,
        version=node.version,
        nominal_mc=node.nominal_mc,
        used_mc=node.used_mc,
        used_core_ms=node.used_core_ms,
        decayed_core_ms=decayed(node.decayed_core_ms, node.decayed_at, now, timedelta(seconds=half_life_s)),
    )


async def me(session: AsyncSession, caller: Caller, *, now: datetime) -> schemas.Me:
    """What the caller's cell may use and uses; an operator sees the whole commitment as one."""
    row: Commitment = await capacity.commitment(session)
    nodes = await tree(session)
    root = nodes[0]
    own = next((node for node in nodes if node.cell_id == caller.cell_id), root) if caller.cell_id else root
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
        queued_items=await _queued(session, own.id if caller.cell_id else None),
        running_items=await _running(session, own.id if caller.cell_id else None),
        used_core_ms=own.used_core_ms,
        decayed_core_ms=decayed(own.decayed_core_ms, own.decayed_at, now, timedelta(seconds=row.half_life_s)),
        held=own.state != "active",
    )


def share_mc(node: QuotaNode, nodes: Sequence[QuotaNode], limit_mc: int) -> float:
    """What `node` is entitled to of the limit, before rounding to slots: by weight among siblings, up to the root."""
    share = Fraction(limit_mc)
    parents = {each.id: each for each in nodes}
    while node.parent_id is not None:
        share *= Fraction(node.weight, sum(each.weight for each in nodes if each.parent_id == node.parent_id))
        node = parents[node.parent_id]
    return float(share)


async def _queued(session: AsyncSession, leaf: UUID | None) -> int:
    query = select(func.count()).select_from(WorkItem).where(WorkItem.state == "queued")
    return int(await session.scalar(query.where(WorkItem.node_id == leaf) if leaf else query) or 0)


async def _running(session: AsyncSession, leaf: UUID | None) -> int:
    query = select(func.count()).select_from(Lease).where(Lease.state != LeaseState.RELEASED)
    return int(await session.scalar(query.where(Lease.node_id == leaf) if leaf else query) or 0)
