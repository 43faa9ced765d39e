"""One round of scheduling: read, plan, grant. In a transaction of the caller's that holds the root's lock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service import leases
from service.scheduler import snapshot
from service.scheduler.plan import plan


@dataclass(frozen=True)
class Round:
    """How many items were granted, and how many of them wait for a message."""

    granted: int
    promised: int


async def play(session: AsyncSession, *, now: datetime, takers: leases.Takers | None = None) -> Round:
    """Grant what can start now; slots in `takers` start at once.

    Raises
    ------
    StaleGrant
        The pool changed beside the lock; nothing was granted.
    """
    seen = await snapshot.read(session, now=now)
    decided = plan(seen, most=snapshot.MOST_GRANTS)
    if not decided.grants:
        return Round(0, 0)
    messages = await leases.grant(session, decided.grants, epoch=seen.epoch, now=now, takers=takers)
    return Round(len(decided.grants), len(messages))
