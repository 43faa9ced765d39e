"""Cable handling: equal to an independent reference, solvable, stable over its ranges, and the same everywhere.

`python -m tests.env_registry.physics.test_cable 1000` runs so many random episodes over the whole ranges.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import mujoco
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from env_registry.axes import Axis, BoolAxis, ChoiceAxis, FloatAxis
from env_registry.family import Family
from env_registry.make import make
from env_registry.packing import pack, unpack
from env_registry.physics.cable_env import OBSERVE, PRIVILEGED
from env_registry.physics.cable_goals import crossings, turn_about
from env_registry.physics.cable_handling import FAMILIES, TIME_LIMIT
from env_registry.physics.cable_model import MANIPULATORS, compiled
from env_registry.physics.cable_scripts import witness
from env_registry.physics.cable_tool import pose_joints, tool_place
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import Simulator
from tests.bare import bare_episode
from tests.env_registry.test_single_agent_families import (
    ROOT,
    assert_equals_bare_loop,
    assert_same_bits,
    build,
    episode,
    probe,
    rest,
)

by_name = {family.name: family for family in FAMILIES}
every_family = pytest.mark.parametrize("family", FAMILIES, ids=by_name)


def tasks() -> Iterator[tuple[Family, str, str]]:
    for family in FAMILIES:
        goal, manipulator = family.axis("goal"), family.axis("manipulator")
        assert isinstance(goal, ChoiceAxis)
        assert isinstance(manipulator, ChoiceAxis)
        yield from ((family, one, other) for one in goal.choices for other in manipulator.choices)


TASKS = list(tasks())
every_task = pytest.mark.parametrize(
    ("family", "goal", "manipulator"), TASKS, ids=[f"{family.name}-{goal}-{hand}" for family, goal, hand in TASKS]
)


def solve(simulator: Simulator, seed: int) -> tuple[list[Any], list[float], bool]:
    """Actions and rewards of the witness, and whether it succeeds."""
    act, rng = witness(simulator), np.random.default_rng(0)
    observation, taken, rewards, success = simulator.reset(EpisodeSeeds.of(seed)), [], [], False
    while simulator.actors and not success:
        taken.append(act(observation, rng))
        observation, reward, _, _, info = simulator.step(taken[-1])
        rewards.append(reward)
        success = info["success"]
    return taken, rewards, success


# ------------------------------------------------------------------ dynamics


@every_family
def test_the_default_equals_the_reference(family: Family) -> None:
    ours = assert_equals_bare_loop(family, 0, TIME_LIMIT + 1)
    assert len(ours["rewards"]) <= TIME_LIMIT
    assert ours["terminations"][-1] or ours["truncations"][-1]


@every_family
def test_the_default_equals_the_reference_up_to_its_success(family: Family) -> None:
    simulator = build(family)
    taken, rewards, success = solve(simulator, 3)
    bare = bare_episode(family.name, 3, taken)
    assert success
    assert bare["terminations"][-1]
    assert np.array(rewards).tobytes() == bare["rewards"].tobytes()


@every_task
def test_a_script_solves_the_task(family: Family, goal: str, manipulator: str) -> None:
    simulator = build(family, goal=goal, manipulator=manipulator)
    assert sum(solve(simulator, seed)[2] for seed in range(10)) >= 9


@every_task
def test_random_actions_do_not(family: Family, goal: str, manipulator: str) -> None:
    simulator = build(family, goal=goal, manipulator=manipulator)
    assert not np.mean([episode(simulator, seed, 40)["terminations"][-1] for seed in range(2)]) > 0.5


@pytest.mark.filterwarnings("ignore:.*A Box observation space m")  # positions and forces have no bounds
def test_the_plain_environment_passes_gymnasiums_own_checks() -> None:
    for family, goal, manipulator in TASKS[::7]:
        simulator: Any = build(family, goal=goal, manipulator=manipulator)
        check_env(simulator.env, skip_render_check=True)


def drawn(axis: Axis, rng: np.random.Generator) -> Any:
    """An end of the range or any value in it."""
    if isinstance(axis, ChoiceAxis):
        return str(rng.choice(axis.choices))
    if isinstance(axis, BoolAxis):
        return bool(rng.random() < 0.5)
    low, high = axis.low, axis.high  # type: ignore[attr-defined]
    ends = rng.random() < 0.5
    if isinstance(axis, FloatAxis):
        return float(rng.choice((low, high)) if ends else rng.uniform(low, high))
    step = getattr(axis, "step", 1)
    return int(rng.choice((low, high)) if ends else low + step * rng.integers((high - low) // step + 1))


def upset(seed: int) -> str | None:
    """What goes wrong in a whole episode of random parameters and actions, if anything."""
    rng = np.random.default_rng(seed)
    family = FAMILIES[seed % len(FAMILIES)]
    values = {axis.name: drawn(axis, rng) for axis in family.axes} | {"end_on_success": False}
    simulator: Any = family.make(values)
    simulator.reset(EpisodeSeeds.of(seed))
    shape, extreme, hold = simulator.action_spaces["agent"].shape, rng.random() < 0.5, int(rng.integers(1, 20))
    action = np.zeros(shape, np.float32)
    for step in range(TIME_LIMIT):
        if step % hold == 0:
            action = (rng.choice((-1.0, 1.0), shape) if extreme else rng.uniform(-1, 1, shape)).astype(np.float32)
        observation, reward, *_ = simulator.step(action)
        if not (np.isfinite(observation).all() and np.isfinite(reward)):
            return f"{family.name} is not finite with {values}"
    warned = [int(warning.number) for warning in simulator.env.data.warning]
    return f"{family.name} warns {warned} with {values}" if any(warned) else None


@pytest.mark.parametrize("seed", range(16))
def test_random_parameters_and_actions_stay_stable(seed: int) -> None:
    assert upset(seed) is None


# ------------------------------------------------------------------ promises of the pool


@every_family
def test_a_used_simulator_gives_the_same_bits_as_a_fresh_one(family: Family) -> None:
    used = build(family)
    episode(used, 3, 100)
    episode(used, 4, 10)  # left in the middle
    assert_same_bits(episode(used, 5, 60), episode(build(family), 5, 60))


@every_family
def test_another_seed_gives_other_bits(family: Family) -> None:
    simulator = build(family)
    assert len({pack(episode(simulator, seed, 20)["rewards"]) for seed in range(3)}) == 3


def test_two_processes_with_different_hash_seeds_give_the_same_bits() -> None:
    prints = [
        subprocess.run(
            [sys.executable, "-c", f"from {__name__} import prints; prints()"],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert json.loads(prints[0]) == json.loads(prints[1])


def prints() -> None:
    """What a process of the test above writes."""
    print(  # noqa: T201
        json.dumps([probe(build(f, goal=goal, manipulator=hand), (0,), 20) for f, goal, hand in TASKS[::5]])
    )


@pytest.mark.parametrize("number", range(0, len(TASKS), 6))
def test_the_state_is_saved_and_restored_to_the_last_bit(number: int) -> None:
    family, goal, manipulator = TASKS[number]
    simulator = build(family, goal=goal, manipulator=manipulator)
    episode(simulator, number, 25)
    state = unpack(pack(simulator.save()))
    continued = rest(simulator, 60)
    other = build(family, goal=goal, manipulator=manipulator)
    episode(other, 99, 10)
    for branch in (simulator, other, other):
        branch.load(state)
        assert pack(rest(branch, 60)) == pack(continued)


@every_family
def test_models_are_shared_and_never_written_to(family: Family) -> None:
    simulator: Any = build(family)
    episode(simulator, 0, 30)
    used = simulator.env.model
    assert build(family, reward="sparse").env.model is used  # type: ignore[attr-defined]
    compiled.cache_clear()
    fresh = build(family).env.model  # type: ignore[attr-defined]
    assert fresh is not used
    assert model_bytes(fresh) == model_bytes(used)


def model_bytes(model: mujoco.MjModel) -> bytes:
    buffer = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, buffer)
    return buffer.tobytes()


@every_family
def test_the_ends_of_every_axis_run(family: Family) -> None:
    for axis in family.axes:
        schema = axis.schema()
        for value in schema.get("choices", (schema.get("low"), schema.get("high"))):
            if value is not None:
                found = episode(build(family, **{axis.name: value}), 0, 3)
                assert np.isfinite(found["observations"][""]).all()


def test_a_drawn_cable_behaves_as_one_made_with_the_drawn_values() -> None:
    ref = "cable/lay;bend=loguniform(100000,2000000);segments=uniform(7,13);friction=uniform(0.3,1)"
    randomised = make(ref)
    for seed in range(2):
        found = episode(randomised, seed, 10)
        made = build(by_name["cable/lay"], **randomised.drawn)
        assert_same_bits(found, episode(made, seed, 10))
    assert solve(randomised, 0)[2]


def test_latency_is_in_milliseconds_of_the_cables_time() -> None:
    late = make("cable/grasp;control_ms=20:latency(ms=100)")
    late.reset(EpisodeSeeds.of(0))
    down = np.array([0, 0, -1, 1], np.float32)
    heights = [float(late.step(down)[0][2]) for _ in range(7)]  # what the third joint is asked for
    assert heights[:5] == [heights[0]] * 5
    assert heights[5] < heights[4]


# ------------------------------------------------------------------ observations and rewards


@every_family
def test_what_an_actor_sees_is_the_beginning_of_what_its_critic_sees(family: Family) -> None:
    seen = {observe: episode(build(family, observe=observe), 1, 20)["observations"][""] for observe in OBSERVE}
    for less, more in zip(list(OBSERVE)[:-1], list(OBSERVE)[1:], strict=True):
        width = seen[less].shape[1]
        assert width < seen[more].shape[1]
        assert seen[more][:, :width].tobytes() == seen[less].tobytes()


def test_groups_lie_one_after_the_other_and_say_what_they_say() -> None:
    simulator: Any = build(by_name["cable/grasp"], observe="critic", length=0.5, bend=1e6, segments=7)
    seen, groups = simulator.reset(EpisodeSeeds.of(0)), simulator.env.groups
    assert [part.start for part in groups.values()] == [0, *(part.stop for part in groups.values())][:-1]
    assert list(groups) == list(OBSERVE["critic"])
    cable = seen[groups["cable"]].reshape(9, 3)
    assert np.allclose(np.linalg.norm(np.diff(cable, axis=0), axis=1), 0.5 / 8, atol=0.01)
    assert np.allclose(cable[:, 2], 0.005)
    truth = dict(zip(PRIVILEGED, seen[groups["parameters"]], strict=True))
    assert (truth["length"], truth["bend"], truth["segments"]) == (1.25, 2.0, 0.7)
    assert truth["curl"] == 0


def test_held_fingers_feel_the_cable_and_open_ones_do_not() -> None:
    grasp: Any = build(by_name["cable/grasp"], observe="force")
    lay: Any = build(by_name["cable/lay"], observe="force")
    felt = {}
    for simulator in (grasp, lay):
        simulator.reset(EpisodeSeeds.of(0))
        closed = -1.0 if simulator is lay else 1.0
        seen = simulator.step(np.array([0, 0, 0, closed], np.float32))[0]
        felt[simulator] = seen[simulator.env.groups["contact"]][:2]
    assert (felt[grasp] == 0).all()
    assert (felt[lay] > 1).all()


def test_rewards_are_progress_or_success_less_the_actions_cost() -> None:
    family = by_name["cable/grasp"]
    taken, dense, _ = solve(build(family, action_cost=0.0), 0)
    assert dense[-1] == pytest.approx(1.0, abs=0.1)
    assert all(-1 <= reward <= 0 for reward in dense[:-1])
    sparse = build(family, action_cost=0.0, reward="sparse", end_on_success=False)
    assert solve(sparse, 0)[1] == [0.0] * (len(taken) - 1) + [1.0]
    assert sparse.actors
    costly = build(family, action_cost=1.0, reward="sparse")
    costly.reset(EpisodeSeeds.of(0))
    assert costly.step(np.ones(4, np.float32))[1] == -1.0


# ------------------------------------------------------------------ geometry


@pytest.mark.parametrize("manipulator", MANIPULATORS)
def test_joints_and_places_of_the_tool_undo_each_other(manipulator: str) -> None:
    for place in ((0.0, 0.0, 0.1), (0.2, -0.15, 0.02), (-0.15, 0.2, 0.4)):
        assert tool_place(manipulator, pose_joints(manipulator, place, 0.3)) == pytest.approx(place, abs=1e-12)


@pytest.mark.parametrize("manipulator", ["gantry", "wrist", "arm"])
def test_the_tool_of_the_model_is_where_kinematics_say(manipulator: str) -> None:
    simulator: Any = build(by_name["cable/grasp"], manipulator=manipulator)
    simulator.reset(EpisodeSeeds.of(0))
    for place in ((0.0, 0.0, 0.1), (0.2, -0.15, 0.1), (-0.1, 0.2, 0.3)):
        simulator.env.place_tool(place, closed=False)
        assert simulator.env.tool == pytest.approx(place, abs=1e-9)


def test_a_cable_turns_about_posts_on_its_left_to_the_left() -> None:
    along = np.linspace(-1, 1, 20)
    straight = np.stack((along, np.zeros(20), np.zeros(20)), axis=1)
    assert turn_about(straight, np.array([0, 0.1, 0])) == pytest.approx(np.pi, abs=0.25)
    assert turn_about(straight, np.array([0, -0.1, 0])) == pytest.approx(-np.pi, abs=0.25)
    round_about = np.stack((-np.cos(along * np.pi), -np.sin(along * np.pi), along), axis=1)
    assert turn_about(round_about, np.zeros(3)) == pytest.approx(2 * np.pi)


def test_crossings_are_where_the_cable_goes_through_a_plane() -> None:
    there_and_back = np.array([[0.0, 0, 0], [1, 2, 4], [0, 2, 0]])
    assert crossings(there_and_back, 0.5).tolist() == [[1, 2], [2, 2]]
    assert crossings(there_and_back, 2.0).shape == (0, 2)


def test_the_same_action_lasts_as_long_as_the_step_says() -> None:
    for control_ms in (8, 40, 80):
        simulator: Any = build(by_name["cable/route"], control_ms=control_ms)
        episode(simulator, 0, 10)
        assert simulator.step_ms == pytest.approx(control_ms)
        assert simulator.env.data.time == pytest.approx(10 * control_ms / 1000)


def test_actions_of_no_effect_leave_a_resting_cable_at_rest() -> None:
    simulator: Any = build(by_name["cable/grasp"], start_bend=0.0)
    simulator.reset(EpisodeSeeds.of(0))
    before = simulator.env.points
    for _ in range(50):
        simulator.step(np.array([0, 0, 0, 1], np.float32))
    assert np.abs(simulator.env.points - before).max() < 1e-3


def test_stiffer_cables_sag_less() -> None:
    def sag(bend: float) -> float:
        simulator: Any = build(by_name["cable/lay"], manipulator="chuck", goal="drape", bend=bend, end_on_success=False)
        simulator.reset(EpisodeSeeds.of(0))
        for _ in range(60):
            simulator.step(np.array([0, 0, 1], np.float32))
        return float(simulator.env.points[7, 2] - simulator.env.points[4, 2])

    assert sag(5e4) > 1.1 * sag(5e6)


if __name__ == "__main__":
    found = [problem for seed in range(int(sys.argv[1])) if (problem := upset(seed))]
    print(f"{sys.argv[1]} episodes, {len(found)} unstable", *found, sep="\n")  # noqa: T201
