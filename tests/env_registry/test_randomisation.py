"""Distributions are drawn anew at every reset, reproducibly, and recorded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from env_registry import EpisodeSeeds, Spec, make, parse
from env_registry.axes import Distribution, DistributionKind, FloatAxis, IntAxis
from env_registry.packing import pack
from env_registry.probe import random_action, seeds
from env_registry.simulator import Simulator

REF = "classic/pendulum;g=uniform(5,15);m=choice(0.5,1,2)"


def test_drawn_values_vary_and_are_recorded() -> None:
    simulator = make(REF)
    drawn = []
    for seed in range(20):
        simulator.reset(EpisodeSeeds.of(seed))
        assert simulator.drawn.keys() == {"g", "m"}
        drawn.append(dict(simulator.drawn))
    assert all(5 <= values["g"] <= 15 for values in drawn)  # type: ignore[operator]
    assert {values["m"] for values in drawn} == {0.5, 1.0, 2.0}
    assert len({values["g"] for values in drawn}) == 20


def test_values_are_drawn_from_their_stream_sorted_by_name() -> None:
    simulator, seeds = make("classic/pendulum;m=choice(0.5,1,2);g=uniform(5,15)"), EpisodeSeeds.of(7)
    simulator.reset(seeds)
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(7).spawn(5)[4]))
    assert simulator.drawn == {"g": rng.uniform(5, 15), "m": (0.5, 1.0, 2.0)[rng.integers(3)]}


def run(simulator: Simulator, spec: Spec) -> bytes:
    rng = np.random.default_rng(3)
    answers: list[object] = []
    for episode in range(3):
        answers.append(simulator.reset(seeds(3, episode)))
        answers += [simulator.step(random_action(simulator, rng))[:4] for _ in range(20)]
    return pack(answers)


def test_an_episode_is_that_of_the_values_it_drew() -> None:
    simulator = make(REF)
    first = simulator.reset(EpisodeSeeds.of(11))
    fixed = make(Spec.of("classic/pendulum", simulator.drawn))
    action = np.array([1.5], np.float32)
    assert pack([first, *(simulator.step(action) for _ in range(20))]) == pack(
        [fixed.reset(EpisodeSeeds.of(11)), *(fixed.step(action) for _ in range(20))]
    )


def test_the_same_seeds_draw_the_same_whatever_came_before() -> None:
    spec = parse(REF + ":time_limit(steps=9)")
    used = make(spec)
    used.reset(EpisodeSeeds.of(5))
    assert run(used, spec) == run(make(spec), spec)


def test_drawn_values_show_through_modifiers() -> None:
    simulator = make(REF + ":delay(steps=2):obs_drop(p=0.5)")
    simulator.reset(EpisodeSeeds.of(0))
    assert simulator.drawn.keys() == {"g", "m"}


def test_a_saved_state_holds_the_drawn_values() -> None:
    one, other = make(REF), make(REF)
    one.reset(EpisodeSeeds.of(1))
    other.reset(EpisodeSeeds.of(2))
    state = one.save()
    assert state is not None
    other.load(state)
    assert other.drawn == one.drawn
    action = np.array([1.5], np.float32)
    assert pack([one.step(action) for _ in range(20)]) == pack([other.step(action) for _ in range(20)])


def test_a_spec_without_distributions_draws_nothing() -> None:
    simulator = make("classic/pendulum;g=5")
    simulator.reset(EpisodeSeeds.of(0))
    assert simulator.drawn == {}


real = FloatAxis(name="x", default=1, low=0.1, high=10, randomisable=True, description="a real number")
whole = IntAxis(name="n", default=1, low=0, high=9, randomisable=True, description="an integer")


@settings(max_examples=50)
@given(st.sampled_from(["uniform(0.5,2)", "loguniform(0.1,10)", "normal(1,5)", "choice(0.5,4)"]), st.integers(0, 2**32))
def test_draws_stay_in_range_and_type(text: str, seed: int) -> None:
    distribution = real.parse(text)
    assert isinstance(distribution, Distribution)
    value = real.draw(distribution, np.random.default_rng(seed))
    assert type(value) is float
    assert 0.1 <= value <= 10


def test_both_ends_of_an_integer_range_are_drawn() -> None:
    rng = np.random.default_rng(0)
    drawn = {whole.draw(Distribution(DistributionKind.UNIFORM, (2, 4)), rng) for _ in range(50)}
    assert drawn == {2, 3, 4}
    assert {type(value) for value in drawn} == {int}


def test_a_distribution_has_the_mean_that_it_names() -> None:
    rng = np.random.default_rng(0)
    for text, mean in (("normal(5,0.5)", 5), ("uniform(2,6)", 4), ("loguniform(1,4)", 3 / np.log(4))):
        distribution = real.parse(text)
        assert isinstance(distribution, Distribution)
        assert np.mean([real.draw(distribution, rng) for _ in range(4000)]) == pytest.approx(mean, rel=0.02)
