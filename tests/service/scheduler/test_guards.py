"""The properties of the pure core that stand for invariants fail when the guard behind them is taken out.

Those that need a database do so in test_leases_machine.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings

from service.scheduler import entitlement, explain
from service.scheduler import plan as planning
from service.scheduler.entitlement import Share, Tree
from tests.service.scheduler import test_entitlement, test_explain, test_plan
from tests.service.scheduler.test_explain import (
    test_the_changes_that_are_named_make_the_item_admissible_and_one_fewer_does_not as changes_are_enough,
)
from tests.service.scheduler.test_plan import (
    test_a_claim_keeps_room_for_a_large_item_that_borrowers_would_take_piece_by_piece as a_claim_keeps_room,
)
from tests.service.scheduler.test_plan import (
    test_a_plan_depends_on_the_snapshot_alone_and_not_on_the_order_of_its_parts as order_of_parts_is_nothing,
)

UNTIL_FOUND = settings(
    max_examples=3000, deadline=None, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck)
)


def nothing_is_refused(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tree, "refuses", lambda *_, **__: None)


def debt_closes_nothing(patch: pytest.MonkeyPatch) -> None:
    closed = Tree.closed

    def without_debt(tree: Tree, leaf: UUID) -> entitlement.Wait | None:
        wait = closed(tree, leaf)
        return None if wait and wait.reason == entitlement.Reason.CAPACITY_DEBT else wait

    patch.setattr(Tree, "closed", without_debt)
    nothing_is_refused(patch)


def all_that_runs_counts_as_lent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tree, "loan_mc", Tree.used_mc)


def draining_nodes_are_asked_for_no_more_than_others(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tree, "path", lambda *_: ())


def no_slot_is_carried(patch: pytest.MonkeyPatch) -> None:
    def whole_slots(slots: int, siblings: Sequence[Share]) -> dict[UUID, tuple[int, int]]:
        return {id: (given, 0) for id, (given, _) in entitlement.whole_slots(slots, siblings).items()}

    patch.setattr(test_entitlement, "whole_slots", whole_slots)


def the_first_of_a_line_holds_up_the_others(patch: pytest.MonkeyPatch) -> None:
    shapes = planning._Line.shapes
    patch.setattr(planning._Line, "shapes", lambda line: shapes(line)[:1] if not line.parked else [])


def claims_keep_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(planning, "_keep", lambda *_: None)


def nobody_claims(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(planning, "_claim", lambda *_: None)


def usage_decays_along_a_line(patch: pytest.MonkeyPatch) -> None:
    def decayed(usage: float, since: datetime, now: datetime, half_life: timedelta) -> float:
        return usage * max(1 - 0.5 * ((now - since) / half_life), 0.0)

    patch.setattr(test_entitlement, "decayed", decayed)


def names_decide(patch: pytest.MonkeyPatch) -> None:
    order = Tree.order

    def by_name(tree: Tree, leaf: UUID) -> tuple[tuple[float, str], ...]:
        sign = -1 if tree.nodes[leaf].name.startswith("z") else 1
        return tuple((sign * usage, name) for usage, name in order(tree, leaf))

    patch.setattr(Tree, "order", by_name)


def a_change_too_few_is_named(patch: pytest.MonkeyPatch) -> None:
    found = explain.explain
    patch.setattr(
        test_explain,
        "explain",
        lambda *asked: explain.Explanation((known := found(*asked)).wait, known.changes[:-1]),
    )


def whoever_is_read_first_goes_first(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tree, "order", lambda tree, leaf: ((float(list(tree.nodes).index(leaf)), ""),))


def whoever_is_owed_more_goes_later(patch: pytest.MonkeyPatch) -> None:
    entitled = Tree.entitled
    patch.setattr(
        Tree, "entitled", lambda tree, leaf, mc: tree.nodes[leaf].nominal_mc <= 1000 and entitled(tree, leaf, mc)
    )
    patch.setattr(Tree, "order", lambda tree, leaf: ((float(tree.nodes[leaf].nominal_mc), tree.nodes[leaf].name),))


def the_seen_are_taken_for_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(planning._Line, "exhausted", False)


@pytest.mark.parametrize(
    ("number", "take_out", "properties"),
    [
        (2, debt_closes_nothing, test_plan.test_nothing_is_granted_in_debt),
        (3, nothing_is_refused, test_plan.test_every_grant_is_allowed_by_every_limit_at_every_ancestor),
        (13, all_that_runs_counts_as_lent, test_plan.test_nobody_is_asked_for_what_is_its_own),
        (14, no_slot_is_carried, test_entitlement.test_whole_slots_sum_up_and_carry_pays_out_over_rounds),
        (18, nobody_claims, test_plan.test_whoever_is_entitled_and_finds_no_room_claims_it),
        (
            19,
            the_first_of_a_line_holds_up_the_others,
            test_plan.test_with_free_room_no_admissible_item_waits_but_for_a_claim,
        ),
        (
            19,
            the_seen_are_taken_for_all,
            test_plan.test_a_plan_of_the_first_items_and_the_first_that_fit_is_that_of_all_or_asks_for_more,
        ),
        (20, claims_keep_nothing, a_claim_keeps_room),
        (22, draining_nodes_are_asked_for_no_more_than_others, test_plan.test_all_of_a_draining_node_is_asked_back),
        (23, usage_decays_along_a_line, test_entitlement.test_decay_does_not_depend_on_how_often_it_is_updated),
        (24, names_decide, test_plan.test_renaming_cells_permutes_what_they_get),
        (25, a_change_too_few_is_named, changes_are_enough),
        (27, whoever_is_read_first_goes_first, order_of_parts_is_nothing),
        (28, whoever_is_owed_more_goes_later, test_plan.test_a_larger_nominal_never_delays_a_cell),
    ],
)  # fmt: skip
def test_a_property_fails_without_its_guard(
    number: int, take_out: Callable[[pytest.MonkeyPatch], None], properties: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_out(monkeypatch)
    holds = UNTIL_FOUND(properties) if hasattr(properties, "hypothesis") else properties
    with pytest.raises((AssertionError, ExceptionGroup)):
        holds()
