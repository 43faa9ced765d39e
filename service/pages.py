"""Keyset pages: a page knows the last key it showed, so that pages neither skip nor repeat while rows come and go."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from service.errors import Invalid

MAX_LIMIT = 1000


async def page(
    session: AsyncSession | AsyncConnection,
    query: Select[*tuple[Any, ...]],
    key: InstrumentedAttribute[Any],
    *,
    cursor: str | None,
    limit: int,
    descending: bool = False,
) -> tuple[Sequence[Any], str | None]:
    """Up to `limit` rows after `cursor` in the order of `key` (an integer, UUID, time or bytes, unique), and the next
    cursor or None. A session gives entities, a connection rows of columns, of which `key` is one."""
    if cursor is not None:
        last = decode(cursor, key.type.python_type)
        query = query.where(key < last if descending else key > last)
    query = query.order_by(key.desc() if descending else key).limit(limit + 1)
    result = await session.execute(query)
    rows: Sequence[Any] = result.scalars().all() if isinstance(session, AsyncSession) else result.all()
    more = len(rows) > limit
    return rows[:limit], encode(getattr(rows[limit - 1], key.key)) if more else None


def encode(key: int | UUID | bytes | datetime) -> str:
    """The cursor behind a key."""
    text = key.hex if isinstance(key, UUID) else key.hex() if isinstance(key, bytes) else str(key)
    return _packed(text)


def encode_texts(keys: Sequence[str]) -> str:
    """The cursor behind a key of several texts."""
    return _packed(json.dumps(list(keys)))


def _packed(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str, kind: type) -> Any:
    """The key in a cursor, of that type.

    Raises
    ------
    Invalid
        The cursor is not one of ours.
    """
    try:
        text = _unpacked(cursor)
        if kind is UUID:
            return UUID(hex=text)
        if kind is bytes:
            return bytes.fromhex(text)
        if kind is datetime:
            return datetime.fromisoformat(text)
        value = int(text)
        if not -(2**63) <= value < 2**63:
            raise ValueError(value)
        return value
    except (ValueError, binascii.Error):
        raise _foreign() from None


def decode_texts(cursor: str, count: int) -> list[str]:
    """The texts in a cursor, so many.

    Raises
    ------
    Invalid
        The cursor is not one of ours.
    """
    try:
        found = json.loads(_unpacked(cursor))
    except (ValueError, binascii.Error, RecursionError):
        raise _foreign() from None
    if not isinstance(found, list) or len(found) != count or not all(_storable(text) for text in found):
        raise _foreign()
    return found


def _storable(text: Any) -> bool:
    """Whether PostgreSQL can hold it."""
    return isinstance(text, str) and not any(char == "\0" or "\ud800" <= char <= "\udfff" for char in text)


def _unpacked(cursor: str) -> str:
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")


def _foreign() -> Invalid:
    return Invalid("the cursor is not one of ours", errors=[("query.cursor", "pass next_cursor as it came")])
