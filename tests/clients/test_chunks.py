"""Reading chunks: views, kinds, episodes, refusals."""

from __future__ import annotations

import gc
import json
import weakref

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worldpool import Chunk, FormatError

from tests.clients.chunk_bytes import agent_rows, chunk, episode_rows, names, single_chunk, single_rows, tensor

LENGTHS = [4, 1, 7]
ROW_COLUMNS = (
    "observations",
    "actions",
    "rewards",
    "terminations",
    "truncations",
    "is_first",
    "is_last",
    "is_terminal",
    "spec_index",
    "env_index",
    "episode_index",
    "t",
)


def two_roles() -> bytes:
    """Spec 0: a hunter and a prey with different spaces. Spec 1: a prey alone, seen like a hunter of spec 0."""
    hunters = agent_rows(["hunter"], 3, spec=0, size=2)
    lone_prey = agent_rows(["prey"], 5, spec=1, size=2)
    shared = {
        name: pa.concat_arrays([hunters[name], lone_prey[name]])
        for name in hunters
        if name not in ("agent", "observations")
    }
    observations = np.concatenate(
        [hunters["observations"].to_numpy_ndarray(), lone_prey["observations"].to_numpy_ndarray()]
    )
    shared = {"observations": tensor(observations), **shared, "agent": names([0] * 4 + [1] * 6, ["hunter", "prey"])}
    prey = agent_rows(["prey"], 3, spec=0, size=5)
    streams = [("parallel", ["hunter", "prey"], [0, 1], shared), ("parallel", ["prey"], [0], prey)]
    entries = [(0, 0, "hunter", 3, 3.0), (0, 0, "prey", 3, 6.0), (1, 0, "prey", 5, 5.0)]
    return chunk(["game/hunt@1", "game/hide@1"], streams, episode_rows(entries), steps=8)


@pytest.mark.parametrize("name", ROW_COLUMNS)
def test_every_column_is_a_read_only_view_of_the_bytes_that_arrived(name: str) -> None:
    buffer = pa.py_buffer(single_chunk(LENGTHS))
    (batch,) = Chunk.parse(buffer).batches
    array = getattr(batch, name)
    assert np.shares_memory(array, np.frombuffer(buffer, np.uint8))
    assert not array.flags.writeable
    assert len(array) == len(batch) == sum(LENGTHS) + len(LENGTHS)


def test_a_chunk_goes_with_the_last_that_is_held_of_it() -> None:
    gc.disable()  # megabytes must not wait for the cycle collector
    try:
        chunk_ = Chunk.parse(two_roles())
        gone = weakref.ref(chunk_)
        batches = chunk_.batches
        assert chunk_.batches == batches
        (view, _) = (batch.observations for batch in batches)
        episodes = list(batches[0].to_episodes())
        del chunk_, batches
        assert gone() is episodes[0].batch.chunk
        del episodes
        assert gone() is None
        assert view[0, 0] == 0
    finally:
        gc.enable()


def test_columns_have_the_types_of_the_format() -> None:
    (batch,) = Chunk.parse(single_chunk(LENGTHS)).batches
    types = {name: getattr(batch, name).dtype for name in ROW_COLUMNS}
    assert batch.observations.shape == (15, 3)
    assert types["observations"] == np.float32
    assert types["rewards"] == np.float64
    assert {types[name] for name in ROW_COLUMNS[3:8]} == {np.dtype(bool)}
    assert batch.is_last.sum() == 3
    np.testing.assert_array_equal(batch.observations[:5, 0], [0, 1, 2, 3, 4])


def test_dict_and_tuple_spaces_become_dicts_of_arrays_by_key() -> None:
    rows = single_rows([2])
    leaves = {
        "observations.image": tensor(np.zeros((3, 4, 4, 3), np.uint8)),
        "observations.inner.goal": pa.array([1, 2, 3]),
        "observations.mission": names([0, 0, 1], ["go", "stop"]),
        "actions.0": pa.array([1, 0, 0]),
        "actions.1": tensor(np.ones((3, 2), np.float32)),
    }
    rows = leaves | {name: column for name, column in rows.items() if name not in ("observations", "actions")}
    data = chunk(["toy/dict@1"], [("single", ["agent"], [0], rows)], episode_rows([(0, 0, "agent", 2, 2.0)]), steps=2)
    (batch,) = Chunk.parse(data).batches
    assert isinstance(batch.observations, dict)
    assert list(batch.observations) == ["image", "inner.goal", "mission"]
    assert batch.observations["image"].shape == (3, 4, 4, 3)
    assert batch.observations["mission"].tolist() == ["go", "go", "stop"]
    assert list(batch.actions) == ["0", "1"]


def test_questions_and_answers_are_arrays_of_text() -> None:
    rows = single_rows([1, 1]) | {
        "observations": names([0, 0, 1, 1], ["2 + 2?", "3 × 3?"]),
        "actions": names([1, 0, 2, 0], ["", "4", "nine"]),
    }
    data = chunk(["toy/sums@1"], [("single", ["agent"], [0], rows)], episode_rows([(0, 0, "agent", 1, 1.0)]), steps=2)
    (batch,) = Chunk.parse(data).batches
    steps = ~batch.is_last
    assert batch.observations[steps].tolist() == ["2 + 2?", "3 × 3?"]
    assert batch.actions[steps].tolist() == ["4", "nine"]
    assert all(isinstance(answer, str) for answer in batch.actions)


def test_a_single_agent_has_index_0_and_always_acts() -> None:
    (batch,) = Chunk.parse(single_chunk([3])).batches
    assert batch.agents == ("agent",)
    assert batch.agent_index.tolist() == [0] * 4
    assert batch.acted.all()


def test_roles_with_different_spaces_are_different_batches_of_one_chunk() -> None:
    chunk_ = Chunk.parse(two_roles(), seq=9)
    hunters, prey = chunk_.batches
    assert hunters.seq == prey.seq == 9
    assert hunters.observations.shape == (10, 2)
    assert prey.observations.shape == (4, 5)
    assert [hunters.agents[i] for i in hunters.agent_index[[0, -1]]] == ["hunter", "prey"]
    assert hunters.specs[hunters.spec_index[-1]] == "game/hide@1"


def test_each_episode_entry_belongs_to_exactly_one_batch() -> None:
    chunk_ = Chunk.parse(two_roles())
    hunters, prey = chunk_.batches
    assert hunters.episodes.agent.tolist() == ["hunter", "prey"]
    assert hunters.episodes.returns.tolist() == [3.0, 5.0]
    assert prey.episodes.returns.tolist() == [6.0]
    assert len(chunk_.episodes) == 3
    assert chunk_.episode_count == 2


def test_episodes_of_a_batch_carry_ref_seed_and_outcome() -> None:
    hunters, _ = Chunk.parse(two_roles()).batches
    first, second = hunters.to_episodes()
    assert (first.ref, second.ref) == ("game/hunt@1", "game/hide@1")
    assert (len(first), len(second)) == (4, 6)
    assert second.seed == 1000
    assert second.outcomes.returns.tolist() == [5.0]
    assert second.agent_index.tolist() == [1] * 6


@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=20), first=st.integers(0, 1000))
def test_episodes_cut_a_batch_into_its_episodes_without_gaps(lengths: list[int], first: int) -> None:
    (batch,) = Chunk.parse(single_chunk(lengths, first_episode=first)).batches
    episodes = list(batch.to_episodes())
    assert [len(episode) - 1 for episode in episodes] == lengths
    assert [episode.episode_index for episode in episodes] == list(range(first, first + len(lengths)))
    assert [episode.seed for episode in episodes] == [1000 + first + i for i in range(len(lengths))]
    assert [episode.rewards.sum() for episode in episodes] == [episode.outcomes.returns[0] for episode in episodes]
    assert all(episode.is_first[0] and episode.is_last[-1] for episode in episodes)
    assert all(np.shares_memory(episode.observations, batch.observations) for episode in episodes)
    np.testing.assert_array_equal(np.concatenate([episode.observations for episode in episodes]), batch.observations)


def test_drawn_parameters_are_columns_of_the_episodes() -> None:
    drawn = {
        "drawn.friction": pa.array([0.5, None]),
        "drawn.terrain": names([0, 1], ["ice", "mud"], mask=np.array([True, False])),
    }
    entries = [(0, 0, "agent", 1, 1.0), (1, 0, "agent", 1, 1.0)]
    rows = {k: pa.concat_arrays([single_rows([1])[k], single_rows([1], spec=1)[k]]) for k in ("rewards", "spec_index")}
    streams = [("single", ["agent"], [0, 1], rows)]
    episodes = Chunk.parse(chunk(["a@1", "b@1"], streams, episode_rows(entries, drawn), steps=2)).episodes
    assert episodes.drawn["friction"][0] == 0.5
    assert np.isnan(episodes.drawn["friction"][1])
    assert episodes.drawn["terrain"].tolist() == [None, "mud"]


def test_the_table_holds_every_column_for_pyarrow_users() -> None:
    (batch,) = Chunk.parse(single_chunk(LENGTHS)).batches
    assert tuple(batch.table.column_names) == ROW_COLUMNS
    assert batch.episodes.table.num_rows == 3


def test_bytes_that_are_no_chunk_are_refused() -> None:
    with pytest.raises(FormatError, match="WPCHUNK1"):
        Chunk.parse(b"<html>")


def test_a_chunk_cut_short_is_refused_at_once() -> None:
    with pytest.raises(FormatError, match="cut short"):
        Chunk.parse(single_chunk(LENGTHS)[:-8])


def test_a_newer_format_asks_for_an_upgrade() -> None:
    data = single_chunk([1])
    with pytest.raises(FormatError, match="upgrade"):
        Chunk.parse(data.replace(json.dumps({"format": 1})[1:-1].encode(), b'"format": 2', 1))


def test_a_damaged_stream_is_a_format_error() -> None:
    data = bytearray(single_chunk(LENGTHS))
    offset = Chunk.parse(bytes(data)).index["streams"][0]["offset"]
    data[offset : offset + 64] = b"\xff" * 64
    (batch,) = Chunk.parse(bytes(data)).batches
    with pytest.raises(FormatError):
        _ = batch.rewards
