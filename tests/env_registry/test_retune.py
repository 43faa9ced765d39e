"""Other values in place: whatever a simulator was and did before, its bits are those of one made with the values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from env_registry import EpisodeSeeds, Family, Scalar, Simulator, Spec, families, make, parse
from env_registry.axes import Axis, BoolAxis, ChoiceAxis, FloatAxis, IntAxis
from env_registry.family import made_anew
from env_registry.packing import pack
from env_registry.physics import cable_handling
from env_registry.physics.cable_model import TUNED
from env_registry.physics.metaworld_sawyer import TASKS
from env_registry.probe import random_action
from tests.env_registry.physics.test_mujoco import model_bits

RETUNED = {name: family for name, family in families().items() if family.retune is not made_anew}
every_retuned_family = pytest.mark.parametrize("name", RETUNED)

# Parameters of the cable that are another chain of bodies, of other materials: their cables are made anew.
MATERIAL = {"segments", "length", "radius", "bend", "twist", "density", "curl"}
# Sizes of fixtures, and where a chuck holds the cable, are the model's, too.
FIXTURES = {"clearance", "fixture_height", "hole_height", "overhang"}


def randomisable(family: Family) -> list[Axis]:
    return [axis for axis in family.axes if axis.randomisable]


def values_of(axis: Axis) -> st.SearchStrategy[Scalar]:
    match axis:
        case FloatAxis():
            return st.one_of(st.floats(axis.low, axis.high), st.sampled_from([axis.default, *axis.levels]))
        case IntAxis():
            return st.integers(axis.low, axis.high)
        case BoolAxis():
            return st.booleans()
        case ChoiceAxis():
            return st.sampled_from(axis.choices)
    raise AssertionError(axis)


def episode(simulator: Simulator, seed: int, steps: int = 8) -> bytes:
    rng = np.random.default_rng(seed)
    answers = [simulator.reset(EpisodeSeeds.of(seed))]
    while simulator.actors and len(answers) <= steps:
        answers.append(simulator.step(random_action(simulator, rng))[:4])
    return pack([*answers, simulator.step_ms])


def model(simulator: Any) -> dict[str, bytes]:
    """Every bit of the simulator's MuJoCo model, where it has one."""
    env = getattr(simulator, "_robot", simulator).env
    return dict(model_bits(env.model)) if hasattr(env, "model") else {}


def must_be_as_made(family: Family, used: Simulator, values: dict[str, Scalar]) -> None:
    fresh = family.make(values)
    assert episode(used, 1) == episode(fresh, 1)
    assert model(used) == model(fresh)
    fresh.close()


def in_place(family: Family, axis: Axis) -> bool:
    return not family.name.startswith("cable/") or axis.name not in MATERIAL | FIXTURES


@every_retuned_family
@settings(max_examples=4, phases=(Phase.explicit, Phase.reuse, Phase.generate))  # shrinking takes minutes
@given(data=st.data())
def test_every_axis_is_exact_from_any_state_and_back(name: str, data: st.DataObject) -> None:
    family = RETUNED[name]
    tasks = {axis.name: data.draw(values_of(axis), axis.name) for axis in family.axes if axis.task}
    plain = {axis.name: axis.default for axis in family.axes} | tasks
    used = family.make(plain)
    for axis in filter(lambda axis: in_place(family, axis), randomisable(family)):
        episode(used, data.draw(st.integers(0, 9)))
        changed = plain | {axis.name: data.draw(values_of(axis), axis.name)}
        assert family.retune(used, changed), axis.name
        must_be_as_made(family, used, changed)
    assert family.retune(used, plain)
    must_be_as_made(family, used, plain)
    used.close()


@every_retuned_family
@settings(max_examples=4, phases=(Phase.explicit, Phase.reuse, Phase.generate))  # shrinking takes minutes
@given(data=st.data())
def test_many_axes_at_once_are_exact(name: str, data: st.DataObject) -> None:
    family = RETUNED[name]
    plain = {axis.name: axis.default for axis in family.axes}
    axes = [axis for axis in randomisable(family) if in_place(family, axis)]
    used = family.make(plain)
    for _ in range(2):
        values = plain | {axis.name: data.draw(st.sampled_from([axis.default, *axis.levels])) for axis in axes}
        assert family.retune(used, values)
        must_be_as_made(family, used, values)
    used.close()


@pytest.mark.parametrize("task", TASKS)
def test_every_task_of_metaworld_is_exact(task: str) -> None:
    family = RETUNED["metaworld/sawyer"]
    plain = {axis.name: axis.default for axis in family.axes} | {"task": task}
    used = family.make(plain | {"spread": 0.7, "mass_scale": 2.0})
    episode(used, 3)
    other = plain | {"gravity": 4.0, "spread": 0.5, "reward": "success", "goal_observable": False, "action_scale": 0.02}
    for values in (other, plain):
        assert family.retune(used, values)
        must_be_as_made(family, used, values)


@pytest.mark.parametrize("name", [family.name for family in cable_handling.FAMILIES])
def test_a_cable_of_another_material_is_made_anew_and_left_as_it_is(name: str) -> None:
    family = RETUNED[name]
    plain = {axis.name: axis.default for axis in family.axes}
    used = family.make(plain)
    before = model(used)
    for axis in randomisable(family):
        if axis.name in MATERIAL:
            assert not family.retune(used, plain | {axis.name: axis.levels[0]})
    assert model(used) == before
    must_be_as_made(family, used, plain)


def test_a_retuned_cable_leaves_the_model_that_others_share_alone() -> None:
    family = RETUNED["cable/grasp"]
    plain = {axis.name: axis.default for axis in family.axes}
    used, other = family.make(plain), family.make(plain)
    before = model(other)
    assert family.retune(used, plain | dict.fromkeys(TUNED, 1.0))
    assert model(used) != before
    assert model(other) == model(family.make(plain)) == before


SPECS = (
    *("mujoco/ant;friction_scale=uniform(0.5,1.5);gravity=uniform(5,12)", "mujoco/hopper;frame_skip=uniform(2,6)"),
    "mujoco/half_cheetah;mass_scale=2;reset_noise_scale=0.05;stiffness_scale=uniform(0.5,2)",
    *("dm_control/walker;gravity=uniform(5,12);stand_height=uniform(1,1.3)", "metaworld/sawyer;spread=uniform(0.5,1)"),
    *("robotics/fetch_push;mass_scale=uniform(0.5,2)", "ma_mujoco/ant;gear_scale=loguniform(0.5,2)"),
    *("cable/grasp;bend=loguniform(50000,500000)", "cable/route;friction=uniform(0.1,1);start_bend=uniform(0.1,0.3)"),
    *("classic/cartpole;gravity=uniform(5,12);tau=choice(0.01,0.02)", "box2d/lunar_lander;fps=uniform(30,60)"),
    "box2d/bipedal_walker;motors_torque=uniform(40,90)",
)


@pytest.mark.parametrize("ref", SPECS)
def test_an_episode_with_drawn_values_is_that_of_the_values_fixed(ref: str) -> None:
    spec = parse(ref)
    simulator = make(spec)
    for seed in (1, 2, 1):
        mine = episode(simulator, seed)
        assert mine == episode(make(Spec.of(spec.family, {**dict(spec.parameters), **simulator.drawn})), seed)


@pytest.mark.parametrize("ref", SPECS)
def test_a_state_restored_into_a_simulator_with_other_values_goes_on_with_its_own(ref: str) -> None:
    one, other = make(ref), make(ref)
    episode(one, 1, steps=3)
    episode(other, 2, steps=3)
    state = one.save()
    if state is None:
        return  # restored by replay
    other.load(state)
    assert other.drawn == one.drawn
    action = random_action(one, np.random.default_rng(0))
    assert pack([one.step(action)[:4] for _ in range(5)]) == pack([other.step(action)[:4] for _ in range(5)])
