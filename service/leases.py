"""Leases: the right of one worker slot to run one work item. Grants, claims, and the one gate through which every
lease ends.

Each transaction that grants or ends leases takes the root's row lock first, so they happen one after another and no
two of them can wait for each other. Counters move only together with lease rows; nothing is ever clamped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from service import accounts, capacity, db, items, policies, tables, windows
from service.errors import Conflict, Gone
from service.ids import new_id
from service.models import (
    Commitment,
    Lease,
    LeaseState,
    Outbox,
    Run,
    UsageSegment,
    Worker,
    WorkItem,
)
from service.scheduler.entitlement import decayed
from service.scheduler.plan import Grant, Plan, Snapshot
from workers import contract

log = structlog.get_logger()


class Outcome(StrEnum):
    """How a lease ended."""

    DONE = "done"
    FAILED = "failed"
    LOST = "lost"
    ABANDONED = "abandoned"
    UNCLAIMED = "unclaimed"
    EXPIRED = "expired"
    WORKER_LOST = "worker_lost"
    CANCELLED = "cancelled"
    RECALLED = "recalled"


PAYER = {
    Outcome.DONE: "cell",
    Outcome.FAILED: "cell",
    Outcome.CANCELLED: "cell",
    Outcome.LOST: "site",
    Outcome.ABANDONED: "site",
    Outcome.UNCLAIMED: "site",
    Outcome.EXPIRED: "site",
    Outcome.WORKER_LOST: "site",
    Outcome.RECALLED: "pool",
}


Takers = Mapping[UUID, Iterator[UUID]]
"""By worker, the attempts of its slots that wait for an item at this moment."""
_NOBODY: Iterator[UUID] = iter(())


class StaleGrant(Exception):
    """The pool changed between the plan and the grant; nothing was granted, plan again."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """A wish to end a lease. Without a fence it ends whichever fence the lease has; with a site, only if it works
    there."""

    lease_id: UUID
    outcome: Outcome
    fence: int | None = None
    site_id: UUID | None = None
    failure: str | None = None
    detail: str | None = None
    chunk: contract.ChunkInfo | None = None


@dataclass(frozen=True)
class Ended:
    """A lease that went through the gate, with what it held."""

    ending: Ending
    item_id: UUID
    run_id: UUID
    node_id: UUID
    site_id: UUID
    fence: int
    mc: int
    estimate_ms: int
    granted_at: datetime
    released_at: datetime
    attempts: int
    labels: Mapping[str, str]

    @property
    def object_key(self) -> str:
        return object_key(self.run_id, self.item_id, self.fence)


def object_key(run_id: UUID, item_id: UUID, fence: int) -> str:
    """Where the chunk of one attempt lies; attempts never share a key."""
    return f"runs/{run_id.hex}/{item_id.hex}-{fence}.chunk"


# --- grant


async def grant(
    session: AsyncSession, decided: Plan, *, of: Snapshot, now: datetime, takers: Takers | None = None
) -> list[Outbox]:
    """Turn planned grants into leases, all or none: those of workers in `takers` are started at once, the others get a
    message. The caller holds the root lock and commits.

    Raises
    ------
    StaleGrant
        Anything that could change the plan has moved since the snapshot.
    """
    grants = decided.grants
    row = await capacity.commitment(session)
    if row.epoch != of.epoch:
        raise StaleGrant("epoch")
    fences = await _take_items(session, grants)
    await _occupy(session, grants, row, moves=of.moves, now=now)
    leases = []
    for g in grants:
        attempt = next((takers or {}).get(g.worker, _NOBODY), None)
        lease = {
            "id": new_id(),
            "item_id": g.item,
            "node_id": g.leaf,
            "worker_id": g.worker,
            "fence": fences[g.item],
            "mc": g.shape.mc,
            "memory_mb": g.shape.memory_mb,
            "estimate_ms": g.shape.estimate_ms,
            "epoch": of.epoch,
            "steps": 0,
            "granted_at": now,
        }
        leases.append(lease | (_started(attempt, now=now) if attempt else _NOT_STARTED))
    await db.insert(session, Lease.__table__, leases)
    return await _promise(session, [lease for lease in leases if lease["attempt"] is None])


async def _take_items(session: AsyncSession, grants: Sequence[Grant]) -> dict[UUID, int]:
    taken = await session.execute(
        update(WorkItem)
        .where(WorkItem.id == db.any_of(g.item for g in grants), WorkItem.state == "queued")
        .values(state="leased", fence=WorkItem.fence + 1, attempts=WorkItem.attempts + 1)
        .returning(WorkItem.id, WorkItem.fence, WorkItem.run_id)
    )
    rows = taken.all()
    if len(rows) != len(grants):
        raise StaleGrant("items")
    await session.execute(
        update(Run)
        .where(Run.id == db.any_of({row.run_id for row in rows}), Run.state == "queued")
        .values(state="running", started_at=func.coalesce(Run.started_at, func.clock_timestamp()))
    )
    return {row.id: row.fence for row in rows}


async def _occupy(
    session: AsyncSession, grants: Sequence[Grant], row: Commitment, *, moves: int, now: datetime
) -> None:
    """Count the grants in on the whole path, root first, under the limit; charge their estimates."""
    paths = await ancestors(session, {g.leaf for g in grants})
    mc: Counter[UUID] = Counter()
    core_ms: Counter[UUID] = Counter()
    for g in grants:
        for node in paths[g.leaf]:
            mc[node] += g.shape.mc
            core_ms[node] += g.shape.core_ms
    occupied = await session.execute(
        _OCCUPY,
        {
            "ids": list(mc),
            "mc": [mc[id] for id in mc],
            "core_ms": [core_ms[id] for id in mc],
            "limit": capacity.limit_of_grants(row, now=now),
            "moves": moves,
            "now": now,
            "half_life": row.half_life_s,
        },
    )
    if len(occupied.all()) != len(mc):
        raise StaleGrant("the commitment, or what was planned from")


# after 200 half-lives nothing is left; beyond about 1,000 PostgreSQL reports an underflow
_NOW_DECAYED = (
    "n.decayed_core_ms * power(CAST(0.5 AS float8), "
    "least(greatest(CAST(extract(epoch FROM :now - n.decayed_at) AS float8), 0) / :half_life, 200))"
)
_OCCUPY = text(
    f"""
    UPDATE quota_node n
    SET used_mc = n.used_mc + v.mc, reserved_core_ms = n.reserved_core_ms + v.core_ms, moves = n.moves + 1,
        decayed_core_ms = {_NOW_DECAYED} + v.core_ms, decayed_at = greatest(n.decayed_at, :now)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:mc AS bigint[]), CAST(:core_ms AS bigint[])) AS v(id, mc, core_ms)
    WHERE n.id = v.id AND (n.parent_id IS NOT NULL OR (n.used_mc + v.mc <= :limit AND n.moves = :moves))
    RETURNING n.id
    """
)
_VACATE = text(
    f"""
    UPDATE quota_node n
    SET used_mc = n.used_mc - v.mc, reserved_core_ms = n.reserved_core_ms - v.reserved_core_ms, moves = n.moves + 1,
        used_core_ms = n.used_core_ms + v.paid_core_ms,
        decayed_core_ms = greatest({_NOW_DECAYED} + v.settled_core_ms, 0), decayed_at = greatest(n.decayed_at, :now)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:mc AS bigint[]), CAST(:reserved AS bigint[]), CAST(:paid AS bigint[]),
                CAST(:settled AS float8[])) AS v(id, mc, reserved_core_ms, paid_core_ms, settled_core_ms)
    WHERE n.id = v.id
    RETURNING n.id
    """
)


async def ancestors(session: AsyncSession, leaves: Iterable[UUID]) -> dict[UUID, list[UUID]]:
    """By leaf the nodes from the root down to it."""
    rows = await session.execute(_ANCESTORS, {"leaves": list(leaves)})
    return {row.leaf: row.path for row in rows}


_ANCESTORS = text(
    """
    WITH RECURSIVE above AS (
        SELECT id AS leaf, parent_id, ARRAY[id] AS path FROM quota_node WHERE id = ANY(CAST(:leaves AS uuid[]))
        UNION ALL
        SELECT above.leaf, node.parent_id, node.id || above.path
        FROM above JOIN quota_node node ON node.id = above.parent_id
    )
    SELECT leaf, path FROM above WHERE parent_id IS NULL
    """
)


async def _promise(session: AsyncSession, leases: Sequence[Mapping[str, Any]]) -> list[Outbox]:
    if not leases:
        return []
    workers = {lease["worker_id"] for lease in leases}
    sites = dict((await session.execute(select(Worker.id, Worker.site_id).where(Worker.id.in_(workers)))).all())
    messages = [
        Outbox(
            site_id=sites[lease["worker_id"]],
            queue=queue(lease["worker_id"]),
            body=contract.Grant(lease_id=lease["id"], fence=lease["fence"]).model_dump(mode="json"),
        )
        for lease in leases
    ]
    session.add_all(messages)
    await session.flush()
    return messages


def queue(worker_id: UUID) -> str:
    """The Celery queue of one worker incarnation."""
    return f"worker.{worker_id.hex}"


# --- claim


async def claim(
    session: AsyncSession, lease_id: UUID, request: contract.Claim, *, site_id: UUID, now: datetime
) -> contract.Item:
    """Start a granted lease, once. The attempt that started it may ask again: its answer was lost. A message seen twice
    is another attempt and refused.

    Raises
    ------
    Gone
        The lease has ended, has another fence or never was this worker's.
    Conflict
        Another attempt has claimed the lease.
    """
    row = (
        await session.execute(
            select(Lease, *_ITEM)
            .join(WorkItem, WorkItem.id == Lease.item_id)
            .join(Run, Run.id == WorkItem.run_id)
            .join(Worker, Worker.id == Lease.worker_id)
            .where(Lease.id == lease_id, Lease.worker_id == request.worker_id, Worker.site_id == site_id)
            .with_for_update(of=Lease)
            .execution_options(populate_existing=True)  # as it is under the lock, whatever the session saw before
        )
    ).one_or_none()
    if row is None or row.Lease.fence != request.fence or row.Lease.state == LeaseState.RELEASED:
        raise Gone("the lease has ended or was never this worker's")
    lease = row.Lease
    if lease.state == LeaseState.GRANTED:
        for name, value in _started(request.attempt, now=now).items():
            setattr(lease, name, value)
    elif lease.attempt != request.attempt:
        raise Conflict("another attempt has claimed the lease")
    return await _item(session, row)


def _started(attempt: UUID, *, now: datetime) -> dict[str, Any]:
    """What a lease gets when an attempt starts it."""
    return {"state": LeaseState.RUNNING, "attempt": attempt, "claimed_at": now, "seen_at": now}


_NOT_STARTED: dict[str, Any] = {"state": LeaseState.GRANTED, "attempt": None, "claimed_at": None, "seen_at": None}


async def started(
    session: AsyncSession, workers: Iterable[UUID], attempts: Iterable[UUID]
) -> dict[UUID, contract.Item]:
    """What these attempts of the workers run, by attempt."""
    rows = await session.execute(
        select(Lease.attempt, *_ITEM)
        .join(WorkItem, WorkItem.id == Lease.item_id)
        .join(Run, Run.id == WorkItem.run_id)
        .where(
            Lease.worker_id == db.any_of(set(workers)),
            Lease.attempt == db.any_of(attempts),
            Lease.state != LeaseState.RELEASED,
        )
    )
    return {row.attempt: await _item(session, row) for row in rows.all()}


_ITEM = (
    Lease.id.label("lease_id"),
    Lease.fence,
    WorkItem.id.label("item_id"),
    WorkItem.run_id,
    WorkItem.seed,
    WorkItem.policy,
    WorkItem.specs,
    WorkItem.segments,
    WorkItem.batch,
    WorkItem.max_ms,
    WorkItem.memory_mb,
    Run.cell_id,
    Run.record,
)


async def _item(session: AsyncSession, row: Row[Any]) -> contract.Item:
    """Of a row of `_ITEM`."""
    specs = [contract.SpecRef(**spec) for spec in row.specs]
    document = await policies.document(session, row.cell_id, row.policy)
    return contract.Item(
        lease_id=row.lease_id,
        fence=row.fence,
        item_id=row.item_id,
        run_id=row.run_id,
        run_seed=row.seed,
        policy=contract.Policy(name=row.policy, digest=policies.digest(document), document=dict(document)),
        specs=specs,
        segments=[contract.Segment(**segment) for segment in row.segments],
        batch=row.batch,
        record=contract.Record.model_validate(row.record),
        object_key=object_key(row.run_id, row.item_id, row.fence),
        max_ms=row.max_ms,
        memory_mb=row.memory_mb,
        tables=await tables.contents(session, (spec.ref for spec in specs)),
    )


# --- the gate


async def end(session: AsyncSession, endings: Sequence[Ending], *, now: datetime, wake: bool = True) -> list[bool]:
    """End leases. For each: true if it ended now, by this, or had ended before in just this way (the answer was lost).

    In one transaction, which the caller commits: the lease's only terminal transition, the counters of its path, its
    usage, and its item done, queued again or given up. Takes the root lock. The scheduler is woken to fill the room,
    unless the caller does that itself.
    """
    wishes = {ending.lease_id: ending for ending in reversed(endings)}
    await capacity.lock_root(session)
    await accounts.open_window(session, await capacity.commitment(session), now=now)
    ended = await _pass_gate(session, list(wishes.values()), now=now)
    passed = {e.ending.lease_id: e for e in ended}
    if ended:
        await _vacate(session, ended, now=now)
        await items.settle(session, ended, now=now)
        if wake:
            await db.notify(session, db.SCHEDULE)
    answers = []
    for ending in endings:
        won = passed.pop(ending.lease_id, None)
        answers.append(won is not None or await _ended_like_this(session, ending))
    return answers


async def _pass_gate(session: AsyncSession, endings: Sequence[Ending], *, now: datetime) -> list[Ended]:
    rows = await session.execute(
        _GATE,
        {
            "ids": [e.lease_id for e in endings],
            "fences": [e.fence for e in endings],
            "sites": [e.site_id for e in endings],
            "outcomes": [str(e.outcome) for e in endings],
            "failures": [e.failure for e in endings],
            "details": [e.detail for e in endings],
            "now": now,
        },
    )
    by_id = {e.lease_id: e for e in endings}
    return [
        Ended(
            by_id[row.id],
            row.item_id,
            row.run_id,
            row.node_id,
            row.site_id,
            row.fence,
            row.mc,
            row.estimate_ms,
            row.granted_at,
            row.released_at,
            row.attempts,
            row.labels,
        )
        for row in rows
    ]


_GATE = text(
    """
    UPDATE lease l
    SET state = 'released', released_at = greatest(:now, l.granted_at), outcome = v.outcome, failure = v.failure,
        detail = v.detail
    FROM unnest(CAST(:ids AS uuid[]), CAST(:fences AS bigint[]), CAST(:sites AS uuid[]),
                CAST(:outcomes AS text[]), CAST(:failures AS text[]), CAST(:details AS text[]))
         AS v(id, fence, site_id, outcome, failure, detail), work_item i, run r, worker w
    WHERE l.id = v.id AND l.state <> 'released'
      AND (v.fence IS NULL OR l.fence = v.fence) AND (v.site_id IS NULL OR w.site_id = v.site_id)
      AND i.id = l.item_id AND r.id = i.run_id AND w.id = l.worker_id
    RETURNING l.id, l.item_id, i.run_id, l.node_id, w.site_id, l.fence, l.mc, l.estimate_ms, l.granted_at,
      l.released_at, i.attempts, r.labels
    """
)


async def _vacate(session: AsyncSession, ended: Sequence[Ended], *, now: datetime) -> None:
    """Count the leases out on their paths, settle the estimate against what was used, and write who pays."""
    paths = await ancestors(session, {e.node_id for e in ended})
    row = await capacity.commitment(session)
    spans = await accounts.since(session, row, min(e.granted_at for e in ended))
    half_life = timedelta(seconds=row.half_life_s)
    mc: Counter[UUID] = Counter()
    reserved: Counter[UUID] = Counter()
    paid: Counter[UUID] = Counter()
    by_window: Counter[tuple[UUID, windows.Window]] = Counter()
    settled: dict[UUID, float] = {}
    segments: list[dict[str, Any]] = []
    for e in ended:
        estimate = e.estimate_ms * e.mc // 1000
        charged = decayed(estimate, e.granted_at, now, half_life)
        for node in paths[e.node_id]:
            mc[node] += e.mc
            reserved[node] += estimate
            settled[node] = settled.get(node, 0.0) - charged
        for part in windows.parts(spans, e.granted_at, e.released_at):
            actual = core_ms(part.start, part.end, e.mc)
            payer = PAYER[e.ending.outcome]
            segments.append(_segment(e, part, payer, actual))
            for node in paths[e.node_id] if payer == "cell" else ():
                paid[node] += actual
                settled[node] += actual
                by_window[node, part.window] += actual
    await db.insert(session, UsageSegment.__table__, segments)
    vacated = await session.execute(
        _VACATE,
        {
            "ids": list(mc),
            "mc": [mc[id] for id in mc],
            "reserved": [reserved[id] for id in mc],
            "paid": [paid[id] for id in mc],
            "settled": [settled[id] for id in mc],
            "now": now,
            "half_life": half_life.total_seconds(),
        },
    )
    if len(vacated.all()) != len(mc):
        raise RuntimeError("a quota node of a live lease is missing")
    await accounts.settle(session, row, spans, by_window, now=now)
    if row.debt_since is not None:
        await capacity.note_debt(session, row, now=now)


def _segment(e: Ended, part: windows.Part, payer: str, core_ms: int) -> dict[str, Any]:
    return {
        "lease_id": e.ending.lease_id,
        "run_id": e.run_id,
        "node_id": e.node_id,
        "payer": payer,
        "started_at": part.start,
        "ended_at": part.end,
        "mc": e.mc,
        "core_ms": core_ms,
        "window_starts_at": part.window.starts_at,
        "labels": e.labels,
    }


def core_ms(start: datetime, end: datetime, mc: int) -> int:
    """Integer core-milliseconds of `mc` millicores over a time."""
    return max((end - start) // timedelta(milliseconds=1), 0) * mc // 1000


async def _ended_like_this(session: AsyncSession, ending: Ending) -> bool:
    """Whether this very release was accepted before: a worker that lost the answer must not throw its chunk away."""
    return bool(
        await session.scalar(
            select(func.count()).where(
                Lease.id == ending.lease_id,
                Lease.fence == ending.fence,
                Lease.outcome == str(ending.outcome),
            )
        )
    )


# --- heartbeats and deadlines


async def refresh(
    session: AsyncSession, worker_id: UUID, progress: Sequence[contract.LeaseProgress], *, now: datetime
) -> list[UUID]:
    """Note what a worker holds; answers the leases that are no longer its own. Rows that a release holds are
    skipped."""
    held = await session.execute(
        select(Lease.id, Lease.fence).where(
            Lease.worker_id == worker_id,
            Lease.id.in_([p.lease_id for p in progress]),
            Lease.state != LeaseState.RELEASED,
        )
    )
    fences = dict(held.all())
    await session.execute(
        _REFRESH,
        {"ids": [p.lease_id for p in progress], "steps": [p.steps for p in progress], "worker": worker_id, "now": now},
    )
    return [p.lease_id for p in progress if fences.get(p.lease_id) != p.fence]


_REFRESH = text(
    """
    UPDATE lease l SET seen_at = :now, steps = greatest(l.steps, v.steps)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:steps AS bigint[])) AS v(id, steps)
    WHERE l.id = v.id AND l.id IN (
        SELECT id FROM lease WHERE id = ANY(CAST(:ids AS uuid[])) AND worker_id = :worker AND state <> 'released'
        ORDER BY id FOR UPDATE SKIP LOCKED
    )
    """
)


async def overdue(session: AsyncSession, *, now: datetime, accepting: bool) -> list[Ending]:
    """Leases that were not claimed in time, and, while heartbeats are being accepted, those not heard of for one
    TTL."""
    late = select(Lease.id).where(
        Lease.state == LeaseState.GRANTED, Lease.granted_at < now - timedelta(seconds=contract.CLAIM_DEADLINE_S)
    )
    endings = [Ending(lease_id=id, outcome=Outcome.UNCLAIMED) for id in (await session.scalars(late)).all()]
    if accepting:
        silent = select(Lease.id).where(
            Lease.state.in_([LeaseState.RUNNING, LeaseState.DRAINING]),
            Lease.seen_at < now - timedelta(seconds=contract.TTL_S),
        )
        endings += [Ending(lease_id=id, outcome=Outcome.EXPIRED) for id in (await session.scalars(silent)).all()]
    return endings


async def end_of_worker(session: AsyncSession, worker_id: UUID, outcome: Outcome, *, now: datetime) -> None:
    """End every live lease of a worker that is gone."""
    live = await session.scalars(
        select(Lease.id).where(Lease.worker_id == worker_id, Lease.state != LeaseState.RELEASED)
    )
    endings = [Ending(lease_id=id, outcome=outcome) for id in live.all()]
    if endings:
        await end(session, endings, now=now)
