"""The metric: what moves a spec, what does not, and that it lies where it lies on every machine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from env_registry import Spec, enumerate_specs, parse
from env_registry.axes import ChoiceAxis, Distribution, DistributionKind, FloatAxis, IntAxis
from env_registry.family import Family
from env_registry.metric import BOUND, DIMENSIONS, MEASURED, UNIT, measured, vectors

REFS = [
    "mujoco/half_cheetah@1",
    "mujoco/half_cheetah@1;gravity=4.905",
    "mujoco/half_cheetah@1;gravity=4.905:delay(steps=2)",
    "mujoco/half_cheetah@1:delay(steps=4):sticky(p=0.25)",
    "mujoco/hopper@1;gravity=uniform(5,15)",
    "classic/cartpole@1",
    "openspiel/goofspiel@1;players=4;points_order=ascending",
    "formal/life_density@1;edge=wall;rule=b35678-s4678",
]
AXES = (
    FloatAxis(name="mass", default=2.0, low=0.5, high=50.0, levels=(1.0, 8.0), description="a scale"),
    FloatAxis(name="slope", default=0.0, low=-1.0, high=1.0, levels=(-0.3, 0.1), description="not above zero"),
    IntAxis(name="players", default=2, low=2, high=9, description="without levels"),
    ChoiceAxis(name="wind", default="none", choices=("none", "low", "high"), description="a choice"),
)
WHOLE = st.integers(-1000, 1000).map(float)


def located(*refs: str) -> NDArray[np.float64]:
    """Where specs lie of which nothing was measured."""
    return vectors([parse(ref) for ref in refs], np.zeros((len(refs), MEASURED))) / UNIT


def apart(a: str, b: str) -> float:
    here, there = located(a, b)
    return float(np.linalg.norm(here - there))


@dataclass(frozen=True)
class Renamed(Spec):
    """The same spec of a family of another name."""

    @property
    def source(self) -> Family:
        original = replace(self, family=self.family.removeprefix("renamed/"))
        return replace(Spec(original.family, original.version).source, name=self.family, description="another")


def test_names_of_families_say_nothing() -> None:
    specs = [parse(ref) for ref in REFS]
    renamed = [Renamed(f"renamed/{s.family}", s.version, s.parameters, s.modifiers) for s in specs]
    measurements = np.random.default_rng(0).normal(size=(len(specs), MEASURED))
    assert np.array_equal(vectors(renamed, measurements), vectors(specs, measurements))


def test_names_of_base_tasks_say_nothing() -> None:
    assert apart("formal/life_density@1;rule=b35678-s4678", "formal/life_density@1;rule=b378-s012345678") == 0


def test_the_farther_apart_two_values_are_the_farther_apart_are_their_specs() -> None:
    base, less, more = (f"mujoco/half_cheetah@1{g}" for g in ("", ";gravity=4.905", ";gravity=19.62"))
    assert 0 < apart(base, less) < apart(less, more)
    assert apart(base, less) < apart(base, f"{less};friction_scale=0.5")


def test_modifiers_and_their_arguments_move_a_spec() -> None:
    base, some, other = (f"mujoco/ant@1{m}" for m in ("", ":delay(steps=2)", ":delay(steps=4)"))
    assert 0 < apart(some, other) < apart(base, some)
    assert apart(base, some) == pytest.approx(1, abs=0.1)
    assert apart(some, f"{base}:sticky(p=0.25)") > apart(some, other)


def test_families_with_other_parameters_lie_elsewhere_and_like_ones_near() -> None:
    assert 0 < apart("mujoco/hopper@1", "mujoco/half_cheetah@1") < apart("mujoco/hopper@1", "openspiel/goofspiel@1")


def test_a_distribution_lies_away_from_the_values_that_it_draws() -> None:
    assert apart("mujoco/hopper@1;gravity=uniform(5,15)", "mujoco/hopper@1;gravity=10") > 0.5


@given(arrays(np.float64, (12, MEASURED), elements=WHOLE), st.permutations(range(12)))
def test_of_what_was_measured_only_the_order_counts(measurements: NDArray[np.float64], order: list[int]) -> None:
    specs = [parse("classic/cartpole@1")] * len(measurements)
    found = vectors(specs, measurements)
    assert np.array_equal(vectors(specs, measurements**3 - 7), found)
    assert np.array_equal(vectors(specs, measurements[order]), found[order])
    for column, places in zip(measurements.T, found.T, strict=False):
        assert np.array_equal(np.unique(column, return_inverse=True)[1], np.unique(places, return_inverse=True)[1])
    assert np.abs(found[:, :MEASURED]).max() <= UNIT / 2


def test_every_catalogued_spec_lies_somewhere_within_the_bound() -> None:
    specs = list(enumerate_specs())
    found = vectors(specs, measured(specs))
    assert found.shape == (len(specs), DIMENSIONS)
    assert 0 < np.abs(found).max() <= BOUND
    assert len(np.unique(found, axis=0)) > len(found) / 2


@dataclass(frozen=True)
class Made(Spec):
    """A spec of a family that changes with this file only."""

    @property
    def source(self) -> Family:
        return replace(parse("classic/cartpole@1").source, axes=AXES)


def test_specs_lie_there_on_every_machine() -> None:
    uses = parse("mujoco/ant@1:delay(steps=4):noise(sd=0.2)").modifiers
    specs = [
        Made("made", 1),
        Made("made", 1, (("mass", 3.0), ("slope", 0.2))),
        Made("made", 1, (("players", 4), ("wind", "high")), uses),
        Made("made", 1, (("mass", Distribution(DistributionKind.LOGUNIFORM, (1.0, 50.0))),), uses[:1]),
    ]
    found = vectors(specs, np.sqrt(np.arange(len(specs) * MEASURED)).reshape(-1, MEASURED))
    assert (
        hashlib.sha256(found.tobytes()).hexdigest()
        == "250c4c548d4750e681df9bf4b6b7f8ee89b6df91978b59359c3c9f512b6ef4c2"
    )
