"""Shares: who is entitled to how much and uses how much. Everyone sees their own part of the tree whole; of the rest
what the operators allow (`Commitment.shares_visible`), and all else as one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service import capacity, quotas, roles
from service.api import schemas
from service.keys import Caller
from service.models import QuotaNode
from service.scheduler.entitlement import decayed

OTHERS = "(others)"
"""Stands for all that is not shown by itself; no cell or group can have such a name."""


@dataclass(frozen=True)
class _Row:
    """A node, or several as one, below a node that is shown."""

    name: str
    kind: str
    parent: UUID | None
    weight: int | None
    part: Fraction
    nominal_mc: int
    used_mc: int
    used_core_ms: int
    decayed_core_ms: float

    @property
    def turn(self) -> tuple[float, str]:
        """The least comes first: decayed use over share, as the scheduler orders siblings."""
        share = float(self.part)
        return (self.decayed_core_ms / share if share else float("inf"), self.name)


async def of(session: AsyncSession, caller: Caller, *, now: datetime) -> list[schemas.Share]:
    """The tree as the caller may see it, from the root down, siblings in fair-share order."""
    row = await capacity.commitment(session)
    nodes = await quotas.tree(session)
    own = await roles.nodes(session, caller, roles.Act.SEE)
    shown = {node.id for node in nodes if node.id in own or _visible(node, row.shares_visible)}
    half_life = timedelta(seconds=row.half_life_s)
    rows = _rows(nodes, shown, now=now, half_life=half_life)
    return [
        schemas.Share(
            name=each.name,
            kind=each.kind,
            depth=depth,
            weight=each.weight,
            share_mc=float(each.part * row.limit_mc),
            nominal_mc=each.nominal_mc,
            used_mc=each.used_mc,
            borrowed_mc=max(each.used_mc - each.nominal_mc, 0),
            used_core_ms=each.used_core_ms,
            decayed_core_ms=each.decayed_core_ms,
            order=order,
        )
        for each, depth, order in _ordered(rows)
    ]


def _visible(node: QuotaNode, allowed: str) -> bool:
    return node.kind == "root" or allowed == "cells" or (allowed == "groups" and node.kind == "group")


def _rows(
    nodes: Sequence[QuotaNode], shown: Collection[UUID], *, now: datetime, half_life: timedelta
) -> dict[UUID | None, list[tuple[UUID | None, _Row]]]:
    """(node, row) by the nearest node above that is shown; no node stands for others."""
    parts = capacity.parts(nodes)
    by_id = {node.id: node for node in nodes}
    found: dict[UUID | None, list[tuple[UUID | None, _Row]]] = {}
    hidden: dict[UUID, list[_Row]] = {}
    for node in nodes:
        above = next((each.id for each in capacity.path(node, by_id)[1:] if each.id in shown), None)
        row = _Row(
            name=node.name,
            kind=node.kind,
            parent=above,
            weight=node.weight,
            part=parts.get(node.id, Fraction(0)),
            nominal_mc=node.nominal_mc,
            used_mc=node.used_mc,
            used_core_ms=node.used_core_ms,
            decayed_core_ms=decayed(node.decayed_core_ms, node.decayed_at, now, half_life),
        )
        if node.id in shown:
            found.setdefault(above, []).append((node.id, row))
        elif node.kind == "cell" and above is not None:
            hidden.setdefault(above, []).append(row)
    for parent, rows in hidden.items():
        found.setdefault(parent, []).append((None, _together(rows, parent)))
    return found


def _together(rows: Sequence[_Row], parent: UUID) -> _Row:
    return _Row(
        name=OTHERS,
        kind="others",
        parent=parent,
        weight=None,
        part=sum((row.part for row in rows), Fraction(0)),
        nominal_mc=sum(row.nominal_mc for row in rows),
        used_mc=sum(row.used_mc for row in rows),
        used_core_ms=sum(row.used_core_ms for row in rows),
        decayed_core_ms=sum(row.decayed_core_ms for row in rows),
    )


def _ordered(
    rows: dict[UUID | None, list[tuple[UUID | None, _Row]]], parent: UUID | None = None, depth: int = 0
) -> list[tuple[_Row, int, int]]:
    """Each row with its depth and its place among its siblings."""
    found: list[tuple[_Row, int, int]] = []
    for order, (id, row) in enumerate(sorted(rows.get(parent, ()), key=lambda each: each[1].turn), start=1):
        found.append((row, depth, order))
        if id is not None:
            found += _ordered(rows, id, depth + 1)
    return found
