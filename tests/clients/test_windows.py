"""Windows and n-step transitions against a loop that does the same one row at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import worldpool
from hypothesis import given
from hypothesis import strategies as st
from worldpool import Batch, Chunk

from tests.clients.chunk_bytes import chunk, episode_rows, flags, names, single_chunk, single_rows, tensor
from tests.clients.test_chunks import two_roles

AGENTS = ["red", "green", "blue"]


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Episodes of one kind that end in any way, at any length; every observation is another number."""
    kind = draw(st.sampled_from(["single", "parallel", "turn"]))
    rows: list[dict[str, Any]] = []
    for episode in range(draw(st.integers(1, 4))):
        rows += draw(EPISODES[kind]).rows(episode)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    seen = np.arange(1, len(rows) + 1) * ~np.array(columns["unseen"])
    arrays = {
        "observations": tensor(np.stack([seen, -seen], axis=1).astype(np.float32)),
        "actions": pa.array(np.where(columns["acted"], np.arange(len(rows)) % 7, 0)),
        "rewards": pa.array(np.where(columns["is_last"], 0.0, columns["rewards"])),
        **{name: flags(columns[name]) for name in ("terminations", "truncations", "is_last", "is_terminal")},
        "is_first": flags(np.zeros(len(rows))),  # nothing here looks at it
        "spec_index": pa.array(np.zeros(len(rows), np.int32)),
        "env_index": pa.array(np.zeros(len(rows), np.int64)),
        "episode_index": pa.array(columns["episode"], pa.int64()),
        "t": pa.array(columns["t"], pa.int32()),
    }
    agents = ["agent"] if kind == "single" else AGENTS
    if kind != "single":
        arrays |= {"agent": names(columns["agent"], AGENTS), "acted": flags(columns["acted"])}
    entries = episode_rows([(0, episode, "agent", 1, 1.0) for episode in sorted(set(columns["episode"]))])
    (batch,) = Chunk.parse(chunk(["toy/any@1"], [(kind, agents, [0], arrays)], entries, steps=1)).batches
    return batch


@dataclass
class Moves:
    """By t, which agents acted; and how it ended: for all at once."""

    acting: list[list[int]]
    paid: list[list[int]]
    """By t, agents that have a row without acting."""
    rewards: list[float]
    terminated: bool
    shown: list[bool]

    def rows(self, episode: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        money = iter(self.rewards * 100)
        agents = sorted({agent for acting in (*self.acting, *self.paid) for agent in acting})
        for t, (acting, paid) in enumerate(zip(self.acting, self.paid, strict=True)):
            over = t == len(self.acting) - 1
            for agent in agents if over else sorted({*acting, *paid}):
                acted = agent in acting
                found.append(row(episode, t, agent, next(money), acted=acted, ended=over, terminated=self.terminated))
                found[-1]["unseen"] = not acted
        for agent in agents:
            last = row(episode, len(self.acting), agent, 0.0, terminated=self.terminated, last=True)
            found.append(last | {"unseen": not (self.terminated or self.shown[agent])})
        return found


def row(
    episode: int,
    t: int,
    agent: int,
    reward: float,
    *,
    acted: bool = False,
    ended: bool = False,
    terminated: bool = False,
    last: bool = False,
) -> dict[str, Any]:
    return {
        "episode": episode,
        "t": t,
        "agent": agent,
        "rewards": reward,
        "acted": acted,
        "terminations": ended and terminated,
        "truncations": ended and not terminated,
        "is_last": last,
        "is_terminal": last and terminated,
        "unseen": False,
    }


def moves(acting: st.SearchStrategy[list[int]], paid: st.SearchStrategy[list[int]], shown: Any) -> Any:
    """Of 1 to 12 steps."""
    return st.integers(1, 12).flatmap(
        lambda steps: st.builds(
            Moves,
            acting=st.lists(acting, min_size=steps, max_size=steps),
            paid=st.lists(paid, min_size=steps, max_size=steps),
            rewards=st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=9),
            terminated=st.booleans(),
            shown=st.lists(shown, min_size=3, max_size=3),
        )
    )


EPISODES = {
    "single": moves(st.just([0]), st.just([]), st.just(True)),
    "parallel": moves(st.just([0, 1, 2]), st.just([]), st.just(True)),
    "turn": moves(st.integers(0, 2).map(lambda agent: [agent]), st.lists(st.integers(0, 2)), st.booleans()),
}


@dataclass
class Step:
    """Of the loop: rows by number."""

    row: int
    following: int
    reward: float
    terminated: bool
    truncated: bool


def trajectories(batch: Batch) -> list[list[Step]]:
    found: dict[tuple[int, int], list[int]] = {}
    for i in range(len(batch)):
        found.setdefault((int(batch.episode_index[i]), int(batch.agent_index[i])), []).append(i)
    return [steps for _, rows in sorted(found.items()) if (steps := steps_of(batch, rows))]


def steps_of(batch: Batch, rows: list[int]) -> list[Step]:
    steps: list[Step] = []
    for i in rows:
        if batch.is_last[i]:
            steps[-1:] = [Step(s.row, i, s.reward, s.terminated, s.truncated) for s in steps[-1:]]
        elif batch.acted[i]:
            steps[-1:] = [Step(s.row, i, s.reward, s.terminated, s.truncated) for s in steps[-1:]]
            steps.append(Step(i, -1, 0.0, False, False))
        if steps:
            steps[-1].reward += float(batch.rewards[i])
            steps[-1].terminated |= bool(batch.terminations[i])
            steps[-1].truncated |= bool(batch.truncations[i])
    return steps


def shown(batch: Batch, step: Step) -> bool:
    return bool(batch.observations[step.following].any())


@given(batch=batches(), n=st.integers(1, 15), gamma=st.sampled_from([0.0, 0.5, 0.99, 1.0]))
def test_n_step_transitions_are_those_of_a_loop(batch: Batch, n: int, gamma: float) -> None:
    found = batch.n_step(n, gamma=gamma)
    i = 0
    for steps in trajectories(batch):
        for k, step in enumerate(steps):
            some = steps[k : k + n]
            end = some[-1]
            assert (found.observations[i] == batch.observations[step.row]).all()
            assert found.actions[i] == batch.actions[step.row]
            assert found.take(batch.t)[i] == batch.t[step.row]
            assert (found.next_observations[i] == batch.observations[end.following]).all()
            np.testing.assert_allclose(
                found.rewards[i], sum(gamma**j * s.reward for j, s in enumerate(some)), atol=1e-9
            )
            np.testing.assert_allclose(found.discounts[i], 0.0 if end.terminated else gamma ** len(some))
            assert (found.lengths[i], found.terminations[i]) == (len(some), end.terminated)
            assert found.truncations[i] == end.truncated
            assert found.mask[i] == (end.terminated or shown(batch, end))
            i += 1
    assert len(found) == i


@given(batch=batches(), length=st.integers(1, 15), stride=st.integers(1, 15), pad=st.booleans())
def test_windows_are_those_of_a_loop(batch: Batch, length: int, stride: int, pad: bool) -> None:
    found = batch.windows(length, stride=stride, pad=pad)
    i = 0
    for steps in trajectories(batch):
        for first in begins(len(steps), length, stride, pad):
            check_window(batch, found, i, steps[first : first + length], length)
            assert found.is_first[i] == (first == 0)
            i += 1
    assert len(found) == i
    assert found.observations.shape == (i, length + 1, 2)
    assert found.actions.shape == found.rewards.shape == found.mask.shape == (i, length)


def begins(steps: int, length: int, stride: int, pad: bool) -> list[int]:
    if not pad:
        return list(range(0, steps - length + 1, stride))
    found = [0]
    while found[-1] + length < steps and found[-1] + stride < steps:
        found.append(found[-1] + stride)
    return found


def check_window(batch: Batch, found: Any, i: int, some: list[Step], length: int) -> None:
    rest = [0] * (length - len(some))
    assert found.lengths[i] == len(some)
    assert found.mask[i].tolist() == [True] * len(some) + [False] * len(rest)
    assert found.rewards[i].tolist() == [step.reward for step in some] + rest
    assert found.actions[i].tolist() == [int(batch.actions[step.row]) for step in some] + rest
    assert found.take(batch.t)[i].tolist() == [int(batch.t[step.row]) for step in some] + rest
    assert found.terminations[i].tolist() == [step.terminated for step in some] + rest
    assert found.truncations[i].tolist() == [step.truncated for step in some] + rest
    seen = [*(step.row for step in some), some[-1].following]
    assert found.observations[i][:, 0].tolist() == [*(float(batch.observations[row][0]) for row in seen), *rest]
    after = some[-1].terminated or shown(batch, some[-1])
    assert found.observed[i].tolist() == [True] * len(some) + [after] + [False] * len(rest)


@given(batch=batches(), length=st.integers(1, 15))
def test_windows_hold_every_step_once(batch: Batch, length: int) -> None:
    windows = batch.windows(length)
    steps = batch.n_step(1, gamma=1)
    assert windows.mask.sum() == len(steps)
    assert windows.take(batch.t)[windows.mask].tolist() == steps.take(batch.t).tolist()
    assert windows.rewards.sum() == steps.rewards.sum()


def test_an_episode_gives_its_own_windows() -> None:
    (batch,) = Chunk.parse(single_chunk([2, 5])).batches
    first, second = (episode.windows(4, stride=2) for episode in batch.to_episodes())
    assert first.lengths.tolist() == [2]
    assert second.lengths.tolist() == [4, 3]
    assert second.observations[1, :, 0].tolist() == [102, 103, 104, 105, 0]
    (two,) = [episode.n_step(3, gamma=0.5) for episode in list(batch.to_episodes())[:1]]
    assert two.rewards.tolist() == [1.5, 1.0]
    assert two.discounts.tolist() == [0.0, 0.0]


def test_roles_of_a_game_have_windows_of_their_own() -> None:
    hunters, prey = Chunk.parse(two_roles()).batches
    assert hunters.windows(2).lengths.tolist() == [2, 1, 2, 2, 1]
    assert prey.windows(3).observations.shape == (1, 4, 5)
    assert prey.n_step(2, gamma=1).discounts.tolist() == [1.0, 1.0, 1.0]  # truncated: the last observation counts


def test_dicts_stay_dicts_and_text_is_padded_with_nothing() -> None:
    rows = {
        "observations.image": tensor(np.ones((3, 2, 2), np.uint8)),
        "observations.mission": names([0, 0, 1], ["go", "stop"]),
        **{name: column for name, column in single_rows([2]).items() if name != "observations"},
    }
    entries = episode_rows([(0, 0, "agent", 2, 2.0)])
    (batch,) = Chunk.parse(chunk(["toy/dict@1"], [("single", ["agent"], [0], rows)], entries, steps=2)).batches
    windows = batch.windows(3)
    assert windows.observations["mission"].tolist() == [["go", "go", "stop", ""]]
    assert windows.observations["image"].sum(axis=(2, 3)).tolist() == [[4, 4, 4, 0]]
    assert batch.n_step(2, gamma=1).next_observations["mission"].tolist() == ["stop", "stop"]


def test_windows_do_without_what_was_not_recorded_until_it_is_asked_for() -> None:
    rows = {name: column for name, column in single_rows([3]).items() if name != "rewards"}
    rows |= {"pixels": pa.array([b"a", b"b", b"c", b"d"], pa.large_binary())}
    entries = episode_rows([(0, 0, "agent", 3, 3.0)])
    (batch,) = Chunk.parse(chunk(["toy/dumb@1"], [("single", ["agent"], [0], rows)], entries, steps=3)).batches
    windows = batch.windows(2)
    assert windows.observations[:, :, 0].tolist() == [[0, 1, 2], [2, 3, 0]]
    assert windows.take(batch.pixels).tolist() == [[b"a", b"b"], [b"c", b""]]
    assert [batch.records(name) for name in ("observations", "rewards", "pixels", "infos")] == [
        True,
        False,
        True,
        False,
    ]
    with pytest.raises(worldpool.NotRecorded, match="rewards"):
        _ = windows.rewards


@pytest.mark.parametrize(("length", "stride"), [(0, 1), (1, 0), (-1, None)])
def test_windows_of_no_length_are_refused(length: int, stride: int | None) -> None:
    (batch,) = Chunk.parse(single_chunk([2])).batches
    with pytest.raises(ValueError, match="1 or more"):
        batch.windows(length, stride=stride)


@pytest.mark.parametrize(("n", "gamma"), [(0, 0.9), (1, -0.1), (1, 1.1), (1, float("nan"))])
def test_transitions_of_no_length_and_other_discounts_are_refused(n: int, gamma: float) -> None:
    (batch,) = Chunk.parse(single_chunk([2])).batches
    with pytest.raises(ValueError, match="n is 1 or more"):
        batch.n_step(n, gamma=gamma)
