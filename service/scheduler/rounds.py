"""One round of scheduling: read, plan, grant. In a transaction of the caller's that holds the root's lock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service import accounts, capacity, claims, leases
from service.scheduler import snapshot
from service.scheduler.entitlement import Reason
from service.scheduler.plan import Plan, Snapshot, plan


@dataclass(frozen=True)
class Round:
    """How many items were granted, how many of them wait for a message, and whether more could be granted at once."""

    granted: int
    promised: int
    again: bool


async def play(session: AsyncSession, *, now: datetime, takers: leases.Takers | None = None) -> Round:
    """Grant what can start now; slots in `takers` start at once.

    Raises
    ------
    StaleGrant
        The pool changed beside the lock; nothing was granted.
    """
    row = await capacity.commitment(session)
    await accounts.open_window(session, row, now=now)
    seen, decided = await decide(session, now=now)
    await claims.remember(session, decided, of=seen, now=now)
    messages = await leases.grant(session, decided, of=seen, now=now, takers=takers) if decided.grants else []
    refusing = {wait.node for wait in decided.parked.values() if wait.reason == Reason.BUDGET_SPENT and wait.node}
    if refusing:
        await accounts.tell(session, row, refusing, now=now, refused=True)
    free = sum(max(worker.slots, 0) for worker in seen.workers) > len(decided.grants)
    return Round(len(decided.grants), len(messages), again=decided.cut and free)


async def decide(session: AsyncSession, *, now: datetime, reasons: bool = False) -> tuple[Snapshot, Plan]:
    """What a plan of all waiting items would do: few of each leaf are read, and more where that does not do."""
    looks: dict[UUID, int] = {}
    while True:
        seen = await snapshot.read(session, now=now, looks=looks)
        decided = plan(seen, most=snapshot.MOST_GRANTS, reasons=reasons)
        deeper = [leaf for leaf in decided.short if looks.get(leaf, 0) < snapshot.MOST_GRANTS]
        if not deeper:
            return seen, decided
        looks |= {leaf: min(8 * looks.get(leaf, snapshot.FEW), snapshot.MOST_GRANTS) for leaf in deeper}
