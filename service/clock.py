"""The database's clock, and since when heartbeats have been accepted without a gap."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import Invalid
from service.models import HeartbeatClock
from workers import contract

TICK_S = 2
"""Seconds between marks of an API that is up."""
GAP = timedelta(seconds=3 * TICK_S)
"""A silence of the API longer than this begins a new period of grace."""
FURTHEST = timedelta(days=366)
"""How far ahead operators plan."""


async def now(session: AsyncSession) -> datetime:
    """One clock for all processes: the database's."""
    moment: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return moment


def check_ahead(at: datetime, *, now: datetime, field: str) -> None:
    """
    Raises
    ------
    Invalid
        The moment has passed, or is further away than anything that is planned.
    """
    if not now < at <= now + FURTHEST:
        raise Invalid("no moment to plan for", errors=[(field, f"must be in the next {FURTHEST.days} days")])


async def tick(session: AsyncSession) -> None:
    """Mark that the API is up. After a gap nothing expires for one TTL: workers could not have been heard."""
    await session.execute(
        text(
            """
            INSERT INTO heartbeat_clock AS c (id, accepting_since, seen_at)
            VALUES (1, clock_timestamp(), clock_timestamp())
            ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp(), accepting_since =
                CASE WHEN c.seen_at < clock_timestamp() - CAST(:gap AS interval) THEN clock_timestamp() ELSE
                c.accepting_since END
            """
        ),
        {"gap": GAP},
    )


async def accepting(session: AsyncSession, *, now: datetime) -> bool:
    """Whether silence is the workers' own: the API has accepted heartbeats for one whole TTL and still does."""
    query = select(HeartbeatClock).execution_options(populate_existing=True)
    mark = (await session.execute(query)).scalar_one_or_none()
    return (
        mark is not None
        and mark.accepting_since <= now - timedelta(seconds=contract.TTL_S)
        and mark.seen_at > now - GAP
    )
