"""Why an item waits and what would start it: the same tree and workers as plan(), asked about one item. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from service.scheduler.entitlement import Node, Reason, Wait
from service.scheduler.placement import Placement, Slots
from service.scheduler.plan import Grant, Plan, Shape, Snapshot, plan

NEW_WORKER = UUID(int=0)
"""Stands for a worker that would have to come."""


class Lever(StrEnum):
    """What somebody can change so that an item starts."""

    RELEASE_HOLD = "RELEASE_HOLD"
    LIFT_FREEZE = "LIFT_FREEZE"
    RAISE_BUDGET = "RAISE_BUDGET"
    RAISE_MAX_LOAN = "RAISE_MAX_LOAN"
    RAISE_BORROWING_LIMIT = "RAISE_BORROWING_LIMIT"
    RAISE_COMMITMENT = "RAISE_COMMITMENT"
    ADD_SLOT = "ADD_SLOT"
    FREE_MEMORY = "FREE_MEMORY"
    ADD_WORKER = "ADD_WORKER"
    UNCORDON = "UNCORDON"


@dataclass(frozen=True, slots=True)
class Change:
    """A lever, the node that it is about if it is about one, and by how much: in the unit of the deficit that it makes
    up."""

    lever: Lever
    node: UUID | None = None
    amount: int = 0


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why the leaf's next item of a shape waits (None: it starts now), and the changes that together would make it
    admissible; there are none where it only waits for its turn."""

    wait: Wait | None
    changes: Sequence[Change]


def explain(snapshot: Snapshot, leaf: UUID, shape: Shape) -> Explanation:
    """Of the next item of this shape that does not start by itself now."""
    decided = plan(snapshot, most=len(snapshot.pending) + 1)
    then = advanced(snapshot, decided.grants)
    wait = _wait(decided, then, leaf, shape)
    if wait is None:
        return Explanation(None, [])
    blocked = obstacle(then, leaf, shape)
    amounts: dict[tuple[Lever, UUID | None], int] = {}
    while blocked is not None:
        change = _remedy(blocked, shape)
        amounts[change.lever, change.node] = amounts.get((change.lever, change.node), 0) + change.amount
        then = applied(then, change)
        blocked = obstacle(then, leaf, shape)
    return Explanation(wait, [Change(lever, node, amount) for (lever, node), amount in amounts.items()])


def waits(snapshot: Snapshot, asked: Collection[tuple[UUID, Shape]]) -> dict[tuple[UUID, Shape], Wait | None]:
    """The same without changes, of many leaves and shapes."""
    decided = plan(snapshot, most=len(snapshot.pending) + 1)
    then = advanced(snapshot, decided.grants)
    return {(leaf, shape): _wait(decided, then, leaf, shape) for leaf, shape in asked}


def _wait(decided: Plan, then: Snapshot, leaf: UUID, shape: Shape) -> Wait | None:
    if all((item.leaf, item.shape) != (leaf, shape) for item in then.pending):
        return None
    return decided.parked.get((leaf, shape)) or obstacle(then, leaf, shape) or Wait(Reason.BEHIND_OTHERS)


def obstacle(snapshot: Snapshot, leaf: UUID, shape: Shape) -> Wait | None:
    """Why such an item could not start if it were first in turn."""
    if snapshot.closed is not None:
        return snapshot.closed
    tree = snapshot.tree()
    refused = tree.closed(leaf) or tree.refuses(leaf, shape.mc, core_ms=shape.core_ms, longest_ms=shape.max_ms)
    placed = refused or Placement(snapshot.workers).take(shape.memory_mb)
    return placed if isinstance(placed, Wait) else None


_LEVERS: Mapping[Reason, Lever] = MappingProxyType(
    {
        Reason.HELD: Lever.RELEASE_HOLD,
        Reason.FROZEN: Lever.LIFT_FREEZE,
        Reason.BUDGET_SPENT: Lever.RAISE_BUDGET,
        Reason.LOAN_TOO_LONG: Lever.RAISE_MAX_LOAN,
        Reason.BORROWING_LIMIT: Lever.RAISE_BORROWING_LIMIT,
        Reason.COMMITMENT_BELOW_ONE_SLOT: Lever.RAISE_COMMITMENT,
        Reason.CAPACITY_DEBT: Lever.RAISE_COMMITMENT,
        Reason.COMMITMENT_FULL: Lever.RAISE_COMMITMENT,
        Reason.NOTHING_LENT: Lever.RAISE_COMMITMENT,
        Reason.NO_FREE_SLOT: Lever.ADD_SLOT,
        Reason.NO_FREE_MEMORY: Lever.FREE_MEMORY,
        Reason.NO_WORKERS: Lever.ADD_WORKER,
        Reason.WORKERS_CORDONED: Lever.UNCORDON,
        Reason.NO_WORKER_LARGE_ENOUGH: Lever.ADD_WORKER,
    }
)


def _remedy(wait: Wait, shape: Shape) -> Change:
    lever = _LEVERS[wait.reason]
    amount = shape.memory_mb if lever is Lever.ADD_WORKER else wait.deficit
    return Change(lever, wait.node, amount)


# --- snapshots that could be


def advanced(snapshot: Snapshot, grants: Sequence[Grant]) -> Snapshot:
    """The snapshot after its grants."""
    tree = snapshot.tree()
    taken = {grant.item for grant in grants}
    free = {worker.worker: worker for worker in snapshot.workers}
    for grant in grants:
        tree.charge(grant.leaf, grant.shape.mc, grant.shape.core_ms)
        worker = free[grant.worker]
        left = worker.memory_mb - grant.shape.memory_mb
        free[grant.worker] = replace(worker, slots=worker.slots - 1, memory_mb=left)
    return replace(
        snapshot,
        nodes=tree.moved(),
        pending=[item for item in snapshot.pending if item.id not in taken],
        workers=list(free.values()),
    )


def applied(snapshot: Snapshot, change: Change) -> Snapshot:
    """The snapshot as it would be with the change."""
    match change.lever:
        case Lever.RAISE_COMMITMENT:
            root = next(node.id for node in snapshot.nodes if node.parent is None)
            more = replace(snapshot, limit_mc=snapshot.limit_mc + change.amount)
            return _edited(more, root, lambda node: {"nominal_mc": node.nominal_mc + change.amount})
        case Lever.RELEASE_HOLD:
            return _edited(snapshot, change.node, lambda _: {"held": False, "drains": False})
        case Lever.LIFT_FREEZE:
            return _edited(snapshot, change.node, lambda _: {"frozen": False})
        case Lever.RAISE_BUDGET:
            return _edited(
                snapshot,
                change.node,
                lambda node: {"budget_left_core_ms": (node.budget_left_core_ms or 0) + change.amount},
            )
        case Lever.RAISE_MAX_LOAN:
            return _edited(snapshot, change.node, lambda node: {"max_loan_ms": (node.max_loan_ms or 0) + change.amount})
        case Lever.RAISE_BORROWING_LIMIT:
            return _edited(
                snapshot,
                change.node,
                lambda node: {"borrowing_limit_mc": (node.borrowing_limit_mc or 0) + change.amount},
            )
        case Lever.ADD_SLOT:
            first = max(snapshot.workers, key=lambda worker: (worker.memory_mb, worker.worker))
            return _with(snapshot, replace(first, slots=max(first.slots, 0) + 1))
        case Lever.FREE_MEMORY:
            open_ = [worker for worker in snapshot.workers if worker.slots > 0]
            first = max(open_, key=lambda worker: (worker.memory_mb, worker.worker))
            return _with(snapshot, replace(first, memory_mb=first.memory_mb + change.amount))
        case Lever.UNCORDON:
            return replace(snapshot, workers=snapshot.cordoned, cordoned=())
        case Lever.ADD_WORKER:
            return _with(snapshot, Slots(NEW_WORKER, 1, change.amount, change.amount))


def _edited(snapshot: Snapshot, id: UUID | None, edit: Callable[[Node], Mapping[str, Any]]) -> Snapshot:
    nodes = [replace(node, **edit(node)) if node.id == id else node for node in snapshot.nodes]
    return replace(snapshot, nodes=nodes)


def _with(snapshot: Snapshot, worker: Slots) -> Snapshot:
    others = [each for each in snapshot.workers if each.worker != worker.worker]
    return replace(snapshot, workers=[*others, worker])
