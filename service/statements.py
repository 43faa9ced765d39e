"""Statements: what a window's commitment was, what was used of it and by whom; from segments and capacity epochs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal
from uuid import UUID

import pyarrow as pa
from pyarrow import csv
from pyarrow import parquet as pq
from sqlalchemy import Select, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from service import capacity, clock
from service.api import schemas
from service.errors import NotFound
from service.ids import show
from service.models import CapacityEpoch, Lease, LeaseState, QuotaNode, UsageSegment, WindowAccount
from service.windows import Window

Format = Literal["csv", "parquet"]
US = timedelta(microseconds=1)
MC_US = 1_000_000
"""Millicores times microseconds of a core-millisecond."""


def windows() -> Select[WindowAccount]:
    """The root's account of each window that has accounts. Those of which the whole service slept have none."""
    return select(WindowAccount).join(QuotaNode, QuotaNode.id == WindowAccount.node_id).where(QuotaNode.kind == "root")


async def of(session: AsyncSession, at: datetime, *, now: datetime) -> schemas.Statement:
    """The statement of the window that holds `at`: of all that is settled, which is all once it is final.

    Raises
    ------
    NotFound
        No window with accounts holds it.
    """
    query = windows().where(WindowAccount.starts_at <= at, WindowAccount.ends_at > at)
    account = (await session.scalars(query)).one_or_none()
    if account is None:
        raise NotFound(f"no window with accounts holds {at:%Y-%m-%dT%H:%M:%S%z}; GET /v1/admin/statements has all")
    window, until = Window(account.starts_at, account.ends_at), min(now, account.ends_at)
    epochs = await _epochs(session, window, until)
    peak, overages = await _peak_and_overages(session, window, epochs)
    used = await _used(session, window)
    live = select(Lease.id).where(Lease.state != LeaseState.RELEASED, Lease.granted_at < account.ends_at)
    return schemas.Statement(
        starts_at=window.starts_at,
        ends_at=window.ends_at,
        until=until,
        final=now >= account.ends_at and not await session.scalar(select(live.exists())),
        entitled_core_ms=entitled(epochs, window.starts_at, until),
        used_core_ms=sum(used.values()),
        by_payer=_by_payer(used),
        highest_ratio=peak.ratio if peak else 0.0,
        highest_at=peak.at if peak else None,
        highest_mc=peak.mc if peak else 0,
        overage_core_ms=-(-sum(use.over for use in overages) // MC_US),
        overages=_episodes(overages, {epoch.epoch: epoch.cause for epoch in epochs}),
        cells=await _cells(session, window, until),
    )


# --- the commitment


async def _epochs(session: AsyncSession, window: Window, until: datetime) -> Sequence[CapacityEpoch]:
    """Those of the window, and the one that it began in."""
    before = select(func.max(CapacityEpoch.epoch)).where(CapacityEpoch.at <= window.starts_at)
    first = await session.scalar(before) or 0
    query = select(CapacityEpoch).where(CapacityEpoch.epoch >= first, CapacityEpoch.at < until)
    return (await session.scalars(query.order_by(CapacityEpoch.epoch))).all()


def entitled(epochs: Sequence[CapacityEpoch], start: datetime, end: datetime) -> int:
    """floor(the integral of the committed share of the capacity, or of what an exception commits instead of it), in
    core-milliseconds; `epochs` are in their order."""
    total = Fraction(0)
    for epoch in reversed(epochs):
        since = max(epoch.at, start)
        if since < end:
            mc = max(Fraction(epoch.numerator * epoch.capacity_mc, epoch.denominator), Fraction(epoch.limit_mc))
            total += mc * ((end - since) // US)
            end = since
    return int(total / MC_US)


# --- use


@dataclass(frozen=True)
class _Use:
    """Millicores in use over a while, of a limit."""

    at: datetime
    until: datetime
    mc: int
    limit_mc: int
    epoch: int

    @property
    def ratio(self) -> float:
        return self.mc / self.limit_mc

    @property
    def over(self) -> int:
        return max(self.mc - self.limit_mc, 0) * ((self.until - self.at) // US)


async def _peak_and_overages(
    session: AsyncSession, window: Window, epochs: Sequence[CapacityEpoch]
) -> tuple[_Use | None, list[_Use]]:
    """Where the ratio of use to limit was highest, and all the time when use was beyond the limit."""
    values = {"starts_at": window.starts_at, "epochs": [epoch.epoch for epoch in epochs]}
    found = [_Use(*row) for row in await session.execute(_USE, values)]
    peak = max((use for use in found if use.limit_mc and use.mc), key=lambda use: use.ratio, default=None)
    return peak, [use for use in found if use.over]


# Use is constant between two edges, and the limit within an epoch: of each the most, and all that is beyond its limit.
_USE = text(
    """
    WITH edge AS (
        SELECT started_at AS at, mc, NULL::bigint AS epoch FROM usage_segment WHERE window_starts_at = :starts_at
        UNION ALL SELECT ended_at, -mc, NULL FROM usage_segment WHERE window_starts_at = :starts_at
        UNION ALL SELECT greatest(at, :starts_at), 0, epoch FROM capacity_epoch
            WHERE epoch = ANY(CAST(:epochs AS bigint[]))
    ), change AS (
        SELECT at, sum(mc) AS mc, max(epoch) AS epoch FROM edge GROUP BY at
    ), use AS (
        SELECT at, lead(at) OVER along AS until, CAST(sum(mc) OVER along AS bigint) AS mc,
            coalesce(max(epoch) OVER along, 0) AS epoch
        FROM change WINDOW along AS (ORDER BY at)
    ), ranked AS (
        SELECT use.*, coalesce(e.limit_mc, 0) AS limit_mc,
            row_number() OVER (PARTITION BY use.epoch ORDER BY use.mc DESC, use.at) AS rank
        FROM use LEFT JOIN capacity_epoch e ON e.epoch = use.epoch
        WHERE until IS NOT NULL
    )
    SELECT at, until, mc, limit_mc, epoch FROM ranked WHERE rank = 1 OR mc > limit_mc ORDER BY at
    """
)


def _episodes(overages: Sequence[_Use], causes: Mapping[int, str]) -> list[schemas.Overage]:
    """What follows without a gap is one."""
    episodes: list[list[_Use]] = []
    for use in overages:
        if episodes and episodes[-1][-1].until == use.at:
            episodes[-1].append(use)
        else:
            episodes.append([use])
    return [
        schemas.Overage(
            starts_at=uses[0].at,
            ends_at=uses[-1].until,
            highest_mc=max(use.mc - use.limit_mc for use in uses),
            core_ms=-(-sum(use.over for use in uses) // MC_US),
            epoch=uses[0].epoch,
            cause=causes.get(uses[0].epoch, "there was no capacity"),
        )
        for uses in episodes
    ]


# --- who used it


Used = Mapping[tuple[UUID, str], int]
"""Core-milliseconds by leaf and payer."""


async def _used(session: AsyncSession, window: Window) -> Used:
    rows = await session.execute(
        select(UsageSegment.node_id, UsageSegment.payer, func.sum(UsageSegment.core_ms))
        .where(UsageSegment.window_starts_at == window.starts_at)
        .group_by(UsageSegment.node_id, UsageSegment.payer)
    )
    return {(node, payer): int(core_ms) for node, payer, core_ms in rows}


def _by_payer(used: Used) -> dict[str, int]:
    payers = ("cell", "site", "pool")
    return {payer: sum(core_ms for (_, who), core_ms in used.items() if who == payer) for payer in payers}


async def _cells(session: AsyncSession, window: Window, until: datetime) -> list[schemas.CellStatement]:
    """What each cell was entitled to and used, and what others had of it, over the window as a whole."""
    row = await capacity.commitment(session)
    is_open = row.window_starts_at == window.starts_at and row.accrued_at is not None
    ms = max((until - row.accrued_at) / timedelta(milliseconds=1), 0) if is_open and row.accrued_at else 0
    rows = await session.execute(
        select(QuotaNode, WindowAccount)
        .join(WindowAccount, WindowAccount.node_id == QuotaNode.id)
        .where(QuotaNode.kind == "cell", WindowAccount.starts_at == window.starts_at)
        .order_by(QuotaNode.name)
    )
    parts = [(node, account, int(account.entitled_core_ms + node.share_mc * ms / 1000)) for node, account in rows.all()]
    borrowed = sum(max(account.settled_core_ms - due, 0) for _, account, due in parts)
    idle = sum(max(due - account.settled_core_ms, 0) for _, account, due in parts)
    return [
        schemas.CellStatement(
            cell=node.name,
            entitled_core_ms=due,
            settled_core_ms=account.settled_core_ms,
            borrowed_core_ms=max(account.settled_core_ms - due, 0),
            lent_core_ms=max(due - account.settled_core_ms, 0) * min(borrowed, idle) // max(idle, 1),
            budget_core_ms=account.budget_core_ms,
            debt_core_ms=account.debt_core_ms,
        )
        for node, account, due in parts
    ]


# --- files


_TIME = pa.timestamp("us", "UTC")
_SEGMENTS = pa.schema(
    {
        "lease": pa.string(),
        "run": pa.string(),
        "cell": pa.string(),
        "payer": pa.string(),
        "started_at": _TIME,
        "ended_at": _TIME,
        "mc": pa.int64(),
        "core_ms": pa.int64(),
        "labels": pa.string(),
    }
)
_TABLES: Mapping[str, pa.Schema] = MappingProxyType(
    {
        "summary": pa.schema(
            {
                "starts_at": _TIME,
                "ends_at": _TIME,
                "until": _TIME,
                "final": pa.bool_(),
                "entitled_core_ms": pa.int64(),
                "used_core_ms": pa.int64(),
                "highest_ratio": pa.float64(),
                "highest_at": _TIME,
                "highest_mc": pa.int64(),
                "overage_core_ms": pa.int64(),
            }
        ),
        "cells": pa.schema(
            {
                "cell": pa.string(),
                "entitled_core_ms": pa.int64(),
                "settled_core_ms": pa.int64(),
                "borrowed_core_ms": pa.int64(),
                "lent_core_ms": pa.int64(),
                "budget_core_ms": pa.int64(),
                "debt_core_ms": pa.int64(),
            }
        ),
        "overages": pa.schema(
            {
                "starts_at": _TIME,
                "ends_at": _TIME,
                "highest_mc": pa.int64(),
                "core_ms": pa.int64(),
                "epoch": pa.int64(),
                "cause": pa.string(),
            }
        ),
        "epochs": pa.schema(
            {
                "epoch": pa.int64(),
                "at": _TIME,
                "capacity_mc": pa.int64(),
                "limit_mc": pa.int64(),
                "numerator": pa.int64(),
                "denominator": pa.int64(),
                "cause": pa.string(),
            }
        ),
    }
)


async def export(session: AsyncSession, at: datetime, folder: Path, *, format: Format) -> None:
    """Write the statement and all that it follows from into a folder, a file a table: summary, cells, overages, epochs
    and segments. All are of one moment: call it first in its transaction."""
    await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    statement = await of(session, at, now=await clock.now(session))
    window = Window(statement.starts_at, statement.ends_at)
    epochs = await _epochs(session, window, statement.until)
    rows: dict[str, list[dict[str, Any]]] = {
        "summary": [statement.model_dump()],
        "cells": [cell.model_dump() for cell in statement.cells],
        "overages": [overage.model_dump() for overage in statement.overages],
        "epochs": [vars(epoch) for epoch in epochs],
    }
    for name, schema in _TABLES.items():
        with _writer(folder, name, schema, format) as writer:
            writer.write_table(pa.Table.from_pylist(rows[name], schema))
    with _writer(folder, "segments", _SEGMENTS, format) as writer:
        async for batch in _segments(session, window):
            await asyncio.to_thread(writer.write_batch, batch)


def _writer(folder: Path, name: str, schema: pa.Schema, format: Format) -> csv.CSVWriter | pq.ParquetWriter:
    path = folder / f"{name}.{format}"
    return csv.CSVWriter(path, schema) if format == "csv" else pq.ParquetWriter(path, schema, compression="zstd")


async def _segments(session: AsyncSession, window: Window) -> AsyncIterator[pa.RecordBatch]:
    query = (
        select(UsageSegment, QuotaNode.name)
        .join(QuotaNode, QuotaNode.id == UsageSegment.node_id)
        .where(UsageSegment.window_starts_at == window.starts_at)
        .order_by(UsageSegment.id)
    )
    found = await session.stream(query.execution_options(yield_per=10_000))
    async for rows in found.partitions():
        yield pa.RecordBatch.from_pylist([_segment(segment, cell) for segment, cell in rows], _SEGMENTS)


def _segment(segment: UsageSegment, cell: str) -> dict[str, Any]:
    return {
        "lease": show("lease", segment.lease_id),
        "run": show("run", segment.run_id) if segment.run_id else None,
        "cell": cell,
        "payer": segment.payer,
        "started_at": segment.started_at,
        "ended_at": segment.ended_at,
        "mc": segment.mc,
        "core_ms": segment.core_ms,
        "labels": json.dumps(segment.labels, ensure_ascii=False, sort_keys=True),
    }
