"""What is recorded of a run is what it asked for: columns, infos and pictures, each in its row."""

from __future__ import annotations

import io
from collections.abc import Callable

import gymnasium
import numpy as np
import pytest
from gymnasium_robotics.envs.multiagent_mujoco.mujoco_multi import parallel_env
from PIL import Image

import env_registry
from env_registry.seeding import episode_seeds
from workers import contract
from workers.chunks import DecodedChunk
from workers.rollout import EnvironmentFailure

from .conftest import MakeItem, segment
from .test_rows import numpy

Record = Callable[[contract.Item], DecodedChunk]


def picture(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


@pytest.mark.parametrize("ref", ["mujoco/half_cheetah", "mpe/simple_tag", "pettingzoo/tictactoe"])
def test_columns_that_are_left_out_are_not_there_and_the_others_unchanged(
    make_item: MakeItem, record: Record, ref: str
) -> None:
    segments = [segment(episodes=1)]
    whole = record(make_item(ref, segments=segments)).tables
    part = record(make_item(ref, segments=segments, record=contract.Record(columns=["rewards"]))).tables
    for all_columns, some in zip(whole[:-1], part[:-1], strict=True):
        gone = set(all_columns.column_names) - set(some.column_names)
        assert {name.partition(".")[0] for name in gone} == {"observations", "actions"}
        for name in some.column_names:
            assert some.column(name).equals(all_columns.column(name))


def test_infos_are_those_of_the_librarys_own_environment(make_item: MakeItem, record: Record) -> None:
    infos = contract.Record(infos=["x_position", "reward_ctrl", "no_such"])
    item = make_item("mujoco/half_cheetah", segments=[segment(steps=50)], record=infos)
    steps, _ = record(item).tables
    plain, _ = record(make_item("mujoco/half_cheetah", segments=[segment(steps=50)])).tables
    assert steps.column("observations").equals(plain.column("observations")), "watching changes nothing"
    env = gymnasium.make("HalfCheetah-v5")
    (seeds,) = episode_seeds(item.run_seed, item.specs[0].digest, 0, 0, 1)
    env.reset(seed=seeds.environment)
    told = [env.step(action)[4] for action in numpy(steps, "actions")[:-1]]
    for name in ("x_position", "reward_ctrl"):
        found = numpy(steps, f"infos.{name}")
        assert found[:-1].tolist() == [info[name] for info in told]
        assert np.isnan(found[-1])
    assert np.isnan(numpy(steps, "infos.no_such")).all()


def test_each_agent_has_the_infos_that_the_library_tells_it(make_item: MakeItem, record: Record) -> None:
    infos = contract.Record(infos=["x_position", "reward_ctrl"])
    item = make_item("ma_mujoco/half_cheetah", segments=[segment(steps=20)], record=infos)
    steps, _ = record(item).tables  # one stream: both agents have the same spaces
    env = parallel_env("HalfCheetah", "2x3")
    (seeds,) = episode_seeds(item.run_seed, item.specs[0].digest, 0, 0, 1)
    env.reset(seed=seeds.environment)
    names = np.array(steps.column("agent").to_pylist())
    of = {agent: names == agent for agent in env.possible_agents}
    actions = {agent: numpy(steps, "actions")[rows] for agent, rows in of.items()}
    told = [env.step({agent: taken[t] for agent, taken in actions.items()})[4] for t in range(20)]
    for agent, rows in of.items():
        for name in ("x_position", "reward_ctrl"):
            found = numpy(steps, f"infos.{name}")[rows]
            assert found[:-1].tolist() == [info[agent][name] for info in told]
            assert np.isnan(found[-1])


def test_each_row_has_the_picture_of_what_was_observed(make_item: MakeItem, record: Record) -> None:
    asked = contract.Record(pixels=contract.Pixels())
    item = make_item("minigrid/empty", segments=[segment(steps=6)], record=asked)
    steps, _ = record(item).tables
    pictures = [picture(png) for png in steps.column("pixels").to_pylist()]
    assert len(pictures) == steps.num_rows == 7
    simulator = env_registry.make("minigrid/empty")
    (seeds,) = episode_seeds(item.run_seed, item.specs[0].digest, 0, 0, 1)
    simulator.reset(seeds)
    for t, action in enumerate(numpy(steps, "actions")):
        assert np.array_equal(pictures[t], simulator.render())
        if t < 6:
            simulator.step(int(action))


def test_pictures_may_be_smaller_and_of_several_agents_there_is_one_a_step(make_item: MakeItem, record: Record) -> None:
    asked = contract.Record(pixels=contract.Pixels(width=64, height=48))
    steps, _ = record(make_item("classic/cartpole", segments=[segment(steps=3)], record=asked)).tables
    assert picture(steps.column("pixels")[0].as_py()).shape == (48, 64, 3)


def test_what_draws_nothing_says_so(make_item: MakeItem, record: Record) -> None:
    asked = contract.Record(pixels=contract.Pixels())
    with pytest.raises(EnvironmentFailure, match="draws nothing"):
        record(make_item("rules/cellular_majority", segments=[segment(steps=3)], record=asked))
