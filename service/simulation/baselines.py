"""Other ways to decide, on the same clock and workload: what the scheduler is measured against.

Each answers a snapshot with grants, as plan() does, and keeps to the commitment and to the workers; none knows nominal
quotas, loans or claims.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

from service.scheduler.entitlement import SLOT_MC, Node
from service.scheduler.placement import Placement
from service.scheduler.plan import Grant, Pending, Plan, Snapshot

Key = Callable[[Pending], Any]
Allows = Callable[[Pending], bool]


def fifo(snapshot: Snapshot, memory_mb: Mapping[UUID, int]) -> Plan:
    """First come, first served, with a fixed quota for each cell: its share of the slots, at least one, never lent. An
    item that does not fit blocks whatever came after it, unless its cell has used its quota up."""
    pool = _Uses(snapshot, memory_mb)
    slots = snapshot.limit_mc // SLOT_MC
    quota = {leaf: max(math.ceil(pool.share(leaf) * slots), 1) * SLOT_MC for leaf in pool.leaves}
    return _greedy(
        snapshot,
        pool,
        key=lambda item: item.id.int,
        allows=lambda item: pool.used_mc[item.leaf] + item.shape.mc <= max(quota[item.leaf], item.shape.mc),
        blocks=True,
    )


def drf(snapshot: Snapshot, memory_mb: Mapping[UUID, int]) -> Plan:
    """Dominant resource fairness (Ghodsi et al. 2011) of this moment: whoever has the smallest dominant share per
    weight, of millicores and of memory, is next. It has no memory of the past."""
    pool = _Uses(snapshot, memory_mb)
    most_mb = sum(worker.most_memory_mb for worker in snapshot.workers) or 1

    def dominant(item: Pending) -> tuple[float, int]:
        mc = pool.used_mc[item.leaf] / max(snapshot.limit_mc, 1)
        return max(mc, pool.memory_mb[item.leaf] / most_mb) / pool.share(item.leaf), item.leaf.int

    return _greedy(snapshot, pool, key=dominant, allows=lambda item: True, blocks=False)


def fair_share(snapshot: Snapshot, memory_mb: Mapping[UUID, int]) -> Plan:
    """Decayed use over weight, from the root down, as Slurm's fair tree; work in flight charged at its estimate. It has
    no nominal quotas and keeps no room for anybody."""
    pool = _Uses(snapshot, memory_mb)

    def order(item: Pending) -> tuple[tuple[float, str], ...]:
        return tuple((pool.usage[node.id] / node.weight, node.name) for node in pool.path(item.leaf))

    return _greedy(snapshot, pool, key=order, allows=lambda item: True, blocks=False)


BASELINES: Mapping[str, Callable[[Snapshot, Mapping[UUID, int]], Plan]] = MappingProxyType(
    {"FIFO, static quotas": fifo, "instantaneous DRF": drf, "decayed fair share": fair_share}
)


class _Uses:
    """Use of each node, moved on with each grant."""

    def __init__(self, snapshot: Snapshot, memory_mb: Mapping[UUID, int]) -> None:
        self.nodes = {node.id: node for node in snapshot.nodes}
        self.leaves = {item.leaf for item in snapshot.pending}
        self.used_mc = {node.id: node.used_mc for node in snapshot.nodes}
        self.usage = {node.id: node.usage_core_ms for node in snapshot.nodes}
        self.memory_mb = dict(memory_mb)
        self.root = next(node.id for node in snapshot.nodes if node.parent is None)
        self._weights: dict[UUID | None, int] = {}
        for node in snapshot.nodes:
            self._weights[node.parent] = self._weights.get(node.parent, 0) + node.weight
        self._paths: dict[UUID, tuple[Node, ...]] = {}

    def path(self, leaf: UUID) -> tuple[Node, ...]:
        """From below the root down to the leaf."""
        if leaf not in self._paths:
            node = self.nodes[leaf]
            nodes: list[Node] = []
            while node.parent is not None:
                nodes.append(node)
                node = self.nodes[node.parent]
            self._paths[leaf] = tuple(reversed(nodes))
        return self._paths[leaf]

    def share(self, leaf: UUID) -> float:
        return math.prod(node.weight / self._weights[node.parent] for node in self.path(leaf))

    def charge(self, item: Pending) -> None:
        for id in (self.root, *(node.id for node in self.path(item.leaf))):
            self.used_mc[id] += item.shape.mc
            self.usage[id] += item.shape.core_ms
        self.memory_mb[item.leaf] += item.shape.memory_mb


def _greedy(snapshot: Snapshot, pool: _Uses, *, key: Key, allows: Allows, blocks: bool) -> Plan:
    """Start the first item of the leaf whose turn it is, again and again. Of leaves whose first item finds no room, the
    next is asked, unless that `blocks`."""
    placement = Placement(snapshot.workers)
    queues: dict[UUID, list[Pending]] = {}
    for item in reversed(snapshot.pending):
        queues.setdefault(item.leaf, []).append(item)
    grants: list[Grant] = []
    short: set[UUID] = set()
    while queues and not short and not placement.full:
        item = min((queue[-1] for queue in queues.values()), key=key)
        worker = None
        if allows(item):
            fits = pool.used_mc[pool.root] + item.shape.mc <= snapshot.limit_mc
            worker = placement.take(item.shape.memory_mb) if fits else None
            if blocks and not isinstance(worker, UUID):
                break
        if not isinstance(worker, UUID):
            del queues[item.leaf]
            continue
        grants.append(Grant(item.id, item.leaf, worker, item.shape))
        pool.charge(item)
        queues[item.leaf].pop()
        if not queues[item.leaf]:
            del queues[item.leaf]
            short = {item.leaf} & set(snapshot.more)
    return Plan(grants, {}, {}, {}, [], cut=False, short=short)
