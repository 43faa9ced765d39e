"""The register of loans: who runs beyond its nominal now, since when, and whose nominal it is."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service import capacity
from service.api import schemas
from service.models import Lease, LeaseState
from service.scheduler import snapshot
from service.scheduler.lending import ledger


async def register(session: AsyncSession, *, now: datetime) -> schemas.Loans:
    """As of now. The largest first."""
    row = await capacity.commitment(session)
    nodes = {node.id: node for node in await snapshot.nodes(session, row, now=now)}
    found = ledger(list(nodes.values()), row.limit_mc)
    since = await _since(session, {id: nodes[id].nominal_mc for id in found.borrowed})
    return schemas.Loans(
        borrowers=[
            schemas.Borrower(
                name=nodes[id].name,
                nominal_mc=nodes[id].nominal_mc,
                used_mc=nodes[id].used_mc,
                borrowed_mc=mc,
                since=since.get(id),
            )
            for id, mc in sorted(found.borrowed.items(), key=lambda entry: (-entry[1], nodes[entry[0]].name))
        ],
        lenders=[
            schemas.Lender(name=nodes[id].name, nominal_mc=nodes[id].nominal_mc, used_mc=nodes[id].used_mc, lent_mc=mc)
            for id, mc in sorted(found.lent.items(), key=lambda entry: (-entry[1], nodes[entry[0]].name))
        ],
        unlent_mc=found.unlent_mc,
    )


async def _since(session: AsyncSession, nominal_mc: dict[UUID, int]) -> dict[UUID, datetime]:
    """By leaf, when the first of its live leases was granted that is beyond its nominal."""
    rows = await session.execute(
        select(Lease.node_id, Lease.granted_at, Lease.mc)
        .where(Lease.node_id.in_(nominal_mc), Lease.state != LeaseState.RELEASED)
        .order_by(Lease.granted_at, Lease.id)
    )
    used: defaultdict[UUID, int] = defaultdict(int)
    found: dict[UUID, datetime] = {}
    for leaf, granted_at, mc in rows:
        used[leaf] += mc
        if used[leaf] > nominal_mc[leaf]:
            found.setdefault(leaf, granted_at)
    return found
