"""Batches and episodes: rows of rollouts as numpy views."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from worldpool._columns import Array, ArrayOrDict, as_array, groups, read_stream
from worldpool.episodes import Episodes
from worldpool.errors import NotRecorded
from worldpool.windows import Transitions, Windows

if TYPE_CHECKING:
    from worldpool.chunks import Chunk


class Rows:
    """What batches and episodes share: one array per column, first axis = rows.

    An episode of T steps has T+1 rows (RLDS): row t holds what was observed at t, the action taken on it, and the
    reward and flags that this step gave. The last row (`is_last`) holds the final observation only.
    """

    kind: str
    """`single`, `parallel` or `turn`."""

    @property
    def observations(self) -> ArrayOrDict:
        """rows x observation shape; for dict and tuple spaces one array per leaf, by key."""
        return self._leaves("observations")

    @property
    def actions(self) -> ArrayOrDict:
        """rows x action shape, like observations. Zero and invalid where `is_last`, and where not `acted`."""
        return self._leaves("actions")

    @property
    def rewards(self) -> Array:
        """float64: what the step paid this row's agent."""
        return self._column("rewards")

    @property
    def terminations(self) -> Array:
        """bool: the step ended the episode in a terminal state."""
        return self._column("terminations")

    @property
    def truncations(self) -> Array:
        """bool: the step ended the episode by a limit."""
        return self._column("truncations")

    @property
    def is_first(self) -> Array:
        """bool: first row of the episode (of this agent)."""
        return self._column("is_first")

    @property
    def is_last(self) -> Array:
        """bool: last row of the episode (of this agent): the final observation."""
        return self._column("is_last")

    @property
    def is_terminal(self) -> Array:
        """bool: `is_last` of an episode that terminated."""
        return self._column("is_terminal")

    @property
    def t(self) -> Array:
        """int32: environment steps since the reset."""
        return self._column("t")

    @property
    def agent_index(self) -> Array:
        """int32: whose row, as index into `agents`."""
        return self._column("agent")

    @property
    def acted(self) -> Array:
        """bool: the agent acted at t. In turn-based games rows that only pay a reward are False."""
        return self._column("acted")

    @property
    def policy(self) -> dict[str, Array]:
        """What the policy computed beside actions, by name: outputs of its graph such as values or log-probabilities.
        Zero where `is_last`."""
        found = [name for name in self._names() if name.startswith("policy.")]
        return {name.removeprefix("policy."): self._column(name) for name in found}

    @property
    def infos(self) -> dict[str, Array]:
        """float64 by name: numbers that the step told (see `record` of `runs.create`), NaN where it told none."""
        found = [name for name in self._names() if name.startswith("infos.")]
        return {name.removeprefix("infos."): self._column(name) for name in found}

    @property
    def pixels(self) -> Array:
        """bytes: a PNG of the state that the row's observation is of. Of several agents the first to act has it, the
        others None."""
        return self._column("pixels")

    def records(self, name: str) -> bool:
        """Whether the run recorded `observations`, `actions`, `rewards`, `policy`, `infos` or `pixels`."""
        return any(column == name or column.startswith(name + ".") for column in self._names())

    def windows(self, length: int, *, stride: int | None = None, pad: bool = True) -> Windows:
        """Windows of `length` steps of each trajectory: what one agent did in one episode.

        Parameters
        ----------
        length
            Steps of a window.
        stride
            Steps from the beginning of one to that of the next, up to the first that reaches the end of the
            trajectory; by default `length`.
        pad
            Fill up the last one where steps are missing (`mask`), rather than leave it out.
        """
        return Windows(self, length, stride=stride, pad=pad)

    def n_step(self, n: int, *, gamma: float) -> Transitions:
        """A transition from every step to the observation up to `n` steps later, with rewards discounted by `gamma`."""
        return Transitions(self, n, gamma=gamma)

    def _column(self, name: str) -> Array:
        raise NotImplementedError

    def _names(self) -> Sequence[str]:
        raise NotImplementedError

    def _leaves(self, prefix: str) -> ArrayOrDict:
        names = self._names()
        if prefix in names:
            return self._column(prefix)
        found = {name[len(prefix) + 1 :]: self._column(name) for name in names if name.startswith(prefix + ".")}
        if not found:
            raise NotRecorded(f"this run did not record {prefix}")
        return found


class Batch(Rows):
    """Rows with equal columns out of one chunk: `rows x shape` views on its memory.

    Its environments are `refs`; `specs[batch.spec_index[i]]` is that of row i. `kind` is `single`, `parallel` or
    `turn`; rows of several agents are in order of episode, t, agent. Arrays are read-only and keep the chunk's memory
    alive: copy what you want to keep for long.
    """

    def __init__(self, chunk: Chunk, entry: dict[str, Any], buffer: pa.Buffer) -> None:
        self.chunk = chunk
        self.kind = entry["kind"]
        self.agents: tuple[str, ...] = tuple(entry["agents"])
        self._entry = entry
        self._buffer = buffer
        self._arrays: dict[str, Array] = {}

    def __repr__(self) -> str:
        return f"<Batch seq={self.seq} kind={self.kind} rows={len(self)} refs={len(self.refs)}>"

    def __len__(self) -> int:
        return int(self._entry["rows"])

    @property
    def seq(self) -> int:
        """The number of its chunk in the run."""
        return self.chunk.seq

    @property
    def refs(self) -> tuple[str, ...]:
        """The environments whose rows are here."""
        return tuple(self.chunk.specs[index] for index in self._entry["specs"])

    @property
    def specs(self) -> tuple[str, ...]:
        """Refs of all environments of the chunk, also those with other columns; `spec_index` counts in it."""
        return self.chunk.specs

    @property
    def spec_index(self) -> Array:
        """int32: which of `specs`."""
        return self._column("spec_index")

    @property
    def env_index(self) -> Array:
        """int64: which environment of the run with that spec."""
        return self._column("env_index")

    @property
    def episode_index(self) -> Array:
        """int64: which episode of that environment."""
        return self._column("episode_index")

    @cached_property
    def table(self) -> pa.Table:
        """All columns as a pyarrow Table, with the run's provenance in its schema metadata."""
        return pa.Table.from_batches([self._record])

    @cached_property
    def episodes(self) -> Episodes:
        """The episodes whose rows are here, one entry per (episode, agent)."""
        if len(self.chunk.batches) == 1:
            return self.chunk.episodes
        everything = self.chunk.episodes
        names = {name: i for i, name in enumerate(dict.fromkeys([*self.agents, *everything.agent.tolist()]))}
        last = np.flatnonzero(self.is_last)
        here = self.spec_index[last].astype(np.int64) * len(names) + self.agent_index[last]
        numbers = np.fromiter((names[name] for name in everything.agent), np.int64, len(everything))
        there = everything.spec_index.astype(np.int64) * len(names) + numbers
        return everything.only(np.isin(there, np.unique(here)))

    def to_episodes(self) -> Iterator[Episode]:
        """The episodes one by one, as slices of this batch."""
        starts, stops = groups(self.spec_index, self.env_index, self.episode_index)
        outcomes = self.episodes
        firsts, ends = groups(outcomes.spec_index, outcomes.env_index, outcomes.episode_index)
        for start, stop, first, end in zip(starts, stops, firsts, ends, strict=True):
            yield Episode(self, slice(int(start), int(stop)), outcomes[first:end])

    @cached_property
    def _record(self) -> pa.RecordBatch:
        return read_stream(self._buffer)

    def _names(self) -> Sequence[str]:
        return self._record.schema.names  # type: ignore[no-any-return]

    def _column(self, name: str) -> Array:
        array = self._arrays.get(name)
        if array is None:
            array = self._arrays[name] = self._decode(name)
        return array

    def _decode(self, name: str) -> Array:
        if self.kind == "single" and name in ("agent", "acted"):  # not stored: one agent, who always acts
            value = np.int32(0) if name == "agent" else np.True_
            return np.broadcast_to(value, len(self))
        if name not in self._names():
            raise NotRecorded(f"this run did not record {name}")
        column = self._record.column(name)
        if name == "agent":
            return column.indices.to_numpy()  # type: ignore[no-any-return]
        return as_array(column)


class Episode(Rows):
    """One episode (or, where roles have different spaces, the part of it that shares this batch's columns)."""

    def __init__(self, batch: Batch, rows: slice, outcomes: Episodes) -> None:
        self.batch = batch
        self.kind = batch.kind
        self.rows = rows
        self.outcomes = outcomes

    def __len__(self) -> int:
        """Rows, not steps: T steps of one agent have T+1 rows."""
        return int(self.rows.stop - self.rows.start)

    def __repr__(self) -> str:
        return f"<Episode {self.ref} env={self.env_index} episode={self.episode_index} rows={len(self)}>"

    @property
    def ref(self) -> str:
        """The environment."""
        return self.batch.specs[self.spec_index]

    @property
    def agents(self) -> tuple[str, ...]:
        """Names that `agent_index` counts in."""
        return self.batch.agents

    @property
    def spec_index(self) -> int:
        return int(self.batch.spec_index[self.rows.start])

    @property
    def env_index(self) -> int:
        return int(self.batch.env_index[self.rows.start])

    @property
    def episode_index(self) -> int:
        return int(self.batch.episode_index[self.rows.start])

    @property
    def seed(self) -> int:
        """The seed of its reset."""
        return int(self.outcomes.seed[0])

    def _names(self) -> Sequence[str]:
        return self.batch._names()

    def _column(self, name: str) -> Array:
        return self.batch._column(name)[self.rows]
