"""How episodes went: seeds, lengths, returns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from worldpool._columns import Array, as_array


class Episodes:
    """How episodes went, as arrays with one entry per (episode, agent), in the order in which they were run."""

    def __init__(self, record: pa.RecordBatch) -> None:
        self._record = record
        self._arrays: dict[str, Array] = {}

    def __len__(self) -> int:
        return int(self._record.num_rows)

    def __getitem__(self, entries: slice) -> Episodes:
        start, stop, _ = entries.indices(len(self))
        return Episodes(self._record.slice(start, stop - start))

    @property
    def table(self) -> pa.Table:
        """The same as a pyarrow Table."""
        return pa.Table.from_batches([self._record])

    def only(self, mask: Array) -> Episodes:
        """The entries where the mask is true."""
        return self if mask.all() else Episodes(self._record.take(pa.array(np.flatnonzero(mask))))

    @property
    def spec_index(self) -> Array:
        """int32: which of the chunk's `specs`."""
        return self._column("spec_index")

    @property
    def env_index(self) -> Array:
        """int64"""
        return self._column("env_index")

    @property
    def episode_index(self) -> Array:
        """int64"""
        return self._column("episode_index")

    @property
    def agent(self) -> Array:
        """text: the agent's name."""
        return self._column("agent")

    @property
    def seed(self) -> Array:
        """int64: seed of the episode's reset."""
        return self._column("seed")

    @property
    def length(self) -> Array:
        """int64: steps in which the agent acted."""
        return self._column("length")

    @property
    def returns(self) -> Array:
        """float64: sum of the agent's rewards."""
        return self._column("return")

    @property
    def terminated(self) -> Array:
        """bool"""
        return self._column("terminated")

    @property
    def truncated(self) -> Array:
        """bool"""
        return self._column("truncated")

    @property
    def wall_us(self) -> Array:
        """int64: wall time of the whole episode in microseconds, reset included."""
        return self._column("wall_us")

    @property
    def drawn(self) -> dict[str, Array]:
        """Values drawn from parameters' distributions, by parameter; NaN or None where the spec draws none."""
        names = [name for name in self._record.schema.names if name.startswith("drawn.")]
        return {name.removeprefix("drawn."): self._column(name) for name in names}

    def _column(self, name: str) -> Array:
        array = self._arrays.get(name)
        if array is None:
            array = self._arrays[name] = as_array(self._record.column(name))
        return array
