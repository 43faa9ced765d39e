"""The pure core of scheduling: a snapshot in, decisions out. No I/O, no clock, no randomness.

Within nominal first, then what others leave, by decayed use over weight; whoever is entitled and finds no room claims
the room that comes free. Semantics: docs/decisions/0018-quotas.md. Within-nominal-first admission is as in Kueue.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from service.scheduler.entitlement import SLOT_MC, Node, Reason, Tree, Wait
from service.scheduler.placement import Placement, Slots


class Shape(NamedTuple):
    """What decides whether an item can start, beside whose it is. Items of a shape start in order, or none does."""

    mc: int
    memory_mb: int
    estimate_ms: int
    max_ms: int

    @property
    def core_ms(self) -> int:
        """What it is charged when it is granted."""
        return self.estimate_ms * self.mc // SLOT_MC


@dataclass(frozen=True, slots=True)
class Pending:
    """A queued item. Items of one leaf come in the order in which they are to start."""

    id: UUID
    leaf: UUID
    shape: Shape


@dataclass(frozen=True, slots=True)
class Loan:
    """A live lease that its holder can be asked to give back."""

    lease: UUID
    leaf: UUID
    mc: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    limit_mc: int  # that counts for grants: less than is committed while workers are to leave
    epoch: int
    moves: int
    nodes: Sequence[Node]
    pending: Sequence[Pending]
    workers: Sequence[Slots]
    more: Collection[UUID] = ()  # leaves of whose items only the first are in `pending`
    cordoned: Sequence[Slots] = ()  # workers that would be among `workers` if operators let them
    leaving_mc: int = 0  # of the commitment, beyond the limit: goes with the workers that are to leave
    claimed: Mapping[UUID, datetime] = field(default_factory=dict)  # since when leaves claim room
    stale: Collection[UUID] = ()  # leaves whose claim has stood for too long to keep room from others
    loans: Sequence[Loan] = ()  # oldest first; those that are already asked back are not among them
    recalled_mc: int = 0  # of leases that are asked back and still live
    most_recalls: int = 0  # so many more may be asked back now

    def tree(self) -> Tree:
        return Tree(self.nodes, self.limit_mc, leaving_mc=self.leaving_mc)

    @property
    def closed(self) -> Wait | None:
        """Why nothing at all may start."""
        if self.workers:
            return None
        return Wait(Reason.WORKERS_CORDONED if self.cordoned else Reason.NO_WORKERS)


@dataclass(frozen=True, slots=True)
class Grant:
    item: UUID
    leaf: UUID
    worker: UUID
    shape: Shape


@dataclass(frozen=True, slots=True)
class Claim:
    """Room for so many items of a shape, that a leaf is entitled to or, if not, that is for the first in turn."""

    shape: Shape
    items: int
    entitled: bool = True

    @property
    def mc(self) -> int:
        return self.shape.mc * self.items


@dataclass(frozen=True, slots=True)
class Plan:
    grants: Sequence[Grant]
    waits: Mapping[UUID, Wait]  # by leaf: why its first waiting item waits
    parked: Mapping[tuple[UUID, Shape], Wait]  # of shapes that were tried
    claims: Mapping[UUID, Claim]  # of leaves that keep others from room
    recalls: Sequence[UUID]  # leases that are asked back
    cut: bool  # it ended with as many grants as it may have, before it came to all leaves
    short: Collection[UUID]  # leaves of which more items than the snapshot has would count: plan again with more


def plan(snapshot: Snapshot, *, most: int = 128, reasons: bool = True) -> Plan:
    """Which items start now and where, who claims what comes free, and who gives back.

    Without `reasons` the same is decided, but `waits` stays empty and `parked` has what was tried before the pool was
    full: why the others wait is most of the work where it is.
    """
    tree = snapshot.tree()
    placement = Placement(snapshot.workers)
    lines = _lines(snapshot, tree)
    grants: list[Grant] = []
    claims: dict[UUID, Claim] = {}
    short: set[UUID] = set()
    reserved = False
    least_mc = min((line.least_mc for line in lines.values()), default=0)

    def full() -> bool:
        return tree.room_mc < min(least_mc, SLOT_MC) or placement.full

    def over() -> bool:
        nothing_left = not entitled and full()  # owners still have room to claim
        return len(grants) >= most or (nothing_left and not reasons)

    for entitled in (True, False):
        turns = [] if over() else _turns(tree, lines, entitled=entitled)
        while turns and not over():
            order, leaf = heapq.heappop(turns)
            if order != tree.order(leaf):  # a sibling's grant moved it: look again later
                heapq.heappush(turns, (tree.order(leaf), leaf))
                continue
            grant = _first(tree, placement, leaf, lines[leaf], entitled=entitled)
            if grant is not None:
                grants.append(grant)
                heapq.heappush(turns, (tree.order(leaf), leaf))
            elif entitled or not (reserved or full() or leaf in claims):
                claim = _claim(tree, leaf, lines[leaf]) if entitled else _first_in_turn(tree, lines[leaf])
                if claim is not None:
                    claims[leaf] = claim
                    if leaf not in snapshot.stale:
                        _keep(tree, placement, claim)
                        reserved = not entitled
                    if entitled and lines[leaf].could_claim_more(claim):
                        short.add(leaf)
            if lines[leaf].exhausted and (entitled or not full()):
                short.add(leaf)
    return Plan(
        grants,
        {leaf: line.wait for leaf, line in lines.items() if reasons and line.wait},
        {(leaf, shape): wait for leaf, line in lines.items() for shape, wait in line.parked.items()},
        claims,
        _recalls(snapshot, tree, sum(claim.mc for claim in claims.values() if claim.entitled)),
        len(grants) >= most,
        short & set(snapshot.more),
    )


class _Line:
    """The items of one leaf by shape. A shape that cannot start is parked, and keeps no other from starting."""

    def __init__(self, closed: Wait | None) -> None:
        self.closed = closed
        self.parked: dict[Shape, Wait] = {}
        self._queues: dict[Shape, deque[tuple[int, UUID]]] = {}
        self._count = 0

    def add(self, item: Pending) -> None:
        self._count += 1
        queue = self._queues.get(item.shape)
        if queue is None:
            queue = self._queues[item.shape] = deque()
        queue.append((self._count, item.id))

    def shapes(self) -> list[Shape]:
        """Those that may start, in the order of their first items."""
        waiting = [(queue[0], shape) for shape, queue in self._queues.items() if queue and shape not in self.parked]
        return [shape for _, shape in sorted(waiting)]

    @property
    def exhausted(self) -> bool:
        """Whether nothing of it can start, but a smaller or shorter item might."""
        return all(
            not queue or (shape in self.parked and self.parked[shape].reason in _OF_ITS_SIZE)
            for shape, queue in self._queues.items()
        )

    def could_claim_more(self, claim: Claim) -> bool:
        """Whether the claim is for all items of the shape that are known, and others feel how many those are."""
        return claim.items == self.count(claim.shape) and self.parked[claim.shape].reason in _FELT_BY_OTHERS

    @property
    def least_mc(self) -> int:
        """Of its items."""
        return min(shape.mc for shape in self._queues)

    def count(self, shape: Shape) -> int:
        return len(self._queues[shape])

    def take(self, shape: Shape) -> UUID:
        return self._queues[shape].popleft()[1]

    @property
    def first(self) -> Shape | None:
        """The shape of the first waiting item."""
        return min(((queue[0], shape) for shape, queue in self._queues.items() if queue), default=(None, None))[1]

    @property
    def wait(self) -> Wait | None:
        """Why its first waiting item waits."""
        if self.first is None:
            return None
        return self.closed or self.parked.get(self.first) or Wait(Reason.BEHIND_OTHERS)


def _lines(snapshot: Snapshot, tree: Tree) -> dict[UUID, _Line]:
    lines: dict[UUID, _Line] = {}
    for item in snapshot.pending:
        if item.leaf not in lines:
            lines[item.leaf] = _Line(snapshot.closed or tree.closed(item.leaf))
        lines[item.leaf].add(item)
    return lines


def _turns(
    tree: Tree, lines: Mapping[UUID, _Line], *, entitled: bool
) -> list[tuple[tuple[tuple[float, str], ...], UUID]]:
    """The leaves whose turn may come, as a heap: all that are open or, of the entitled, those with any room left."""
    turns = [
        (tree.order(leaf), leaf)
        for leaf, line in lines.items()
        if line.closed is None and (not entitled or tree.entitled(leaf, line.least_mc))
    ]
    heapq.heapify(turns)
    return turns


def _first(tree: Tree, placement: Placement, leaf: UUID, line: _Line, *, entitled: bool) -> Grant | None:
    """The leaf's first item that can start, started."""
    for shape in line.shapes():
        if entitled and not tree.entitled(leaf, shape.mc):
            continue
        refused = tree.refuses(leaf, shape.mc, core_ms=shape.core_ms, longest_ms=shape.max_ms)
        placed = refused or placement.take(shape.memory_mb)
        if isinstance(placed, Wait):
            line.parked[shape] = placed
            continue
        tree.charge(leaf, shape.mc, shape.core_ms)
        return Grant(line.take(shape), leaf, placed, shape)
    return None


_OF_ITS_SIZE = {Reason.BUDGET_SPENT, Reason.LOAN_TOO_LONG, Reason.NO_FREE_MEMORY, Reason.NO_WORKER_LARGE_ENOUGH}
_FELT_BY_OTHERS = {Reason.NOTHING_LENT, Reason.NO_FREE_MEMORY}
_NO_ROOM = {Reason.COMMITMENT_FULL, Reason.NOTHING_LENT, Reason.NO_FREE_SLOT, Reason.NO_FREE_MEMORY}


def _claim(tree: Tree, leaf: UUID, line: _Line) -> Claim | None:
    """Items that the leaf is entitled to start and that find no room: all of the first such shape."""
    for shape, wait in line.parked.items():
        if wait.reason in _NO_ROOM:
            items = line.count(shape)
            while items and not tree.entitled(leaf, shape.mc * items):
                items -= 1
            if items:
                return Claim(shape, items)
    return None


def _first_in_turn(tree: Tree, line: _Line) -> Claim | None:
    """What keeps a leaf that may only borrow from starting is its size: without a claim, those after it would take what
    is free piece by piece. As the reservation of the first job in EASY backfilling (Lifka 1995)."""
    for shape, wait in line.parked.items():
        large = shape.mc > SLOT_MC and (wait.reason in _NO_ROOM or wait.reason is Reason.ROOM_CLAIMED)
        if (large or wait.reason is Reason.NO_FREE_MEMORY) and shape.mc <= tree.limit_mc:
            return Claim(shape, 1, entitled=False)
    return None


def _keep(tree: Tree, placement: Placement, claim: Claim) -> None:
    """Let others have none of what is or comes free for the claim."""
    for _ in range(claim.items):
        tree.hold(claim.shape.mc)
        placement.hold(claim.shape.memory_mb)


def _recalls(snapshot: Snapshot, tree: Tree, claimed_mc: int) -> list[UUID]:
    """What is asked back: all of draining nodes; for claims, as much as they need, from those that give back first,
    then from those furthest beyond their nominal, youngest first, and never below it."""
    recalls: list[UUID] = []
    left: dict[UUID, list[Loan]] = {}
    for loan in snapshot.loans:
        if any(node.drains for node in (tree.nodes[tree.root], *tree.path(loan.leaf))):
            recalls.append(loan.lease)
        else:
            left.setdefault(loan.leaf, []).append(loan)
    beyond = {leaf: tree.loan_mc(leaf) for leaf in left}
    needed, most = claimed_mc - snapshot.recalled_mc, snapshot.most_recalls
    while needed > 0 and most > 0:
        able = [leaf for leaf, loans in left.items() if loans and loans[-1].mc <= beyond[leaf]]
        if not able:
            break
        leaf = max(able, key=lambda leaf: (_goes_first(tree, leaf), beyond[leaf], tree.nodes[leaf].name))
        loan = left[leaf].pop()
        recalls.append(loan.lease)
        beyond[leaf] -= loan.mc
        needed -= loan.mc
        most -= 1
    return recalls


def _goes_first(tree: Tree, leaf: UUID) -> bool:
    return any(node.reclaim_first for node in tree.path(leaf))
