"""Chunks: the results of work items, read from the bytes that arrived.

Owns the layout of the chunk format (`WPCHUNK1`). Knows nothing of HTTP.
"""

from __future__ import annotations

import json
import struct
from functools import cached_property
from typing import Any
from weakref import WeakValueDictionary

import pyarrow as pa

from worldpool._columns import read_stream
from worldpool.batches import Batch
from worldpool.episodes import Episodes
from worldpool.errors import FormatError

MAGIC = b"WPCHUNK1"


class Chunk:
    """The result of one work item.

    It holds one `Batch` for each set of rows with equal columns, so environments with different spaces, or roles of one
    game with different spaces, are in different batches. `policy` names what acted: random, still, or the digest of an
    upload. `index` is all that the worker wrote about it: run, item, site, runtime, policy. `Chunk.parse` reads an
    object of a store.
    """

    def __init__(self, buffer: pa.Buffer, *, seq: int = 0) -> None:
        self.seq = seq
        self.buffer = buffer
        self.index = _read_index(buffer)
        self.specs: tuple[str, ...] = tuple(spec["ref"] for spec in self.index["specs"])
        self.digests: tuple[str, ...] = tuple(spec["digest"] for spec in self.index["specs"])
        self.steps: int = self.index["steps"]
        self.policy: str = self.index["policy"]["name"]
        *rows, episodes = self.index["streams"]
        self._rows = [(entry, self._stream(entry)) for entry in rows]
        self._batches: WeakValueDictionary[int, Batch] = WeakValueDictionary()
        self._episodes_stream = self._stream(episodes)

    @classmethod
    def parse(cls, data: bytes | bytearray | memoryview | pa.Buffer, *, seq: int = 0) -> Chunk:
        """Read a chunk object without copying it.

        Raises
        ------
        FormatError
            The bytes are no chunk, are cut short, or have a newer format.
        """
        return cls(data if isinstance(data, pa.Buffer) else pa.py_buffer(data), seq=seq)

    def __repr__(self) -> str:
        return f"<Chunk seq={self.seq} specs={len(self.specs)} batches={len(self._rows)} steps={self.steps}>"

    @property
    def batches(self) -> tuple[Batch, ...]:
        """One for each set of rows with equal columns."""
        # batches hold their chunk; held by it in turn, megabytes would wait for the cycle collector
        return tuple(self._batches.setdefault(i, Batch(self, *row)) for i, row in enumerate(self._rows))

    @cached_property
    def episodes(self) -> Episodes:
        """How its episodes went."""
        return Episodes(read_stream(self._episodes_stream))

    @property
    def episode_count(self) -> int:
        """Episodes, each counted once whatever its number of agents."""
        return int(self.index["episodes"])

    def _stream(self, entry: dict[str, Any]) -> pa.Buffer:
        offset, length = entry["offset"], entry["length"]
        if offset + length > self.buffer.size:
            raise FormatError(f"chunk cut short: {self.buffer.size} bytes, {offset + length} expected")
        return self.buffer.slice(offset, length)


def _read_index(buffer: pa.Buffer) -> dict[str, Any]:
    view = memoryview(buffer)
    if view[:8] != MAGIC or len(view) < 12:
        raise FormatError("not a chunk: it does not begin with WPCHUNK1")
    (length,) = struct.unpack_from("<I", view, 8)
    try:
        index: dict[str, Any] = json.loads(bytes(view[12 : 12 + length]))
    except ValueError as error:
        raise FormatError(f"not a readable chunk: {error}") from error
    if index.get("format") != 1:
        raise FormatError(f"chunk format {index.get('format')} is newer than this client; upgrade worldpool")
    return index
