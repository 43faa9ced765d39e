"""Edits of MuJoCo models: what they change, that they last, and what they leave alone."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest

from env_registry.axes import FloatAxis
from env_registry.family import Family
from env_registry.physics.gymnasium_mujoco import FAMILIES, HUMANOID_PHYSICS, PHYSICS
from env_registry.physics.mujoco_simulator import EDITS, edit_model
from env_registry.seeding import EpisodeSeeds
from tests.bare import bare_make

by_name = {family.name: family for family in FAMILIES}
every_family = pytest.mark.parametrize("family", FAMILIES, ids=by_name)


def build(name: str, **values: Any) -> Any:
    family = by_name[name]
    return family.make({axis.name: axis.default for axis in family.axes} | values)


def model_bits(model: mujoco.MjModel) -> Mapping[str, bytes]:
    """Every array of a model and every number of its options."""
    arrays = {name: getattr(model, name) for name in dir(model) if isinstance(getattr(model, name), np.ndarray)}
    options = {name: np.asarray(getattr(model.opt, name)) for name in dir(model.opt) if not name.startswith("_")}
    return {name: value.tobytes() for name, value in (arrays | options).items() if value.dtype != object}


@every_family
def test_the_default_model_is_the_librarys_to_the_last_bit(family: Family) -> None:
    bare: Any = bare_make(family.name)
    assert model_bits(build(family.name).env.model) == model_bits(bare.unwrapped.model)


@every_family
def test_every_edit_changes_the_model_and_outlasts_resets_and_steps(family: Family) -> None:
    default = model_bits(build(family.name).env.model)
    for axis in family.axes:
        if axis.name in EDITS:
            simulator = build(family.name, **{axis.name: axis.levels[0]})
            edited = model_bits(simulator.env.model)
            assert edited != default
            for seed in (0, 1):
                simulator.reset(EpisodeSeeds.of(seed))
                simulator.step(simulator.action_spaces["agent"].high)
            assert model_bits(simulator.env.model) == edited


def test_doubled_masses_make_every_derived_constant_that_of_a_model_compiled_with_them() -> None:
    spec = mujoco.MjSpec.from_file(bare_fullpath("mujoco/walker2d"))
    for geom in spec.geoms:
        geom.density *= 2
    compiled = spec.compile()
    edited = build("mujoco/walker2d", mass_scale=2.0).env.model
    for name in ("body_mass", "body_inertia", "body_subtreemass", "body_invweight0", "dof_invweight0", "dof_M0"):
        np.testing.assert_allclose(getattr(edited, name), getattr(compiled, name), rtol=1e-12, err_msg=name)
    assert edited.stat.meaninertia == pytest.approx(compiled.stat.meaninertia, rel=1e-12)


def bare_fullpath(name: str) -> str:
    bare: Any = bare_make(name)
    return str(bare.unwrapped.fullpath)


def test_an_edit_leaves_the_environments_data_where_it_was() -> None:
    env: Any = gymnasium.make("Ant-v5", disable_env_checker=True).unwrapped
    env.reset(seed=0)
    env.step(env.action_space.high)
    before = env.data.qpos.copy(), env.data.qvel.copy(), env.data.qacc_warmstart.copy(), env.data.time
    edit_model(env.model, {"mass_scale": 2.0})
    after = env.data.qpos, env.data.qvel, env.data.qacc_warmstart, env.data.time
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))


def test_gravity_is_absolute_and_keeps_the_sideways_part() -> None:
    gravity = build("mujoco/inverted_double_pendulum", gravity=4.905).env.model.opt.gravity
    assert gravity.tolist() == [1e-5, 0.0, -4.905]


@pytest.mark.parametrize("axis", [*PHYSICS, *HUMANOID_PHYSICS], ids=lambda axis: axis.name)
def test_levels_of_the_physics_are_a_good_step_apart(axis: Any) -> None:
    points = sorted((axis.default, *axis.levels))
    assert all(b / a >= 1.39 for a, b in pairwise(points))
    assert axis.randomisable


@pytest.mark.parametrize("name", ["mujoco/humanoid", "mujoco/half_cheetah"])
def test_the_worst_known_corners_of_the_ranges_stay_stable(name: str) -> None:
    """Beyond these ranges MuJoCo found infinite accelerations here, and began the episode anew without saying so."""
    ends = {
        axis.name: (axis.low, axis.high)
        for axis in by_name[name].axes
        if isinstance(axis, FloatAxis) and axis.name in EDITS
    }
    low = {edit: low for edit, (low, _) in ends.items()}
    stiff = {"damping_scale": ends["damping_scale"][1], "friction_scale": ends["friction_scale"][1]}
    for changes in (low | stiff, low | stiff | {"gear_scale": ends["gear_scale"][1], "gravity": ends["gravity"][1]}):
        simulator = (
            build(name, terminate_when_unhealthy=False, **changes) if "humanoid" in name else build(name, **changes)
        )
        simulator.reset(EpisodeSeeds.of(0))
        bounds = simulator.action_spaces["agent"]
        for step in range(100):
            simulator.step(bounds.high if step % 20 < 10 else bounds.low)
        assert sum(int(warning.number) for warning in simulator.env.data.warning) == 0
