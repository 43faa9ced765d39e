"""The entitlement tree as one decision sees it: who may take how much more, and whose turn it is. Pure.

Sources: T(x) and the rule of admission as Kueue has them for hierarchical cohorts; largest remainder (Hamilton's
method); half-life of usage as in Slurm's fair tree; charge-at-grant as in VTC (Sheng et al. 2024).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


@dataclass(slots=True)
class _Use:
    """What a node uses and can give up, moved forward with each planned grant."""

    node: Node
    used_mc: int
    usage_core_ms: float
    budget_left_core_ms: int | None
    spare_mc: int = 0


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
        self._uses = {n.id: _Use(n, n.used_mc, n.usage_core_ms, n.budget_left_core_ms) for n in nodes}
        self._top = self._uses[self.root]
        self._paths: dict[UUID, list[_Use]] = {}
        self._set_spares()

    def _set_spares(self) -> None:
        children: dict[UUID, list[_Use]] = {}
        for use in self._uses.values():
            if use.node.parent is not None:
                children.setdefault(use.node.parent, []).append(use)
        order = [self._top]
        for use in order:
            order += children.get(use.node.id, ())
        for use in reversed(order):
            below = children.get(use.node.id)
            if below is None:
                use.spare_mc = use.node.nominal_mc - use.used_mc
            else:
                own = use.node.nominal_mc - sum(child.node.nominal_mc for child in below)
                use.spare_mc = own + sum(_lent(child.node, child.spare_mc) for child in below)

    # --- look

    def _path(self, leaf: UUID) -> list[_Use]:
        """From below the root down to the leaf."""
        path = self._paths.get(leaf)
        if path is None:
            path = self._paths[leaf] = []
            use = self._uses[leaf]
            while use.node.parent is not None:
                path.append(use)
                use = self._uses[use.node.parent]
            path.reverse()
        return path

    def path(self, leaf: UUID) -> tuple[Node, ...]:
        """From below the root down to the leaf."""
        return tuple(use.node for use in self._path(leaf))

    def used_mc(self, id: UUID) -> int:
        """Of its live leases and the grants planned so far."""
        return self._uses[id].used_mc

    @property
    def room_mc(self) -> int:
        """Of the commitment, neither used nor held: no larger item can start."""
        return self.limit_mc - self._top.used_mc - self.held_mc

    def spare_mc(self, id: UUID) -> int:
        """T: what it can still give up, negative where it has borrowed."""
        return self._uses[id].spare_mc

    def loan_mc(self, id: UUID) -> int:
        """What it used beyond its nominal, before any planned grant."""
        return max(self.nodes[id].used_mc - self.nodes[id].nominal_mc, 0)

    def order(self, leaf: UUID) -> tuple[tuple[float, str], ...]:
        """Least decayed use per weight first, decided from the root down; the name makes it total."""
        return tuple([(use.usage_core_ms / use.node.weight, use.node.name) for use in self._path(leaf)])

    def entitled(self, leaf: UUID, mc: int) -> bool:
        """Whether it stays within nominal at each ancestor."""
        return all(use.used_mc + mc <= use.node.nominal_mc for use in self._path(leaf))

    def closed(self, leaf: UUID) -> Wait | None:
        """Why nothing of the leaf may start, whatever it is."""
        lineage = (self._top, *self._path(leaf))
        for use in lineage:
            if use.node.frozen:  # first: what follows from a counter is not to be trusted
                return Wait(Reason.FROZEN, use.node.id)
        if self.limit_mc < SLOT_MC:
            return Wait(Reason.COMMITMENT_BELOW_ONE_SLOT, self.root, SLOT_MC - self.limit_mc)
        debt = self._top.used_mc - self.limit_mc - self.leaving_mc
        if debt > 0:
            return Wait(Reason.CAPACITY_DEBT, self.root, debt)
        for use in lineage:
            if use.node.held:
                return Wait(Reason.HELD, use.node.id)
        return None

    def refuses(self, leaf: UUID, mc: int, *, core_ms: int, longest_ms: int) -> Wait | None:
        """Why so much more may not start, by the limits of the tree; None if it may."""
        path = self._path(leaf)
        for use in (self._top, *path):
            left = use.budget_left_core_ms
            if left is not None and core_ms > left:
                return Wait(Reason.BUDGET_SPENT, use.node.id, core_ms - left)
        for use in path:
            longest = use.node.max_loan_ms
            if longest is not None and longest_ms > longest and use.used_mc + mc > use.node.nominal_mc:
                return Wait(Reason.LOAN_TOO_LONG, use.node.id, longest_ms - longest)
        for use, spare in self._spared(leaf, mc):
            limit = use.node.borrowing_limit_mc
            if use is not self._top and limit is not None and spare < -limit:
                return Wait(Reason.BORROWING_LIMIT, use.node.id, -limit - spare)
        left = self.limit_mc - self._top.used_mc - mc  # the loop ended at the root: `spare` is its
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
        path = self._path(leaf)
        budgets = [use.budget_left_core_ms for use in (self._top, *path)]
        loans = [use.node.max_loan_ms for use in path if use.used_mc + SLOT_MC > use.node.nominal_mc]
        return _least(budgets), _least(loans)

    def _spared(self, leaf: UUID, mc: int) -> list[tuple[_Use, int]]:
        """T of the leaf and its ancestors, if it took so much more."""
        spared = []
        less = mc
        for use in (*reversed(self._path(leaf)), self._top):
            spare = use.spare_mc - less
            spared.append((use, spare))
            less = _lent(use.node, use.spare_mc) - _lent(use.node, spare)
        return spared

    # --- move

    def charge(self, leaf: UUID, mc: int, core_ms: int) -> None:
        """Count a grant in, at its estimate."""
        for use, spare in self._spared(leaf, mc):
            use.spare_mc = spare
            use.used_mc += mc
            use.usage_core_ms += core_ms
            if use.budget_left_core_ms is not None:
                use.budget_left_core_ms -= core_ms

    def moved(self) -> list[Node]:
        """The nodes with what was charged."""
        return [
            replace(
                use.node,
                used_mc=use.used_mc,
                usage_core_ms=use.usage_core_ms,
                budget_left_core_ms=use.budget_left_core_ms,
            )
            for use in self._uses.values()
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


def divided(
    slots: int, children: Mapping[UUID | None, Sequence[Share]], parent: UUID | None = None
) -> dict[UUID, tuple[int, int]]:
    """Slots and new carry of every node below `parent`, given siblings by their parent: what a node gets its children
    share."""
    found = whole_slots(slots, children[parent])
    for id in list(found):
        if id in children:
            found |= divided(found[id][0], children, id)
    return found


def decayed(usage: float, since: datetime, now: datetime, half_life: timedelta) -> float:
    """Usage after exponential decay; decaying twice equals decaying once over the whole time."""
    return float(usage * 0.5 ** (max((now - since).total_seconds(), 0.0) / half_life.total_seconds()))
