"""The metric: where each catalogued spec lies among the others, as integers, so that near means alike.

Owns what a spec is made of for this purpose: its parameters, its modifiers and what was measured. Names of families and
base tasks are no part of it. See docs/decisions/0010-diverse-subsets.md.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env_registry.axes import Axis, Distribution, DistributionKind, Value
from env_registry.catalogue import SPECS, columns
from env_registry.spec import Spec

UNIT = 128
"""Integer steps of a distance of one."""
MEASURED = 12
PARAMETERS = 24
MODIFIERS = 16
DIMENSIONS = MEASURED + PARAMETERS + MODIFIERS
BOUND = math.isqrt(2**22 // DIMENSIONS)
"""No coordinate is larger: so squared distances are at most 2**24, and float32 adds them up exactly in any order."""

AXES = 0.7
"""Length of which axes a family has, whatever their values."""
POSITION = 1.0
"""Length of a parameter at the level farthest from its default."""
USE = 1.0
"""Length of a modifier at its default arguments."""
ARGUMENT = 0.5
"""Length of an argument at the level farthest from its default."""
RANK = 1.0
"""Between the least and the greatest of what was measured."""
FARTHEST = 2.0
"""A value beyond all levels lies at most so many times as far out as the farthest level."""

VECTOR = np.dtype("<i2")
"""Of a coordinate, wherever vectors are kept as bytes."""

Named = tuple[str, float]
"""A length along the direction that the name stands for."""


def vectors(specs: Sequence[Spec], measurements: NDArray[np.float64]) -> NDArray[np.int16]:
    """Where the specs lie, in units of 1/UNIT: specs x DIMENSIONS.

    `measurements` are specs x MEASURED; of each column only the order counts.
    """
    found = np.empty((len(specs), DIMENSIONS), VECTOR)
    for column, values in enumerate(measurements.T):
        found[:, column] = _ranks(values)
    for row, spec in zip(found, specs, strict=True):
        row[MEASURED : MEASURED + PARAMETERS] = _axes(spec.source.axes)
        _add(row[MEASURED : MEASURED + PARAMETERS], _parameters(spec))
        row[MEASURED + PARAMETERS :] = 0
        _add(row[MEASURED + PARAMETERS :], _modifiers(spec))
    return np.clip(found, -BOUND, BOUND, out=found)


# --- parameters and modifiers


@lru_cache(maxsize=10_000)
def _axes(axes: tuple[Axis, ...]) -> NDArray[np.int16]:
    block = np.zeros(PARAMETERS, np.int16)
    _add(block, ((f"has {axis.name}", AXES / math.sqrt(len(axes))) for axis in axes))
    return block


def _parameters(spec: Spec) -> Iterator[Named]:
    axes = {axis.name: axis for axis in spec.source.axes}
    for name, value in spec.parameters:
        for place, length in _place(axes[name], value):
            yield place, POSITION * length


def _modifiers(spec: Spec) -> Iterator[Named]:
    for use in spec.modifiers:
        yield use.name, USE
        axes = {axis.name: axis for axis in use.modifier.axes}
        for name, value in use.arguments:
            for place, length in _place(axes[name], value):
                yield f"{use.name} {place}", ARGUMENT * length


def _place(axis: Axis, value: Value) -> Iterator[Named]:
    """Where a value lies from its axis' default: nowhere if it is that, one away at the farthest level.

    Each name of a choice is a direction of its own, unless it names a base task.
    """
    if isinstance(value, Distribution):
        middle = value.arguments[:1] if value.kind is DistributionKind.NORMAL else value.arguments
        yield f"{axis.name} drawn", 1.0
        for argument in middle:
            yield from ((name, length / len(middle)) for name, length in _place(axis, argument))
    elif value == axis.default:
        return
    elif axis.python_type in (float, int):
        yield axis.name, _position(axis, float(value))
    elif not axis.task:
        yield f"{axis.name}={value}", 1.0


@lru_cache(maxsize=10_000)
def _position(axis: Any, value: float) -> float:
    """How far a number is from the default, by ratio where the axis is above zero."""
    scale = math.log if axis.low > 0 else float
    origin = scale(axis.default)
    reach = max(abs(scale(level) - origin) for level in (axis.levels or (axis.low, axis.high)))
    return max(-FARTHEST, min((scale(value) - origin) / reach, FARTHEST)) if reach else FARTHEST


def _add(block: NDArray[np.int16], named: Iterable[Named]) -> None:
    """Add lengths along directions; whole steps, so that no order of adding matters."""
    for name, length in named:
        block += np.int16(round(UNIT * length / math.sqrt(len(block)))) * _direction(name, len(block))


@cache
def _direction(name: str, dimensions: int) -> NDArray[np.int16]:
    """Signs that a name stands for. Directions of two names are nearly at right angles."""
    bits = np.unpackbits(np.frombuffer(hashlib.sha256(name.encode()).digest(), np.uint8))
    return 2 * bits[:dimensions].astype(np.int16) - 1


# --- what was measured


def measured(specs: Sequence[Spec]) -> NDArray[np.float64]:
    """Of catalogued specs the behaviour under random actions (`probe.BEHAVIOUR`) and the extent of their spaces."""
    table = columns(SPECS, ["ref", "behaviour", "spaces"])
    behaviour = np.array(table["behaviour"].to_pylist(), np.float64).reshape(len(table), -1)
    found = np.hstack([behaviour, np.array([_extents(text) for text in table["spaces"].to_pylist()], np.float64)])
    row = {ref: row for row, ref in enumerate(table["ref"].to_pylist())}
    return found[[row[spec.ref] for spec in specs]]


@cache
def _extents(text: str) -> tuple[float, ...]:
    """Agents; and of the agent with most: numbers seen, numbers acted, and bits of choice."""
    spaces = json.loads(text)
    seen = [_extent(space) for space in spaces["observation_spaces"].values()]
    acted = [_extent(space) for space in spaces["action_spaces"].values()]
    return len(spaces["agents"]), max(map(sum, seen)), max(n for n, _ in acted), max(bits for _, bits in acted)


def _extent(space: dict[str, Any]) -> tuple[float, float]:
    """Numbers, and bits of choice, in one value of a space."""
    match space["type"]:
        case "Box":
            return math.prod(space["shape"]), 0.0
        case "Discrete":
            return 0.0, math.log2(space["n"])
        case "MultiDiscrete":
            return 0.0, sum(map(math.log2, np.ravel(space["nvec"]).tolist()))
        case "MultiBinary":
            return 0.0, math.prod(space["n"])
        case "Text":
            return 0.0, space["max_length"] * math.log2(max(len(space["charset"]), 2))
    parts = space["subspaces"]
    extents = [_extent(part) for part in (parts.values() if isinstance(parts, dict) else parts)]
    return sum(n for n, _ in extents), sum(bits for _, bits in extents)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.int16]:
    """The share of values below, and half of those equal: from -1/2 to 1/2 of RANK, however heavy the tails."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    twice = 2 * np.cumsum(counts) - counts - len(values)  # twice the rank from the middle
    return np.asarray(np.round(RANK * UNIT * twice / (2 * len(values))), np.int16)[places]
