"""Postings: which catalogued specs have a name, as a packed set of their numbers; of an amount, step by step, which
have about so much and how much. Knows no database and no meaning of names; see docs/decisions/0012-search.md."""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUMBER = np.dtype("<u4")
VALUE = np.dtype("<f8")
LISTED = 2**14
"""Specs that `head` looks at, at a time."""

Mask = NDArray[np.bool_]
"""True for the specs of a set, by number."""


def pack(numbers: Sequence[int], total: int) -> bytes:
    """Rising numbers below `total`: four bytes for each, or a bit for every spec where that is not longer."""
    chosen = np.asarray(numbers, NUMBER)
    if _are_few(len(chosen), total):
        return chosen.tobytes()
    mask = np.zeros(total, np.bool_)
    mask[chosen] = True
    return bits(mask)


def bits(mask: Mask) -> bytes:
    """A bit for every spec, as PostgreSQL's get_bit reads them."""
    return np.packbits(mask, bitorder="little").tobytes()


def mark(mask: Mask, specs: int, packed: bytes, values: bytes | None, low: float, high: float) -> None:
    """Make true what a packed set of so many `specs` has; where values are given, only what lies from `low` to `high`.

    Values are those of the specs in their order, or one that all have.
    """
    fits = None if values is None else _between(np.frombuffer(values, VALUE), low, high)
    few = _are_few(specs, len(mask))
    if fits is not None and len(fits) > 1:
        numbers = np.frombuffer(packed, NUMBER) if few else np.flatnonzero(_unpacked(packed, len(mask)))
        mask[numbers[fits]] = True
    elif fits is None or fits[0]:
        if few:
            mask[np.frombuffer(packed, NUMBER)] = True
        else:
            mask |= _unpacked(packed, len(mask))


def head(mask: Mask, most: int) -> list[int]:
    """The first numbers of a set, up to `most`: not all of a large one are listed for that."""
    found: list[int] = []
    for start in range(0, len(mask), LISTED):
        found += (np.flatnonzero(mask[start : start + LISTED]) + start).tolist()
        if len(found) >= most:
            break
    return found[:most]


def _between(values: NDArray[np.float64], low: float, high: float) -> Mask:
    return (low <= values) & (values <= high)


def _unpacked(packed: bytes, total: int) -> Mask:
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=total, bitorder="little").view(np.bool_)


def _are_few(specs: int, total: int) -> bool:
    return 8 * NUMBER.itemsize * specs < total


SMALLEST, LARGEST = 2**-16, 2**32
"""Beyond these, steps tell no numbers apart."""


def step(number: float) -> int:
    """Its place on a scale of both signs with four steps to each power of two, from SMALLEST to LARGEST; ends take all
    beyond. Never falls where numbers rise."""
    if abs(number) < SMALLEST:
        return 0
    steps = math.floor(4 * math.log2(min(abs(number), LARGEST))) + 65
    return steps if number > 0 else -steps


class Collector:
    """Gathers what specs have, one spec after another in the order of their numbers."""

    def __init__(self) -> None:
        self.total = 0
        self._names: defaultdict[str, array[int]] = defaultdict(lambda: array("I"))
        self._amounts: defaultdict[tuple[str, int], tuple[array[int], array[float]]] = defaultdict(
            lambda: (array("I"), array("d"))
        )

    def add(self, names: Iterable[str], amounts: Mapping[str, float]) -> int:
        """Take what the next spec has; answers its number."""
        number = self.total
        for name in names:
            self._names[name].append(number)
        for name, amount in amounts.items():
            numbers, values = self._amounts[name, step(amount)]
            numbers.append(number)
            values.append(amount)
        self.total += 1
        return number

    def rows(self) -> Iterator[dict[str, Any]]:
        """Of the table `posting`. Where all values are the same, it stands there once."""
        for name, numbers in sorted(self._names.items()):
            yield self._row(name, 0, numbers)
        for (name, at), (numbers, values) in sorted(self._amounts.items()):
            own = values[:1] if min(values) == max(values) else values
            yield self._row(name, at, numbers, np.asarray(own, VALUE).tobytes())

    def _row(self, name: str, step: int, numbers: array[int], values: bytes | None = None) -> dict[str, Any]:
        packed = pack(numbers, self.total)
        return {"name": name, "step": step, "specs": len(numbers), "numbers": packed, "values": values}
