"""What a rollout records: rows of each schema and the table of episodes, as plain numpy and lists.

Owns the meaning of rows and flags (docs/decisions/0003-chunk-format.md). Knows nothing of Arrow streams or of stepping.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers import contract
from workers.beside import Beside
from workers.columns import Leaf, SpaceColumns, leaves

if TYPE_CHECKING:
    from env_registry.simulator import Agent, Kind, Simulator

Column = NDArray[Any]
Leaves = tuple[Leaf, ...]
_Schema = tuple[str, Leaves, Leaves, Leaves]


class EpisodeKey(NamedTuple):
    """Which episode: index of its spec in the item, and its place in the run."""

    spec: int
    env_index: int
    episode_index: int


class EpisodeRow(NamedTuple):
    """How one agent's episode went. `length` counts the steps in which it acted; `episode_return` is in order of t."""

    key: EpisodeKey
    agent: Agent
    seed: int
    length: int
    episode_return: float
    terminated: bool
    truncated: bool
    wall_us: int
    drawn: Mapping[str, float | int | bool | str]


class SingleRows:
    """Rows of single-agent episodes with one schema: the loop writes what is seen, done and paid."""

    def __init__(self, kind: Kind, observations: Leaves, actions: Leaves, beside: Beside) -> None:
        self.kind = kind
        self.observations = SpaceColumns(observations)
        self.actions = SpaceColumns(actions)
        self.beside = beside
        self.rewards = np.empty(self.observations.capacity)
        self.rows = 0
        self._episodes: list[tuple[EpisodeKey, int, bool, bool]] = []

    def reserve(self, rows: int) -> None:
        """Make room for rows up to `rows`; `rewards` and the columns' `write` are new objects afterwards."""
        self.observations.reserve(rows)
        self.actions.reserve(rows)
        self.beside.reserve(rows)
        if rows > len(self.rewards):
            self.rewards = np.concatenate([self.rewards, np.empty(self.observations.capacity - len(self.rewards))])

    def end_episode(self, key: EpisodeKey, last_row: int, terminated: bool, truncated: bool) -> None:
        """The episode fills the rows from `self.rows` to `last_row`, which holds its final observation."""
        self.actions.zero(last_row)
        self.beside.clear(last_row)
        self.rewards[last_row] = 0.0
        self._episodes.append((key, last_row + 1 - self.rows, terminated, truncated))
        self.rows = last_row + 1

    def extend(self, other: SingleRows) -> None:
        """Append another's episodes."""
        self.reserve(self.rows + other.rows)
        self.observations.copy(self.rows, other.observations, other.rows)
        self.actions.copy(self.rows, other.actions, other.rows)
        self.beside.extend(self.rows, other.beside, other.rows)
        self.rewards[self.rows : self.rows + other.rows] = other.rewards[: other.rows]
        self._episodes += other._episodes
        self.rows += other.rows

    @property
    def agents(self) -> Sequence[Agent]:
        return ("agent",)

    @property
    def specs(self) -> set[int]:
        return {key.spec for key, *_ in self._episodes}

    def row_columns(self) -> dict[str, Column]:
        """Columns besides observations and actions, each of length `rows`."""
        keys, counts, terminated, truncated = (list(part) for part in zip(*self._episodes, strict=True))
        rows = np.array(counts)
        ends = np.cumsum(rows)
        starts = ends - rows
        return {
            "rewards": self.rewards[: self.rows],
            "terminations": _flags(self.rows, ends[np.array(terminated)] - 2),
            "truncations": _flags(self.rows, ends[np.array(truncated)] - 2),
            "is_first": _flags(self.rows, starts),
            "is_last": _flags(self.rows, ends - 1),
            "is_terminal": _flags(self.rows, ends[np.array(terminated)] - 1),
            **_key_columns(keys, rows),
            "t": (np.arange(self.rows) - np.repeat(starts, rows)).astype(np.int32),
        }


class AgentRows:
    """Rows of several agents' episodes with one schema, in order of episodes, then t."""

    def __init__(self, kind: Kind, observations: Leaves, actions: Leaves, beside: Beside) -> None:
        self.kind = kind
        self.observations = SpaceColumns(observations)
        self.actions = SpaceColumns(actions)
        self.beside = beside
        self.rows = 0
        self._noted = bool(beside)
        self._room = 0
        self._codes: dict[Agent, int] = {}
        self._keys: list[EpisodeKey] = []
        self._key_rows: list[int] = []
        self._agent: list[int] = []
        self._t: list[int] = []
        self._rewards: list[float] = []
        self._idle: list[int] = []  # from here on the numbers of such rows
        self._terminations: list[int] = []
        self._truncations: list[int] = []
        self._first: list[int] = []
        self._last: list[int] = []
        self._terminal: list[int] = []
        self._seen: set[Agent] = set()

    def start_episode(self, key: EpisodeKey) -> None:
        self._keys.append(key)
        self._key_rows.append(self.rows)
        self._seen.clear()

    def add(
        self,
        agent: Agent,
        t: int,
        observation: Any | None,
        action: Any | None,
        extras: Mapping[str, Any] | None = None,
        shown: Simulator | None = None,
    ) -> int:
        """A row, without reward or flags; None stands for zeros. Returns its number. Its picture, if there are any, is
        that of the simulator `shown`."""
        row = self.rows
        self.rows = row + 1
        if row == self._room:
            self.reserve(row + 1)
        if observation is None:
            self.observations.zero(row)
        else:
            self.observations.write(row, observation)
        if action is None:
            self.actions.zero(row)
            self._idle.append(row)
        else:
            self.actions.write(row, action)
        if self._noted:
            self.beside.clear(row)
            self.beside.compute(row, extras)
            self.beside.see(shown)
        if agent not in self._seen:
            self._seen.add(agent)
            self._first.append(row)
        self._agent.append(self._codes.setdefault(agent, len(self._codes)))
        self._t.append(t)
        self._rewards.append(0.0)
        return row

    def reserve(self, rows: int) -> None:
        """Make room for rows up to `rows`."""
        self.observations.reserve(rows)
        self.actions.reserve(rows)
        self._room = min(self.observations.capacity, self.actions.capacity)
        self.beside.reserve(self._room)

    def pay(self, row: int, reward: float, terminated: bool, truncated: bool) -> None:
        """What the step of this row gave its agent."""
        self._rewards[row] = reward
        if terminated:
            self._terminations.append(row)
        if truncated:
            self._truncations.append(row)

    def add_last(
        self, agent: Agent, t: int, observation: Any | None, terminated: bool, shown: Simulator | None
    ) -> None:
        row = self.add(agent, t, observation, None, shown=shown)
        self._last.append(row)
        if terminated:
            self._terminal.append(row)

    def extend(self, other: AgentRows) -> None:
        """Append another's episodes."""
        first, self.rows = self.rows, self.rows + other.rows
        self.reserve(self.rows)
        self.observations.copy(first, other.observations, other.rows)
        self.actions.copy(first, other.actions, other.rows)
        self.beside.extend(first, other.beside, other.rows)
        codes = [self._codes.setdefault(agent, len(self._codes)) for agent in other._codes]
        self._agent += [codes[code] for code in other._agent]
        self._keys += other._keys
        self._key_rows += [first + row for row in other._key_rows]
        for own_rows, their_rows in (
            (self._first, other._first),
            (self._last, other._last),
            (self._terminal, other._terminal),
            (self._idle, other._idle),
            (self._terminations, other._terminations),
            (self._truncations, other._truncations),
        ):
            own_rows += [first + row for row in their_rows]
        self._t += other._t
        self._rewards += other._rewards

    @property
    def agents(self) -> Sequence[Agent]:
        return tuple(self._codes)

    @property
    def specs(self) -> set[int]:
        return {key.spec for key in self._keys}

    def row_columns(self) -> dict[str, Column]:
        """Columns besides observations and actions, each of length `rows`; `agent` holds indices into `agents`."""
        rows = np.diff(np.array([*self._key_rows, self.rows]))
        return {
            "rewards": np.array(self._rewards, np.float64),
            "terminations": _flags(self.rows, self._terminations),
            "truncations": _flags(self.rows, self._truncations),
            "is_first": _flags(self.rows, self._first),
            "is_last": _flags(self.rows, self._last),
            "is_terminal": _flags(self.rows, self._terminal),
            **_key_columns(self._keys, rows),
            "t": np.array(self._t, np.int32),
            "agent": np.array(self._agent, np.int32),
            "acted": ~_flags(self.rows, self._idle),
        }


@dataclass
class Recording:
    """All rows of one item, by schema in order of first use, and its episodes."""

    streams: dict[_Schema, SingleRows | AgentRows] = field(default_factory=dict)
    episodes: list[EpisodeRow] = field(default_factory=list)
    spec_steps: dict[int, int] = field(default_factory=dict)
    spec_episodes: dict[int, int] = field(default_factory=dict)
    spec_wall_us: dict[int, int] = field(default_factory=dict)
    first_returns: dict[int, list[float]] = field(default_factory=dict)
    """Returns of the first agent, by spec: what cards compare with."""

    def rows_of(
        self, simulator: Simulator, agent: Agent, extras: Leaves, record: contract.Record
    ) -> SingleRows | AgentRows:
        """Where this agent's rows go; `extras` are the columns of what its policy computes beside actions.

        Raises
        ------
        SpaceProblem
            A space has no place in the chunk format.
        """
        kind = simulator.kind
        observations = leaves(simulator.observation_spaces[agent])
        actions = leaves(simulator.action_spaces[agent])
        schema = (str(kind), observations, actions, extras)
        if schema not in self.streams:
            rows = SingleRows if kind == "single" else AgentRows
            self.streams[schema] = rows(kind, observations, actions, Beside(extras, record))
        return self.streams[schema]

    def extend(self, other: Recording) -> None:
        """Append another's rows and episodes; it is not used any more afterwards."""
        for schema, rows in other.streams.items():
            if schema not in self.streams:
                self.streams[schema] = rows
            else:
                self.streams[schema].extend(rows)  # type: ignore[arg-type]  # of equal schema, hence of equal kind
        self.episodes += other.episodes
        for mine, theirs in (
            (self.spec_steps, other.spec_steps),
            (self.spec_episodes, other.spec_episodes),
            (self.spec_wall_us, other.spec_wall_us),
        ):
            for spec, count in theirs.items():
                mine[spec] = mine.get(spec, 0) + count
        for spec, returns in other.first_returns.items():
            self.first_returns.setdefault(spec, []).extend(returns)

    def end_episode(self, spec: int, steps: int, wall_us: int) -> None:
        self.spec_steps[spec] = self.spec_steps.get(spec, 0) + steps
        self.spec_episodes[spec] = self.spec_episodes.get(spec, 0) + 1
        self.spec_wall_us[spec] = self.spec_wall_us.get(spec, 0) + wall_us


def _flags(rows: int, where: Sequence[int] | Column) -> Column:
    column = np.zeros(rows, np.bool_)
    column[np.asarray(where, np.intp)] = True
    return column


def _key_columns(keys: Sequence[EpisodeKey], rows: Column) -> dict[str, Column]:
    return {
        "spec_index": np.repeat(np.array([key.spec for key in keys], np.int32), rows),
        "env_index": np.repeat(np.array([key.env_index for key in keys], np.int64), rows),
        "episode_index": np.repeat(np.array([key.episode_index for key in keys], np.int64), rows),
    }
