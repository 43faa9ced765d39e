"""The pure core of scheduling: a snapshot and a time in, decisions out. No I/O, no clock, no randomness.

Sources: SCHEDULER semantics in docs/decisions/0005-scheduling.md; largest remainder (Hamilton's method); usage
half-life as in
Slurm's fair tree; within-nominal-first admission as in Kueue.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

SLOT_MC = 1000
"""Millicores of one slot: nominal quotas are whole multiples of it."""
MICRO = 1_000_000
"""Carries are kept in millionths of a slot."""
MOST_ROOM = 2**31
"""Room of a run that nothing bounds now."""


class Reason(StrEnum):
    """Why an item waits. Closed: every waiting item has exactly one."""

    NO_WORKERS = "NO_WORKERS"
    COMMITMENT_BELOW_ONE_SLOT = "COMMITMENT_BELOW_ONE_SLOT"
    HELD = "HELD"
    COMMITMENT_FULL = "COMMITMENT_FULL"
    NO_FREE_SLOT = "NO_FREE_SLOT"
    NO_FREE_MEMORY = "NO_FREE_MEMORY"
    BEHIND_OTHERS = "BEHIND_OTHERS"
    READER_BEHIND = "READER_BEHIND"
    NO_READER = "NO_READER"


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the entitlement tree as it stands in the snapshot."""

    id: UUID
    parent: UUID | None
    name: str
    weight: int
    held: bool
    nominal_mc: int
    used_mc: int
    usage_core_ms: float  # decayed to the snapshot's time, work in flight charged at its estimate


@dataclass(frozen=True, slots=True)
class Pending:
    """A queued item. Items of one leaf come in the order in which they are to start."""

    id: UUID
    leaf: UUID
    mc: int
    memory_mb: int
    estimate_ms: int


@dataclass(frozen=True, slots=True)
class Slots:
    """What a worker has free."""

    worker: UUID
    slots: int
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    limit_mc: int
    epoch: int
    nodes: Sequence[Node]
    pending: Sequence[Pending]
    workers: Sequence[Slots]


@dataclass(frozen=True, slots=True)
class Grant:
    item: UUID
    leaf: UUID
    worker: UUID
    mc: int
    memory_mb: int
    estimate_ms: int


@dataclass(frozen=True, slots=True)
class Plan:
    grants: Sequence[Grant]
    waits: Mapping[UUID, Reason]  # by leaf: why its first waiting item waits


def plan(snapshot: Snapshot, *, most: int = 128) -> Plan:
    """Which items start now and where: within nominal first, then the rest of the commitment by decayed use over
    weight."""
    tree = _Tree(snapshot)
    room = _Room(snapshot.workers)
    grants: list[Grant] = []
    waits: dict[UUID, Reason] = {}
    queues = _queues(snapshot.pending)
    for leaf in list(queues):
        reason = _closed(snapshot, tree, leaf)
        if reason:
            waits[leaf] = reason
            del queues[leaf]
    for within_nominal in (True, False):
        heap = [(tree.order(leaf), leaf) for leaf, queue in queues.items() if queue]
        heapq.heapify(heap)
        while heap and len(grants) < most:
            order, leaf = heapq.heappop(heap)
            if order != tree.order(leaf):  # a sibling's grant moved it: look again later
                heapq.heappush(heap, (tree.order(leaf), leaf))
                continue
            item = queues[leaf][-1]
            if within_nominal and not tree.within_nominal(leaf, item.mc):
                continue
            reason, worker = _place(tree, room, item)
            if worker is None:
                waits[leaf] = reason
                continue
            queues[leaf].pop()
            waits.pop(leaf, None)
            tree.charge(leaf, item)
            grants.append(Grant(item.id, leaf, worker, item.mc, item.memory_mb, item.estimate_ms))
            if queues[leaf]:
                heapq.heappush(heap, (tree.order(leaf), leaf))
    for leaf, queue in queues.items():
        if queue:
            waits.setdefault(leaf, Reason.BEHIND_OTHERS)
    return Plan(grants, waits)


def _queues(pending: Iterable[Pending]) -> dict[UUID, list[Pending]]:
    queues: defaultdict[UUID, list[Pending]] = defaultdict(list)
    for item in pending:
        queues[item.leaf].append(item)
    return {leaf: queue[::-1] for leaf, queue in queues.items()}


def _closed(snapshot: Snapshot, tree: _Tree, leaf: UUID) -> Reason | None:
    if not snapshot.workers:
        return Reason.NO_WORKERS
    if snapshot.limit_mc < SLOT_MC:
        return Reason.COMMITMENT_BELOW_ONE_SLOT
    if any(node.held for node in tree.path(leaf)):
        return Reason.HELD
    return None


def _place(tree: _Tree, room: _Room, item: Pending) -> tuple[Reason, UUID | None]:
    if not tree.fits_commitment(item.mc):
        return Reason.COMMITMENT_FULL, None
    if not room.any_slot():
        return Reason.NO_FREE_SLOT, None
    return Reason.NO_FREE_MEMORY, room.take(item.memory_mb)


class _Tree:
    """Use along the paths, moved forward with each planned grant."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._nodes = {node.id: node for node in snapshot.nodes}
        self._used = {node.id: node.used_mc for node in snapshot.nodes}
        self._usage = {node.id: node.usage_core_ms for node in snapshot.nodes}
        self._limit = snapshot.limit_mc
        self._root = next(node.id for node in snapshot.nodes if node.parent is None)
        self._paths: dict[UUID, tuple[Node, ...]] = {}

    def path(self, leaf: UUID) -> tuple[Node, ...]:
        """From below the root down to the leaf."""
        if leaf not in self._paths:
            nodes: list[Node] = []
            node = self._nodes[leaf]
            while node.parent is not None:
                nodes.append(node)
                node = self._nodes[node.parent]
            self._paths[leaf] = tuple(reversed(nodes))
        return self._paths[leaf]

    def order(self, leaf: UUID) -> tuple[tuple[float, str], ...]:
        """Least decayed use per weight first, decided from the root down; the name makes it total."""
        return tuple((self._usage[node.id] / node.weight, node.name) for node in self.path(leaf))

    def within_nominal(self, leaf: UUID, mc: int) -> bool:
        return all(self._used[node.id] + mc <= node.nominal_mc for node in self.path(leaf))

    def fits_commitment(self, mc: int) -> bool:
        return self._used[self._root] + mc <= self._limit

    def charge(self, leaf: UUID, item: Pending) -> None:
        core_ms = item.estimate_ms * item.mc / SLOT_MC
        for node in self.path(leaf):
            self._used[node.id] += item.mc
            self._usage[node.id] += core_ms
        self._used[self._root] += item.mc


class _Room:
    """Free slots, the worker with most of them first, so that load spreads."""

    def __init__(self, workers: Sequence[Slots]) -> None:
        self._free = {w.worker: [w.slots, w.memory_mb] for w in workers}

    def any_slot(self) -> bool:
        return any(slots > 0 for slots, _ in self._free.values())

    def take(self, memory_mb: int) -> UUID | None:
        fitting = [
            (slots, worker) for worker, (slots, memory) in self._free.items() if slots > 0 and memory >= memory_mb
        ]
        if not fitting:
            return None
        _, worker = max(fitting)
        self._free[worker][0] -= 1
        self._free[worker][1] -= memory_mb
        return worker


@dataclass(frozen=True, slots=True)
class Bounds:
    """A run that does not take all that it could get, and what decides how much it takes."""

    live: int  # items of it that run
    max_parallel: int | None
    max_unread: int | None
    unread: int | None  # chunks that its slowest reader has not read; None: it has no reader
    abandon_after: timedelta | None
    away: timedelta | None  # for how long it has had no reader; None: it has never had one


def room(bounds: Bounds) -> tuple[int, Reason | None]:
    """How many more items of the run may start, and why none may, where its readers are the cause.

    Each item becomes a chunk: with those that run counted in, no reader is ever further behind than `max_unread`,
    unless it was when it came.
    """
    if bounds.abandon_after is not None and bounds.away is not None and bounds.away > bounds.abandon_after:
        return 0, Reason.NO_READER
    readable = None
    if bounds.max_unread is not None and bounds.unread is not None:
        readable = max(bounds.max_unread - bounds.unread - bounds.live, 0)
    parallel = None if bounds.max_parallel is None else max(bounds.max_parallel - bounds.live, 0)
    least = min((limit for limit in (readable, parallel) if limit is not None), default=MOST_ROOM)
    return least, Reason.READER_BEHIND if readable == 0 else None


def limit_mc(capacity_mc: int, numerator: int, denominator: int) -> int:
    """K = floor(p * C), exactly, in millicores."""
    return numerator * capacity_mc // denominator


@dataclass(frozen=True, slots=True)
class Share:
    """One sibling's claim on the slots of its parent."""

    id: UUID
    weight: int
    carry: int  # millionths of a slot that earlier rounds owe it


def whole_slots(slots: int, siblings: Sequence[Share]) -> dict[UUID, tuple[int, int]]:
    """Slots and new carry by sibling: largest remainder of `slots * weight / sum`, carry included.

    Slots sum to `slots`, each is within one slot of its ideal plus carry, and repeated rounds give each its ideal
    on average.
    """
    total = sum(share.weight for share in siblings)
    if not total:
        return {}
    claims = {share.id: slots * share.weight * MICRO // total + share.carry for share in siblings}
    given = {id: max(claim, 0) // MICRO for id, claim in claims.items()}
    by_remainder = sorted(claims, key=lambda id: (given[id] * MICRO - claims[id], id))
    short = slots - sum(given.values())
    for id in by_remainder[: max(short, 0)]:
        given[id] += 1
    for id in [id for id in reversed(by_remainder) if given[id]][: max(-short, 0)]:
        given[id] -= 1
    return {id: (given[id], min(max(claims[id] - given[id] * MICRO, -MICRO), MICRO)) for id in claims}


def decayed(usage: float, since: datetime, now: datetime, half_life: timedelta) -> float:
    """Usage after exponential decay; decaying twice equals decaying once over the whole time."""
    return float(usage * 0.5 ** (max((now - since).total_seconds(), 0.0) / half_life.total_seconds()))
