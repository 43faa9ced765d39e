"""ONNX policies: one graph acts for many agents at once, in batches of a fixed number of rows.

What a graph may look like says docs/decisions/0015-policies.md; the service has checked it when it was uploaded. Owns
how rows are filled, run and read. A batch has always the same number of rows, so that what one row gets does not depend
on how many others still act.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workers.columns import Leaf, leaves
from workers.policies.base import BLOCK, Extras, Player, Policy, PolicyProblem

if TYPE_CHECKING:
    import gymnasium
    import onnxruntime

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(bool)": "bool",
}
_STATE, _NEXT = "state.", "next_state."


def _recorded(kind: str) -> str:
    dtype = _DTYPES[kind]
    return "uint8" if dtype == "bool" else dtype


class Graph:
    """A loaded graph and the parts of its signature."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no common root
            raise PolicyProblem(str(error).replace(str(path), "the graph")) from None
        self.inputs = {given.name: given for given in self.session.get_inputs()}
        self.outputs = {given.name: given for given in self.session.get_outputs()}
        self.states = [name.removeprefix(_STATE) for name in self.inputs if name.startswith(_STATE)]
        self.observations = {
            name.removeprefix("observations"): name for name in self.inputs if name.startswith("observations")
        }

    @cached_property
    def extras(self) -> Extras:
        own = [name for name in self.outputs if name != "actions" and not name.startswith(_NEXT)]
        return tuple((name, _recorded(self.outputs[name].type), _shape(self.outputs[name]) or None) for name in own)

    @cached_property
    def rows(self) -> int | None:
        """Rows of a batch where the graph prescribes them."""
        sizes = {given.shape[0] for given in self.inputs.values() if isinstance(given.shape[0], int)}
        return min(sizes, default=None)


def _shape(given: onnxruntime.NodeArg, wanted: Sequence[int] | None = None) -> tuple[int, ...]:
    """Of one row; dimensions that the graph leaves open are those wanted."""
    own = given.shape[1:]
    if wanted is not None and len(own) == len(wanted):
        own = [size if isinstance(size, int) else want for size, want in zip(own, wanted, strict=True)]
    if not all(isinstance(size, int) for size in own) or (wanted is not None and tuple(own) != tuple(wanted)):
        raise PolicyProblem(f"{given.name} has the shape {given.shape}; rows of {tuple(wanted or ())} are needed")
    return tuple(own)


class Batch:
    """A graph and as many rows as agents act together, for one observation and one action space.

    Raises
    ------
    PolicyProblem
        The graph's inputs or outputs do not fit the spaces.
    """

    def __init__(
        self, graph: Graph, observations: gymnasium.Space[Any], actions: gymnasium.Space[Any], rows: int
    ) -> None:
        self._graph = graph
        self._actions = actions
        self._part = graph.rows or rows
        self.rows = -(-rows // self._part) * self._part
        self.seats = 0
        self.waiting = False
        parts = {leaf.name: leaf for leaf in leaves(observations)}
        unknown = sorted(graph.observations.keys() - parts)
        if unknown:
            has = ", ".join(f"observations{name}" for name in parts)
            raise PolicyProblem(f"the graph reads observations{unknown[0]}; the environment has {has}")
        self._feed: dict[str, NDArray[Any]] = {}
        self._leaves = [
            (parts[name].path, self._buffer(given, parts[name])) for name, given in graph.observations.items()
        ]
        self._bare = len(self._leaves) == 1 and not self._leaves[0][0]
        for name in graph.states:
            self._new(_STATE + name, _shape(graph.inputs[_STATE + name]))
        for name in ("noise", "uniform"):
            if name in graph.inputs:
                self._new(name, _shape(graph.inputs[name]))
        if "mask" in graph.inputs:
            self._new("mask", _shape(graph.inputs["mask"], (int(getattr(actions, "n", 0)),)))[:] = 1
        self._discrete = not actions.shape
        _shape(graph.outputs["actions"], actions.shape or ())
        self._asked = np.zeros(self.rows, np.bool_)
        self._names = list(graph.outputs)
        self.results: dict[str, NDArray[Any]] = {}

    def _buffer(self, name: str, leaf: Leaf) -> NDArray[Any]:
        if leaf.dtype is None:
            raise PolicyProblem(f"{name} is text, which no graph reads")
        buffer = self._new(name, _shape(self._graph.inputs[name], leaf.shape or ()))
        if not np.can_cast(leaf.dtype, buffer.dtype, "same_kind"):
            raise PolicyProblem(f"{name} takes {buffer.dtype}, but the environment gives {leaf.dtype}")
        return buffer

    def _new(self, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
        made = self._feed[name] = np.zeros((self.rows, *shape), _DTYPES[self._graph.inputs[name].type])
        return made

    def random(self, name: str, generator: np.random.Generator) -> NDArray[Any] | None:
        """The next BLOCK rows of a random input, or None where the graph has none of the name."""
        if name not in self._feed:
            return None
        buffer = self._feed[name]
        shape = (BLOCK, *buffer.shape[1:])
        drawn = generator.standard_normal(shape) if name == "noise" else generator.random(shape)
        return drawn.astype(buffer.dtype)

    def start(self, row: int) -> None:
        """The row's agent begins an episode."""
        for name in self._graph.states:
            self._feed[_STATE + name][row] = 0

    def put(self, row: int, observation: Any, mask: NDArray[np.int8] | None, random: Mapping[str, Any]) -> None:
        """What the row's agent sees now."""
        self.waiting = self._asked[row] = True
        if self._bare:
            self._leaves[0][1][row] = observation
        else:
            for path, buffer in self._leaves:
                part = observation
                for key in path:
                    part = part[key]
                buffer[row] = part
        if "mask" in self._feed:
            self._feed["mask"][row] = 1 if mask is None else mask
        for name, values in random.items():
            self._feed[name][row] = values

    def run(self) -> None:
        """Compute all rows; those that were put since the last time have an answer then.

        Raises
        ------
        PolicyProblem
            An action is not finite or not one of the space.
        """
        part, run = self._part, self._graph.session.run
        found = [
            run(self._names, {name: values[first : first + part] for name, values in self._feed.items()})
            for first in range(0, self.rows, part)
        ]
        for name, values in zip(self._names, zip(*found, strict=True), strict=True):
            if wrong := [len(rows) if np.ndim(rows) else 0 for rows in values if np.shape(rows)[:1] != (part,)]:
                raise PolicyProblem(f"{name} has {wrong[0]} rows where it was asked for {part}")
        self.results = {
            name: values[0] if len(values) == 1 else np.concatenate(values)
            for name, values in zip(self._names, zip(*found, strict=True), strict=True)
        }
        for name in self._graph.states:
            self._feed[_STATE + name][self._asked] = self.results[_NEXT + name][self._asked]
        self._check(self.results["actions"][self._asked])
        self._asked[:] = False
        self.waiting = False

    def _check(self, actions: NDArray[Any]) -> None:
        if actions.dtype.kind == "f" and not np.isfinite(actions).all():
            raise PolicyProblem("an action is not finite")
        if self._discrete:
            low, high = int(self._actions.start), int(self._actions.start + self._actions.n)  # type: ignore[attr-defined]
            if ((actions < low) | (actions >= high)).any():
                raise PolicyProblem(f"an action is not one of {low} to {high - 1}")

    def action(self, row: int) -> Any:
        action = self.results["actions"][row]
        return int(action) if self._discrete else action.astype(self._actions.dtype)


class OnnxPolicy(Policy):
    """A seat at a batch."""

    def __init__(self, batch: Batch, extras: Extras) -> None:
        if batch.seats == batch.rows:
            raise PolicyProblem("a batch has fewer rows than agents")
        self._batch, self._row = batch, batch.seats
        self.extras = extras
        batch.seats += 1

    def player(self, generator: np.random.Generator, episode: int) -> Player:
        return _Seat(self._batch, self._row, generator, [name for name, *_ in self.extras])


class _Seat(Player):
    def __init__(self, batch: Batch, row: int, generator: np.random.Generator, extras: Sequence[str]) -> None:
        self._batch, self._row, self._generator, self._names = batch, row, generator, extras
        self._random: dict[str, NDArray[Any]] = {}
        self._used = BLOCK
        batch.start(row)

    def ask(self, observation: Any, mask: NDArray[np.int8] | None) -> None:
        if self._used == BLOCK:
            drawn = {name: self._batch.random(name, self._generator) for name in ("noise", "uniform")}
            self._random = {name: values for name, values in drawn.items() if values is not None}
            self._used = 0
        self._batch.put(self._row, observation, mask, {name: part[self._used] for name, part in self._random.items()})
        self._used += 1

    def answer(self) -> Any:
        results = self._batch.results
        if self._names:
            self.extras = {name: results[name][self._row] for name in self._names}
        return self._batch.action(self._row)

    def act(self, observation: Any, mask: NDArray[np.int8] | None) -> Any:
        self.ask(observation, mask)
        self._batch.run()
        return self.answer()
