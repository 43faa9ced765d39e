"""The Control Suite: every task is the suite's, models that are handed on are as compiled, and corners stay stable."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from itertools import islice
from typing import Any

import mujoco
import numpy as np
import pytest

from env_registry.axes import Axis, BoolAxis, ChoiceAxis, FloatAxis
from env_registry.family import Family
from env_registry.packing import pack
from env_registry.physics.dm_control_suite import FAMILIES
from env_registry.physics.mujoco_simulator import EDITS
from env_registry.seeding import EpisodeSeeds
from tests.bare.dm_control import SuiteLoop, suite
from tests.env_registry import test_single_agent_families as promises
from tests.env_registry.test_single_agent_families import actions, assert_same_bits, build, episode

pytestmark = pytest.mark.filterwarnings("ignore:`in1d` is deprecated:DeprecationWarning")

by_name = {family.name.removeprefix("dm_control/"): family for family in FAMILIES}
every_family = pytest.mark.parametrize("family", FAMILIES, ids=by_name)

# What the suite names otherwise: (family, values).
RENAMED: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {
    ("cartpole", "two_poles"): ("cartpole", {"task": "swingup", "num_poles": 2}),
    ("cartpole", "three_poles"): ("cartpole", {"task": "swingup", "num_poles": 3}),
    ("finger", "turn_easy"): ("finger", {"task": "turn"}),
    ("finger", "turn_hard"): ("finger", {"task": "turn", "target_radius": 0.03}),
    ("humanoid", "run_pure_state"): ("humanoid", {"task": "run", "pure_state": True}),
    ("lqr", "lqr_2_1"): ("lqr", {}),
    ("lqr", "lqr_6_2"): ("lqr", {"n_actuators": 2, "n_passive": 4}),
    ("reacher", "easy"): ("reacher", {}),
    ("reacher", "hard"): ("reacher", {"target_size": 0.015}),
    ("stacker", "stack_2"): ("stacker", {}),
    ("stacker", "stack_4"): ("stacker", {"n_boxes": 4}),
    ("swimmer", "swimmer6"): ("swimmer", {}),
    ("swimmer", "swimmer15"): ("swimmer", {"n_joints": 15}),
}
# They differ in their speed and in the size of a floor that has no end; one takes a second to compile.
SAMPLED_OUT = {("dog", "walk"), ("dog", "trot"), ("dog", "run"), ("humanoid_CMU", "walk")}


def ours(domain: str, task: str) -> tuple[Family, dict[str, Any]]:
    name, values = RENAMED.get((domain, task), (domain.lower(), {"task": task}))
    family = by_name[name]
    return family, values if family.axis("task") else {k: v for k, v in values.items() if k != "task"}


# ------------------------------------------------------------------ the suite's own loop


@pytest.mark.parametrize(("domain", "task"), [name for name in suite.ALL_TASKS if name not in SAMPLED_OUT])
def test_every_task_of_the_suite_equals_its_own_loop(domain: str, task: str) -> None:
    family, values = ours(domain, task)
    simulator, bare = build(family, **values), SuiteLoop(domain, task)
    for seed in (1,) if domain == "dog" else (0, 1):  # the suite compiles anew for each
        taken = list(islice(actions(simulator, seed), 40))
        expected = promises.record(lambda seed=seed: bare.reset(seed=seed)[0], bare.step, taken)  # type: ignore[misc]
        assert_same_bits(episode(simulator, seed, 40), expected)
    simulator.close()


def test_every_task_of_the_suite_is_offered() -> None:
    for domain, task in suite.ALL_TASKS:
        family, values = ours(domain, task)
        for name, value in values.items():
            axis = family.axis(name)
            assert axis is not None
            assert axis.check(value) == value


@pytest.mark.parametrize(
    "family", [by_name[name] for name in ("cartpole", "cheetah", "lqr", "walker")], ids=lambda family: family.name
)
def test_whole_episodes_equal_the_suites_own_loop(family: Family) -> None:
    promises.test_the_default_equals_the_bare_loop_over_a_whole_episode(family)


# (family, values, module, its constants)
CONSTANTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("cheetah", {"target_speed": 1.0}, {"_RUN_SPEED": 1.0}),
    ("hopper", {"stand_height": 0.3, "target_speed": 0.5}, {"_STAND_HEIGHT": 0.3, "_HOP_SPEED": 0.5}),
    ("humanoid", {"stand_height": 0.5}, {"_STAND_HEIGHT": 0.5}),
    ("manipulator", {"close_distance": 0.5, "p_in_hand": 0.5}, {"_CLOSE": 0.5, "_P_IN_HAND": 0.5}),
    ("pendulum", {"angle_tolerance": 60.0}, {"_COSINE_BOUND": np.cos(np.deg2rad(60.0))}),
    ("quadruped", {"terrain_smoothness": 0.9}, {"_TERRAIN_SMOOTHNESS": 0.9}),
]


@pytest.mark.parametrize(("name", "values", "constants"), CONSTANTS, ids=[name for name, *_ in CONSTANTS])
def test_constants_reach_the_task_and_leave_the_library_alone(
    name: str, values: dict[str, Any], constants: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = by_name[name].axis("task")
    chosen = {"hopper": "hop", "quadruped": "escape"}.get(name, getattr(task, "default", "run"))
    values = values | ({"task": chosen} if task else {})
    found = episode(build(by_name[name], **values), 3, 60)
    module = import_module(f"dm_control.suite.{name}")
    load = {"pendulum": "swingup"}.get(name, chosen)
    before = episode(build(by_name[name], **({"task": chosen} if task else {})), 3, 60)
    for constant, value in constants.items():
        assert getattr(module, constant) != value
        monkeypatch.setattr(module, constant, value)
    bare = SuiteLoop(name, load)
    taken = list(islice(actions(build(by_name[name]), 3), 60))
    assert_same_bits(found, promises.record(lambda: bare.reset(seed=3)[0], bare.step, taken))
    assert pack(found) != pack(before)


# ------------------------------------------------------------------ models


def numbers(model: mujoco.MjModel) -> Mapping[str, Any]:
    """Every array of a model and every number of its options and statistics."""
    parts = {"": model, "opt.": model.opt, "stat.": model.stat}
    found = {f"{part}{name}": getattr(owner, name) for part, owner in parts.items() for name in dir(owner)}
    return {
        name: np.array(value)
        for name, value in found.items()
        if isinstance(value, (np.ndarray, int, float)) and not name.endswith("rgba") and name.split(".")[-1][0] != "_"
    }


def assert_same_model(one: mujoco.MjModel, other: mujoco.MjModel, rtol: float = 0.0) -> None:
    found, expected = numbers(one), numbers(other)
    for name, value in expected.items():
        if rtol and value.dtype.kind == "f":
            np.testing.assert_allclose(found[name], value, rtol=rtol, atol=1e-13, err_msg=name)
        else:
            assert np.array_equal(found[name], value), name


def edits(family: Family) -> list[Axis]:
    return [axis for axis in family.axes if axis.name in EDITS or axis.name == "target_scale"]


@pytest.mark.parametrize("name", ["acrobot", "ball_in_cup", "finger", "fish", "manipulator", "quadruped"])
def test_a_model_that_is_handed_on_is_as_the_library_compiles_it(name: str) -> None:
    family = by_name[name]
    one = build(family, **{axis.name: axis.levels[0] for axis in edits(family)})
    other = build(family, **{axis.name: axis.levels[-1] for axis in edits(family)})  # a copy, as the first is in use
    for simulator in (one, other):
        episode(simulator, 0, 20)
        simulator.close()
        simulator.close()  # once more does nothing
    handed_on, copied = build(family), build(family)
    module = import_module(f"dm_control.suite.{name}")
    task = next(task for domain, task in suite.ALL_TASKS if domain == name)
    library: Any = getattr(module, task)(random=0).physics.model.ptr
    assert_same_model(handed_on.physics.model.ptr, library)  # type: ignore[attr-defined]
    assert_same_model(copied.physics.model.ptr, library)  # type: ignore[attr-defined]
    assert_same_bits(episode(handed_on, 5, 30), episode(copied, 5, 30))


def _scaled(name: str, factor: float) -> Callable[[mujoco.MjSpec], None]:
    def edit(spec: mujoco.MjSpec) -> None:
        for joint in spec.joints:
            setattr(joint, name, getattr(joint, name) * factor)

    return edit


def _friction(spec: mujoco.MjSpec) -> None:
    for geom in spec.geoms:
        geom.friction = geom.friction * 1.5


def _density(spec: mujoco.MjSpec) -> None:
    for geom in spec.geoms:
        geom.density *= 1.5


def _gear(spec: mujoco.MjSpec) -> None:
    for actuator in spec.actuators:
        actuator.gear = actuator.gear * 1.5


def _softness(spec: mujoco.MjSpec) -> None:
    for geom in spec.geoms:
        geom.solref = (geom.solref[0] * 4.0, geom.solref[1])


def _lag(spec: mujoco.MjSpec) -> None:
    for actuator in spec.actuators:
        actuator.dynprm[0] *= 2.0


def _gravity(spec: mujoco.MjSpec) -> None:
    spec.option.gravity = (0.0, 0.0, -4.905)


def _slope(spec: mujoco.MjSpec) -> None:
    spec.option.gravity = (-9.81 * np.sin(np.deg2rad(20.0)), 0.0, -9.81 * np.cos(np.deg2rad(20.0)))


def _wind(spec: mujoco.MjSpec) -> None:
    spec.option.wind = (-20.0, 0.0, 0.0)
    spec.option.density = 1.2


def _damped(spec: mujoco.MjSpec) -> None:
    for joint in spec.joints:
        joint.damping = 5.0


# (family, axis, value, the same change of the file's contents)
COMPILED: list[tuple[str, str, float, Callable[[mujoco.MjSpec], None]]] = [
    ("walker", "mass_scale", 1.5, _density),
    ("walker", "gravity", 4.905, _gravity),
    ("walker", "slope", 20.0, _slope),
    ("walker", "headwind", 20.0, _wind),
    ("walker", "friction_scale", 1.5, _friction),
    ("cheetah", "damping_scale", 1.5, _scaled("damping", 1.5)),
    ("cheetah", "armature_scale", 1.5, _scaled("armature", 1.5)),
    ("cheetah", "stiffness_scale", 1.5, _scaled("stiffness", 1.5)),
    ("cheetah", "joint_range_scale", 0.5, _scaled("range", 0.5)),
    ("finger", "dry_friction_scale", 2.0, _scaled("frictionloss", 2.0)),
    ("humanoid", "contact_softness", 4.0, _softness),
    ("humanoid", "gear_scale", 1.5, _gear),
    ("quadruped", "actuator_lag_scale", 2.0, _lag),
    ("lqr", "damping", 5.0, _damped),
]


@pytest.mark.parametrize(("name", "axis", "value", "edit"), COMPILED, ids=[f"{c[0]}-{c[1]}" for c in COMPILED])
def test_an_edit_in_place_is_the_model_compiled_with_it(
    name: str, axis: str, value: float, edit: Callable[[mujoco.MjSpec], None]
) -> None:
    from dm_control.suite import common

    module = import_module(f"dm_control.suite.{name}")
    write = {
        "lqr": lambda: module.get_model_and_assets(2, 1, np.random.RandomState(0)),
        "quadruped": lambda: (module.make_model(floor_size=10), common.ASSETS),
    }.get(name, getattr(module, "get_model_and_assets", None))
    xml, assets = write()  # type: ignore[misc]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec = mujoco.MjSpec.from_string(xml.decode() if isinstance(xml, bytes) else xml, assets)
    edit(spec)
    task = {"task": "turn"} if name == "finger" else {}  # the other task sets a damping of its own
    simulator: Any = build(by_name[name], **{axis: value}, **task)
    assert_same_model(simulator.physics.model.ptr, spec.compile(), rtol=1e-12)
    simulator.close()


@pytest.mark.parametrize(
    "family", [by_name[n] for n in ("acrobot", "fish", "point_mass", "swimmer")], ids=lambda family: family.name
)
def test_resized_targets_collide_with_nothing(family: Family) -> None:
    simulator: Any = build(family, target_scale=5.0)
    model = simulator.physics.model
    for index in range(model.ngeom):
        if model.id2name(index, "geom") == "target":
            others = [other for other in range(model.ngeom) if other != index]
            disabled = model.opt.disableflags & (
                mujoco.mjtDisableBit.mjDSBL_CONTACT | mujoco.mjtDisableBit.mjDSBL_CONSTRAINT
            )
            meets = [
                other
                for other in others
                if model.geom_contype[index] & model.geom_conaffinity[other]
                or model.geom_contype[other] & model.geom_conaffinity[index]
            ]
            assert disabled or not meets
    simulator.close()


@every_family
def test_tasks_touch_no_more_of_the_model_than_they_say(family: Family) -> None:
    if family.name.endswith(("dog", "humanoid_cmu")):  # slow, and as humanoid
        return
    for task in getattr(family.axis("task"), "choices", (None,)):
        simulator: Any = build(family, **({"task": task} if task else {}))
        start = numbers(simulator.physics.model.ptr)
        episode(simulator, 0, 5)
        touched = [view.ctypes.data for view, _ in simulator._touched]
        model = simulator.physics.model.ptr
        for name, value in numbers(model).items():
            if not np.array_equal(value, start[name]):
                assert getattr(model, name).ctypes.data in touched, name
        simulator.close()


# ------------------------------------------------------------------ promises


@pytest.mark.parametrize(
    "promise",
    [
        promises.test_a_used_simulator_gives_the_same_bits_as_a_fresh_one,
        promises.test_another_seed_gives_other_bits,
        promises.test_values_beyond_an_axis_are_refused,
        promises.test_the_state_is_saved_and_restored_to_the_last_bit_or_not_at_all,
        promises.test_observations_lie_in_the_declared_space,
    ],
)
@every_family
def test_a_family_keeps_the_promise(promise: Callable[[Family], None], family: Family) -> None:
    promise(family)


@pytest.mark.parametrize("name", ["finger", "fish", "manipulator", "point_mass", "quadruped"])
def test_other_tasks_keep_their_promises_too(name: str) -> None:
    family = by_name[name]
    for task in family.axis("task").levels:  # type: ignore[union-attr]
        used, fresh = build(family, task=task), build(family, task=task)
        episode(used, 3, 40)
        rows = episode(used, 5, 40)
        assert rows["observations"][""].shape[1:] == used.observation_spaces["agent"].shape
        assert_same_bits(rows, episode(fresh, 5, 40))
        state = used.save()
        fresh.reset(EpisodeSeeds.of(8))
        fresh.load(state)  # type: ignore[arg-type]
        assert pack(promises.rest(used, 40)) == pack(promises.rest(fresh, 40))


def corner(family: Family, rng: np.random.Generator) -> dict[str, Any]:
    """An end of every real axis, and anything of the others, small sizes preferred."""
    values: dict[str, Any] = {}
    for axis in family.axes:
        if isinstance(axis, FloatAxis):
            values[axis.name] = float(rng.choice([axis.low, axis.high]))
        elif isinstance(axis, ChoiceAxis):
            values[axis.name] = str(rng.choice(axis.choices))
        elif isinstance(axis, BoolAxis):
            values[axis.name] = bool(rng.integers(2))
    return values


@every_family
def test_corners_of_the_ranges_run_and_stay_finite(family: Family) -> None:
    rng = np.random.default_rng(0)
    for seed in range(2 if family.name.endswith("dog") else 5):
        values = corner(family, rng)
        simulator = build(family, **values)
        observation = simulator.reset(EpisodeSeeds.of(seed))
        bounds: Any = simulator.action_spaces["agent"]
        for step in range(30):
            assert np.isfinite(observation).all()
            observation, reward, over, *_ = simulator.step(bounds.high if step % 10 < 5 else bounds.low)
            assert np.isfinite(reward)
            assert not over, values
        simulator.close()


def test_a_simulation_that_diverges_ends_with_nothing_paid() -> None:
    simulator: Any = build(by_name["cheetah"])
    simulator.reset(EpisodeSeeds.of(0))
    simulator.physics.data.qvel[:] = 1e12
    observation, reward, terminated, truncated, _ = simulator.step(np.zeros(6))
    assert (reward, terminated, truncated) == (0.0, True, False)
    assert np.isfinite(observation).all()
    assert not simulator.actors
