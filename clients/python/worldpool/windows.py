"""Rows as learners take them: windows of trajectories, and n-step transitions. Numpy alone, and no loop over rows.

A trajectory is what one agent did in one episode; its steps are the rows in which the agent acted. The reward of a step
is all that the agent was paid until it acted again, so in turn-based games a step leads to the agent's own next move.
What an agent was paid before its first move belongs to no step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from worldpool._columns import Array, ArrayOrDict, groups

if TYPE_CHECKING:
    from worldpool.batches import Rows


class Windows:
    """Windows of some steps of one trajectory; none goes beyond the end of an episode.

    Where a trajectory is shorter, the rest is padding, zero in all arrays. A window ends with the observation after its
    last step, from which to bootstrap after a truncation; after a termination the value is zero.
    """

    def __init__(self, rows: Rows, length: int, *, stride: int | None = None, pad: bool = True) -> None:
        stride = length if stride is None else stride
        if length < 1 or stride < 1:
            raise ValueError(f"windows have a length and a stride of 1 or more, not {length} and {stride}")
        self._source = rows
        self._all = _Steps(rows)
        trajectory, offset = _places(self._all.counts, length, stride, pad)
        first = self._all.first[trajectory] + offset
        self.lengths: Array = np.minimum(length, self._all.counts[trajectory] - offset)
        """int64, windows: how many steps are there."""
        self.is_first: Array = offset == 0
        """bool, windows: where the window begins with its episode (of this agent)."""
        self.mask: Array = np.arange(length) < self.lengths[:, None]
        """bool, windows x length: which steps are there."""
        self._steps = np.where(self.mask, first[:, None] + np.arange(length), 0)
        last = first + self.lengths - 1
        ends = np.arange(len(first)), self.lengths
        self.observed: Array = np.arange(length + 1) <= self.lengths[:, None]
        """bool, windows x (length + 1): which observations are there. In turn-based games an agent that was cut off
        while another moved was not shown its last one."""
        self.observed[ends] = self._all.shown[last]
        self._rows = np.zeros(self.observed.shape, np.int64)
        self._rows[:, :-1] = self._all.rows[self._steps]
        self._rows[ends] = self._all.following[last]

    def __len__(self) -> int:
        return len(self.lengths)

    @cached_property
    def observations(self) -> ArrayOrDict:
        """windows x (length + 1) x observation shape: before each step, and after the last that is there."""
        return _each(self._source.observations, lambda leaf: _filled(leaf, self._rows, self.observed))

    @cached_property
    def actions(self) -> ArrayOrDict:
        """windows x length x action shape."""
        return _each(self._source.actions, self.take)

    @cached_property
    def rewards(self) -> Array:
        """float64, windows x length."""
        return _filled(self._all.rewards, self._steps, self.mask)

    @cached_property
    def terminations(self) -> Array:
        """bool, windows x length: the step ended the episode in a terminal state."""
        return _filled(self._all.terminations, self._steps, self.mask)

    @cached_property
    def truncations(self) -> Array:
        """bool, windows x length: the step ended the episode by a limit."""
        return _filled(self._all.truncations, self._steps, self.mask)

    def take(self, column: Array) -> Array:
        """windows x length x …: what a column of the same rows, such as `batch.policy["value"]`, holds at the steps."""
        return _filled(column, self._rows[:, :-1], self.mask)


class Transitions:
    """From each step to the observation up to `n` steps later, fewer where the episode ends.

    A target is `rewards + discounts * value(next_observations)`, for those where `mask`.
    """

    def __init__(self, rows: Rows, n: int, *, gamma: float) -> None:
        if n < 1 or not 0 <= gamma <= 1:
            raise ValueError(f"n is 1 or more and gamma from 0 to 1, not {n} and {gamma}")
        self._source = rows
        steps = _Steps(rows)
        self.lengths: Array = np.minimum(n, steps.left)
        """int64: how many steps each transition is."""
        last = np.arange(len(steps.rows)) + self.lengths - 1
        self.rewards: Array = np.zeros(len(last))
        """float64: rewards of these steps, each discounted by gamma for every step before it."""
        for k in range(int(self.lengths.max(initial=0))):
            some = np.flatnonzero(self.lengths > k)
            self.rewards[some] += gamma**k * steps.rewards[some + k]
        self.terminations: Array = steps.terminations[last]
        """bool: the last of these steps ended the episode in a terminal state."""
        self.truncations: Array = steps.truncations[last]
        """bool: the last of these steps ended the episode by a limit."""
        self.discounts: Array = np.where(self.terminations, 0.0, np.power(gamma, self.lengths, dtype=np.float64))
        """float64: gamma to the power of steps, 0 where the episode terminated."""
        self.mask: Array = self.terminations | steps.shown[last]
        """bool: False where there is no observation to bootstrap from. In turn-based games an agent that was cut off
        while another moved was not shown its last one."""
        self._rows, self._next_rows = steps.rows, steps.following[last]

    def __len__(self) -> int:
        return len(self.lengths)

    @cached_property
    def observations(self) -> ArrayOrDict:
        """steps x observation shape."""
        return _each(self._source.observations, self.take)

    @cached_property
    def actions(self) -> ArrayOrDict:
        """steps x action shape."""
        return _each(self._source.actions, self.take)

    @cached_property
    def next_observations(self) -> ArrayOrDict:
        """steps x observation shape: after the last of these steps."""
        return _each(self._source.observations, lambda leaf: np.take(leaf, self._next_rows, axis=0))

    def take(self, column: Array) -> Array:
        """steps x …: what a column of the same rows, such as `batch.policy["value"]`, holds at the first step."""
        return np.take(column, self._rows, axis=0)


class _Steps:
    """Steps of all trajectories, one trajectory after the other: one entry a step in each array.

    `rows` is where the agent acted, `following` the row of what it saw next: that of its next step, or its last row;
    `shown` is False where it was cut off while others moved. `left` counts the steps from here to the end. `first` and
    `counts` are by trajectory: its first step, and how many it has.
    """

    def __init__(self, rows: Rows) -> None:
        *episode, agent = (rows._column(name) for name in ("spec_index", "env_index", "episode_index", "agent"))
        starts, stops = groups(*episode)
        order = np.arange(len(agent))
        if rows.kind != "single":  # rows of one t stand together: put those of one agent together
            numbers = np.repeat(np.arange(len(starts)), stops - starts)
            order = np.lexsort((agent, numbers))
            starts, stops = groups(numbers[order], agent[order])
        last = order[stops - 1]
        at = np.flatnonzero((rows.acted & ~rows.is_last)[order])
        of = np.searchsorted(stops, at, side="right")
        self.counts = np.bincount(of, minlength=len(starts))
        self.first = np.cumsum(self.counts) - self.counts
        self.left = (self.first + self.counts)[of] - np.arange(len(at))
        self.rows = order[at]
        self.following = np.where(self.left > 1, np.append(self.rows[1:], 0), last[of])
        self.shown = (self.left > 1) | _shown(rows, last)[of]
        self._source, self._order = rows, order
        self._spans = np.union1d(starts, at)  # what an agent was paid before its first move is a span of its own
        self._mine = np.searchsorted(self._spans, at)
        self.terminations = self._each_step(np.logical_or, rows.terminations)
        self.truncations = self._each_step(np.logical_or, rows.truncations)

    @cached_property
    def rewards(self) -> Array:
        return self._each_step(np.add, self._source.rewards)

    def _each_step(self, reduce: np.ufunc, column: Array) -> Array:
        """From each step until the agent's next."""
        found: Array = reduce.reduceat(column[self._order], self._spans)[self._mine]
        return found


def _shown(rows: Rows, last: Array) -> Array:
    """By trajectory: its last row holds what the agent saw. Where it saw nothing there are zeros."""
    if rows.kind != "turn" or not rows.records("observations"):
        return np.ones(len(last), np.bool_)
    leaves = rows.observations if isinstance(rows.observations, dict) else {"": rows.observations}
    nonzero = [leaf[last].astype(np.bool_).reshape(len(last), -1).any(axis=1) for leaf in leaves.values()]
    shown: Array = np.any([rows.is_terminal[last], *nonzero], axis=0)
    return shown


def _places(counts: Array, length: int, stride: int, pad: bool) -> tuple[Array, Array]:
    """Of each window its trajectory, and how many steps of that are before it."""
    spare = counts - length
    if pad:  # with gaps between windows, the next may begin behind the end
        windows = np.minimum(np.maximum(-(-spare // stride), 0) + 1, -(-counts // stride))
    else:
        windows = np.maximum(spare // stride + 1, 0)
    within = np.arange(windows.sum()) - np.repeat(np.cumsum(windows) - windows, windows)
    return np.repeat(np.arange(len(counts)), windows), within * stride


def _each(leaves: ArrayOrDict, take: Callable[[Array], Array]) -> ArrayOrDict:
    return {name: take(leaf) for name, leaf in leaves.items()} if isinstance(leaves, dict) else take(leaves)


def _filled(values: Array, index: Array, there: Array) -> Array:
    """Values at the index, zero or empty text where nothing is there."""
    found = np.take(values, index, axis=0)
    if not there.all():
        found[~there] = (b"" if isinstance(values[0], bytes) else "") if found.dtype == object else 0
    return found
