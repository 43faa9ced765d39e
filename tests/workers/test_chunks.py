"""Bytes of a chunk, as docs/decisions/0003-chunk-format.md has them."""

from __future__ import annotations

import io
import json
import struct

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pytest

from workers.chunks import read_chunk, write_chunk
from workers.rollout import Rollout
from workers.simulators import SimulatorCache

from .conftest import MakeItem, chunk_bytes, segment


def test_plain_pyarrow_reads_a_chunk(make_item: MakeItem) -> None:
    data = chunk_bytes(make_item("lab/single", "lab/turn", "lab/nested"))
    assert data[:8] == b"WPCHUNK1"
    (length,) = struct.unpack("<I", data[8:12])
    index = json.loads(data[12 : 12 + length])
    assert [stream["kind"] for stream in index["streams"]] == ["single", "turn", "single", "episodes"]
    end = 12 + length
    for stream in index["streams"]:
        assert stream["offset"] % 64 == 0
        assert data[end : stream["offset"]].strip(b"\0") == b""
        end = stream["offset"] + stream["length"]
        table = pa.ipc.open_stream(io.BytesIO(data[stream["offset"] : end])).read_all()
        table.validate(full=True)
        assert table.num_rows == stream["rows"]
        assert [len(column.chunks) for column in table.columns] == [1] * table.num_columns
    assert end == len(data)


def test_every_stream_says_by_itself_what_it_is(make_item: MakeItem) -> None:
    chunk = read_chunk(chunk_bytes(make_item("lab/single", "lab/turn")))
    for table, stream in zip(chunk.tables, chunk.index["streams"], strict=True):
        facts = json.loads(table.schema.metadata[b"worldpool"])
        assert facts.pop("stream") == {key: stream[key] for key in ("name", "kind", "agents", "specs")}
        assert facts == {key: chunk.index[key] for key in facts}
        assert set(facts) == {"format", "run", "item", "site", "runtime", "policy", "specs"}


def test_specs_with_equal_spaces_share_a_stream(make_item: MakeItem) -> None:
    chunk = read_chunk(chunk_bytes(make_item("lab/single", "lab/gain", "lab/single;length=2")))
    steps, episodes = chunk.tables
    assert chunk.index["streams"][0]["specs"] == [0, 1, 2]
    assert np.unique(steps["spec_index"]).tolist() == [0, 1, 2]
    assert len(episodes) == 6


def test_numbers_are_views_of_the_chunks_bytes(make_item: MakeItem) -> None:
    data = pa.py_buffer(chunk_bytes(make_item("lab/single")))
    steps = read_chunk(data).tables[0]
    for name in ("observations", "rewards", "is_last", "t"):
        column = steps.column(name).chunk(0)
        view = column.to_numpy_ndarray() if name == "observations" else column.to_numpy(zero_copy_only=True)
        address = view.__array_interface__["data"][0]
        assert data.address <= address < data.address + data.size


@pytest.mark.parametrize(
    ("ref", "steps", "compressed"),
    [
        ("openspiel/connect_four", 3000, True),
        ("openspiel/connect_four", 300, False),
        ("mujoco/half_cheetah", 8000, False),
    ],
)
def test_a_large_stream_is_compressed_where_lz4_halves_it(
    ref: str, steps: int, compressed: bool, make_item: MakeItem
) -> None:
    item = make_item(ref, segments=[segment(steps=steps)])
    recording = Rollout(SimulatorCache()).run(item, lambda _: None)
    (stream,) = recording.streams.values()
    observations = dict(stream.observations.arrays("observations", stream.rows))["observations"]
    data = write_chunk(item, recording, site="home", runtime="r").data
    assert (2 * len(data) < observations.nbytes) == compressed
    assert read_chunk(data).tables[0]["observations"].chunk(0).equals(observations)


def test_two_attempts_of_an_item_have_equal_row_streams(make_item: MakeItem) -> None:
    refs = ("lab/single;length=700", "lab/nested", "lab/parallel", "lab/turn", "mpe/simple_tag", "classic/cartpole")
    item = make_item(*refs)
    first, second = chunk_bytes(item), chunk_bytes(item.model_copy(update={"fence": 8}))
    streams, others = read_chunk(first).index["streams"], read_chunk(second).index["streams"]
    assert len(streams) > 6
    for one, other in zip(streams[:-1], others[:-1], strict=True):
        assert (
            first[one["offset"] : one["offset"] + one["length"]]
            == second[other["offset"] : other["offset"] + other["length"]]
        )


@pytest.mark.parametrize("ref", ["classic/cartpole", "minigrid/empty", "mpe/simple_tag", "openspiel/leduc_poker"])
def test_a_used_simulator_gives_the_same_rows_as_a_fresh_one(ref: str, make_item: MakeItem) -> None:
    used = read_chunk(chunk_bytes(make_item(ref, segments=[segment(episodes=3)])))
    fresh = read_chunk(chunk_bytes(make_item(ref, segments=[segment(first_episode=2, episodes=1)])))
    for after_others, alone in zip(used.tables[:-1], fresh.tables[:-1], strict=True):
        assert after_others.filter(pyarrow.compute.equal(after_others["episode_index"], 2)).equals(alone)


def test_the_summary_counts_episodes_steps_and_returns(make_item: MakeItem) -> None:
    item = make_item("lab/single;length=3", "lab/turn;length=4")
    info = write_chunk(item, Rollout(SimulatorCache()).run(item, lambda steps: None), site="s", runtime="r").info
    single, turn = info.summary
    assert (single.episodes, single.steps, single.returns, single.return_sum) == (2, 6, 2, 12.0)
    assert (turn.episodes, turn.steps, turn.returns, turn.return_min, turn.return_max) == (2, 8, 4, -0.5, 1.0)
    assert (info.episodes, info.steps, info.rows) == (4, 14, 8 + 16)
    assert (single.first_returns, single.first_return_sum) == (2, 12.0)
    assert (turn.first_returns, turn.first_return_sum) == (2, -1.0)


def test_other_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="magic"):
        read_chunk(b"PAR1" * 10)
