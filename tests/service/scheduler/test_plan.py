"""plan() and its arithmetic, by properties."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.scheduler.plan import (
    MICRO,
    MOST_ROOM,
    Bounds,
    Node,
    Pending,
    Reason,
    Share,
    Slots,
    Snapshot,
    decayed,
    limit_mc,
    plan,
    room,
    whole_slots,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROOT = UUID(int=1)


def cell(
    number: int, *, weight: int = 1, nominal: int = 0, used: int = 0, usage: float = 0.0, held: bool = False
) -> Node:
    return Node(UUID(int=100 + number), ROOT, f"cell-{number}", weight, held, nominal * 1000, used * 1000, usage)


def pool(
    cells: list[Node], queued: dict[int, int], *, slots: int, limit: int | None = None, memory_mb: int = 10**6
) -> Snapshot:
    used = sum(c.used_mc for c in cells)
    root = Node(ROOT, None, "commitment", 1, False, slots * 1000, used, 0.0)
    pending = [
        Pending(UUID(int=number * 10_000 + i), UUID(int=100 + number), 1000, 1024, 2000)
        for number, count in queued.items()
        for i in range(count)
    ]
    limit = slots * 1000 if limit is None else limit
    free = slots - used // 1000
    return Snapshot(limit, 1, [root, *cells], pending, [Slots(UUID(int=7), free, memory_mb)] if slots else [])


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    count = draw(st.integers(1, 6))
    cells = [
        cell(
            i,
            weight=draw(st.integers(1, 5)),
            nominal=draw(st.integers(0, 4)),
            used=draw(st.integers(0, 3)),
            usage=draw(st.floats(0, 1e6)),
            held=draw(st.booleans()),
        )
        for i in range(count)
    ]
    queued = {i: draw(st.integers(0, 5)) for i in range(count)}
    slots = draw(st.integers(0, 24))
    return pool(cells, queued, slots=slots, limit=draw(st.integers(0, 24_000)))


@given(snapshots())
def test_grants_stay_within_commitment_slots_and_queue(snapshot: Snapshot) -> None:
    grants = plan(snapshot).grants
    used = sum(node.used_mc for node in snapshot.nodes if node.parent is not None)
    assert not grants or used + sum(g.mc for g in grants) <= snapshot.limit_mc
    assert len(grants) <= max(sum(w.slots for w in snapshot.workers), 0)
    assert len({g.item for g in grants}) == len(grants)
    assert {g.item for g in grants} <= {p.id for p in snapshot.pending}


@given(snapshots())
def test_a_plan_depends_on_the_snapshot_alone_and_not_on_the_order_of_its_cells(snapshot: Snapshot) -> None:
    root, *cells = snapshot.nodes
    random.Random(0).shuffle(cells)
    again = Snapshot(snapshot.limit_mc, snapshot.epoch, [root, *cells], snapshot.pending, snapshot.workers)
    assert plan(snapshot) == plan(snapshot)
    assert set(plan(again).grants) == set(plan(snapshot).grants)


@given(snapshots())
def test_every_cell_that_still_waits_has_exactly_one_reason(snapshot: Snapshot) -> None:
    decided = plan(snapshot)
    granted = {g.item for g in decided.grants}
    waiting = {p.leaf for p in snapshot.pending if p.id not in granted}
    assert waiting == set(decided.waits)


@given(snapshots())
def test_nothing_waits_while_there_is_room(snapshot: Snapshot) -> None:
    decided = plan(snapshot)
    used = sum(n.used_mc for n in snapshot.nodes if n.parent is not None) + 1000 * len(decided.grants)
    free = sum(w.slots for w in snapshot.workers) - len(decided.grants)
    if free > 0 and used + 1000 <= snapshot.limit_mc:
        assert set(decided.waits.values()) <= {Reason.HELD}


def test_items_within_nominal_go_before_a_borrower_with_less_use() -> None:
    owner, borrower = cell(1, nominal=2, used=0, usage=1e9), cell(2, nominal=0, usage=0.0)
    grants = plan(pool([owner, borrower], {1: 3, 2: 3}, slots=3)).grants
    assert [g.leaf for g in grants] == [owner.id, owner.id, borrower.id]


def test_beyond_nominal_the_cell_with_least_use_per_weight_goes_first() -> None:
    heavy, light = cell(1, weight=1, usage=1000.0), cell(2, weight=4, usage=1000.0)
    (grant,) = plan(pool([heavy, light], {1: 1, 2: 1}, slots=1)).grants
    assert grant.leaf == light.id


def test_grants_of_one_round_are_charged_so_that_equal_cells_alternate() -> None:
    cells = [cell(1), cell(2)]
    grants = plan(pool(cells, {1: 8, 2: 8}, slots=8)).grants
    assert Counter(g.leaf for g in grants) == {cells[0].id: 4, cells[1].id: 4}


@pytest.mark.parametrize(
    ("snapshot", "reason"),
    [
        (pool([cell(1)], {1: 1}, slots=0), Reason.NO_WORKERS),
        (pool([cell(1)], {1: 1}, slots=2, limit=999), Reason.COMMITMENT_BELOW_ONE_SLOT),
        (pool([cell(1, held=True)], {1: 1}, slots=2), Reason.HELD),
        (pool([cell(1), cell(2, used=2)], {1: 1}, slots=4, limit=2500), Reason.COMMITMENT_FULL),
        (pool([cell(1), cell(2, used=2)], {1: 1}, slots=2, limit=9000), Reason.NO_FREE_SLOT),
        (pool([cell(1)], {1: 1}, slots=2, memory_mb=1000), Reason.NO_FREE_MEMORY),
    ],
)
def test_a_wait_names_its_reason(snapshot: Snapshot, reason: Reason) -> None:
    decided = plan(snapshot)
    assert not decided.grants
    assert list(decided.waits.values()) == [reason]


def test_load_spreads_over_workers_and_respects_their_memory() -> None:
    snapshot = pool([cell(1)], {1: 4}, slots=4)
    roomy, tight = Slots(UUID(int=8), 2, 10_000), Slots(UUID(int=9), 4, 2048)
    snapshot = Snapshot(snapshot.limit_mc, 1, snapshot.nodes, snapshot.pending, [roomy, tight])
    placed = Counter(g.worker for g in plan(snapshot).grants)
    assert placed == {roomy.worker: 2, tight.worker: 2}


counts = st.integers(0, 50)
spans = st.integers(0, 1000).map(lambda seconds: timedelta(seconds=seconds))
all_bounds = st.builds(
    Bounds,
    live=counts,
    max_parallel=st.none() | st.integers(1, 50),
    max_unread=st.none() | st.integers(1, 50),
    unread=st.none() | counts,
    abandon_after=st.none() | spans,
    away=st.none() | spans,
)


@given(all_bounds)
def test_no_reader_falls_further_behind_than_a_run_allows(bounds: Bounds) -> None:
    more, _ = room(bounds)
    assert more >= 0
    if bounds.max_unread is not None and bounds.unread is not None:
        if bounds.unread + bounds.live <= bounds.max_unread:
            assert bounds.unread + bounds.live + min(more, 10**6) <= bounds.max_unread
        else:
            assert more == 0
    if bounds.max_parallel is not None:
        assert more <= max(bounds.max_parallel - bounds.live, 0)


@given(all_bounds)
def test_a_run_that_its_readers_hold_back_says_so_and_no_other_does(bounds: Bounds) -> None:
    more, reason = room(bounds)
    gone = bounds.abandon_after is not None and bounds.away is not None and bounds.away > bounds.abandon_after
    assert (reason == Reason.NO_READER) == gone
    assert reason is None or more == 0
    if more == 0 and reason is None:
        assert bounds.max_parallel is not None
        assert bounds.live >= bounds.max_parallel


@given(all_bounds.filter(lambda bounds: bounds.unread is None and bounds.away is None and not bounds.max_parallel))
def test_nobody_holds_a_run_that_no_reader_has_come_to(bounds: Bounds) -> None:
    assert room(bounds) == (MOST_ROOM, None)


@given(st.integers(0, 10**9), st.integers(0, 1000), st.integers(1, 1000))
def test_the_limit_is_the_floor_of_the_exact_share(capacity: int, numerator: int, denominator: int) -> None:
    limit = limit_mc(capacity, numerator, denominator)
    assert limit * denominator <= numerator * capacity < (limit + 1) * denominator


def test_the_embedded_two_slots_are_the_committed_third() -> None:
    assert limit_mc(6061, 33, 100) == 2000


@given(st.integers(0, 200), st.lists(st.integers(1, 1000), min_size=1, max_size=20), st.integers(1, 60))
def test_whole_slots_sum_up_and_carry_pays_out_over_rounds(slots: int, weights: list[int], rounds: int) -> None:
    carry = dict.fromkeys(range(len(weights)), 0)
    got: Counter[int] = Counter()
    for _ in range(rounds):
        shares = [Share(UUID(int=i), weight, carry[i]) for i, weight in enumerate(weights)]
        given = {id.int: value for id, value in whole_slots(slots, shares).items()}
        assert sum(n for n, _ in given.values()) == slots
        for i, (n, left) in given.items():
            ideal = slots * weights[i] / sum(weights) + carry[i] / MICRO
            assert n >= 0
            assert abs(n - ideal) < 1 + 1e-5
            carry[i] = left
            got[i] += n
    for i, weight in enumerate(weights):
        # one slot of rounding, and a millionth for each round that the integer carry rounds down
        assert abs(got[i] - rounds * slots * weight / sum(weights)) <= 1 + rounds / MICRO * len(weights)


@given(st.floats(0, 1e12), st.floats(0, 1e5), st.floats(0, 1e5))
def test_decay_does_not_depend_on_how_often_it_is_updated(usage: float, first: float, second: float) -> None:
    half_life = timedelta(minutes=15)
    middle, end = NOW + timedelta(seconds=first), NOW + timedelta(seconds=first + second)
    twice = decayed(decayed(usage, NOW, middle, half_life), middle, end, half_life)
    assert twice == pytest.approx(decayed(usage, NOW, end, half_life), rel=1e-6, abs=1e-9)
