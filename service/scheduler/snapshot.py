"""Reads what plan() decides on, in a handful of queries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import LiteralString, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Float, and_, cast, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from service import capacity, claims, clock, db, readers
from service.models import (
    Commitment,
    Duty,
    Lease,
    LeaseState,
    NodeState,
    QuotaNode,
    Site,
    WindowAccount,
    Worker,
    WorkerState,
    WorkItem,
)
from service.scheduler import eta
from service.scheduler.bounds import Bounds, room
from service.scheduler.entitlement import SLOT_MC, Node, Reason, decayed
from service.scheduler.eta import Running
from service.scheduler.placement import Placement, Slots
from service.scheduler.plan import Pending, Shape, Snapshot, plan

MOST_GRANTS = 256
"""Grants in one transaction: as many as releases in one, so that all their slots can go on."""
FEW = 4
"""Items of a leaf that are looked at first; a plan that wants more of one asks for them."""
NO_LOOKS: Mapping[UUID, int] = MappingProxyType({})
NO_LIMIT = 2**62


async def read(
    session: AsyncSession, *, now: datetime, most: int = FEW, looks: Mapping[UUID, int] = NO_LOOKS
) -> Snapshot:
    """The pool at this moment. Of each leaf only the first `most` items, or as many as in `looks`, and as many of those
    that are small and short enough to start."""
    row = await capacity.commitment(session)
    limit_mc = capacity.limit_of_grants(row, now=now)
    since = await claims.open_since(session)
    late = now - await claims.longest_wait(session) if since else now
    workers, cordoned = await _workers(session)
    moves = await session.scalar(select(QuotaNode.moves).where(QuotaNode.kind == "root"))
    seen = Snapshot(
        limit_mc=limit_mc,
        epoch=row.epoch,
        moves=int(moves or 0),
        nodes=await nodes(session, row, now=now),
        pending=(),
        workers=workers,
        cordoned=cordoned,
        leaving_mc=row.limit_mc - limit_mc,
        claimed=since,
        stale={leaf for leaf, at in since.items() if at < late},
    )
    pending, more = await _pending(session, seen, most=most, looks=looks, now=now)
    return replace(seen, pending=pending, more=more)


async def nodes(session: AsyncSession, commitment: Commitment, *, now: datetime) -> list[Node]:
    """The tree with what is used of it, and with what is in force: nothing is lent by who cools down."""
    half_life, cooldown = timedelta(seconds=commitment.half_life_s), timedelta(seconds=commitment.cooldown_s)
    cooling = await claims.reclaimed(session, since=now - cooldown) if cooldown else {}
    charged = func.coalesce(WindowAccount.debt_core_ms + WindowAccount.settled_core_ms, 0) + QuotaNode.reserved_core_ms
    rows = await session.execute(
        select(
            QuotaNode.id,
            QuotaNode.parent_id,
            QuotaNode.name,
            QuotaNode.weight,
            QuotaNode.state,
            QuotaNode.nominal_mc,
            QuotaNode.used_mc,
            QuotaNode.decayed_core_ms,
            QuotaNode.decayed_at,
            QuotaNode.borrowing_limit_mc,
            QuotaNode.lending_limit_mc,
            QuotaNode.max_loan_ms,
            QuotaNode.reclaim_first,
            QuotaNode.frozen,
            (QuotaNode.window_budget_core_ms - charged).label("budget_left_core_ms"),
        ).outerjoin(
            WindowAccount,
            and_(WindowAccount.node_id == QuotaNode.id, WindowAccount.starts_at == commitment.window_starts_at),
        )
    )
    return [
        Node(
            id=row.id,
            parent=row.parent_id,
            name=row.name,
            weight=row.weight,
            held=row.state != NodeState.ACTIVE,
            nominal_mc=row.nominal_mc,
            used_mc=row.used_mc,
            usage_core_ms=decayed(row.decayed_core_ms, row.decayed_at, now, half_life),
            drains=row.state == NodeState.HOLD_AND_DRAIN,
            borrowing_limit_mc=row.borrowing_limit_mc,
            lending_limit_mc=0 if row.id in cooling else row.lending_limit_mc,
            max_loan_ms=row.max_loan_ms,
            reclaim_first=row.reclaim_first,
            frozen=row.frozen is not None,
            budget_left_core_ms=row.budget_left_core_ms,
        )
        for row in rows
    ]


async def _workers(session: AsyncSession) -> tuple[list[Slots], list[Slots]]:
    """Those that may be given items, and those that are cordoned, by themselves or with their site."""
    held = (
        select(Lease.worker_id, func.count().label("slots"), func.sum(Lease.memory_mb).label("memory_mb"))
        .where(Lease.state != LeaseState.RELEASED)
        .group_by(Lease.worker_id)
        .subquery()
    )
    rows = await session.execute(
        select(
            Worker.id,
            Worker.slots - func.coalesce(held.c.slots, 0),
            Worker.memory_mb - func.coalesce(held.c.memory_mb, 0),
            Worker.memory_mb,
            and_(Worker.duty == Duty.ACTIVE, Site.state == Duty.ACTIVE),
        )
        .join(Site, Site.id == Worker.site_id)
        .outerjoin(held, held.c.worker_id == Worker.id)
        .where(Worker.state == WorkerState.ACTIVE)
        .order_by(Worker.id)
    )
    found: dict[bool, list[Slots]] = {True: [], False: []}
    for id, slots, free, most, serves in rows:
        found[serves].append(Slots(id, int(slots), int(free), most))
    return found[True], found[False]


async def _pending(
    session: AsyncSession, seen: Snapshot, *, most: int, looks: Mapping[UUID, int], now: datetime
) -> tuple[list[Pending], set[UUID]]:
    """The first items of each leaf in their order, and the leaves that have more."""
    bounded = await _bounded(session, now=now)
    bounds: dict[str, object] = {
        "most": most,
        "looked": list(looks),
        "looks": list(looks.values()),
        "nodes": [run.node for run in bounded],
        "runs": [run.id for run in bounded],
        "rooms": [room(run.bounds)[0] for run in bounded],
    }
    pending, more = await _first_items(session, _QUEUE, bounds)
    largest = _largest(seen, more)
    tight = {item.leaf for item in pending if item.leaf in more and not largest[item.leaf].fits(item.shape)}
    if tight:
        limits = [(leaf, *largest[leaf]) for leaf in tight]
        names = ("leaves", "memory_mb", "core_ms", "max_ms")
        bounds |= {name: list(column) for name, column in zip(names, zip(*limits, strict=True), strict=True)}
        fitting, more_fit = await _first_items(session, _QUEUE_FITTING, bounds)
        known = {item.id for item in pending}
        pending += [item for item in fitting if item.id not in known]
        more = (more - tight) | more_fit
    return pending, more


async def _first_items(
    session: AsyncSession, queue: LiteralString, bounds: Mapping[str, object]
) -> tuple[list[Pending], set[UUID]]:
    pending: list[Pending] = []
    more: set[UUID] = set()
    for id, leaf, mc, memory_mb, estimate_ms, max_ms, last in await db.fetch(session, queue, bounds):
        if leaf in more:
            continue  # what comes between the last one seen and this one is not known
        pending.append(Pending(id, leaf, Shape(mc, memory_mb, estimate_ms, max_ms)))
        if last:
            more.add(leaf)
    return pending, more


class _Largest(NamedTuple):
    """What an item may be to start at all."""

    memory_mb: int
    core_ms: int
    max_ms: int

    def fits(self, shape: Shape) -> bool:
        return shape.memory_mb <= self.memory_mb and shape.core_ms <= self.core_ms and shape.max_ms <= self.max_ms


def _largest(seen: Snapshot, leaves: Collection[UUID]) -> dict[UUID, _Largest]:
    tree, memory_mb = seen.tree(), Placement(seen.workers).most_mb
    most = {leaf: tree.most(leaf) for leaf in leaves}
    return {leaf: _Largest(memory_mb, *(NO_LIMIT if m is None else m for m in most[leaf])) for leaf in leaves}


# Items of a run that bounds itself are counted; of the others, the run ids between two such runs are one range of the
# index. So a run that is held back costs two looks, however many items it has. `last`: of a range, there may be more.
_ITEMS = """
    WITH bound AS (
        SELECT run.*, coalesce(look.most, %(most)s) AS most
        FROM unnest(%(nodes)s::uuid[], %(runs)s::uuid[], %(rooms)s::bigint[])
            AS run(node_id, run_id, room)
        LEFT JOIN unnest(%(looked)s::uuid[], %(looks)s::bigint[]) AS look(node_id, most) USING (node_id)
    ), gap AS (
        SELECT edge.*, coalesce(look.most, %(most)s) AS most FROM (
            SELECT node_id, run_id AS below, lag(run_id, 1, '00000000-0000-0000-0000-000000000000')
                OVER (PARTITION BY node_id ORDER BY run_id) AS above
            FROM (
                SELECT node_id, run_id FROM bound
                UNION ALL SELECT id, 'ffffffff-ffff-ffff-ffff-ffffffffffff' FROM quota_node WHERE kind = 'cell'
            ) each
        ) edge
        LEFT JOIN unnest(%(looked)s::uuid[], %(looks)s::bigint[]) AS look(node_id, most) USING (node_id)
    )
    SELECT id, node_id, mc, memory_mb, estimate_ms, max_ms, last FROM (
        SELECT i.*, row_number() OVER (PARTITION BY gap.node_id, gap.below
            ORDER BY i.priority DESC, i.run_id, i.ordinal) = gap.most AS last
        FROM gap {largest} CROSS JOIN LATERAL (
            SELECT id, node_id, mc, memory_mb, estimate_ms, max_ms, priority, run_id, ordinal FROM work_item
            WHERE node_id = gap.node_id AND state = 'queued' AND run_id > gap.above AND run_id < gap.below {fits}
            ORDER BY priority DESC, run_id, ordinal LIMIT gap.most
        ) i
        UNION ALL
        SELECT i.*, bound.room > bound.most AND row_number() OVER (PARTITION BY bound.run_id
            ORDER BY i.priority DESC, i.run_id, i.ordinal) = bound.most AS last
        FROM bound {largest} CROSS JOIN LATERAL (
            SELECT id, node_id, mc, memory_mb, estimate_ms, max_ms, priority, run_id, ordinal FROM work_item
            WHERE node_id = bound.node_id AND state = 'queued' AND run_id = bound.run_id {fits}
            ORDER BY priority DESC, run_id, ordinal LIMIT least(bound.room, bound.most)
        ) i
    ) open
    ORDER BY node_id, priority DESC, run_id, ordinal
    """
_QUEUE = _ITEMS.format(largest="", fits="")
_QUEUE_FITTING = _ITEMS.format(
    largest="""JOIN unnest(%(leaves)s::uuid[], %(memory_mb)s::bigint[], %(core_ms)s::bigint[],
            %(max_ms)s::bigint[]) AS largest(node_id, memory_mb, core_ms, max_ms) USING (node_id)""",
    fits="""AND memory_mb <= largest.memory_mb AND max_ms <= largest.max_ms
            AND CAST(estimate_ms AS bigint) * mc / 1000 <= largest.core_ms""",
)


@dataclass(frozen=True)
class _Bounded:
    """A run that bounds itself, and the leaf that its items wait at."""

    id: UUID
    node: UUID
    bounds: Bounds


async def _bounded(session: AsyncSession, runs: Collection[UUID] | None = None, *, now: datetime) -> list[_Bounded]:
    """All runs that bound themselves, or those among `runs`."""
    accepting = await clock.accepting(session, now=now)  # while nobody could be heard, nobody was away
    rows = await session.execute(
        _BOUNDED, {"every": runs is None, "runs": list(runs or ()), "gone": now - readers.GONE}
    )
    return [
        _Bounded(
            row.id,
            row.node_id,
            Bounds(
                live=row.live,
                max_parallel=row.max_parallel,
                max_unread=row.max_unread,
                unread=None if row.read_seq is None else row.chunks - row.read_seq,
                abandon_after=None if row.abandon_after_s is None else timedelta(seconds=row.abandon_after_s),
                away=now - row.seen_at if row.seen_at is not None and accepting else None,
            ),
        )
        for row in rows
    ]


_BOUNDED = text(
    """
    SELECT run.id, node.id AS node_id, run.max_parallel, run.max_unread, run.abandon_after_s,
        run.next_seq - 1 AS chunks, coalesce(live.items, 0) AS live, slowest.read_seq, latest.seen_at
    FROM run
    JOIN quota_node node ON node.cell_id = run.cell_id
    LEFT JOIN (
        SELECT work_item.run_id, count(*) AS items FROM lease JOIN work_item ON work_item.id = lease.item_id
        WHERE lease.state <> 'released' GROUP BY work_item.run_id
    ) live ON live.run_id = run.id
    LEFT JOIN LATERAL (
        SELECT min(read_seq) AS read_seq FROM (
            SELECT read_seq FROM reader_group WHERE run_id = run.id
            UNION ALL SELECT read_seq FROM reader WHERE run_id = run.id AND seen_at > :gone
        ) position
    ) slowest ON run.max_unread IS NOT NULL
    LEFT JOIN LATERAL (
        SELECT max(seen_at) AS seen_at FROM reader WHERE run_id = run.id
    ) latest ON run.abandon_after_s IS NOT NULL
    WHERE run.state IN ('queued', 'running')
        AND coalesce(run.max_parallel, run.max_unread, run.abandon_after_s) IS NOT NULL
        AND (:every OR run.id = ANY(CAST(:runs AS uuid[])))
    """
)


async def reasons(session: AsyncSession, cells: Iterable[UUID]) -> dict[UUID, Reason]:
    """Why the next item of each cell does not start, by cell; nothing for cells whose next item is about to."""
    wanted = set(cells)
    if not wanted:
        return {}
    waits = plan(await read(session, now=await clock.now(session)), most=MOST_GRANTS).waits
    leaves = await session.execute(select(QuotaNode.id, QuotaNode.cell_id).where(QuotaNode.cell_id.in_(wanted)))
    return {cell: waits[leaf].reason for leaf, cell in leaves if cell is not None and leaf in waits}


async def work_left(
    session: AsyncSession, *, but: Collection[UUID], now: datetime
) -> tuple[list[Running], dict[UUID, float]]:
    """What runs, and how many core-milliseconds each leaf has queued `but` for those runs, as estimates of starts take
    them."""
    live = await session.execute(
        select(Lease.node_id, Lease.mc, Lease.granted_at, Lease.estimate_ms, WorkItem.max_ms)
        .join(WorkItem, WorkItem.id == Lease.item_id)
        .where(Lease.state != LeaseState.RELEASED)
    )
    running = []
    for row in live:
        age_ms = (now - row.granted_at) / timedelta(milliseconds=1)
        left_ms = eta.remaining_ms(age_ms, estimate_ms=row.estimate_ms, max_ms=row.max_ms)
        running.append(Running(row.node_id, row.mc, left_ms))
    queued = await session.execute(
        select(WorkItem.node_id, core_ms_of_items(but=but)).where(WorkItem.state == "queued").group_by(WorkItem.node_id)
    )
    return running, {node: float(core_ms) for node, core_ms in queued}


def core_ms_of_items(*, but: Collection[UUID]) -> ColumnElement[float | Decimal]:
    """What the items of a query should take together, `but` for those of these runs."""
    core_ms = func.sum(cast(WorkItem.estimate_ms, Float) * WorkItem.mc).filter(WorkItem.run_id.not_in(but))
    return func.coalesce(core_ms, 0.0) / SLOT_MC


async def held_back(session: AsyncSession, runs: Collection[UUID] | None = None) -> dict[UUID, Reason]:
    """Why nothing of a run may start, by run, where its readers are the cause; of all runs, or of those."""
    if runs is not None and not runs:
        return {}
    found = await _bounded(session, runs, now=await clock.now(session))
    reasons = {run.id: room(run.bounds)[1] for run in found}
    return {id: reason for id, reason in reasons.items() if reason is not None}
