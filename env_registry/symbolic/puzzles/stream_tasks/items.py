"""What a task on a stream of symbols consists of."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

Rng: TypeAlias = np.random.Generator

SHOW, ASK, MARK, OTHER_MARK = range(4)
"""What an item is: shown, asked for an answer, or shown with one of two marks."""


class Parameters(NamedTuple):
    length: int
    symbols: int
    delay: int


class Item(NamedTuple):
    symbol: int
    cue: int = SHOW
    answer: int = -1  # -1: none


Task: TypeAlias = Callable[[Rng, Parameters], list[Item]]
