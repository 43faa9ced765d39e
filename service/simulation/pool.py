"""The pool in memory: quota nodes, queues, workers and leases, and the snapshot that a decision is made on.

What the database keeps elsewhere, by the same rules (service.capacity, service.leases), in integers of milliseconds and
millicores. Knows no time but the one it is told, and decides nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from uuid import UUID

from service.scheduler.entitlement import SLOT_MC, Node, Share, decayed, divided, limit_mc
from service.scheduler.placement import Slots
from service.scheduler.plan import Grant, Pending, Snapshot
from service.simulation.quotas import Quota
from service.simulation.workload import Fleet

EPOCH = datetime(2026, 1, 5, tzinfo=UTC)
"""Simulated time 0: a Monday."""
_ITEMS = 1 << 64
"""Ids of items begin here, those of workers and nodes below."""


class Id(UUID):
    """An id that hashes by identity, since each is made once: in C, which is a fifth of the time of a simulation."""

    __slots__ = ()
    __hash__ = object.__hash__


@dataclass(slots=True, eq=False)
class Item:
    """A work item. `started_ms` is of its first attempt."""

    pending: Pending
    leaf: int
    length_ms: int
    queued_ms: int
    started_ms: int | None = None
    lost: bool = False


@dataclass(slots=True, eq=False)
class Lease:
    item: Item
    worker: int
    granted_ms: int
    live: bool = True


class _State:
    """What changes of a quota node. `served` is such that `used_mc * t + served` is what it has used by time t, in
    millicore-milliseconds."""

    __slots__ = ("carry", "nominal_mc", "served", "usage", "used_mc")

    def __init__(self) -> None:
        self.nominal_mc = self.used_mc = self.carry = self.served = 0
        self.usage = 0.0


class Pool:
    """All nodes by number, the root first and parents before their children; cells are the leaves among them."""

    def __init__(self, quota: Quota, fleet: Fleet, *, share: tuple[int, int], half_life: timedelta) -> None:
        self.fleet = fleet
        self._share = share
        self._half_life = half_life
        self.quotas: list[Quota] = []
        self.parents: list[int | None] = []
        self.paths: list[tuple[int, ...]] = []  # root first, the node itself last
        self._add(quota, None)
        self.ids: list[UUID] = [Id(int=1 + i) for i in range(len(self.quotas))]
        self.leaves = {q.name: i for i, q in enumerate(self.quotas) if not q.children}
        self.number = {id: i for i, id in enumerate(self.ids)}
        self.states = [_State() for _ in self.quotas]
        self._nodes: list[Node] = []
        self._touched = set(range(len(self.quotas)))
        self._usage_ms = 0
        self._epoch = self._moves = 0
        self._last_item = _ITEMS

        self.queues: dict[int, OrderedDict[UUID, Item]] = {i: OrderedDict() for i in self.leaves.values()}
        self.waiting: dict[int, OrderedDict[UUID, Item]] = {}  # those queues that have items
        self.queued_core_ms = dict.fromkeys(self.queues, 0)  # by leaf, as estimated
        self._first: dict[int, dict[int, list[Pending]]] = {}  # by leaf and by how many were asked for
        self.memory_mb = dict.fromkeys((self.ids[i] for i in self.queues), 0)  # held by leaf

        self.workers: list[UUID] = [Id(int=_ITEMS - 1 - i) for i in range(fleet.workers)]
        self._worker = {id: i for i, id in enumerate(self.workers)}
        self.active = dict.fromkeys(range(fleet.workers))
        self._free = [(fleet.slots, fleet.memory_mb)] * fleet.workers
        self.running: dict[UUID, Lease] = {}
        self.limit_mc = 0
        self.rotated_ms = 0
        self.recount(0)

    def _add(self, quota: Quota, parent: int | None) -> None:
        number = len(self.quotas)
        self.quotas.append(quota)
        self.parents.append(parent)
        self.paths.append((*(self.paths[parent] if parent is not None else ()), number))
        for child in quota.children:
            self._add(child, number)

    # --- capacity, as service.capacity has it

    def recount(self, now: int) -> None:
        """Sum up the capacity of the active workers and divide anew."""
        self.limit_mc = limit_mc(len(self.active) * self.fleet.contributes_mc, *self._share)
        self._epoch += 1
        self.divide(now)

    def divide(self, now: int) -> None:
        """Each node's whole slots, and the fractions carried on. Divided again, whole shares stay as they are."""
        children: dict[UUID | None, list[Share]] = {}
        for i, parent in enumerate(self.parents):
            share = Share(self.ids[i], self.quotas[i].weight, self.states[i].carry)
            children.setdefault(None if parent is None else self.ids[parent], []).append(share)
        for id, (slots, carry) in divided(self.limit_mc // SLOT_MC, children).items():
            state = self.states[self.number[id]]
            if state.nominal_mc != slots * SLOT_MC:
                state.nominal_mc = slots * SLOT_MC
                self._touched.add(self.number[id])
            state.carry = carry
        self._moves += 1
        self.rotated_ms = now

    # --- workers

    def lose(self, workers: Iterable[int], now: int) -> list[Item]:
        """The workers are gone, their leases end uncharged, their items wait again in their old places. Answers
        those."""
        lost = set(workers)
        ended = [lease for lease in self.running.values() if lease.worker in lost]
        for lease in reversed(ended):  # the oldest last, so that it comes to stand first
            self.end(lease, now, charged=False)
            item = lease.item
            item.lost = True
            self._enqueue(item)
            self.queues[item.leaf].move_to_end(item.pending.id, last=False)
        for worker in lost:
            self.active.pop(worker, None)
        self.recount(now)
        return [lease.item for lease in ended]

    def rejoin(self, workers: Iterable[int], now: int) -> None:
        for worker in workers:
            self._free[worker] = (self.fleet.slots, self.fleet.memory_mb)
            self.active[worker] = None
        self.recount(now)

    # --- items

    def next_id(self) -> UUID:
        """Ids of items ascend in the order of their arrival."""
        self._last_item += 1
        return Id(int=self._last_item)

    def submit(self, items: Sequence[Item]) -> None:
        for item in items:
            self._enqueue(item)

    def _enqueue(self, item: Item) -> None:
        queue = self.queues[item.leaf]
        queue[item.pending.id] = item
        self.waiting[item.leaf] = queue
        self.queued_core_ms[item.leaf] += item.pending.shape.core_ms
        self._first.pop(item.leaf, None)

    def _beginning(self, leaf: int, most: int) -> list[Pending]:
        known = self._first.setdefault(leaf, {})
        if most not in known:
            known[most] = [item.pending for item in islice(self.queues[leaf].values(), most)]
        return known[most]

    # --- leases, as service.leases has them

    def start(self, grant: Grant, now: int) -> Lease:
        """A planned grant becomes a lease, charged at its estimate."""
        leaf = self.number[grant.leaf]
        queue = self.queues[leaf]
        lease = Lease(queue.pop(grant.item), self._worker[grant.worker], now)
        if lease.item.started_ms is None:
            lease.item.started_ms = now
        self.queued_core_ms[leaf] -= grant.shape.core_ms
        if not queue:
            del self.waiting[leaf]
        self._first.pop(leaf, None)
        self._decay(now)
        self._occupy(lease, 1, now)
        for i in self.paths[leaf]:
            self.states[i].usage += grant.shape.core_ms
        self.running[grant.item] = lease
        return lease

    def end(self, lease: Lease, now: int, *, charged: bool = True) -> None:
        """A lease ends; its estimate is settled against what it took. Uncharged is what the infrastructure lost."""
        del self.running[lease.item.pending.id]
        lease.live = False
        self._decay(now)
        self._occupy(lease, -1, now)
        shape = lease.item.pending.shape
        actual = (now - lease.granted_ms) * shape.mc // SLOT_MC if charged else 0
        estimate = shape.core_ms * self._faded(lease.granted_ms, now)
        for i in self.paths[lease.item.leaf]:
            state = self.states[i]
            state.usage = max(state.usage + actual - estimate, 0.0)

    def _occupy(self, lease: Lease, sign: int, now: int) -> None:
        shape = lease.item.pending.shape
        for i in self.paths[lease.item.leaf]:
            state = self.states[i]
            state.used_mc += sign * shape.mc
            state.served -= sign * shape.mc * now
            self._touched.add(i)
        slots, memory_mb = self._free[lease.worker]
        self._free[lease.worker] = (slots - sign, memory_mb - sign * shape.memory_mb)
        self.memory_mb[lease.item.pending.leaf] += sign * shape.memory_mb
        self._moves += 1

    def _decay(self, now: int) -> None:
        if now == self._usage_ms:
            return
        factor = self._faded(self._usage_ms, now)
        for state in self.states:
            state.usage *= factor
        self._usage_ms = now

    def _faded(self, since: int, now: int) -> float:
        return decayed(1.0, EPOCH, EPOCH + timedelta(milliseconds=now - since), self._half_life)

    # --- look

    def served_core_ms(self, now: int) -> list[int]:
        """What each node has used by now."""
        return [(state.used_mc * now + state.served) // SLOT_MC for state in self.states]

    def usage_core_ms(self, now: int) -> list[float]:
        """Of each node, decayed to now."""
        self._decay(now)
        return [state.usage for state in self.states]

    def entitled(self, leaf: int) -> bool:
        """Whether the leaf's first waiting item is within nominal at each ancestor."""
        mc = next(iter(self.queues[leaf].values())).pending.shape.mc
        return all(self.states[i].used_mc + mc <= self.states[i].nominal_mc for i in self.paths[leaf][1:])

    def snapshot(self, now: int, *, most: int, stale: Collection[UUID] = ()) -> Snapshot:
        """What a decision sees: of each leaf the first `most` items."""
        pending: list[Pending] = []
        for leaf in self.waiting:
            pending += self._beginning(leaf, most)
        return Snapshot(
            limit_mc=self.limit_mc,
            epoch=self._epoch,
            moves=self._moves,
            nodes=self.seen(now),
            pending=pending,
            workers=[Slots(self.workers[i], *self._free[i], self.fleet.memory_mb) for i in self.active],
            more={self.ids[leaf] for leaf, queue in self.waiting.items() if len(queue) > most},
            stale=stale,
        )

    def seen(self, now: int) -> list[Node]:
        """Nodes as of now. Usage orders those that wait; of the others no decision reads it, and it stays as it was."""
        self._decay(now)
        if not self._nodes:
            self._nodes = [self._node(i) for i in range(len(self.quotas))]
        for i in self._touched.union(*(self.paths[leaf] for leaf in self.waiting)):
            self._nodes[i] = self._node(i)
        self._touched.clear()
        return list(self._nodes)

    def _node(self, i: int) -> Node:
        quota, state, parent = self.quotas[i], self.states[i], self.parents[i]
        return Node(
            self.ids[i],
            None if parent is None else self.ids[parent],
            quota.name,
            quota.weight,
            held=False,
            nominal_mc=state.nominal_mc,
            used_mc=state.used_mc,
            usage_core_ms=state.usage,
            borrowing_limit_mc=quota.borrowing_limit_mc,
            lending_limit_mc=quota.lending_limit_mc,
            max_loan_ms=quota.max_loan_ms,
        )
