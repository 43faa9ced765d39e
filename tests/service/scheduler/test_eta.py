"""Estimates of starts: the fluid model against water poured drop by drop, quantiles that come true, and positions."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.scheduler.entitlement import Node
from service.scheduler.eta import FACTORS, Running, base_ms, estimate, remaining_ms
from service.scheduler.plan import Snapshot, plan
from service.simulation import measures, workload
from service.simulation.forecasts import Forecaster, factors
from service.simulation.quotas import Quota
from service.simulation.record import Forecast
from service.simulation.simulator import Simulation
from service.simulation.workload import Campaign, Fleet, Workload
from tests.service.scheduler.test_plan import ROOT, cell, pool, snapshots


def poured(nodes: Sequence[Node], work: Mapping[UUID, float], leaf: UUID, ahead: float) -> float:
    """Core-ms that all have had when the leaf has had `ahead`: small drops go down the tree by weight to whoever still
    has something to do."""
    left = dict(work)
    total, drop = 0.0, max(sum(work.values()), 1.0) / 4000

    def flow(parent: UUID, amount: float) -> None:
        below = [n for n in nodes if n.parent == parent]
        if not below:
            left[parent] -= amount
            return
        open_ = [n for n in below if amount_left(n.id) > 0]
        for node in open_:
            flow(node.id, amount * node.weight / sum(n.weight for n in open_))

    def amount_left(id: UUID) -> float:
        below = [n.id for n in nodes if n.parent == id]
        return sum(max(amount_left(child), 0.0) for child in below) if below else left.get(id, 0.0)

    while work[leaf] - left[leaf] < ahead - 1e-9 and amount_left(ROOT) > 0:
        flow(ROOT, drop)
        total += drop
    return total


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.floats(0, 50_000)), min_size=2, max_size=5),
    st.floats(0, 1),
    st.integers(1, 4),
)
def test_the_model_is_water_poured_by_weight(cells: list[tuple[int, float]], part: float, group_weight: int) -> None:
    group = Node(UUID(int=10), ROOT, "group", group_weight, False, 0, 0, 0.0)
    inner = [cell(i, parent=group.id if i % 2 else ROOT, weight=w) for i, (w, _) in enumerate(cells)]
    nodes = [Node(ROOT, None, "commitment", 1, False, 0, 0, 0.0), group, *inner]
    work = {node.id: core_ms for node, (_, core_ms) in zip(inner, cells, strict=True)}
    leaf = inner[0].id
    ahead = part * work[leaf]
    found = base_ms(nodes, 4000, running=[], queued_core_ms=work, leaf=leaf, ahead_core_ms=ahead) * 4
    assert found == pytest.approx(poured(nodes, work, leaf, ahead), abs=0.02 * sum(work.values()) + 1)


def test_an_item_with_nothing_ahead_waits_for_the_next_slot_alone() -> None:
    nodes = pool([cell(1), cell(2)], {}, slots=2).nodes
    running = [Running(cell(2).id, 1000, 3000.0), Running(cell(2).id, 1000, 6000.0)]
    queued = {cell(1).id: 1000.0, cell(2).id: 90_000.0}
    found = base_ms(nodes, 2000, running=running, queued_core_ms=queued, leaf=cell(1).id, ahead_core_ms=0.0)
    assert found == pytest.approx(1 / (1 / 3000 + 1 / 6000))
    own = base_ms(nodes, 2000, running=running, queued_core_ms=queued, leaf=cell(2).id, ahead_core_ms=0.0)
    assert own == pytest.approx(found + 1000 / 2)  # what runs need not end first; the other cell has its turn


def test_a_cell_that_may_borrow_little_waits_for_itself_while_others_idle() -> None:
    own = cell(1, nominal=1, borrowing_limit_mc=1000)
    nodes = pool([own, cell(2)], {}, slots=4).nodes
    queued = {own.id: 20_000.0}
    found = base_ms(nodes, 4000, running=[], queued_core_ms=queued, leaf=own.id, ahead_core_ms=8_000.0)
    assert found == pytest.approx(8_000 / 2)
    shut = [replace(node, nominal_mc=0, borrowing_limit_mc=0) if node.id == own.id else node for node in nodes]
    assert base_ms(shut, 4000, running=[], queued_core_ms=queued, leaf=own.id, ahead_core_ms=1.0) == math.inf


def test_what_has_run_for_longer_than_estimated_runs_on_but_never_beyond_its_limit() -> None:
    assert remaining_ms(0, estimate_ms=2_000, max_ms=60_000) == 2_000
    assert remaining_ms(1_500, estimate_ms=2_000, max_ms=60_000) == 2_000
    assert remaining_ms(10_000, estimate_ms=2_000, max_ms=60_000) == 10_000
    assert remaining_ms(55_000, estimate_ms=2_000, max_ms=60_000) == 5_000
    assert remaining_ms(70_000, estimate_ms=2_000, max_ms=60_000) == 1


@given(st.floats(-5, 30).map(lambda power: 2**power) | st.just(math.inf))
def test_whoever_is_further_behind_is_never_told_an_earlier_time(base: float) -> None:
    told, later = estimate(base), estimate(base * 1.1)
    assert 0 < told.p50_ms <= told.p90_ms
    assert told.p50_ms <= later.p50_ms
    assert told.p90_ms <= later.p90_ms


@pytest.mark.parametrize("of", FACTORS)
def test_in_the_middle_of_a_class_its_own_factors_count(of: int) -> None:
    told = estimate(2 ** (of + 0.5))
    assert (told.p50_ms / told.base_ms, told.p90_ms / told.base_ms) == pytest.approx(FACTORS[of])


@pytest.mark.parametrize("spread", [0.2, 1.0, 3.0])
def test_factors_are_such_that_nine_in_ten_starts_come_before_p90_whatever_the_waits_are_like(spread: float) -> None:
    luck = random.Random(1)

    def seen(count: int) -> list[Forecast]:
        bases = [luck.uniform(1_000, 60_000) for _ in range(count)]
        return [Forecast(1, 0, estimate(base), int(base * luck.lognormvariate(1.0, spread))) for base in bases]

    learnt = factors(seen(20_000))
    told = [(estimate(f.estimate.base_ms, learnt), f.waited_ms) for f in seen(5_000)]
    assert sum(waited <= said.p50_ms for said, waited in told) / 5_000 == pytest.approx(0.5, abs=0.03)
    assert sum(waited <= said.p90_ms for said, waited in told) / 5_000 == pytest.approx(0.9, abs=0.02)


def test_nine_in_ten_starts_of_a_simulated_day_come_before_their_p90() -> None:
    """With the factors that are in the code, which were learnt from other seeds."""
    quota, fleet = workload.quotas(5, 10), Fleet.committing(3)
    work = workload.synthetic(5, list(quota.cells()), days=1, items=20_000, fleet=fleet)
    record = Simulation(quota, fleet, work, forecaster=Forecaster(seed=5)).run(until_ms=workload.DAY_MS)
    found = measures.calibration(record.forecasts)
    assert found is not None
    assert found["starts"] > 400
    assert 0.8 <= found["before_p90"] <= 0.97  # one day's luck beside 0.85 to 0.95 of a week


@given(snapshots())
def test_26_granted_one_by_one_items_come_in_the_order_in_which_they_would_come_at_once(snapshot: Snapshot) -> None:
    for shape in {item.shape for item in snapshot.pending}:
        same = replace(snapshot, pending=[item for item in snapshot.pending if item.shape == shape])
        whole = [grant.item for grant in plan(same).grants]
        assert [grant.item for most in range(len(whole)) for grant in plan(same, most=most + 1).grants[most:]] == whole


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(2, 5))
def test_26_positions_are_the_order_of_grants_if_nothing_else_comes(seed: int, cells: int, slots: int) -> None:
    luck = random.Random(seed)
    quota = Quota("commitment", children=[Quota(f"cell-{i}") for i in range(cells)])
    campaigns = [
        Campaign(0, f"cell-{luck.randrange(cells)}", [luck.randint(100, 5_000) for _ in range(luck.randint(1, 30))])
        for _ in range(8)
    ]
    simulation = Simulation(quota, Fleet.committing(slots), Workload(campaigns))
    simulation.run(until_ms=0)
    queued = {leaf: list(queue.values()) for leaf, queue in simulation.pool.waiting.items()}
    started: dict[int, list[UUID]] = {leaf: [] for leaf in queued}
    start = simulation.pool.start

    def watched(grant, now):  # type: ignore[no-untyped-def]
        started[simulation.pool.number[grant.leaf]].append(grant.item)
        return start(grant, now)

    simulation.pool.start = watched  # type: ignore[method-assign]
    simulation.run()
    assert started == {leaf: [item.pending.id for item in items] for leaf, items in queued.items()}
