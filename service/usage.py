"""Usage: what settled leases occupied, summed up by window, cell, run, payer or label."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import String, cast, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import ColumnElement

from service import pages, roles
from service.api import schemas
from service.errors import Invalid
from service.ids import show
from service.keys import Caller
from service.models import QuotaNode, UsageSegment

RECENT = timedelta(days=30)
"""What is summed up where no beginning is given."""


async def summed(
    session: AsyncSession,
    caller: Caller,
    *,
    by: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    cursor: str | None,
    limit: int,
    now: datetime,
) -> schemas.Page[schemas.Usage]:
    """What began in [since, until), of the cells that the caller may see. In the order of the groups' texts.

    Raises
    ------
    Invalid
        A group is named twice, or the cursor belongs to other groups.
    """
    if len(set(by)) < len(by):
        raise Invalid("a group is named twice", errors=[("query.by", "names one twice")])
    keys = [_key(name) for name in by]
    query = (
        select(
            *keys,
            func.sum(UsageSegment.core_ms),
            func.count(UsageSegment.lease_id.distinct()),
            func.min(UsageSegment.started_at),
            func.max(UsageSegment.ended_at),
        )
        .join(QuotaNode, QuotaNode.id == UsageSegment.node_id)
        .where(
            UsageSegment.node_id.in_(await roles.nodes(session, caller, roles.Act.SEE)),
            UsageSegment.started_at >= (now - RECENT if since is None else since),
        )
        .group_by(*keys)
        .order_by(*keys)
        .limit(limit + 1)
    )
    if until is not None:
        query = query.where(UsageSegment.started_at < until)
    if cursor is not None:
        query = query.where(tuple_(*keys) > tuple_(*pages.decode_texts(cursor, len(keys))))
    rows = (await session.execute(query)).all()
    more = pages.encode_texts(rows[limit - 1][: len(keys)]) if len(rows) > limit else None
    return schemas.Page[schemas.Usage](items=[_show(by, row) for row in rows[:limit]], next_cursor=more)


def _key(name: str) -> ColumnElement[Any]:
    """The text that segments of a group have in common; empty where there is none."""
    kind, _, label = name.partition(":")
    match kind:
        case "window":
            at = func.timezone("UTC", UsageSegment.window_starts_at)
            return func.to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"').collate("C")
        case "cell":
            return QuotaNode.name.collate("C")
        case "run":
            return func.coalesce(cast(UsageSegment.run_id, String), "").collate("C")
        case "payer":
            return UsageSegment.payer.collate("C")
        case _:
            return func.coalesce(UsageSegment.labels[label].astext, "").collate("C")


def _show(by: Sequence[str], row: Sequence[Any]) -> schemas.Usage:
    texts, (core_ms, leases, started_at, ended_at) = row[: len(by)], row[len(by) :]
    return schemas.Usage(
        group={name: _text(name, text) for name, text in zip(by, texts, strict=True)},
        core_ms=core_ms,
        leases=leases,
        started_at=started_at,
        ended_at=ended_at,
    )


def _text(name: str, text: str) -> str | None:
    return (show("run", UUID(text)) if name == "run" else text) if text else None
