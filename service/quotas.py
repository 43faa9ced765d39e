"""Quotas: the entitlement tree as operators edit it and cells see it, with what follows from it now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service import audit, capacity, documents, roles
from service.api import schemas
from service.errors import NotFound
from service.ids import read, show
from service.keys import Caller
from service.models import Cell, Commitment, Lease, LeaseState, NodeState, QuotaNode, WindowAccount, WorkItem
from service.scheduler import snapshot
from service.scheduler.entitlement import MICRO, SLOT_MC, Tree, decayed


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
        No group has this name or id.
    """
    groups = select(QuotaNode).where(QuotaNode.kind == "group")
    found = (await session.scalars(groups.where(QuotaNode.name == name_or_id))).one_or_none()
    if found is None and name_or_id.startswith("quota_"):
        found = (await session.scalars(groups.where(QuotaNode.id == read("quota", name_or_id)))).one_or_none()
    if found is None:
        raise NotFound(f"there is no group {name_or_id}")
    return found


async def of_cell(session: AsyncSession, cell: Cell) -> QuotaNode:
    """The cell's leaf."""
    return (await session.execute(select(QuotaNode).where(QuotaNode.cell_id == cell.id))).scalar_one()


async def document(session: AsyncSession) -> schemas.QuotaDocument:
    """All that is set of the tree."""
    return documents.export(await tree(session), await capacity.commitment(session))


async def show_all(session: AsyncSession, caller: Caller, *, now: datetime) -> list[schemas.Quota]:
    """What the caller may read of the tree, from its top down: what is set, what follows, and who set it."""
    return await _show(session, await roles.nodes(session, caller, roles.Act.READ), now=now)


async def show_one(session: AsyncSession, quota_id: str, *, now: datetime) -> schemas.Quota:
    (found,) = await _show(session, [(await get(session, quota_id)).id], now=now)
    return found


async def _show(session: AsyncSession, ids: Collection[UUID], *, now: datetime) -> list[schemas.Quota]:
    nodes, row = await tree(session), await capacity.commitment(session)
    half_life = timedelta(seconds=row.half_life_s)
    set_by = await audit.provenance(session, [show("quota", id) for id in ids])
    effective = _effective(nodes, row, Tree(await snapshot.nodes(session, row, now=now), row.limit_mc), now=now)
    return [
        schemas.Quota(
            id=show("quota", node.id),
            name=node.name,
            kind=node.kind,
            parent=show("quota", node.parent_id) if node.parent_id else None,
            cell=show("cell", node.cell_id) if node.cell_id else None,
            **{field: getattr(node, field) for field in documents.SPEC},
            frozen=node.frozen,
            version=node.version,
            nominal_mc=node.nominal_mc,
            used_mc=node.used_mc,
            used_core_ms=node.used_core_ms,
            decayed_core_ms=decayed(node.decayed_core_ms, node.decayed_at, now, half_life),
            small_pool=show_small_pool(row),
            effective=follows,
            provenance=show_provenance(set_by.get(show("quota", node.id), {})),
        )
        for node, follows in zip(nodes, effective, strict=True)
        if node.id in ids
    ]


def show_provenance(entries: Mapping[str, audit.Entry]) -> dict[str, schemas.Provenance]:
    return {
        field: schemas.Provenance(by=entry.by, at=entry.at, reason=entry.reason)
        for field, entry in sorted(entries.items())
    }


def _effective(
    nodes: Sequence[QuotaNode], row: Commitment, entitled: Tree, *, now: datetime
) -> Iterator[schemas.Effective]:
    """How each nominal came about, in the order of the nodes."""
    by_id, shares = {node.id: node for node in nodes}, capacity.parts(nodes)
    weights: Counter[UUID | None] = Counter()
    for node in capacity.sharing(nodes):
        weights[node.parent_id] += node.weight
    for node in nodes:
        above = by_id[node.parent_id].nominal_mc if node.parent_id else capacity.limit_of_grants(row, now=now)
        slots = above // SLOT_MC
        yield schemas.Effective(
            share_mc=float(shares.get(node.id, Fraction(0)) * row.limit_mc),
            siblings_weight=weights[node.parent_id],
            parent_slots=slots,
            ideal_slots=node.weight * slots / weights[node.parent_id] if node.id in shares else 0.0,
            slots=node.nominal_mc // SLOT_MC,
            owed_slots=node.carry / MICRO,
            borrowed_mc=entitled.loan_mc(node.id),
            spare_mc=entitled.spare_mc(node.id),
            held_by=next((each.name for each in capacity.path(node, by_id) if each.state != NodeState.ACTIVE), None),
        )


def show_small_pool(row: Commitment) -> schemas.SmallPool | None:
    """The exception that is in force."""
    if row.min_slots_until is None or row.min_slots_by is None:
        return None
    return schemas.SmallPool(min_slots=row.min_slots, until=row.min_slots_until, by=row.min_slots_by)


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
        held=any(node.state != NodeState.ACTIVE for node in capacity.path(own, {each.id: each for each in nodes})),
        small_pool=show_small_pool(row),
        window=await _window(session, own, row),
    )


async def _window(session: AsyncSession, node: QuotaNode, row: Commitment) -> schemas.WindowUse | None:
    if row.window_starts_at is None or row.window_ends_at is None:
        return None
    account = await session.get(WindowAccount, (node.id, row.window_starts_at), populate_existing=True)
    debt, settled = (account.debt_core_ms, account.settled_core_ms) if account else (0, 0)
    budget = node.window_budget_core_ms
    return schemas.WindowUse(
        starts_at=row.window_starts_at,
        ends_at=row.window_ends_at,
        budget_core_ms=budget,
        debt_core_ms=debt,
        settled_core_ms=settled,
        reserved_core_ms=node.reserved_core_ms,
        left_core_ms=None if budget is None else budget - debt - settled - node.reserved_core_ms,
    )


def share_mc(node: QuotaNode, nodes: Sequence[QuotaNode], limit_mc: int) -> float:
    """What `node` is entitled to of the limit, before rounding to slots: by weight among siblings, up to the root."""
    return float(capacity.parts(nodes).get(node.id, Fraction(0)) * limit_mc)


async def _queued(session: AsyncSession, leaves: Collection[UUID]) -> int:
    query = select(func.count()).select_from(WorkItem).where(WorkItem.state == "queued")
    return int(await session.scalar(query.where(WorkItem.node_id.in_(leaves))) or 0)


async def _running(session: AsyncSession, leaves: Collection[UUID]) -> int:
    query = select(func.count()).select_from(Lease).where(Lease.state != LeaseState.RELEASED)
    return int(await session.scalar(query.where(Lease.node_id.in_(leaves))) or 0)
