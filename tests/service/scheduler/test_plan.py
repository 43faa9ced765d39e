"""plan() by properties, over trees of three levels with all limits, against the definitions written out again."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.scheduler.entitlement import Node, Reason, Wait
from service.scheduler.placement import Placement, Slots
from service.scheduler.plan import Claim, Loan, Pending, Plan, Shape, Snapshot, plan

ROOT = UUID(int=1)
SMALL = Shape(1000, 1024, 2000, 60_000)


# --- snapshots


def cell(number: int, *, parent: UUID = ROOT, nominal: int = 0, used: int = 0, **more: object) -> Node:
    known = {"weight": 1, "held": False, "usage_core_ms": 0.0} | more
    return Node(
        UUID(int=100 + number),
        parent,
        f"cell-{number}",
        nominal_mc=nominal * 1000,
        used_mc=used * 1000,
        **known,  # type: ignore[arg-type]
    )


def pool(
    cells: Sequence[Node],
    queued: dict[int, int],
    *,
    slots: int,
    limit: int | None = None,
    memory_mb: int = 10**6,
    shape: Shape = SMALL,
) -> Snapshot:
    """Cells below the root, and a worker of so many slots that has what they do not use."""
    used = sum(c.used_mc for c in cells)
    limit = slots * 1000 if limit is None else limit
    root = Node(ROOT, None, "commitment", 1, False, limit // 1000 * 1000, used, 0.0)
    pending = [
        Pending(UUID(int=number * 10_000 + i), UUID(int=100 + number), shape)
        for number, count in queued.items()
        for i in range(count)
    ]
    workers = [Slots(UUID(int=7), slots - used // 1000, memory_mb, memory_mb)] if slots else []
    return Snapshot(limit, 1, 0, [root, *cells], pending, workers)


limits = st.none() | st.integers(0, 4).map(lambda slots: slots * 1000)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Groups of cells, whose nominals are whole parts of their parent's, as `capacity.divide` gives them."""
    groups = [
        (UUID(int=10 + number), [draw(st.integers(0, 3)) for _ in range(draw(st.integers(1, 3)))])
        for number in range(draw(st.integers(1, 3)))
    ]
    inner: list[Node] = []
    cells: list[Node] = []
    for number, (group, nominals) in enumerate(groups):
        below = [
            cell(
                10 * number + i,
                parent=group,
                nominal=nominal,
                used=draw(st.integers(0, 4)),
                weight=draw(st.integers(1, 5)),
                usage_core_ms=draw(st.floats(0, 1e6)),
                held=draw(st.sampled_from([False, False, False, True])),
                reclaim_first=draw(st.booleans()),
                drains=draw(st.sampled_from([False, False, False, True])),
                frozen=draw(st.sampled_from([False] * 9 + [True])),
                borrowing_limit_mc=draw(limits),
                lending_limit_mc=draw(limits),
                max_loan_ms=draw(st.sampled_from([None, None, 30_000, 90_000])),
                budget_left_core_ms=draw(st.sampled_from([None, None, 0, 5_000, 100_000])),
            )
            for i, nominal in enumerate(nominals)
        ]
        cells += below
        used = sum(c.used_mc for c in below)
        nominal_mc = 1000 * sum(nominals)
        usage = sum(c.usage_core_ms for c in below)
        node = Node(group, ROOT, f"group-{number}", 1, False, nominal_mc, used, usage)
        inner.append(replace(node, borrowing_limit_mc=draw(limits), lending_limit_mc=draw(limits)))
    nominal_mc = sum(g.nominal_mc for g in inner) + 1000 * draw(st.integers(0, 2))
    root = Node(ROOT, None, "commitment", 1, False, nominal_mc, sum(g.used_mc for g in inner), 0.0)
    root = replace(root, **draw(st.sampled_from([{}] * 17 + [{"held": True}, {"drains": True}, {"frozen": True}])))
    shapes = st.sampled_from([SMALL, SMALL, Shape(1000, 8192, 500, 20_000), Shape(2000, 2048, 4000, 60_000)])
    pending = [
        Pending(UUID(int=1000 * c.id.int + i), c.id, draw(shapes))
        for c in cells
        for i in range(draw(st.integers(0, 3)))
    ]
    workers = [
        Slots(UUID(int=7 + i), draw(st.integers(0, 6)), draw(st.integers(0, 16_000)), 16_000)
        for i in range(draw(st.integers(0, 3)))
    ]
    cordoned = [Slots(UUID(int=5), draw(st.integers(0, 6)), draw(st.integers(0, 16_000)), 16_000)]
    loans = [
        Loan(UUID(int=10**6 + 100 * c.id.int + i), c.id, 1000)
        for c in cells
        for i in range(draw(st.integers(0, c.used_mc // 1000)))
    ]
    return Snapshot(
        nominal_mc + draw(st.integers(0, 999)),
        1,
        0,
        [root, *inner, *cells],
        pending,
        workers,
        cordoned=draw(st.sampled_from([[], cordoned])),
        leaving_mc=draw(st.sampled_from([0, 0, 1000, 2500])),
        stale={c.id for c in cells if draw(st.integers(0, 5)) == 0},
        loans=loans,
        recalled_mc=draw(st.sampled_from([0, 0, 1000])),
        most_recalls=draw(st.integers(0, 3)),
    )


# --- the definitions


def lineage(nodes: Iterable[Node], leaf: UUID) -> list[Node]:
    """From the leaf up to the root."""
    by_id = {node.id: node for node in nodes}
    found = [by_id[leaf]]
    while found[-1].parent is not None:
        found.append(by_id[found[-1].parent])
    return found


def spare(nodes: Sequence[Node], id: UUID) -> int:
    """T: nominal less use at a leaf; above, its own and what each child lends."""
    node = next(n for n in nodes if n.id == id)
    below = [n for n in nodes if n.parent == id]
    if not below:
        return node.nominal_mc - node.used_mc
    own = node.nominal_mc - sum(n.nominal_mc for n in below)
    lent = [min(spare(nodes, n.id), 10**12 if n.lending_limit_mc is None else n.lending_limit_mc) for n in below]
    return own + sum(lent)


def after(nodes: Sequence[Node], leaf: UUID, mc: int) -> list[Node]:
    """The nodes with so much more in use."""
    path = {node.id for node in lineage(nodes, leaf)}
    return [replace(n, used_mc=n.used_mc + mc) if n.id in path else n for n in nodes]


def entitled(nodes: Sequence[Node], leaf: UUID, mc: int) -> bool:
    return all(n.used_mc + mc <= n.nominal_mc for n in lineage(nodes, leaf) if n.parent is not None)


def allowed(nodes: Sequence[Node], leaf: UUID, shape: Shape, limit_mc: int) -> bool:
    """Whether the tree's limits let such an item start."""
    path = lineage(nodes, leaf)
    then = lineage(after(nodes, leaf, shape.mc), leaf)
    core_ms = shape.estimate_ms * shape.mc // 1000
    loans = [n for n in then if n.parent is not None and n.used_mc > n.nominal_mc and n.max_loan_ms is not None]
    return (
        not any(n.held or n.frozen for n in path)
        and all(n.budget_left_core_ms is None or core_ms <= n.budget_left_core_ms for n in path)
        and all(shape.max_ms <= (n.max_loan_ms or 0) for n in loans)
        and all(
            n.borrowing_limit_mc is None or spare(after(nodes, leaf, shape.mc), n.id) >= -n.borrowing_limit_mc
            for n in path
            if n.parent is not None
        )
        and spare(after(nodes, leaf, shape.mc), ROOT) >= 0
        and then[-1].used_mc <= limit_mc
    )


def spent(nodes: Sequence[Node], leaf: UUID, core_ms: int) -> list[Node]:
    path = {node.id for node in lineage(nodes, leaf)}
    return [
        replace(n, budget_left_core_ms=n.budget_left_core_ms - core_ms)
        if n.id in path and n.budget_left_core_ms is not None
        else n
        for n in nodes
    ]


def states(snapshot: Snapshot, decided: Plan) -> Iterable[tuple[list[Node], UUID, Shape]]:
    """Before each grant: the nodes, and what is granted."""
    nodes = list(snapshot.nodes)
    for grant in decided.grants:
        yield nodes, grant.leaf, grant.shape
        nodes = spent(
            after(nodes, grant.leaf, grant.shape.mc), grant.leaf, grant.shape.estimate_ms * grant.shape.mc // 1000
        )
    yield nodes, ROOT, SMALL


# --- limits


@given(snapshots())
def test_every_grant_is_allowed_by_every_limit_at_every_ancestor(snapshot: Snapshot) -> None:
    *grants, _ = states(snapshot, plan(snapshot))
    for nodes, leaf, shape in grants:
        assert allowed(nodes, leaf, shape, snapshot.limit_mc)


@given(snapshots())
def test_nothing_is_granted_in_debt(snapshot: Snapshot) -> None:
    debt = snapshot.nodes[0].used_mc - snapshot.limit_mc - snapshot.leaving_mc
    decided = plan(snapshot)
    if debt > 0:
        assert not decided.grants
        if snapshot.workers and snapshot.limit_mc >= 1000:
            told = {wait for wait in decided.waits.values() if wait.reason is not Reason.FROZEN}
            assert told <= {Wait(Reason.CAPACITY_DEBT, ROOT, debt)}


@given(snapshots())
def test_what_leaves_with_workers_that_drain_is_granted_to_nobody(snapshot: Snapshot) -> None:
    *_, (nodes, _, _) = states(snapshot, plan(snapshot))
    assert nodes[0].used_mc <= max(snapshot.limit_mc, snapshot.nodes[0].used_mc)


@given(snapshots())
def test_an_item_goes_once_to_a_worker_that_has_room_for_it(snapshot: Snapshot) -> None:
    grants = plan(snapshot).grants
    shapes = {p.id: p.shape for p in snapshot.pending}
    assert len({g.item for g in grants}) == len(grants)
    assert all(shapes[g.item] == g.shape for g in grants)
    for worker in snapshot.workers:
        own = [g for g in grants if g.worker == worker.worker]
        assert len(own) <= worker.slots
        assert sum(g.shape.memory_mb for g in own) <= worker.memory_mb


@given(snapshots())
def test_items_of_a_shape_start_in_their_order(snapshot: Snapshot) -> None:
    granted = {g.item for g in plan(snapshot).grants}
    for leaf, shape in {(p.leaf, p.shape) for p in snapshot.pending}:
        own = [p.id in granted for p in snapshot.pending if (p.leaf, p.shape) == (leaf, shape)]
        assert own == sorted(own, reverse=True)


# --- order and liveness


@given(snapshots(), st.randoms(use_true_random=False))
def test_a_plan_depends_on_the_snapshot_alone_and_not_on_the_order_of_its_parts(
    snapshot: Snapshot, luck: random.Random
) -> None:
    root, *others = snapshot.nodes
    luck.shuffle(others)
    before = deepcopy(snapshot)
    again = plan(replace(snapshot, nodes=[root, *others]))
    assert again == plan(snapshot)
    assert snapshot == before


@given(snapshots())
def test_renaming_cells_permutes_what_they_get(snapshot: Snapshot) -> None:
    usage = [n.usage_core_ms / n.weight for n in snapshot.nodes]
    renamed = [replace(n, name="z" + n.name) for n in snapshot.nodes]
    if len(set(usage)) == len(usage):  # names decide between equals alone
        assert plan(replace(snapshot, nodes=renamed)).grants == plan(snapshot).grants


@given(snapshots())
def test_whoever_waits_has_one_reason(snapshot: Snapshot) -> None:
    decided = plan(snapshot)
    granted = {g.item for g in decided.grants}
    assert {p.leaf for p in snapshot.pending if p.id not in granted} == set(decided.waits)


def placeable(snapshot: Snapshot, decided: Plan, memory_mb: int) -> bool:
    for worker in snapshot.workers:
        own = [g for g in decided.grants if g.worker == worker.worker]
        if len(own) < worker.slots and sum(g.shape.memory_mb for g in own) + memory_mb <= worker.memory_mb:
            return True
    return False


@given(snapshots(), st.booleans())
def test_with_free_room_no_admissible_item_waits_but_for_a_claim(snapshot: Snapshot, stale: bool) -> None:
    if stale:
        snapshot = replace(snapshot, stale={item.leaf for item in snapshot.pending})
    decided = plan(snapshot)
    *_, (nodes, _, _) = states(snapshot, decided)
    granted = {g.item for g in decided.grants}
    if (
        set(decided.claims) - set(snapshot.stale)
        or snapshot.nodes[0].used_mc > snapshot.limit_mc
        or snapshot.limit_mc < 1000
    ):
        return
    for item in snapshot.pending:
        if item.id not in granted and allowed(nodes, item.leaf, item.shape, snapshot.limit_mc):
            assert not placeable(snapshot, decided, item.shape.memory_mb)


@given(snapshots())
def test_whoever_is_entitled_and_finds_no_room_claims_it(snapshot: Snapshot) -> None:
    decided = plan(snapshot)
    *_, (nodes, _, _) = states(snapshot, decided)
    for leaf, claim in decided.claims.items():
        assert entitled(nodes, leaf, claim.mc) or not claim.entitled
        assert decided.parked[leaf, claim.shape].reason in {
            Reason.COMMITMENT_FULL,
            Reason.NOTHING_LENT,
            Reason.NO_FREE_SLOT,
            Reason.NO_FREE_MEMORY,
            *([] if claim.entitled else [Reason.ROOM_CLAIMED]),
        }
    for (leaf, shape), wait in decided.parked.items():
        full = wait.reason in {Reason.COMMITMENT_FULL, Reason.NO_FREE_SLOT}
        if full and entitled(snapshot.nodes, leaf, shape.mc):
            assert leaf in decided.claims or not entitled(nodes, leaf, shape.mc)


def test_items_within_nominal_go_before_a_borrower_with_less_use() -> None:
    owner, borrower = cell(1, nominal=2, usage_core_ms=1e9), cell(2)
    grants = plan(pool([owner, borrower], {1: 3, 2: 3}, slots=3)).grants
    assert [g.leaf for g in grants] == [owner.id, owner.id, borrower.id]


def test_beyond_nominal_the_cell_with_least_use_per_weight_goes_first() -> None:
    heavy, light = cell(1, weight=1, usage_core_ms=1000.0), cell(2, weight=4, usage_core_ms=1000.0)
    (grant,) = plan(pool([heavy, light], {1: 1, 2: 1}, slots=1)).grants
    assert grant.leaf == light.id


def test_grants_of_one_round_are_charged_so_that_equal_cells_alternate() -> None:
    cells = [cell(1), cell(2)]
    grants = plan(pool(cells, {1: 8, 2: 8}, slots=8)).grants
    assert Counter(g.leaf for g in grants) == {cells[0].id: 4, cells[1].id: 4}


@given(snapshots(), st.integers(0, 8), st.integers(1, 3))
def test_a_larger_nominal_never_delays_a_cell(snapshot: Snapshot, which: int, more: int) -> None:
    """Of items of one shape, where the pool has slots that are nobody's nominal and all is lent: what is lent to nobody
    and is already with others is given back first."""
    root, *others = (replace(node, lending_limit_mc=None) for node in snapshot.nodes)
    root = replace(root, nominal_mc=root.nominal_mc + 1000 * more)
    pending = [replace(item, shape=SMALL) for item in snapshot.pending]
    leaves = [node for node in others if node.name.startswith("cell")]
    raised = leaves[which % len(leaves)].id
    path = {node.id for node in lineage(snapshot.nodes, raised)}
    larger = [replace(node, nominal_mc=node.nominal_mc + 1000 * more) if node.id in path else node for node in others]
    before, after = (plan(replace(snapshot, nodes=[root, *nodes], pending=pending)) for nodes in (others, larger))
    own_before, own_after = ([g.item for g in decided.grants if g.leaf == raised] for decided in (before, after))
    assert own_after[: len(own_before)] == own_before


# --- reasons


@pytest.mark.parametrize(
    ("snapshot", "reason"),
    [
        (pool([cell(1)], {1: 1}, slots=0), Reason.NO_WORKERS),
        (replace(pool([cell(1)], {1: 1}, slots=0), cordoned=[Slots(ROOT, 2, 9999, 9999)]), Reason.WORKERS_CORDONED),
        (pool([cell(1)], {1: 1}, slots=2, limit=999), Reason.COMMITMENT_BELOW_ONE_SLOT),
        (pool([cell(1), cell(2, used=3)], {1: 1}, slots=4, limit=2500), Reason.CAPACITY_DEBT),
        (pool([cell(1, frozen=True, held=True)], {1: 1}, slots=2, limit=999), Reason.FROZEN),
        (
            replace(pool([cell(1), cell(2, used=3)], {1: 1}, slots=4, limit=2000), leaving_mc=1000),
            Reason.COMMITMENT_FULL,
        ),
        (pool([cell(1, held=True)], {1: 1}, slots=2), Reason.HELD),
        (pool([cell(1, budget_left_core_ms=1999)], {1: 1}, slots=2), Reason.BUDGET_SPENT),
        (pool([cell(1, max_loan_ms=59_999)], {1: 1}, slots=2), Reason.LOAN_TOO_LONG),
        (pool([cell(1, borrowing_limit_mc=999)], {1: 1}, slots=2), Reason.BORROWING_LIMIT),
        (pool([cell(1), cell(2, nominal=2, lending_limit_mc=0)], {1: 1}, slots=2), Reason.NOTHING_LENT),
        (pool([cell(1), cell(2, used=2)], {1: 1}, slots=4, limit=2500), Reason.COMMITMENT_FULL),
        (pool([cell(1), cell(2, used=2)], {1: 1}, slots=2, limit=9000), Reason.NO_FREE_SLOT),
        (replace(pool([cell(1)], {1: 1}, slots=2), workers=[Slots(ROOT, 2, 1000, 2000)]), Reason.NO_FREE_MEMORY),
        (pool([cell(1)], {1: 1}, slots=2, memory_mb=1000), Reason.NO_WORKER_LARGE_ENOUGH),
    ],
)
def test_a_wait_names_its_reason(snapshot: Snapshot, reason: Reason) -> None:
    decided = plan(snapshot)
    assert not decided.grants
    assert [wait.reason for wait in decided.waits.values()] == [reason]


def test_a_wait_names_the_node_that_blocks_and_by_how_much() -> None:
    own = cell(1, borrowing_limit_mc=300)
    assert plan(pool([own], {1: 1}, slots=2)).waits == {own.id: Wait(Reason.BORROWING_LIMIT, own.id, 700)}
    broke = cell(1, budget_left_core_ms=500)
    assert plan(pool([broke], {1: 1}, slots=2)).waits == {broke.id: Wait(Reason.BUDGET_SPENT, broke.id, 1500)}


# --- claims and reclaim


def test_a_claim_keeps_room_for_a_large_item_that_borrowers_would_take_piece_by_piece() -> None:
    owner, borrower = cell(1, nominal=2), cell(2, used=1)
    large = Shape(2000, 1024, 2000, 60_000)
    snapshot = pool([owner, borrower], {1: 1, 2: 1}, slots=2)
    pending = [replace(snapshot.pending[0], shape=large), snapshot.pending[1]]
    decided = plan(replace(snapshot, pending=pending))
    assert not decided.grants
    assert decided.claims == {owner.id: Claim(large, 1)}
    assert decided.waits[borrower.id].reason == Reason.ROOM_CLAIMED
    late = plan(replace(snapshot, pending=pending, stale={owner.id}))
    assert [g.leaf for g in late.grants] == [borrower.id]


def test_the_first_in_turn_keeps_what_is_free_when_others_would_take_it_piece_by_piece() -> None:
    first, second, third = cell(1), cell(2, used=1, usage_core_ms=10.0), cell(3, usage_core_ms=20.0)
    large = Shape(2000, 1024, 2000, 60_000)
    snapshot = pool([first, second, third], {1: 1, 2: 1, 3: 1}, slots=2)
    pending = [replace(item, shape=large if item.leaf != third.id else SMALL) for item in snapshot.pending]
    decided = plan(replace(snapshot, pending=pending, loans=[Loan(UUID(int=10), second.id, 1000)], most_recalls=1))
    assert not decided.grants
    assert not decided.recalls  # nothing is asked back for whoever only borrows
    assert decided.claims == {first.id: Claim(large, 1, entitled=False)}
    assert decided.waits[third.id].reason == Reason.ROOM_CLAIMED
    late = plan(replace(snapshot, pending=pending, stale={first.id, second.id}))
    assert [g.leaf for g in late.grants] == [third.id]
    never = replace(snapshot, pending=[replace(p, shape=Shape(3000, 1, 1, 1)) for p in pending[:2]] + pending[2:])
    assert [g.leaf for g in plan(never).grants] == [third.id]


def test_only_one_leaf_keeps_room_that_it_would_borrow() -> None:
    first, second, third = cell(1), cell(2, usage_core_ms=10.0), cell(3, usage_core_ms=20.0)
    large = Shape(1000, 8000, 2000, 60_000)
    snapshot = pool([first, second, third], {1: 1, 2: 1, 3: 4}, slots=4)
    pending = [replace(item, shape=large if item.leaf != third.id else SMALL) for item in snapshot.pending]
    workers = [Slots(UUID(int=7), 2, 7000, 8000), Slots(UUID(int=8), 4, 6000, 6000)]
    decided = plan(replace(snapshot, pending=pending, workers=workers))
    assert decided.claims == {first.id: Claim(large, 1, entitled=False)}
    assert [grant.leaf for grant in decided.grants] == [third.id] * 3


def test_a_claim_keeps_memory_where_it_will_fit_soonest_and_nowhere_else() -> None:
    owner, borrower = cell(1, nominal=2), cell(2)
    snapshot = pool([owner, borrower], {1: 1, 2: 4}, slots=4)
    pending = [replace(snapshot.pending[0], shape=Shape(1000, 8000, 2000, 60_000)), *snapshot.pending[1:]]
    full, other = Slots(UUID(int=7), 2, 7000, 8000), Slots(UUID(int=8), 2, 4000, 4000)
    decided = plan(replace(snapshot, pending=pending, workers=[full, other]))
    assert decided.claims[owner.id] == Claim(pending[0].shape, 1)
    assert [(g.leaf, g.worker) for g in decided.grants] == [(borrower.id, other.worker)] * 2


def test_a_shape_that_cannot_start_keeps_no_other_of_its_cell_from_starting() -> None:
    snapshot = pool([cell(1)], {1: 3}, slots=2)
    large = replace(snapshot.pending[0], shape=Shape(1000, 10**7, 2000, 60_000))
    decided = plan(replace(snapshot, pending=[large, *snapshot.pending[1:]]))
    assert [g.item for g in decided.grants] == [p.id for p in snapshot.pending[1:]]
    assert [wait.reason for wait in decided.waits.values()] == [Reason.NO_WORKER_LARGE_ENOUGH]


def test_what_is_borrowed_is_asked_back_from_whoever_has_most_of_it_youngest_first() -> None:
    owner, little, much = cell(1, nominal=3), cell(2, used=1), cell(3, used=3)
    snapshot = pool([owner, little, much], {1: 2}, slots=4)
    loans = [Loan(UUID(int=number), much.id, 1000) for number in (31, 32, 33)] + [Loan(UUID(int=21), little.id, 1000)]
    asked = plan(replace(snapshot, loans=loans, most_recalls=10)).recalls
    assert asked == [UUID(int=33), UUID(int=32)]
    assert plan(replace(snapshot, loans=loans, most_recalls=10, recalled_mc=1000)).recalls == [UUID(int=33)]
    assert plan(replace(snapshot, loans=loans, most_recalls=10, recalled_mc=2000)).recalls == []
    assert plan(replace(snapshot, loans=loans, most_recalls=1)).recalls == [UUID(int=33)]


def test_guests_give_back_before_others_and_never_what_is_theirs() -> None:
    owner, guests = cell(1, nominal=3), replace(cell(9, nominal=1, used=2), name="guests", reclaim_first=True)
    guest, borrower = cell(2, parent=guests.id, nominal=1, used=2), cell(3, used=2)
    snapshot = pool([owner, guest, borrower], {1: 3}, slots=4)
    snapshot = replace(snapshot, nodes=[*snapshot.nodes, guests])
    loans = [Loan(UUID(int=number), guest.id, 1000) for number in (21, 22)]
    loans += [Loan(UUID(int=number), borrower.id, 1000) for number in (31, 32)]
    asked = replace(snapshot, loans=loans, most_recalls=10)
    assert plan(asked).recalls == [UUID(int=22), UUID(int=32), UUID(int=31)]
    alike = [replace(node, reclaim_first=False) for node in asked.nodes]
    assert plan(replace(asked, nodes=alike)).recalls[0] == UUID(int=32)


@given(snapshots(), st.integers(1, 3))
def test_a_plan_of_the_first_items_and_the_first_that_fit_is_that_of_all_or_asks_for_more(
    snapshot: Snapshot, first: int
) -> None:
    """Of items of a slot each, as all are."""
    snapshot = replace(snapshot, pending=[replace(p, shape=p.shape._replace(mc=1000)) for p in snapshot.pending])
    tree, memory_mb = snapshot.tree(), Placement(snapshot.workers).most_mb
    seen: set[UUID] = set()
    more: set[UUID] = set()
    for leaf in {item.leaf for item in snapshot.pending}:
        line = [item for item in snapshot.pending if item.leaf == leaf]
        core_ms, max_ms = (10**12 if limit is None else limit for limit in tree.most(leaf))
        largest = Shape(1000, memory_mb, core_ms, max_ms)
        fitting = [p for p in line if all(size <= limit for size, limit in zip(p.shape, largest, strict=True))]
        seen |= {item.id for item in (*line[:first], *fitting[:first])}
        more |= {leaf} if len(fitting) > first else set()
    part = plan(replace(snapshot, pending=[item for item in snapshot.pending if item.id in seen], more=more))
    whole = plan(snapshot)
    assert part.short or part.grants == whole.grants
    assert set(part.short) <= more


def test_what_cannot_start_keeps_nothing_behind_it_from_starting() -> None:
    """All items that are looked at first are too large, for the worker or for now."""
    snapshot = pool([cell(1, nominal=9)], {}, slots=4)
    large, small = SMALL._replace(memory_mb=10**9), SMALL
    line = [Pending(UUID(int=i), UUID(int=1), large) for i in range(9)]
    few = plan(replace(snapshot, pending=line[:4], more={UUID(int=1)}))
    assert few.short == {UUID(int=1)}
    line.append(Pending(UUID(int=9), UUID(int=1), small))
    assert [grant.item for grant in plan(replace(snapshot, pending=line)).grants] == [UUID(int=9)]


@given(snapshots(), st.integers(0, 3))
def test_without_reasons_the_same_is_decided(snapshot: Snapshot, first: int) -> None:
    more = {item.leaf for item in snapshot.pending[:first]}
    snapshot = replace(snapshot, more=more)
    quick, whole = plan(snapshot, reasons=False), plan(snapshot)
    assert quick == replace(whole, waits={}, parked=quick.parked)
    assert quick.parked.items() <= whole.parked.items()


def test_an_owner_claims_room_where_nothing_is_free_and_no_reason_is_asked_for() -> None:
    snapshot = pool([cell(1, nominal=1), cell(2, nominal=1, used=2)], {1: 1, 2: 1}, slots=2)
    assert plan(snapshot, reasons=False).claims == plan(snapshot).claims == {cell(1).id: Claim(SMALL, 1)}


def test_nobody_is_asked_back_for_what_is_lent_to_it_only_now() -> None:
    owner, other = cell(1, nominal=1), cell(2, nominal=2, used=2)
    snapshot = pool([owner, other], {1: 1, 2: 1}, slots=5)
    pending = [replace(snapshot.pending[0], shape=Shape(1000, 8000, 2000, 60_000)), snapshot.pending[1]]
    workers = [Slots(UUID(int=7), 2, 7000, 8000), Slots(UUID(int=8), 2, 4000, 4000)]
    loans = [Loan(UUID(int=20), other.id, 1000)]
    decided = plan(replace(snapshot, pending=pending, workers=workers, loans=loans, most_recalls=1))
    assert [grant.leaf for grant in decided.grants] == [other.id]
    assert owner.id in decided.claims
    assert not decided.recalls


@given(snapshots())
def test_nobody_is_asked_for_what_is_its_own(snapshot: Snapshot) -> None:
    decided = plan(snapshot)
    asked = {loan.lease: loan for loan in snapshot.loans if loan.lease in set(decided.recalls)}
    nodes = {node.id: node for node in snapshot.nodes}
    for leaf in {loan.leaf for loan in asked.values()}:
        if not any(node.drains for node in lineage(snapshot.nodes, leaf)):
            back = sum(loan.mc for loan in asked.values() if loan.leaf == leaf)
            assert nodes[leaf].used_mc - back >= nodes[leaf].nominal_mc


@given(snapshots())
def test_all_of_a_draining_node_is_asked_back(snapshot: Snapshot) -> None:
    decided = plan(snapshot)
    draining = [
        loan.lease for loan in snapshot.loans if any(node.drains for node in lineage(snapshot.nodes, loan.leaf))
    ]
    assert set(draining) <= set(decided.recalls)


def test_load_spreads_over_workers_and_respects_their_memory() -> None:
    snapshot = pool([cell(1)], {1: 4}, slots=4)
    roomy, tight = Slots(UUID(int=8), 2, 10_000, 10_000), Slots(UUID(int=9), 4, 2048, 2048)
    placed = Counter(g.worker for g in plan(replace(snapshot, workers=[roomy, tight])).grants)
    assert placed == {roomy.worker: 2, tight.worker: 2}
