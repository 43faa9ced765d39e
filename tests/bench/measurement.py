"""One figure, with what it is compared to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Measurement:
    """`value` and `baseline` are medians over the repeats; `ratio` is the median of the repeats' own ratios."""

    name: str
    value: float
    unit: str
    baseline: float
    ratio: float
    repeats: int

    def json(self) -> dict[str, Any]:
        return asdict(self)


def compared(name: str, unit: str, pairs: Sequence[tuple[float, float]]) -> Measurement:
    """Of (ours, baseline) pairs, each measured one right after the other."""
    ours, baseline = zip(*pairs, strict=True)
    ratio = median(a / b for a, b in pairs)
    return Measurement(name, median(ours), unit, median(baseline), ratio, len(pairs))
