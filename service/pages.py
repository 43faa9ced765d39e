"""Keyset pages: a page knows the last key it showed, so that pages neither skip nor repeat while rows come and go."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from service.errors import Invalid

Row = TypeVar("Row")
MAX_LIMIT = 1000


async def page(
    session: AsyncSession,
    query: Select[Row],
    key: InstrumentedAttribute[Any],
    *,
    cursor: str | None,
    limit: int,
    descending: bool = False,
) -> tuple[Sequence[Row], str | None]:
    """Up to `limit` rows after `cursor` in the order of `key` (an integer or a UUID, unique), and the next cursor
    or None."""
    if cursor is not None:
        last = _decode(cursor, key.type.python_type)
        query = query.where(key < last if descending else key > last)
    query = query.order_by(key.desc() if descending else key).limit(limit + 1)
    rows = (await session.execute(query)).scalars().all()
    more = len(rows) > limit
    return rows[:limit], _encode(getattr(rows[limit - 1], key.key)) if more else None


def _encode(key: int | UUID) -> str:
    text = key.hex if isinstance(key, UUID) else str(key)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str, kind: type) -> int | UUID:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        if kind is UUID:
            return UUID(hex=text)
        value = int(text)
        if not -(2**63) <= value < 2**63:
            raise ValueError(value)
        return value
    except (ValueError, binascii.Error):
        raise Invalid(
            "the cursor is not one of ours", errors=[("query.cursor", "pass next_cursor as it came")]
        ) from None
