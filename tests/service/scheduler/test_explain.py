"""What is explained is true: the changes that are named make the item admissible, and no part of them does."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from service.scheduler.entitlement import Reason, Wait
from service.scheduler.explain import Change, Explanation, Lever, advanced, applied, explain, obstacle
from service.scheduler.plan import Snapshot, plan
from tests.service.scheduler.test_plan import SMALL, allowed, cell, placeable, pool, snapshots, states


@given(snapshots())
def test_the_changes_that_are_named_make_the_item_admissible_and_one_fewer_does_not(snapshot: Snapshot) -> None:
    decided = plan(snapshot)
    then = advanced(snapshot, decided.grants)
    for leaf, shape in {(item.leaf, item.shape) for item in then.pending}:
        found = explain(snapshot, leaf, shape)
        assert found.wait is not None
        changed = then
        for change in found.changes:
            assert obstacle(changed, leaf, shape) is not None
            changed = applied(changed, change)
        assert obstacle(changed, leaf, shape) is None
        assert len({(change.lever, change.node) for change in found.changes}) == len(found.changes)


@given(snapshots())
def test_a_little_less_of_a_change_is_not_enough(snapshot: Snapshot) -> None:
    then = advanced(snapshot, plan(snapshot).grants)
    for leaf, shape in {(item.leaf, item.shape) for item in then.pending}:
        *before, last = explain(snapshot, leaf, shape).changes or [None]
        if last is None or not last.amount:
            continue
        changed = then
        for change in before:
            assert change is not None
            changed = applied(changed, change)
        assert obstacle(applied(changed, replace(last, amount=last.amount - 1)), leaf, shape) is not None


@given(snapshots())
def test_an_obstacle_is_what_the_definitions_say(snapshot: Snapshot) -> None:
    decided = plan(snapshot)
    *_, (nodes, _, _) = states(snapshot, decided)
    then = advanced(snapshot, decided.grants)
    if snapshot.limit_mc < 1000 or snapshot.nodes[0].used_mc > snapshot.limit_mc:
        return
    for leaf, shape in {(item.leaf, item.shape) for item in then.pending}:
        free = allowed(nodes, leaf, shape, snapshot.limit_mc) and placeable(snapshot, decided, shape.memory_mb)
        assert (obstacle(then, leaf, shape) is None) == free


def test_whoever_waits_for_its_turn_is_told_so_and_nothing_needs_to_change() -> None:
    first, second = cell(1), cell(2, usage_core_ms=1e9)
    snapshot = pool([first, second], {1: 1, 2: 1}, slots=1)
    full = Wait(Reason.COMMITMENT_FULL, snapshot.nodes[0].id, 1000)
    changes = [Change(Lever.RAISE_COMMITMENT, full.node, 1000), Change(Lever.ADD_SLOT)]
    assert explain(snapshot, second.id, SMALL) == Explanation(full, changes)
    assert explain(snapshot, first.id, SMALL) == Explanation(None, [])
