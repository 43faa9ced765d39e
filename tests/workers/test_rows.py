"""Rows and flags, for each way in which agents take their turns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import env_registry
from env_registry import EpisodeSeeds, Spec, Table
from env_registry.seeding import episode_seeds
from workers import contract
from workers.chunks import DecodedChunk, read_chunk
from workers.rollout import EnvironmentFailure

from .conftest import MakeItem, chunk_bytes, segment

Record = Callable[[contract.Item], DecodedChunk]


def numpy(table: pa.Table, name: str) -> Any:
    column = table.column(name).chunk(0)
    if isinstance(column.type, pa.FixedShapeTensorType):
        return column.to_numpy_ndarray()
    if pa.types.is_dictionary(column.type):
        return np.array(column.to_pylist())
    return column.to_numpy(zero_copy_only=True)


def rows(table: pa.Table, *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*(numpy(table, name).tolist() for name in names), strict=True))


def test_a_single_agents_episode_of_t_steps_has_t_plus_one_rows(make_item: MakeItem, record: Record) -> None:
    steps, _ = record(make_item("lab/single;length=3")).tables
    assert numpy(steps, "t").tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert numpy(steps, "observations")[:, 0].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert numpy(steps, "rewards").tolist() == [1, 2, 3, 0, 1, 2, 3, 0]
    assert numpy(steps, "is_first").tolist() == [True, False, False, False] * 2
    assert numpy(steps, "terminations").tolist() == [False, False, True, False] * 2
    assert numpy(steps, "is_last").tolist() == numpy(steps, "is_terminal").tolist() == [False, False, False, True] * 2
    assert not numpy(steps, "truncations").any()
    assert numpy(steps, "episode_index").tolist() == [0] * 4 + [1] * 4


def test_the_action_of_the_last_row_is_zero_and_the_others_are_legal(make_item: MakeItem, record: Record) -> None:
    steps, _ = record(make_item("lab/single")).tables
    last = numpy(steps, "is_last")
    assert set(numpy(steps, "actions")[last]) == {0}
    assert set(numpy(steps, "actions")[~last]) <= {1, 2, 3}


def test_a_step_budget_cuts_the_last_episode_by_truncation(make_item: MakeItem, record: Record) -> None:
    steps, episodes = record(make_item("lab/single;length=3", segments=[segment(steps=5)])).tables
    assert numpy(steps, "t").tolist() == [0, 1, 2, 3, 0, 1, 2]
    assert numpy(steps, "truncations").tolist() == [False] * 5 + [True, False]
    assert numpy(steps, "is_terminal").tolist() == [False] * 3 + [True] + [False] * 3
    assert rows(episodes, "length", "return", "terminated", "truncated") == [
        (3, 6.0, True, False),
        (2, 3.0, False, True),
    ]


def test_a_step_budget_that_ends_with_an_episode_truncates_nothing(make_item: MakeItem, record: Record) -> None:
    steps, episodes = record(make_item("lab/single;length=3", segments=[segment(steps=6)])).tables
    assert not numpy(steps, "truncations").any()
    assert numpy(episodes, "terminated").all()


def test_an_episode_longer_than_all_buffers_and_blocks_is_whole(make_item: MakeItem, record: Record) -> None:
    steps, _ = record(make_item("lab/single;length=5000", segments=[segment(episodes=1)])).tables
    assert numpy(steps, "observations")[:, 0].tolist() == list(range(5001))


@given(cuts=st.sets(st.integers(1, 7)))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_do_not_depend_on_how_a_run_is_cut(cuts: set[int], make_item: MakeItem, record: Record) -> None:
    ref = "lab/single;length=40"
    whole = record(make_item(ref, segments=[segment(env_index=3, episodes=8)])).tables[0]
    ends = [*sorted(cuts), 8]
    parts = [
        record(make_item(ref, segments=[segment(env_index=3, first_episode=start, episodes=end - start)])).tables[0]
        for start, end in zip([0, *ends], ends, strict=False)
    ]
    for name in whole.column_names:
        assert np.array_equal(numpy(whole, name), np.concatenate([numpy(part, name) for part in parts]))


def test_actions_can_be_drawn_again_with_numpy_alone(make_item: MakeItem, record: Record) -> None:
    item = make_item("lab/single;length=300", segments=[segment(episodes=1)])
    steps, _ = record(item).tables
    sequence = np.random.SeedSequence([11, *np.frombuffer(bytes.fromhex(item.specs[0].digest), ">u4").tolist(), 0, 0])
    generator = np.random.default_rng(sequence.spawn(5)[1])
    u = np.concatenate([generator.random(256), generator.random(256)])[:300]
    assert numpy(steps, "actions")[:300].tolist() == (1 + np.floor(u * 3)).astype(int).tolist()


@pytest.mark.parametrize(
    ("ref", "name"), [("classic/cartpole", "CartPole-v1"), ("mujoco/half_cheetah", "HalfCheetah-v5")]
)
def test_rows_equal_a_bare_gymnasium_loop_bit_for_bit(ref: str, name: str, make_item: MakeItem, record: Record) -> None:
    steps, episodes = record(make_item(ref, segments=[segment(steps=1500)])).tables
    observations, actions, rewards = (numpy(steps, column) for column in ("observations", "actions", "rewards"))
    terminations, truncations = numpy(steps, "terminations"), numpy(steps, "truncations")
    env = gymnasium.make(name, disable_env_checker=True)
    row = 0
    for seed, length in rows(episodes, "seed", "length"):
        observation, _ = env.reset(seed=seed)
        for _ in range(length):
            assert observation.tobytes() == observations[row].tobytes()
            observation, reward, terminated, truncated, _ = env.step(actions[row])
            cut = row == len(rewards) - 2  # the budget ends here
            assert (float(reward), terminated, truncated or cut) == (rewards[row], terminations[row], truncations[row])
            row += 1
        assert observation.tobytes() == observations[row].tobytes()
        row += 1
    assert row == len(rewards) == 1500 + len(episodes)
    env.close()


def test_leaves_of_a_nested_space_are_columns(make_item: MakeItem, record: Record) -> None:
    steps, _ = record(make_item("lab/nested;length=5", segments=[segment(episodes=1)])).tables
    assert numpy(steps, "observations.image").shape == (6, 2, 3, 1)
    assert numpy(steps, "observations.image")[:, 1, 2, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert numpy(steps, "observations.mission").tolist() == [f"reach {t}" for t in range(6)]
    assert numpy(steps, "observations.inner.0").tolist() == [0, 1, 2, 3, 0, 1]
    assert numpy(steps, "observations.inner.1").tolist() == [[1, 0]] * 6
    assert numpy(steps, "observations.inner.2").tolist() == [t / 100 for t in range(6)]
    assert numpy(steps, "actions").shape == (6, 2)


def test_questions_and_answers_are_columns_of_text(make_item: MakeItem, record: Record) -> None:
    ref, budget = "reasoning_gym/gcd", [segment(steps=40)]
    steps, _ = record(make_item(ref, segments=budget)).tables
    asked, answered = numpy(steps, "observations"), numpy(steps, "actions")
    assert rows(steps, "is_first", "is_terminal", "truncations") == [(True, False, False), (False, True, False)] * 40
    assert asked[::2].tolist() == asked[1::2].tolist()
    assert len(set(asked)) == 40
    assert all("greatest common divisor" in question.lower() for question in asked)
    assert len(set(answered[::2])) > 30
    assert set(answered[1::2]) == {""}
    item = make_item(ref, segments=budget, policy={"kind": "constant", "action": "2"})
    constant, paid = record(item).tables
    assert numpy(constant, "observations").tolist() == asked.tolist()
    assert numpy(constant, "actions").tolist() == ["2", ""] * 40
    assert set(numpy(paid, "return")) == {0.0, 1.0}


def test_answers_may_be_planned(make_item: MakeItem, tmp_path: Path) -> None:
    np.save(tmp_path / "plan.npy", np.array([["one"], ["zwölf"], ["2"]]))
    policy = {"kind": "actions", "sha256": "f" * 64}
    item = make_item("reasoning_gym/lcm", segments=[segment(episodes=3)], policy=policy)
    with pytest.raises(EnvironmentFailure, match="some actions are outside"):  # ö occurs in no question
        chunk_bytes(item, {"f" * 64: tmp_path / "plan.npy"})
    np.save(tmp_path / "plan.npy", np.array([["one"], ["twelve"], ["2"]]))
    steps, _ = read_chunk(chunk_bytes(item, {"f" * 64: tmp_path / "plan.npy"})).tables
    assert numpy(steps, "actions").tolist() == ["one", "", "twelve", "", "2", ""]


def test_masked_actions_are_legal_at_every_step(make_item: MakeItem, record: Record) -> None:
    steps, _ = record(make_item("lab/masked;length=200", segments=[segment(episodes=1)])).tables
    actions = numpy(steps, "actions")[:200]
    assert set(actions[1::2]) == {2}
    assert set(actions[::2]) == {1, 2, 3}


def test_agents_with_different_spaces_have_streams_of_their_own(make_item: MakeItem, record: Record) -> None:
    chunk = record(make_item("lab/parallel;length=3", segments=[segment(episodes=1)]))
    assert [(s["kind"], s["agents"]) for s in chunk.index["streams"]] == [
        ("parallel", ["tall"]),
        ("parallel", ["wide"]),
        ("episodes", ["tall", "wide"]),
    ]
    tall, wide, _ = chunk.tables
    assert numpy(tall, "observations").shape == (3, 3, 1)
    assert numpy(tall, "actions").shape == (3, 2)
    assert numpy(wide, "observations").shape == (4, 1, 3)


def test_an_agent_that_ends_early_has_its_last_row_then(make_item: MakeItem, record: Record) -> None:
    tall, wide, episodes = record(make_item("lab/parallel;length=3", segments=[segment(episodes=1)])).tables
    columns = ("t", "acted", "rewards", "terminations", "truncations", "is_first", "is_last", "is_terminal")
    assert rows(tall, *columns) == [
        (0, True, 1.0, False, False, True, False, False),
        (1, True, 1.0, True, False, False, False, False),
        (2, False, 0.0, False, False, False, True, True),
    ]
    assert rows(wide, *columns) == [
        (0, True, -1.0, False, False, True, False, False),
        (1, True, -1.0, False, False, False, False, False),
        (2, True, -1.0, False, True, False, False, False),
        (3, False, 0.0, False, False, False, True, False),
    ]
    assert numpy(wide, "observations")[-1].tolist() == [[3.0, 3.0, 3.0]]
    columns = ("agent", "length", "return", "terminated", "truncated")
    assert rows(episodes, *columns) == [("tall", 2, 2.0, True, False), ("wide", 3, -3.0, False, True)]


def test_a_step_budget_truncates_every_live_agent(make_item: MakeItem, record: Record) -> None:
    tall, wide, _ = record(make_item("lab/parallel;length=3", segments=[segment(steps=1)])).tables
    for table in (tall, wide):
        assert rows(table, "t", "truncations", "is_last", "is_terminal") == [
            (0, True, False, False),
            (1, False, True, False),
        ]


def test_in_turn_based_games_others_have_rows_only_for_pay_and_ends(make_item: MakeItem, record: Record) -> None:
    steps, episodes = record(make_item("lab/turn;length=4", segments=[segment(episodes=1)])).tables
    columns = ("t", "agent", "acted", "rewards", "terminations", "is_first", "is_last", "is_terminal")
    assert rows(steps, *columns) == [
        (0, "first", True, 0.0, False, True, False, False),
        (1, "second", True, 0.0, False, True, False, False),
        (1, "first", False, 0.5, False, False, False, False),
        (2, "first", True, 0.0, False, False, False, False),
        (3, "second", True, 1.0, True, False, False, False),
        (3, "first", False, -1.0, True, False, False, False),
        (4, "first", False, 0.0, False, False, True, True),
        (4, "second", False, 0.0, False, False, True, True),
    ]
    assert numpy(steps, "observations").ravel().tolist() == [1, 2, 0, 3, 4, 0, 5, 5]
    assert set(numpy(steps, "actions")[numpy(steps, "acted")]) <= {1, 3}
    assert rows(episodes, "agent", "length", "return") == [("first", 2, -0.5), ("second", 2, 1.0)]


def test_a_cut_turn_based_episode_ends_for_all_players(make_item: MakeItem, record: Record) -> None:
    steps, _ = record(make_item("lab/turn;length=9", segments=[segment(steps=1)])).tables
    assert rows(steps, "t", "agent", "acted", "truncations", "is_last", "is_terminal") == [
        (0, "first", True, True, False, False),
        (1, "first", False, False, True, False),
        (0, "second", False, True, False, False),
        (1, "second", False, False, True, False),
    ]
    assert numpy(steps, "observations").ravel().tolist() == [1, 0, 0, 2]  # `second` would have moved next and saw 2


def test_drawn_parameters_stand_with_their_episode(make_item: MakeItem, record: Record) -> None:
    item = make_item("lab/gain;gain=uniform(1,2)", "lab/gain")
    episodes = record(item).tables[-1]
    drawn = episodes.column("drawn.gain").to_pylist()
    assert drawn[2:] == [None, None]
    assert drawn[0] != drawn[1]
    assert numpy(episodes, "return").tolist() == pytest.approx([15 * drawn[0], 15 * drawn[1], 15, 15])


JOINT = Table.of({"gravity": [5, 6, 7, 8], "friction": [0.5, 0.6, 0.7, 0.8]}, weights=[1, 2, 2, 1])


@pytest.mark.parametrize(
    "ref",
    [
        "mujoco/hopper;friction_scale=uniform(0.5,1.5);gravity=uniform(5,12)",  # in place
        "cable/grasp;bend=loguniform(50000,500000)",  # made anew
        f"mujoco/hopper;friction_scale=table({JOINT.digest},friction);gravity=table({JOINT.digest},gravity)",
    ],
)
def test_rows_of_a_randomised_spec_are_those_of_the_values_recorded_with_them(
    ref: str, make_item: MakeItem, record: Record
) -> None:
    item = make_item(ref, segments=[segment(episodes=3)]).model_copy(update={"tables": [JOINT.content.decode()]})
    steps, episodes = record(item).tables
    drawn = {name: numpy(episodes, name).tolist() for name in episodes.column_names if name.startswith("drawn.")}
    assert all(len(set(values)) > 1 for values in drawn.values())
    spec = env_registry.parse(ref)
    for episode, seed in enumerate(numpy(episodes, "seed").tolist()):
        values = {name.removeprefix("drawn."): column[episode] for name, column in drawn.items()}
        fixed = env_registry.make(Spec.of(spec.family, {**dict(spec.parameters), **values}))
        mine = numpy(steps, "episode_index") == episode
        observed = [fixed.reset(EpisodeSeeds.of(seed))]
        observed += [fixed.step(action)[0] for action in numpy(steps, "actions")[mine][:-1]]
        assert np.array(observed).tobytes() == numpy(steps, "observations")[mine].tobytes()


def test_an_item_without_the_table_that_a_spec_names_fails_and_says_so(make_item: MakeItem, record: Record) -> None:
    with pytest.raises(EnvironmentFailure, match=f"the table {JOINT.digest} is not here"):
        record(make_item(f"mujoco/hopper;gravity=table({JOINT.digest},gravity)"))


def test_the_seed_of_an_episode_is_recorded(make_item: MakeItem, record: Record) -> None:
    item = make_item("lab/single", segments=[segment(env_index=5, first_episode=8, episodes=2)])
    episodes = record(item).tables[-1]
    expected = [seeds.environment for seeds in episode_seeds(11, item.specs[0].digest, 5, 8, 2)]
    assert numpy(episodes, "seed").tolist() == expected


def test_a_failing_environment_is_named_with_its_episode(make_item: MakeItem, record: Record) -> None:
    with pytest.raises(EnvironmentFailure, match=r"lab/broken@1, episode 4: RuntimeError: a joint broke"):
        record(make_item("lab/broken", segments=[segment(first_episode=3, episodes=2)]))


def test_a_spec_that_has_another_digest_here_is_not_run(make_item: MakeItem, record: Record) -> None:
    item = make_item("lab/single")
    other = item.specs[0].model_copy(update={"digest": "0" * 64})
    with pytest.raises(EnvironmentFailure, match="OtherSpec"):
        record(item.model_copy(update={"specs": [other]}))


@pytest.mark.parametrize(
    "ref",
    [
        "classic/cartpole",
        "minigrid/empty",
        "mpe/simple_tag",
        "openspiel/leduc_poker",
        "toytext/taxi",
        "reasoning_gym/aiw",
    ],
)
def test_real_families_keep_the_rules_of_rows(ref: str, make_item: MakeItem, record: Record) -> None:
    chunk = record(make_item(ref, segments=[segment(steps=200)]))
    *streams, episodes = chunk.tables
    ends = 0
    for table in streams:
        last, first = numpy(table, "is_last"), numpy(table, "is_first")
        ends += last.sum()
        assert first.sum() == last.sum()
        assert not numpy(table, "rewards")[last].any()
        assert not (numpy(table, "is_terminal") & ~last).any()
        assert not (numpy(table, "terminations") & last).any()
    assert ends == episodes.num_rows
    assert chunk.index["steps"] == 200
    assert env_registry.parse(ref).digest == chunk.index["specs"][0]["digest"]
