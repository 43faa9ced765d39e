"""Counters: what the quota tree says is in use, held against the leases that live.

They move only together, so a difference is a bug or somebody's hand, and nobody knows what else is wrong: nothing new
starts below such a node until an operator has looked at it. Nothing is repaired in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from sqlalchemy import Row, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from service import capacity, db, quotas
from service.models import QuotaNode

log = structlog.get_logger()


async def check(session: AsyncSession) -> int:
    """Freeze each node whose counter differs from the live leases of its subtree; answers how many were frozen now.
    Needs the root lock."""
    wrong = (await session.execute(_COUNTED, {"id": None})).all()
    for node in wrong:
        counters = _differing(node)
        found = "; ".join(
            f"its {name} is {said}, its live leases hold {held}" for name, (said, held) in counters.items()
        )
        await session.execute(update(QuotaNode).where(QuotaNode.id == node.id).values(frozen=found))
        log.error("counter.differs", node=node.name, **counters)
    if wrong:
        await session.execute(_MOVE)
    return len(wrong)


async def thaw(session: AsyncSession, quota_id: str) -> Mapping[str, Any]:
    """Set the counters of a frozen node to what its live leases hold, and let items start below it again. Answers what
    changed, old and new; of a node that is not frozen, nothing."""
    await capacity.lock_root(session)
    node = await quotas.get(session, quota_id)
    if node.frozen is None:
        return {}
    changed: dict[str, list[Any]] = {"frozen": [node.frozen, None]}
    for counted in await session.execute(_COUNTED, {"id": node.id}):
        changed |= _differing(counted)
    for name, (_, value) in changed.items():
        setattr(node, name, value)
    await session.flush()
    await session.execute(_MOVE)
    await db.notify(session, db.SCHEDULE)
    return changed


def _differing(node: Row[Any]) -> dict[str, list[int]]:
    """What its counters say and what its leases hold, where these differ."""
    both = {"used_mc": [node.used_mc, node.held_mc], "reserved_core_ms": [node.reserved_core_ms, node.held_core_ms]}
    return {name: [said, held] for name, (said, held) in both.items() if said != held}


# Nodes of which a counter differs: those that are not frozen yet, or the one that is asked for.
_COUNTED = text(
    """
    WITH RECURSIVE held AS (
        SELECT node.id, node.parent_id, leaf.mc, leaf.core_ms FROM quota_node node JOIN (
            SELECT node_id, sum(mc) AS mc, sum(estimate_ms * mc / 1000) AS core_ms
            FROM lease WHERE state <> 'released' GROUP BY node_id
        ) leaf ON leaf.node_id = node.id
        UNION ALL
        SELECT node.id, node.parent_id, held.mc, held.core_ms
        FROM quota_node node JOIN held ON held.parent_id = node.id
    )
    SELECT node.id, node.name, node.used_mc, CAST(coalesce(sum(held.mc), 0) AS bigint) AS held_mc,
        node.reserved_core_ms, CAST(coalesce(sum(held.core_ms), 0) AS bigint) AS held_core_ms
    FROM quota_node node LEFT JOIN held ON held.id = node.id
    WHERE CASE WHEN CAST(:id AS uuid) IS NULL THEN node.frozen IS NULL ELSE node.id = CAST(:id AS uuid) END
    GROUP BY node.id
    HAVING node.used_mc <> coalesce(sum(held.mc), 0) OR node.reserved_core_ms <> coalesce(sum(held.core_ms), 0)
    ORDER BY node.id
    """
)
_MOVE = update(QuotaNode).where(QuotaNode.kind == "root").values(moves=QuotaNode.moves + 1)
