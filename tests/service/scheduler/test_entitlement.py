"""The arithmetic of entitlement, by properties."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.scheduler.entitlement import MICRO, Share, capacity_mc, decayed, limit_mc, whole_slots

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.integers(0, 10**9), st.integers(0, 1000), st.integers(1, 1000))
def test_the_limit_is_the_floor_of_the_exact_share(capacity: int, numerator: int, denominator: int) -> None:
    limit = limit_mc(capacity, numerator, denominator)
    assert limit * denominator <= numerator * capacity < (limit + 1) * denominator


@given(st.integers(0, 10**6), st.integers(1, 1000), st.integers(1, 1000))
def test_the_pool_that_a_limit_needs_is_the_least_that_gives_it(limit: int, numerator: int, denominator: int) -> None:
    needed = capacity_mc(limit, numerator, denominator)
    assert needed is not None
    assert limit_mc(needed, numerator, denominator) >= limit
    assert needed == 0 or limit_mc(needed - 1, numerator, denominator) < limit


def test_a_slot_needs_a_pool_of_3031_millicores_and_nothing_committed_has_none() -> None:
    assert capacity_mc(1000, 33, 100) == 3031
    assert capacity_mc(1000, 0, 100) is None


@given(st.integers(0, 10**6), st.integers(0, 100), st.integers(0, 20))
def test_an_exception_gives_its_slots_as_far_as_the_pool_has_them(capacity: int, numerator: int, slots: int) -> None:
    limit = limit_mc(capacity, numerator, 100, min_slots=slots)
    assert limit == max(limit_mc(capacity, numerator, 100), min(1000 * slots, capacity))
    assert limit <= capacity


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
