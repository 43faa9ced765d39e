"""The entitlement tree as one decision sees it: who may take how much more, and whose turn it is. Pure.

Sources: T(x) and the rule of admission as Kueue has them for hierarchical cohorts; largest remainder (Hamilton's
method); half-life of usage as in Slurm's fair tree; charge-at-grant as in VTC (Sheng et al. 2024).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

SLOT_MC = 1000
"""Millicores of one slot: nominal quotas are whole multiples of it."""
MICRO = 1_000_000
"""Carries are kept in millionths of a slot."""


class Reason(StrEnum):
    """Why an item waits. Closed: every waiting item has exactly one."""

    NO_WORKERS = "NO_WORKERS"
    WORKERS_CORDONED = "WORKERS_CORDONED"
    COMMITMENT_BELOW_ONE_SLOT = "COMMITMENT_BELOW_ONE_SLOT"
    CAPACITY_DEBT = "CAPACITY_DEBT"
    FROZEN = "FROZEN"
    HELD = "HELD"
    BUDGET_SPENT = "BUDGET_SPENT"
    LOAN_TOO_LONG = "LOAN_TOO_LONG"
    BORROWING_LIMIT = "BORROWING_LIMIT"
    NOTHING_LENT = "NOTHING_LENT"
    COMMITMENT_FULL = "COMMITMENT_FULL"
    ROOM_CLAIMED = "ROOM_CLAIMED"
    NO_FREE_SLOT = "NO_FREE_SLOT"
    NO_FREE_MEMORY = "NO_FREE_MEMORY"
    NO_WORKER_LARGE_ENOUGH = "NO_WORKER_LARGE_ENOUGH"
    BEHIND_OTHERS = "BEHIND_OTHERS"
    MAX_PARALLEL = "MAX_PARALLEL"
    READER_BEHIND = "READER_BEHIND"
    NO_READER = "NO_READER"


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the entitlement tree as it stands in the snapshot. None is no limit."""

    id: UUID
    parent: UUID | None
    name: str
    weight: int
    held: bool
    nominal_mc: int
    used_mc: int
    usage_core_ms: float  # decayed to the snapshot's time, work in flight charged at its estimate
    drains: bool = False  # what can be recalled of its subtree is
    reclaim_first: bool = False  # its loans are recalled before those of others
    borrowing_limit_mc: int | None = None
    lending_limit_mc: int | None = None  # 0 while it cools down after a reclaim
    max_loan_ms: int | None = None  # the longest item that it may run beyond its nominal
    budget_left_core_ms: int | None = None  # of this window, estimates of what runs taken off
    frozen: bool = False  # its counter was found to differ from its leases


@dataclass(frozen=True, slots=True)
class Wait:
    """Why an item does not start: the node that blocks, if one does, and by how much: millicores, core-milliseconds of
    a budget, milliseconds of a loan, megabytes of memory."""

    reason: Reason
    node: UUID | None = None
    deficit: int = 0


class Tree:
    """Use along the paths, moved forward with each planned grant.

    What a node can still give up, T, is its nominal less its use at a leaf; above, what the node has of its own and
    what each child lends: min(lending limit, T(child)). It is negative where a node has borrowed.
    """

    def __init__(self, nodes: Sequence[Node], limit_mc: int, *, leaving_mc: int = 0) -> None:
        self.nodes = {node.id: node for node in nodes}
        self.limit_mc = limit_mc
        self.leaving_mc = leaving_mc
        self.held_mc = 0
        self.root = next(node.id for node in nodes if node.parent is None)
        self._used = {node.id: node.used_mc for node in nodes}
        self._usage = {node.id: node.usage_core_ms for node in nodes}
        self._budget = {node.id: node.budget_left_core_ms for node in nodes}
        self._paths: dict[UUID, tuple[Node, ...]] = {}
        self._spare = self._spares()

    def _spares(self) -> dict[UUID, int]:
        children: dict[UUID, list[Node]] = {}
        for node in self.nodes.values():
            if node.parent is not None:
                children.setdefault(node.parent, []).append(node)
        spare: dict[UUID, int] = {}
        order = [self.root]
        for id in order:
            order += [child.id for child in children.get(id, ())]
        for id in reversed(order):
            node, below = self.nodes[id], children.get(id)
            if below is None:
                spare[id] = node.nominal_mc - node.used_mc
            else:
                own = node.nominal_mc - sum(child.nominal_mc for child in below)
                spare[id] = own + sum(_lent(child, spare[child.id]) for child in below)
        return spare

    # --- look

    def path(self, leaf: UUID) -> tuple[Node, ...]:
        """From below the root down to the leaf."""
        if leaf not in self._paths:
            nodes: list[Node] = []
            node = self.nodes[leaf]
            while node.parent is not None:
                nodes.append(node)
                node = self.nodes[node.parent]
            self._paths[leaf] = tuple(reversed(nodes))
        return self._paths[leaf]

    def used_mc(self, id: UUID) -> int:
        """Of its live leases and the grants planned so far."""
        return self._used[id]

    def spare_mc(self, id: UUID) -> int:
        """T: what it can still give up, negative where it has borrowed."""
        return self._spare[id]

    def loan_mc(self, id: UUID) -> int:
        """What it uses beyond its nominal."""
        return max(self._used[id] - self.nodes[id].nominal_mc, 0)

    def order(self, leaf: UUID) -> tuple[tuple[float, str], ...]:
        """Least decayed use per weight first, decided from the root down; the name makes it total."""
        return tuple((self._usage[node.id] / node.weight, node.name) for node in self.path(leaf))

    def entitled(self, leaf: UUID, mc: int) -> bool:
        """Whether it stays within nominal at each ancestor."""
        return all(self._used[node.id] + mc <= node.nominal_mc for node in self.path(leaf))

    def closed(self, leaf: UUID) -> Wait | None:
        """Why nothing of the leaf may start, whatever it is."""
        lineage = (self.nodes[self.root], *self.path(leaf))
        frozen = next((node for node in lineage if node.frozen), None)
        if frozen:  # first: what follows from a counter is not to be trusted
            return Wait(Reason.FROZEN, frozen.id)
        if self.limit_mc < SLOT_MC:
            return Wait(Reason.COMMITMENT_BELOW_ONE_SLOT, self.root, SLOT_MC - self.limit_mc)
        debt = self._used[self.root] - self.limit_mc - self.leaving_mc
        if debt > 0:
            return Wait(Reason.CAPACITY_DEBT, self.root, debt)
        held = next((node for node in lineage if node.held), None)
        return Wait(Reason.HELD, held.id) if held else None

    def refuses(self, leaf: UUID, mc: int, *, core_ms: int, longest_ms: int) -> Wait | None:
        """Why so much more may not start, by the limits of the tree; None if it may."""
        path = self.path(leaf)
        for node in (self.nodes[self.root], *path):
            left = self._budget[node.id]
            if left is not None and core_ms > left:
                return Wait(Reason.BUDGET_SPENT, node.id, core_ms - left)
        for node in path:
            on_loan = self._used[node.id] + mc > node.nominal_mc
            if on_loan and node.max_loan_ms is not None and longest_ms > node.max_loan_ms:
                return Wait(Reason.LOAN_TOO_LONG, node.id, longest_ms - node.max_loan_ms)
        for id, spare in self._spared(leaf, mc):
            limit = self.nodes[id].borrowing_limit_mc
            if id != self.root and limit is not None and spare < -limit:
                return Wait(Reason.BORROWING_LIMIT, id, -limit - spare)
        left = self.limit_mc - self._used[self.root] - mc  # the loop ended at the root: `spare` is its
        for reason, room in (
            (Reason.COMMITMENT_FULL, left),
            (Reason.NOTHING_LENT, spare),
            (Reason.ROOM_CLAIMED, min(left, spare) - self.held_mc),
        ):
            if room < 0:
                return Wait(reason, self.root, -room)
        return None

    def most(self, leaf: UUID) -> tuple[int | None, int | None]:
        """What an item may be charged, in core-milliseconds, and how long it may take, in milliseconds, to start at
        all; None is no limit."""
        budgets = [self._budget[node.id] for node in (self.nodes[self.root], *self.path(leaf))]
        loans = [n.max_loan_ms for n in self.path(leaf) if self._used[n.id] + SLOT_MC > n.nominal_mc]
        return _least(budgets), _least(loans)

    def _spared(self, leaf: UUID, mc: int) -> Iterator[tuple[UUID, int]]:
        """T of the leaf and its ancestors, if it took so much more."""
        node: Node | None = self.nodes[leaf]
        less = mc
        while node is not None:
            spare = self._spare[node.id] - less
            yield node.id, spare
            less = _lent(node, self._spare[node.id]) - _lent(node, spare)
            node = None if node.parent is None else self.nodes[node.parent]

    # --- move

    def charge(self, leaf: UUID, mc: int, core_ms: int) -> None:
        """Count a grant in, at its estimate."""
        self._spare.update(list(self._spared(leaf, mc)))
        for node in (self.nodes[self.root], *self.path(leaf)):
            self._used[node.id] += mc
            self._usage[node.id] += core_ms
            left = self._budget[node.id]
            if left is not None:
                self._budget[node.id] = left - core_ms

    def moved(self) -> list[Node]:
        """The nodes with what was charged."""
        return [
            replace(
                node,
                used_mc=self._used[node.id],
                usage_core_ms=self._usage[node.id],
                budget_left_core_ms=self._budget[node.id],
            )
            for node in self.nodes.values()
        ]

    def hold(self, mc: int) -> None:
        """Keep so much of what is or becomes free for a claim."""
        self.held_mc += mc


def _least(limits: Sequence[int | None]) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _lent(node: Node, spare: int) -> int:
    return spare if node.lending_limit_mc is None else min(spare, node.lending_limit_mc)


def limit_mc(capacity_mc: int, numerator: int, denominator: int, *, min_slots: int = 0) -> int:
    """K = floor(p * C), exactly, in millicores; at least so many slots, as far as the pool has them at all."""
    return max(numerator * capacity_mc // denominator, min(min_slots * SLOT_MC, capacity_mc))


def capacity_mc(limit_mc: int, numerator: int, denominator: int) -> int | None:
    """The least C at which floor(p * C) is so much; None where nothing is committed."""
    return -(-limit_mc * denominator // numerator) if numerator else None


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
