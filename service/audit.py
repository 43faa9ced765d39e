"""The record of what operators changed, who did it and why. Written in the transaction of the change; nothing is ever
taken out of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Select, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import Invalid
from service.ids import show
from service.models import Audit, QuotaNode


class Author(Protocol):
    """Who changes something, and why if they say so."""

    @property
    def name(self) -> str: ...
    @property
    def reason(self) -> str | None: ...


@dataclass(frozen=True)
class Known:
    """An author who is not there any more, as of a change that begins later."""

    name: str
    reason: str | None


@dataclass(frozen=True)
class Entry:
    """Which row of the audit set a value."""

    id: int
    at: datetime
    by: str
    reason: str | None


def record(session: AsyncSession, author: Author, action: str, target: str, **change: Any) -> None:
    """Note that `author` did `action` to `target`. Never pass a secret."""
    session.add(Audit(actor=author.name, action=action, target=target, change=change, reason=author.reason))


async def matching(
    session: AsyncSession, *, actor: str | None, action: str | None, target: str | None, since: datetime | None
) -> Select[Audit]:
    """Entries that meet all conditions. `action` is one, or the noun of several (`quota`); `target` an id, or the name
    of a cell or group."""
    query = select(Audit)
    if actor is not None:
        query = query.where(Audit.actor == actor)
    if action is not None:
        query = query.where(or_(Audit.action == action, Audit.action.startswith(f"{action}.", autoescape=True)))
    if target is not None:
        named = await session.scalars(select(QuotaNode.id).where(QuotaNode.name == target))
        query = query.where(Audit.target.in_([target, *(show("quota", id) for id in named)]))
    if since is not None:
        if since.tzinfo is None:
            raise Invalid("the time is ambiguous", errors=[("query.since", "give a time zone, such as …T00:00:00Z")])
        query = query.where(Audit.at >= since)
    return query


async def provenance(session: AsyncSession, targets: Iterable[str]) -> Mapping[str, Mapping[str, Entry]]:
    """By target and field, what set it last; nothing for what nobody has set."""
    found: defaultdict[str, dict[str, Entry]] = defaultdict(dict)
    for row in await session.execute(_PROVENANCE, {"targets": list(targets)}):
        found[row.target][row.field] = Entry(row.id, row.at, row.actor, row.reason)
    return found


_PROVENANCE = text(
    """
    SELECT DISTINCT ON (audit.target, field.name)
        audit.target, field.name AS field, audit.id, audit.at, audit.actor, audit.reason
    FROM audit CROSS JOIN LATERAL jsonb_object_keys(audit.change) AS field(name)
    WHERE audit.target = ANY(CAST(:targets AS text[]))
    ORDER BY audit.target, field.name, audit.id DESC
    """
)
