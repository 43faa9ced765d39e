"""Counters: what the quota tree says is in use, held against the leases that live.

They move only together, so a difference is a bug or somebody's hand, and nobody knows what else is wrong: nothing new
starts below such a node until an operator has looked at it. Nothing is repaired in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession

from service import capacity, db, quotas
from service.models import QuotaNode

log = structlog.get_logger()


async def check(session: AsyncSession) -> int:
    """Freeze each node whose counter differs from the live leases of its subtree; answers how many were frozen now.
    Needs the root lock."""
    wrong = (await session.execute(_COUNTED, {"id": None})).all()
    for node in wrong:
        found = f"its counter says {node.used_mc} mc in use, its live leases hold {node.held_mc}"
        await session.execute(update(QuotaNode).where(QuotaNode.id == node.id).values(frozen=found))
        log.error("counter.differs", node=node.name, used_mc=node.used_mc, held_mc=node.held_mc)
    if wrong:
        await session.execute(_MOVE)
    return len(wrong)


async def thaw(session: AsyncSession, quota_id: str) -> Mapping[str, Any]:
    """Set the counter of a frozen node to what its live leases hold, and let items start below it again. Answers what
    changed, old and new; of a node that is not frozen, nothing."""
    await capacity.lock_root(session)
    node = await quotas.get(session, quota_id)
    if node.frozen is None:
        return {}
    changed: dict[str, list[Any]] = {"frozen": [node.frozen, None]}
    for counted in await session.execute(_COUNTED, {"id": node.id}):
        changed["used_mc"] = [node.used_mc, counted.held_mc]
        node.used_mc = counted.held_mc
    node.frozen = None
    await session.flush()
    await session.execute(_MOVE)
    await db.notify(session, db.SCHEDULE)
    return changed


# Nodes whose counter differs: those that are not frozen yet, or the one that is asked for.
_COUNTED = text(
    """
    WITH RECURSIVE held AS (
        SELECT node.id, node.parent_id, leaf.mc FROM quota_node node JOIN (
            SELECT node_id, sum(mc) AS mc FROM lease WHERE state <> 'released' GROUP BY node_id
        ) leaf ON leaf.node_id = node.id
        UNION ALL
        SELECT node.id, node.parent_id, held.mc FROM quota_node node JOIN held ON held.parent_id = node.id
    )
    SELECT node.id, node.name, node.used_mc, CAST(coalesce(sum(held.mc), 0) AS bigint) AS held_mc
    FROM quota_node node LEFT JOIN held ON held.id = node.id
    WHERE CASE WHEN CAST(:id AS uuid) IS NULL THEN node.frozen IS NULL ELSE node.id = CAST(:id AS uuid) END
    GROUP BY node.id HAVING node.used_mc <> coalesce(sum(held.mc), 0)
    ORDER BY node.id
    """
)
_MOVE = update(QuotaNode).where(QuotaNode.kind == "root").values(moves=QuotaNode.moves + 1)
