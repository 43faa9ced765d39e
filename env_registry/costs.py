"""Costs in the committed file: a byte each, in quarters of a power of two."""

from __future__ import annotations

import math


def quantised(value: float) -> int:
    """The nearest of 1, 1.19, 1.41, 1.68, 2, …, as its number; `unquantised` is the inverse."""
    return min(max(round(4 * math.log2(max(value, 1.0))), 0), 255)


def unquantised(level: int) -> float:
    return float(2 ** (level / 4))
