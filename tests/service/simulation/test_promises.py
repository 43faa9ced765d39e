"""What the scheduler promises over time, as properties on the simulator. Numbers are those of the list of invariants in
docs/decisions/0019-simulator.md; what one plan alone shows is in tests/service/scheduler."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.scheduler.plan import Snapshot, plan
from service.simulation import measures
from service.simulation.quotas import Quota
from service.simulation.record import Record
from service.simulation.simulator import ROTATION_MS, TTL_MS, Simulation
from service.simulation.workload import Campaign, Fleet, Workload, lengths_ms
from tests.service.scheduler.test_plan import lineage, snapshots

HOUR_MS = 3_600_000


def tree(weights: Sequence[int]) -> Quota:
    return Quota("commitment", children=[Quota(f"cell-{i}", weight=w) for i, w in enumerate(weights)])


def flood(luck: random.Random, cells: int, *, until_ms: int, mc: Sequence[int] = (1000,)) -> Iterator[Campaign]:
    """Campaigns that come at any time, of items up to 20 s."""
    for cell in range(cells):
        at = luck.randrange(60_000)
        while at < until_ms:
            size = luck.randint(1, 60)
            yield Campaign(at, f"cell-{cell}", [luck.randint(100, 20_000) for _ in range(size)], luck.choice(mc))
            at += luck.randrange(1, 300_000)


def simulated(quota: Quota, campaigns: Sequence[Campaign], *, slots: int, until_ms: int | None = None) -> Record:
    ordered = sorted(campaigns, key=lambda each: (each.at_ms, each.cell))
    return Simulation(quota, Fleet.committing(slots), Workload(ordered)).run(until_ms=until_ms)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 4), min_size=2, max_size=8), st.integers(2, 8))
def test_18_what_waits_within_nominal_starts_before_all_that_runs_has_ended(
    seed: int, weights: list[int], slots: int
) -> None:
    campaigns = list(flood(random.Random(seed), len(weights), until_ms=600_000, mc=(1000, 1000, 2000)))
    record = simulated(tree(weights), campaigns, slots=slots, until_ms=1_200_000)
    assert measures.owed_ms(record).max(initial=0) <= record.longest_ms


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(2, 6))
def test_20_nobody_starves_whatever_others_send(seed: int, others: int, slots: int) -> None:
    """A slot is the small cell's in one of so many roundings; in three of them it surely comes free at least once."""
    luck = random.Random(seed)
    campaigns = [
        Campaign(at, f"cell-{i}", [luck.randint(100, 20_000) for _ in range(200)])
        for i in range(others)
        for at in range(0, HOUR_MS, 300_000)
    ]
    own = [Campaign(at, "cell-9", [5_000]) for at in range(600_000, HOUR_MS, 600_000)]
    quota = Quota("commitment", children=[*tree([4] * others).children, Quota("cell-9", weight=1)])
    record = simulated(quota, [*campaigns, *own], slots=slots, until_ms=HOUR_MS)
    mine = record.column("leaf") == record.names.index("cell-9")
    assert mine.sum() == len(own)
    turn_ms = ROTATION_MS * -(-(4 * others + 1) // slots)
    assert measures.waits_ms(record)[mine].max() <= 3 * turn_ms + record.longest_ms


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_20_an_item_of_several_slots_within_nominal_does_not_starve_among_small_ones(seed: int, others: int) -> None:
    luck = random.Random(seed)
    campaigns = [
        Campaign(0, f"cell-{i}", [luck.randint(100, 20_000) for _ in range(3000)], memory_mb=1) for i in range(others)
    ]
    large = [Campaign(at, "large", [1_000], mc=3000) for at in range(60_000, HOUR_MS // 2, 60_000)]
    quota = Quota("commitment", children=[*tree([1] * others).children, Quota("large", weight=others)])
    record = simulated(quota, [*campaigns, *large], slots=6, until_ms=HOUR_MS // 2)
    waits = measures.waits_ms(record)[record.column("mc") == 3000]
    assert len(waits) == len(large)
    assert waits.max() <= record.longest_ms + TTL_MS


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_20_an_item_of_several_slots_on_a_loan_does_not_starve_among_small_ones(seed: int, others: int) -> None:
    """Half of the slots are lent. Where owners want all of theirs, it would starve: nobody lends it anything."""
    luck = random.Random(seed)
    small = [Campaign(0, f"cell-{i}", [luck.randint(100, 20_000) for _ in range(1200)]) for i in range(others)]
    large = [Campaign(at, "large", [1_000], mc=3000) for at in range(60_000, HOUR_MS // 4, 60_000)]
    quota = Quota(
        "commitment", children=[*tree([1] * others).children, Quota("large"), Quota("idle", weight=others + 1)]
    )
    record = simulated(quota, [*small, *large], slots=6, until_ms=HOUR_MS // 4)
    waits = measures.waits_ms(record)[record.column("mc") == 3000]
    assert len(waits) == len(large)
    assert waits.max() <= 3 * record.longest_ms


@pytest.mark.parametrize("seed", range(4))
def test_21_two_cells_that_always_wait_are_never_further_apart_than_the_bound(seed: int) -> None:
    """Twice that, where a slot goes around: who is at work when its turn ends works on, and the next has less of it."""
    luck = np.random.default_rng(seed)
    weights = luck.integers(1, 5, int(luck.integers(3, 9))).tolist()
    slots = int(luck.integers(2, 7))
    items = 1000 * slots  # more than an hour of the whole pool
    campaigns = [Campaign(0, f"cell-{i}", lengths_ms(luck, items).tolist()) for i in range(len(weights))]
    record = simulated(tree(weights), campaigns, slots=slots, until_ms=HOUR_MS)
    worst = measures.worst_pair(record)
    assert worst is not None
    assert worst.for_ms >= HOUR_MS - 20_000
    assert worst.apart <= 2 * worst.bound


@given(snapshots())
def test_22_each_reclaim_leaves_less_to_reclaim(snapshot: Snapshot) -> None:
    loans = {loan.lease: loan for loan in snapshot.loans}
    nodes = {node.id: node for node in snapshot.nodes}

    def beyond() -> int:
        return sum(max(node.used_mc - node.nominal_mc, 0) for node in nodes.values() if node.id not in inner)

    inner = {node.parent for node in snapshot.nodes}
    for lease in plan(snapshot).recalls:
        leaf = loans[lease].leaf
        if any(node.drains for node in lineage(snapshot.nodes, leaf)):
            continue
        before = beyond()
        nodes[leaf] = replace(nodes[leaf], used_mc=nodes[leaf].used_mc - loans[lease].mc)
        assert beyond() < before


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 3), min_size=2, max_size=4),
    st.integers(500, 20_000),
    st.integers(0, 120_000),
    st.integers(0, 3),
)
def test_28_more_nominal_never_delays_the_next_item(weights: list[int], length: int, at: int, giver: int) -> None:
    """Whole slots only, so that nothing rotates: another cell gives one of its own."""
    giver %= len(weights)
    slots = sum(weights) + 2
    campaigns = [Campaign(0, f"cell-{i}", [length] * 400) for i in range(len(weights))]
    own = Campaign(at + 1, "own", [length])
    less = [*tree([w + (i == giver) for i, w in enumerate(weights)]).children, Quota("own", weight=1)]
    more = [*tree(weights).children, Quota("own", weight=2)]
    starts = []
    for children in (less, more):
        record = simulated(Quota("commitment", children=children), [*campaigns, own], slots=slots, until_ms=200_000)
        mine = record.column("leaf") == record.names.index("own")
        starts.append(record.column("started_ms")[mine].tolist())
    assert starts[1] <= starts[0]
    assert len(starts[1]) == 1
