"""Chunks written for the tests straight from docs/decisions/0003-chunk-format.md, without the workers' writer."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

Columns = Mapping[str, pa.Array]


def tensor(values: np.ndarray) -> pa.Array:
    return pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(values))


def flags(values: Any) -> pa.Array:
    return pa.ExtensionArray.from_storage(pa.bool8(), pa.array(np.asarray(values, np.int8)))


def names(indices: Any, words: Sequence[str], mask: Any = None) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.asarray(indices, np.int32), mask=mask), pa.array(list(words)))


def single_rows(lengths: Sequence[int], *, spec: int = 0, first_episode: int = 0, size: int = 3) -> dict[str, pa.Array]:
    """Episodes of the given lengths in steps; observation = 100 * episode + t in every element, reward = 1 a step."""
    t = np.concatenate([np.arange(n + 1) for n in lengths]).astype(np.int32)
    episode = np.concatenate([np.full(n + 1, first_episode + i) for i, n in enumerate(lengths)]).astype(np.int64)
    last = np.concatenate([np.arange(n + 1) == n for n in lengths])
    final = np.concatenate([np.arange(n + 1) == n - 1 for n in lengths])
    observation = (100 * episode + t)[:, None].repeat(size, axis=1).astype(np.float32)
    return {
        "observations": tensor(observation),
        "actions": pa.array(np.where(last, 0, t % 2).astype(np.int64)),
        "rewards": pa.array(np.where(last, 0.0, 1.0)),
        "terminations": flags(final),
        "truncations": flags(np.zeros(len(t))),
        "is_first": flags(t == 0),
        "is_last": flags(last),
        "is_terminal": flags(last),
        "spec_index": pa.array(np.full(len(t), spec, np.int32)),
        "env_index": pa.array(np.zeros(len(t), np.int64)),
        "episode_index": pa.array(episode),
        "t": pa.array(t),
    }


def agent_rows(agents: Sequence[str], length: int, *, spec: int = 0, size: int = 2) -> dict[str, pa.Array]:
    """One episode of `length` steps in which all agents act at once; observation = 10 * agent + t."""
    t = np.arange(length + 1).repeat(len(agents)).astype(np.int32)
    who = np.tile(np.arange(len(agents)), length + 1).astype(np.int32)
    last = t == length
    return {
        "observations": tensor((10 * who + t)[:, None].repeat(size, axis=1).astype(np.float64)),
        "actions": tensor(np.zeros((len(t), 2), np.float32)),
        "rewards": pa.array(np.where(last, 0.0, who + 1.0)),
        "terminations": flags(np.zeros(len(t))),
        "truncations": flags(t == length - 1),
        "is_first": flags(t == 0),
        "is_last": flags(last),
        "is_terminal": flags(np.zeros(len(t))),
        "spec_index": pa.array(np.full(len(t), spec, np.int32)),
        "env_index": pa.array(np.zeros(len(t), np.int64)),
        "episode_index": pa.array(np.zeros(len(t), np.int64)),
        "t": pa.array(t),
        "agent": names(who, agents),
        "acted": flags(~last),
    }


def episode_rows(
    entries: Sequence[tuple[int, int, str, int, float]], drawn: Columns | None = None
) -> dict[str, pa.Array]:
    """Entries are (spec_index, episode_index, agent, length, return)."""
    spec, episode, agent, length, total = zip(*entries, strict=True)
    words = sorted(set(agent))
    size = len(entries)
    return {
        "spec_index": pa.array(spec, pa.int32()),
        "env_index": pa.array(np.zeros(size, np.int64)),
        "episode_index": pa.array(episode, pa.int64()),
        "agent": names([words.index(name) for name in agent], words),
        "seed": pa.array(1000 + np.asarray(episode, np.int64)),
        "length": pa.array(length, pa.int64()),
        "return": pa.array(total, pa.float64()),
        "terminated": flags(np.ones(size)),
        "truncated": flags(np.zeros(size)),
        "wall_us": pa.array(np.full(size, 500, np.int64)),
        **(drawn or {}),
    }


def single_chunk(
    lengths: Sequence[int],
    *,
    first_episode: int = 0,
    ref: str = "toy/line@1",
    size: int = 3,
    policy: str = "random",
) -> bytes:
    """A chunk of one single-agent environment."""
    entries = [(0, first_episode + i, "agent", n, float(n)) for i, n in enumerate(lengths)]
    rows = single_rows(lengths, first_episode=first_episode, size=size)
    return chunk([ref], [("single", ["agent"], [0], rows)], episode_rows(entries), steps=sum(lengths), policy=policy)


def chunk(
    refs: Sequence[str],
    streams: Sequence[tuple[str, Sequence[str], Sequence[int], Columns]],
    episodes: Columns,
    *,
    steps: int,
    policy: str = "random",
) -> bytes:
    """Row streams are (kind, agents, indices of specs, columns)."""
    agents = list(dict.fromkeys(agent for _, stream_agents, _, _ in streams for agent in stream_agents))
    everything = [*streams, ("episodes", agents, list(range(len(refs))), episodes)]
    bodies = [_stream(columns) for *_, columns in everything]
    entries = [
        {
            "kind": kind,
            "agents": list(who),
            "specs": list(specs),
            "length": len(body),
            "rows": len(columns["spec_index"]),
        }
        for (kind, who, specs, columns), body in zip(everything, bodies, strict=True)
    ]
    for i, entry in enumerate(entries):
        entry["name"] = "episodes" if i == len(streams) else f"rows-{i}"
        entry["offset"] = 10**12  # as wide as any offset, so that the index keeps its length
    count = len({(spec, index) for spec, index in zip(*_keys(episodes), strict=True)})
    index = {
        "format": 1,
        "run": "r",
        "item": "i",
        "fence": 1,
        "site": "home",
        "runtime": "0" * 64,
        "policy": {"name": policy, "digest": hashlib.sha256(policy.encode()).hexdigest()},
        "specs": [{"ref": ref, "digest": f"{i:064x}"} for i, ref in enumerate(refs)],
        "streams": entries,
        "episodes": count,
        "steps": steps,
    }
    return _assemble(index, bodies)


def _keys(episodes: Columns) -> tuple[list[int], list[int]]:
    return episodes["spec_index"].to_pylist(), episodes["episode_index"].to_pylist()


def _stream(columns: Columns) -> bytes:
    batch = pa.record_batch(dict(columns))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def _assemble(index: dict[str, Any], bodies: Sequence[bytes]) -> bytes:
    offset = _padded(12 + len(json.dumps(index)))
    for entry, body in zip(index["streams"], bodies, strict=True):
        entry["offset"], offset = offset, _padded(offset + len(body))
    text = json.dumps(index).encode()
    data = bytearray(b"WPCHUNK1" + struct.pack("<I", len(text)) + text)
    for entry, body in zip(index["streams"], bodies, strict=True):
        data += bytes(entry["offset"] - len(data)) + body
    return bytes(data)


def _padded(size: int) -> int:
    return -(-size // 64) * 64
