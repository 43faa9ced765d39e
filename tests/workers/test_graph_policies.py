"""ONNX policies and plans in rollouts: equal to onnxruntime and to the environment called directly."""

from __future__ import annotations

import io
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from gymnasium import spaces
from onnx import TensorProto, helper

import env_registry
from env_registry.seeding import episode_seeds
from env_registry.simulator import SINGLE_AGENT
from tests import graphs
from workers import contract
from workers.chunks import read_chunk
from workers.policies import Policies, PolicyProblem
from workers.rollout import EnvironmentFailure

from .conftest import MakeItem, chunk_bytes, segment
from .test_rows import numpy


def uploaded(folder: Path, content: bytes, kind: str = "onnx") -> tuple[dict[str, Any], dict[str, Path]]:
    """A document that names the content, and where it lies."""
    digest = sha256(content).hexdigest()
    path = folder / digest
    path.write_bytes(content)
    return {"kind": kind, "sha256": digest}, {digest: path}


def one_thread(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


def record(item: contract.Item, files: dict[str, Path]) -> list[Any]:
    return read_chunk(chunk_bytes(item, files)).tables


def lanes(count: int, **budget: int) -> list[contract.Segment]:
    return [segment(first_episode=1000 * lane, **budget) for lane in range(count)]


def test_a_batch_of_32_environments_acts_as_onnxruntime_called_directly(make_item: MakeItem, tmp_path: Path) -> None:
    content = graphs.linear(17, 6)
    document, files = uploaded(tmp_path, content)
    item = make_item("mujoco/half_cheetah", segments=lanes(32, steps=40), batch=32, policy=document)
    steps, _ = record(item, files)
    shape = 32, 41
    seen = numpy(steps, "observations").reshape(*shape, 17)[:, :-1]
    done = numpy(steps, "actions").reshape(*shape, 6)[:, :-1]
    values = numpy(steps, "policy.value").reshape(shape)[:, :-1]
    session = one_thread(content)
    for t in range(40):
        actions, value = session.run(["actions", "value"], {"observations": seen[:, t].astype(np.float32)})
        assert done[:, t].tobytes() == actions.tobytes()
        np.testing.assert_allclose(values[:, t], value, rtol=1e-6, atol=1e-5)  # see decision 0015


def test_environments_in_step_are_those_of_the_bare_environment(make_item: MakeItem, tmp_path: Path) -> None:
    document, files = uploaded(tmp_path, graphs.linear(17, 6))
    item = make_item("mujoco/half_cheetah", segments=lanes(3, steps=30), batch=8, policy=document)
    steps, _ = record(item, files)
    episodes, first = numpy(steps, "episode_index"), numpy(steps, "is_first")
    assert episodes[first].tolist() == [0, 1000, 2000]
    simulator = env_registry.make("mujoco/half_cheetah")
    for lane in range(3):
        own = episodes == 1000 * lane
        seen, done, paid = (numpy(steps, name)[own] for name in ("observations", "actions", "rewards"))
        (seeds,) = episode_seeds(item.run_seed, item.specs[0].digest, 0, 1000 * lane, 1)
        observation = simulator.reset(seeds)
        for t in range(30):
            assert observation.tobytes() == seen[t].tobytes()
            observation, reward, *_ = simulator.step(done[t])
            assert reward == paid[t]
        assert observation.tobytes() == seen[30].tobytes()


def test_how_many_others_act_changes_no_bit(make_item: MakeItem, tmp_path: Path) -> None:
    document, files = uploaded(tmp_path, graphs.linear(11, 3))
    together = record(make_item("mujoco/hopper", segments=lanes(5, episodes=2), batch=8, policy=document), files)[0]
    alone = [
        record(make_item("mujoco/hopper", segments=[part], batch=8, policy=document), files)[0]
        for part in lanes(5, episodes=2)
    ]
    for name in ("observations", "actions"):
        assert numpy(together, name).tobytes() == b"".join(numpy(one, name).tobytes() for one in alone)


def test_a_state_is_carried_through_an_episode_and_begins_anew(make_item: MakeItem, tmp_path: Path) -> None:
    document, files = uploaded(tmp_path, graphs.counting(4))
    item = make_item("classic/cartpole", segments=lanes(3, episodes=4), batch=4, policy=document)
    steps, _ = record(item, files)
    acted = ~numpy(steps, "is_last")
    assert np.array_equal(numpy(steps, "policy.steps")[acted], numpy(steps, "t")[acted])
    assert np.array_equal(numpy(steps, "actions")[acted], numpy(steps, "t")[acted] % 2)


def test_a_random_input_is_of_the_episodes_policy_stream(make_item: MakeItem, tmp_path: Path) -> None:
    document, files = uploaded(tmp_path, graphs.sampling(4, 2))
    item = make_item("classic/cartpole", segments=lanes(4, episodes=3), batch=4, policy=document)
    steps, _ = record(item, files)
    assert record(item, files)[0].equals(steps)
    assert set(numpy(steps, "actions")) == {0, 1}
    content = (tmp_path / document["sha256"]).read_bytes()
    session = onnxruntime.InferenceSession(content)
    for episode in (0, 2001, 3002):
        own = (numpy(steps, "episode_index") == episode) & ~numpy(steps, "is_last")
        seen = numpy(steps, "observations")[own].astype(np.float32)
        (seeds,) = episode_seeds(item.run_seed, item.specs[0].digest, 0, episode, 1)
        uniform = seeds.generator("policy").random((256, 2)).astype(np.float32)[: len(seen)]
        feed = {"observations": seen, "uniform": uniform, "mask": np.ones((len(seen), 2), np.int8)}
        assert session.run(None, feed)[0].tolist() == numpy(steps, "actions")[own].tolist()


def test_several_agents_share_a_graph_and_others_keep_theirs(make_item: MakeItem, tmp_path: Path) -> None:
    simulator = env_registry.make("mpe/simple_tag")
    names = list(simulator.agents)
    (size,) = {simulator.observation_spaces[name].shape[0] for name in names if name.startswith("adversary")}
    graph, files = uploaded(tmp_path, graphs.sampling(size, 5))
    document = {"kind": "agents", "policies": [["adversary_*", graph], ["*", {"kind": "still"}]]}
    item = make_item("mpe/simple_tag", segments=lanes(3, episodes=1), batch=4, policy=document)
    tables = record(item, files)
    for table in tables[:-1]:
        agents, acted = numpy(table, "agent"), numpy(table, "acted")
        actions = numpy(table, "actions")
        for name in set(agents):
            chosen = set(actions[(agents == name) & acted])
            assert (len(chosen) > 1) == name.startswith("adversary"), name
    assert sum("policy.value" in table.column_names for table in tables) == 0


def test_masked_turn_based_games_are_played_by_a_graph_without_illegal_moves(
    make_item: MakeItem, tmp_path: Path
) -> None:
    simulator = env_registry.make("pettingzoo/connect_four")
    space = simulator.observation_spaces[simulator.agents[0]]
    assert isinstance(space, spaces.Box | spaces.Dict)
    content = graphs.masked(7)
    document, files = uploaded(tmp_path, content)
    item = make_item("pettingzoo/connect_four", segments=lanes(4, episodes=2), batch=4, policy=document)
    steps, episodes = record(item, files)
    assert numpy(episodes, "terminated").all()
    assert len(set(numpy(steps, "actions")[numpy(steps, "acted")])) > 1


def test_episode_i_follows_plan_i_and_ends_with_it(make_item: MakeItem, tmp_path: Path) -> None:
    plans = np.random.default_rng(0).uniform(-1, 1, (2, 300, 6)).astype(np.float32)
    document, files = uploaded(tmp_path, npy(plans), "actions")
    item = make_item("mujoco/half_cheetah", segments=[segment(episodes=3)], policy=document)
    steps, episodes = record(item, files)
    assert numpy(episodes, "length").tolist() == [300, 300, 300]
    assert numpy(episodes, "truncated").all()
    done = numpy(steps, "actions").reshape(3, 301, 6)[:, :-1]
    assert np.array_equal(done, plans[[0, 1, 0]])


@pytest.mark.parametrize(
    ("nodes", "constants", "why"),
    [
        ([("Sub", ["low", "low"], ["nothing"]), ("Div", ["nothing", "nothing"], ["actions"])], {}, "not finite"),
        (
            [("Slice", ["low", "from", "to"], ["actions"])],
            {"from": np.array([0]), "to": np.array([5])},
            "5 rows",
        ),
        ([("Reshape", ["low", "shape"], ["actions"])], {"shape": np.array([7, 6])}, "Reshape"),
    ],
)
def test_a_graph_that_goes_wrong_while_it_acts_fails_its_item_by_name(
    make_item: MakeItem, tmp_path: Path, nodes: list[Any], constants: dict[str, np.ndarray], why: str
) -> None:
    first = helper.make_node("Slice", ["observations", "zero", "six", "one"], ["low"])
    content = graphs.model(
        [first, *(helper.make_node(*node) for node in nodes)],
        {"observations": (TensorProto.FLOAT, ["n", 17])},
        {"actions": (TensorProto.FLOAT, ["n", 6])},
        {"zero": np.array([0]), "six": np.array([6]), "one": np.array([1])} | constants,
    )
    document, files = uploaded(tmp_path, content)
    item = make_item("mujoco/half_cheetah", segments=lanes(32, steps=5), batch=32, policy=document)
    with pytest.raises(EnvironmentFailure, match=rf"mujoco/half_cheetah@1.*{why}"):
        record(item, files)


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (np.zeros((1, 10, 5), np.float32), "do not fit"),
        (np.full((1, 10, 6), 2, np.float32), "outside"),
        (np.zeros((1, 10, 6), "U1"), "do not fit"),
    ],
)
def test_a_plan_that_does_not_fit_fails_its_item(
    make_item: MakeItem, tmp_path: Path, array: np.ndarray, why: str
) -> None:
    document, files = uploaded(tmp_path, npy(array), "actions")
    with pytest.raises(EnvironmentFailure, match=why):
        record(make_item("mujoco/half_cheetah", segments=[segment(episodes=1)], policy=document), files)


def test_no_object_is_ever_unpickled(tmp_path: Path) -> None:
    array = np.array([[[print]]], dtype=object)
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    document, files = uploaded(tmp_path, out.getvalue(), "actions")
    with pytest.raises(ValueError, match="Python objects"):
        Policies(document, files, 1).of(SINGLE_AGENT, spaces.Discrete(2), spaces.Discrete(2))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (graphs.linear(16, 6), r"observations has the shape"),
        (graphs.linear(17, 5), r"actions has the shape"),
    ],
)
def test_a_graph_that_does_not_fit_names_the_mismatch(tmp_path: Path, content: bytes, why: str) -> None:
    document, files = uploaded(tmp_path, content)
    simulator = env_registry.make("mujoco/half_cheetah")
    with pytest.raises(PolicyProblem, match=why):
        Policies(document, files, 1).of(
            SINGLE_AGENT, simulator.observation_spaces[SINGLE_AGENT], simulator.action_spaces[SINGLE_AGENT]
        )


def test_a_graph_with_a_batch_of_its_own_is_run_in_parts(make_item: MakeItem, tmp_path: Path) -> None:
    document, files = uploaded(tmp_path, graphs.linear(11, 3, batch=3))
    item = make_item("mujoco/hopper", segments=lanes(7, steps=20), batch=7, policy=document)
    steps, _ = record(item, files)
    acted = ~numpy(steps, "is_last")
    session = onnxruntime.InferenceSession(graphs.linear(11, 3))
    expected = session.run(["actions"], {"observations": numpy(steps, "observations")[acted].astype(np.float32)})[0]
    np.testing.assert_allclose(numpy(steps, "actions")[acted], expected, atol=1e-6)
