"""Chunks: a recording as one object of bytes, and back.

Owns the layout of docs/decisions/0003-chunk-format.md. Knows nothing of where the bytes go.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workers import contract
from workers.columns import dictionary, flags
from workers.recording import AgentRows, EpisodeRow, Recording, SingleRows

MAGIC = b"WPCHUNK1"
FORMAT = 1
_ALIGNMENT = 64
_LENGTH = struct.Struct("<I")
_LZ4 = pa.Codec("lz4")
_SAMPLE = 1 << 20  # bytes by which it is decided whether a stream is compressed
_Stream = tuple[dict[str, Any], pa.RecordBatch | pa.Buffer]


@dataclass(frozen=True)
class Chunk:
    """The object's bytes, and what the release says of them."""

    data: NDArray[np.uint8]
    info: contract.ChunkInfo


@dataclass(frozen=True)
class DecodedChunk:
    """The index and one table a stream, in order; columns are views of the bytes."""

    index: dict[str, Any]
    tables: list[pa.Table]


def write_chunk(item: contract.Item, recording: Recording, *, site: str, runtime: str) -> Chunk:
    """The chunk of an item's recording, which holds at least one episode."""
    facts = {
        "format": FORMAT,
        "run": str(item.run_id),
        "item": str(item.item_id),
        "site": site,
        "runtime": runtime,
        "policy": item.policy.model_dump(),
        "specs": [spec.model_dump() for spec in item.specs],
    }
    streams = list(_streams(facts, recording, item.record.columns))
    steps = sum(recording.spec_steps.values())
    episodes = sum(recording.spec_episodes.values())
    data = _assemble({**facts, "fence": item.fence, "episodes": episodes, "steps": steps}, streams)
    info = contract.ChunkInfo(
        bytes=len(data),
        sha256=hashlib.sha256(data.data).hexdigest(),
        rows=sum(about["rows"] for about, _ in streams if about["kind"] != "episodes"),
        episodes=episodes,
        steps=steps,
        summary=_summary(recording),
    )
    return Chunk(data, info)


def read_chunk(data: bytes | memoryview | pa.Buffer) -> DecodedChunk:
    """A chunk's index and tables.

    Raises
    ------
    ValueError
        The bytes are no chunk of this format.
    """
    view = memoryview(data)
    if view[:8] != MAGIC:
        raise ValueError("not a chunk: wrong magic")
    (length,) = _LENGTH.unpack(view[8:12])
    index = json.loads(bytes(view[12 : 12 + length]))
    whole = pa.py_buffer(data)
    tables = [pa.ipc.open_stream(whole.slice(s["offset"], s["length"])).read_all() for s in index["streams"]]
    return DecodedChunk(index, tables)


def _streams(facts: Mapping[str, Any], recording: Recording, kept: Sequence[str]) -> Iterable[_Stream]:
    rows = [stream for stream in recording.streams.values() if stream.rows]
    for number, stream in enumerate(rows):
        columns = _row_columns(stream, kept)
        yield _stream(facts, f"rows-{number}", str(stream.kind), stream.agents, stream.specs, columns)
    agents = list(dict.fromkeys(episode.agent for episode in recording.episodes))
    specs = {episode.key.spec for episode in recording.episodes}
    columns = _episode_columns(recording.episodes, agents)
    yield _stream(facts, "episodes", "episodes", agents, specs, columns)


def _stream(
    facts: Mapping[str, Any],
    name: str,
    kind: str,
    agents: Sequence[str],
    specs: Iterable[int],
    columns: Mapping[str, pa.Array],
) -> _Stream:
    about = {"name": name, "kind": kind, "agents": list(agents), "specs": sorted(specs)}
    fields = [
        pa.field(key, array.type, nullable=key.startswith("drawn.") or key == "pixels")
        for key, array in columns.items()
    ]
    schema = pa.schema(fields, {"worldpool": _json({**facts, "stream": about})})
    batch = pa.RecordBatch.from_arrays(list(columns.values()), schema=schema)
    return {**about, "rows": batch.num_rows}, _compressed(batch) if _compressible(batch) else batch


def _compressible(batch: pa.RecordBatch) -> bool:
    """Whether LZ4 halves the beginning of its largest buffer, if that is large."""
    largest = max((buffer for column in batch.columns for buffer in column.buffers() if buffer), key=len)
    sample = largest.slice(0, min(len(largest), _SAMPLE))
    return len(sample) == _SAMPLE and 2 * len(_LZ4.compress(sample)) <= _SAMPLE


def _compressed(batch: pa.RecordBatch) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    _write(batch, sink, pa.ipc.IpcWriteOptions(compression=_LZ4, use_threads=False))
    return sink.getvalue()


def _row_columns(stream: SingleRows | AgentRows, kept: Sequence[str]) -> dict[str, pa.Array]:
    """The columns of a stream; of those that a run may leave out the ones it keeps."""
    columns = dict(stream.observations.arrays("observations", stream.rows))
    columns |= stream.actions.arrays("actions", stream.rows)
    columns |= stream.beside.columns(stream.rows)
    for name, values in stream.row_columns().items():
        columns[name] = dictionary(values, list(stream.agents)) if name == "agent" else _array(values)
    left_out = contract.COLUMNS - set(kept)
    return {name: column for name, column in columns.items() if name.partition(".")[0] not in left_out}


def _array(values: NDArray[Any]) -> pa.Array:
    return flags(values) if values.dtype == np.bool_ else pa.array(values)


def _episode_columns(episodes: Sequence[EpisodeRow], agents: Sequence[str]) -> dict[str, pa.Array]:
    codes = {agent: code for code, agent in enumerate(agents)}
    names = sorted({name for episode in episodes for name in episode.drawn})
    return {
        "spec_index": pa.array([e.key.spec for e in episodes], pa.int32()),
        "env_index": pa.array([e.key.env_index for e in episodes], pa.int64()),
        "episode_index": pa.array([e.key.episode_index for e in episodes], pa.int64()),
        "agent": dictionary(np.array([codes[e.agent] for e in episodes]), list(agents)),
        "seed": pa.array([e.seed for e in episodes], pa.int64()),
        "length": pa.array([e.length for e in episodes], pa.int64()),
        "return": pa.array([e.episode_return for e in episodes], pa.float64()),
        "terminated": flags(np.array([e.terminated for e in episodes], np.bool_)),
        "truncated": flags(np.array([e.truncated for e in episodes], np.bool_)),
        "wall_us": pa.array([e.wall_us for e in episodes], pa.int64()),
        **{f"drawn.{name}": _drawn([e.drawn.get(name) for e in episodes]) for name in names},
    }


def _drawn(values: Sequence[float | int | bool | str | None]) -> pa.Array:
    if any(isinstance(value, str) for value in values):
        texts = [None if value is None else str(value) for value in values]
        return pa.array(texts, pa.utf8()).dictionary_encode()
    return pa.array([None if value is None else float(value) for value in values], pa.float64())


def _assemble(facts: dict[str, Any], streams: Sequence[_Stream]) -> NDArray[np.uint8]:
    """What is not compressed is written once, to where it belongs: the sizes are found by writing to nowhere."""
    index = {**facts, "streams": [{**about, "offset": 0, "length": _size(stream)} for about, stream in streams]}
    # Offsets follow from the index they stand in: leave room for their digits, filled up with spaces, as JSON allows.
    room = len(_json(index)) + 16 * len(streams)
    end = 12 + room
    for entry in index["streams"]:
        entry["offset"] = _padded(end)
        end = entry["offset"] + entry["length"]
    data = np.empty(end, np.uint8)
    with pa.FixedSizeBufferWriter(pa.py_buffer(data)) as sink:
        sink.write(MAGIC + _LENGTH.pack(room) + _json(index).ljust(room))
        for entry, (_, stream) in zip(index["streams"], streams, strict=True):
            sink.write(bytes(entry["offset"] - sink.tell()))
            _write(stream, sink)
    return data


def _size(stream: pa.RecordBatch | pa.Buffer) -> int:
    if isinstance(stream, pa.Buffer):
        return len(stream)
    sink = pa.MockOutputStream()
    _write(stream, sink)
    return int(sink.size())


def _write(
    stream: pa.RecordBatch | pa.Buffer, sink: pa.NativeFile, options: pa.ipc.IpcWriteOptions | None = None
) -> None:
    if isinstance(stream, pa.Buffer):
        sink.write(stream)
        return
    with pa.ipc.new_stream(sink, stream.schema, options=options) as writer:
        writer.write_batch(stream)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _summary(recording: Recording) -> list[contract.SpecSummary]:
    returns: dict[int, list[float]] = defaultdict(list)
    for episode in recording.episodes:
        if math.isfinite(episode.episode_return):  # a diverged simulation is data, but JSON has no NaN
            returns[episode.key.spec].append(episode.episode_return)
    return [
        contract.SpecSummary(
            spec=spec,
            episodes=recording.spec_episodes[spec],
            steps=recording.spec_steps[spec],
            returns=len(values),
            return_sum=sum(values),
            return_min=min(values, default=0.0),
            return_max=max(values, default=0.0),
            first_returns=len(firsts),
            first_return_sum=sum(firsts),
            wall_ms=recording.spec_wall_us[spec] / 1000,
        )
        for spec in sorted(recording.spec_steps)
        for values, firsts in [(returns[spec], list(filter(math.isfinite, recording.first_returns.get(spec, ()))))]
    ]
