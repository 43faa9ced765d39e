"""Tasks stepped on MuJoCo itself give the bits of Gymnasium's own classes: observations, rewards, flags and types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import env_registry
from env_registry import EpisodeSeeds, Scalar, families
from env_registry.packing import pack
from env_registry.physics import gymnasium_mujoco
from env_registry.physics.mujoco_simulator import MujocoSimulator, edit_model
from env_registry.physics.native_mujoco import NativeMujocoSimulator
from tests.bare import bare_make
from tests.env_registry.test_retune import values_of

NATIVE = ("ant", "half_cheetah", "hopper", "humanoid", "humanoid_standup", "swimmer", "walker2d")
every_native_task = pytest.mark.parametrize("name", NATIVE)
TASKS = {task.name: task for task in gymnasium_mujoco._TASKS}

Answer = tuple[bytes, bytes, bool, bool]
"""Observation and reward as bytes with their types, and the flags."""


def defaults(name: str) -> dict[str, Scalar]:
    return {axis.name: axis.default for axis in TASKS[name].axes}


def native(name: str, values: dict[str, Scalar]) -> NativeMujocoSimulator:
    simulator = families()[f"mujoco/{name}"].make(values)
    assert isinstance(simulator, NativeMujocoSimulator)
    return simulator


def library(name: str, values: dict[str, Scalar]) -> Any:
    """Gymnasium's environment as registered, time limit included, with the constructor's arguments and the edits."""
    env: Any = bare_make(f"mujoco/{name}", **gymnasium_mujoco._arguments(TASKS[name], values))
    if physics := gymnasium_mujoco._physics(TASKS[name], values):
        edit_model(env.unwrapped.model, physics)
    return env


def bits(value: Any) -> bytes:
    return pack(np.array(value))


def library_answers(env: Any, actions: Any) -> Iterator[Answer]:
    """Episode after episode, each with its number as seed."""
    over, episode = True, 0
    for action in actions:
        if over:
            env.reset(seed=episode)
            episode += 1
        observation, reward, terminated, truncated, _ = env.step(action)
        over = terminated or truncated
        yield bits(observation), bits(reward), terminated, truncated


def native_answers(simulator: NativeMujocoSimulator, actions: Any, sizes: Any) -> Iterator[Answer]:
    """The same in blocks of these sizes; a block of one is a plain step."""
    done, episode = 0, 0
    while done < len(actions):
        if not simulator.actors:
            simulator.reset(EpisodeSeeds.of(episode))
            episode += 1
        size = int(next(sizes))
        if size == 1:
            observation, reward, terminated, truncated, _ = simulator.step(actions[done])
            assert type(reward) is np.float64
            assert type(terminated) is type(truncated) is bool
            yield bits(observation), bits(reward), terminated, truncated
            done += 1
            continue
        block = actions[done : done + size]
        observations, rewards = np.empty((len(block), *simulator.env.observation_space.shape)), np.empty(len(block))
        count, terminated, truncated = simulator.step_block(block, observations, rewards)
        for row in range(count):
            last = row == count - 1
            yield bits(observations[row]), bits(rewards[row]), last and terminated, last and truncated
        done += count


def must_be_equal(name: str, values: dict[str, Scalar], steps: int, seed: int) -> int:
    """The number of episodes that were compared."""
    simulator, env = native(name, values), library(name, values)
    rng = np.random.default_rng(seed)
    space = env.action_space
    actions = rng.uniform(space.low, space.high, (steps, *space.shape)).astype(space.dtype)
    sizes = iter(lambda: rng.integers(1, 50) if rng.random() < 0.7 else 1, None)
    ours, theirs = native_answers(simulator, actions, sizes), library_answers(env, actions)
    ended = 0
    for step, (mine, bare) in enumerate(zip(ours, theirs, strict=True)):
        assert mine == bare, step
        ended += mine[2] or mine[3]
    return ended


@every_native_task
def test_10000_steps_across_resets_are_the_librarys(name: str) -> None:
    assert must_be_equal(name, defaults(name), 10_000, seed=0) >= 10


@every_native_task
@settings(max_examples=12, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(data=st.data())
def test_any_parameters_give_the_librarys_bits(name: str, data: st.DataObject) -> None:
    axes = data.draw(st.lists(st.sampled_from(TASKS[name].axes), unique_by=lambda axis: axis.name))
    values = defaults(name) | {axis.name: data.draw(values_of(axis), axis.name) for axis in axes}
    must_be_equal(name, values, 150, data.draw(st.integers(0, 99)))


@every_native_task
@pytest.mark.parametrize("modifiers", ["delay(steps=2):noise(sd=0.05,of=range)", "sticky(p=0.25):repeat(k=2)"])
def test_modifiers_around_it_give_the_bits_of_those_around_the_library(name: str, modifiers: str) -> None:
    spec = env_registry.parse(f"mujoco/{name}:{modifiers}")
    task = TASKS[name]
    env = library(name, defaults(name)).unwrapped
    bare: Any = MujocoSimulator(env, time_limit=task.time_limit, physics={})
    for position, use in enumerate(spec.modifiers):
        bare = use.modifier.wrap(bare, dict(use.arguments), position)
    mine = env_registry.make(spec)
    rng = np.random.default_rng(0)
    for episode in range(2):
        assert pack(mine.reset(EpisodeSeeds.of(episode))) == pack(bare.reset(EpisodeSeeds.of(episode)))
        for _ in range(200):
            action = rng.uniform(env.action_space.low, env.action_space.high).astype(np.float32)
            assert pack(mine.step(action)[:4]) == pack(bare.step(action)[:4])
            assert mine.actors == bare.actors
            if not mine.actors:
                break


@every_native_task
def test_a_state_that_is_no_number_is_unhealthy_where_the_library_says_so(name: str) -> None:
    simulator = native(name, defaults(name))
    task, data = simulator._task, simulator.env.data
    for array in (data.qpos, data.qvel):
        for index in range(len(array)):
            for value in (np.nan, np.inf, -np.inf, 99.0, -101.0, 1e300):
                simulator.reset(EpisodeSeeds.of(0))
                array[index] = value
                assert task.healthy() == getattr(simulator.env, "is_healthy", True), (index, value)


@every_native_task
def test_an_action_of_another_shape_is_refused_before_a_step(name: str) -> None:
    simulator = native(name, defaults(name))
    simulator.reset(EpisodeSeeds.of(0))
    before = simulator.save()
    for action in (
        np.float32(0),
        np.zeros(1, np.float32),
        np.zeros((1, *simulator.env.action_space.shape), np.float32),
    ):
        with pytest.raises(ValueError, match="shape"):
            simulator.step(action)
    assert pack(simulator.save()) == pack(before)


def test_other_tasks_are_the_librarys_own() -> None:
    for task in TASKS.values():
        simulator = families()[f"mujoco/{task.name}"].make(defaults(task.name))
        assert isinstance(simulator, NativeMujocoSimulator) == (task.name in NATIVE)
        assert (simulator.step_block is not None) == (task.name in NATIVE)


def test_distributions_are_stepped_in_blocks_and_modified_specs_one_by_one() -> None:
    assert env_registry.make("mujoco/ant;gravity=uniform(5,12)").step_block is not None
    assert env_registry.make("mujoco/ant:delay(steps=2)").step_block is None
