"""Effect sizes tell what acts from what does not, in the units that they promise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from env_registry import Spec, families, parse
from env_registry.effects import THRESHOLD, Reference, Trace, Units, effect, reach_of, size


def trace(numbers: list[float], rewards: list[float], *, signs: list[int] | None = None, over: bool = False) -> Trace:
    return Trace(
        [np.array([number]) for number in numbers],
        [np.array([sign], np.int64) for sign in signs] if signs else [np.empty(0, np.int64) for _ in numbers],
        np.array(rewards, np.float64).reshape(-1, 1),
        over,
    )


WALK = [0.0, 2.0, 0.0, 2.0, 0.0]  # spread 1 about its mean (0.98)
PAID = [1.0, -1.0, 1.0, -1.0]  # spread 1


def effect_of(base: Trace, other: Trace) -> float:
    return size(base, other, Units.of([base]))


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=6))
def test_the_same_traces_have_no_effect(numbers: list[float]) -> None:
    same = trace(numbers, numbers[1:])
    assert effect_of(same, same) == 0


def test_observations_count_in_units_of_their_spread_and_are_cut_at_five() -> None:
    base, unit = trace(WALK, PAID), float(np.std(WALK))
    assert effect_of(base, trace([number + 2 * unit for number in WALK], PAID)) == pytest.approx(2)
    assert effect_of(base, trace([number + 100 for number in WALK], PAID)) == pytest.approx(5)


def test_what_is_no_number_differs_or_not() -> None:
    base = trace([0.0] * 4, PAID[:3], signs=[1, 2, 3, 4])
    assert effect_of(base, trace([0.0] * 4, PAID[:3], signs=[1, 2, 3, 9])) == pytest.approx(0.5)


def test_dimensions_that_never_vary_do_not_dilute_the_rest() -> None:
    unit = float(np.std(WALK))
    base, other = (
        Trace([np.array([0.0, t + d]) for t in WALK], [np.empty(0, np.int64)] * 5, np.zeros((4, 1)), False)
        for d in (0, unit)
    )
    assert effect_of(base, other) == pytest.approx(1)


def test_rewards_count_in_units_of_their_spread() -> None:
    assert effect_of(trace(WALK, PAID), trace(WALK, [r + 0.5 for r in PAID])) == pytest.approx(0.5)
    assert effect_of(trace(WALK, [4.0] * 4), trace(WALK, [5.0] * 4)) == pytest.approx(0.25)  # of its size
    assert effect_of(trace(WALK, [0.0] * 4), trace(WALK, [0.0, 0.0, 0.0, 1e-9])) == 1


def test_an_end_that_only_one_has_counts_whole() -> None:
    assert effect_of(trace(WALK, PAID), trace(WALK, PAID, over=True)) == 1
    shorter = trace(WALK[:4], PAID[:3], over=True)
    assert effect_of(trace(WALK, PAID, over=True), shorter) == pytest.approx(0.25)


def test_observations_of_another_size_count_whole() -> None:
    wide = Trace([np.zeros(2)] * 5, [np.empty(0, np.int64)] * 5, np.array(PAID).reshape(-1, 1), False)
    assert effect_of(trace(WALK, PAID), wide) == 1


def test_observations_may_differ_in_size_from_step_to_step() -> None:
    """As those of games do, in which now one agent observes and now two."""
    sizes = (1, 2, 1, 2, 1)
    ragged, moved = (
        Trace([np.full(n, d) for n in sizes], [np.empty(0, np.int64)] * 5, np.zeros((4, 1)), False) for d in (0.0, 1.0)
    )
    assert effect_of(ragged, ragged) == 0
    assert effect_of(ragged, moved) == 1


@pytest.mark.parametrize(
    ("ref", "acts"),
    [
        ("classic/pendulum;g=5", True),
        ("classic/pendulum;g=10.0000001", False),
        ("classic/pendulum:delay(steps=2)", True),
        ("classic/pendulum:time_limit(steps=150)", True),  # shows at step 151 only
        ("classic/pendulum:time_limit(steps=200)", False),  # as the environment's own
        ("classic/pendulum:reward_sign()", True),
        ("classic/cartpole;x_threshold=1", False),  # random play never gets there
        ("rules/cellular_automaton;size=63", True),
    ],
)
def test_real_environments(ref: str, acts: bool) -> None:
    spec = parse(ref)
    assert (effect(Reference(parse(spec.family), reach_of(spec)), spec) >= THRESHOLD) is acts


def test_a_witness_is_asked_where_random_play_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that always pushes right drives the cart over its narrow track."""
    family = families()["classic/cartpole"]
    wanted = replace(family, witness=lambda simulator: lambda observation, rng: 1)
    monkeypatch.setattr(Spec, "source", wanted)
    spec = parse("classic/cartpole;x_threshold=0.1;theta_threshold=1.5")
    reference = Reference(parse("classic/cartpole;theta_threshold=1.5"))
    assert len(reference.traces) == 2
    assert effect(reference, spec) >= THRESHOLD
