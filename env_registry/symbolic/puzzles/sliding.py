"""Sliding tiles: one cell is empty, and a neighbouring tile may slide there.

Owns boards and goals; the dynamics are in `sliding_env`. How tiles are numbered makes no other task, and no goal here
is another one with other numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

from env_registry.shorthand import probability, task
from env_registry.symbolic.puzzles.shorthand import COMMON, ILLEGAL_COST, count, family

TIME_LIMIT = 150  # steps

Steps = tuple[tuple[int, int], ...]  # (down, right) of each direction in which the gap moves

_STRAIGHT: Steps = ((-1, 0), (1, 0), (0, -1), (0, 1))
_DIAGONAL: Steps = ((-1, -1), (-1, 1), (1, -1), (1, 1))

BOARDS: Mapping[str, tuple[Steps, str]] = {
    "grid": (_STRAIGHT, ""),
    "cylinder": (_STRAIGHT, "columns"),
    "strip": (_STRAIGHT, "columns upside down"),
    "torus": (_STRAIGHT, "columns and rows"),
    "hexagonal": ((*_STRAIGHT, (-1, 1), (1, -1)), ""),
    "king": ((*_STRAIGHT, *_DIAGONAL), ""),
}
"""Directions, and what goes round; the strip is Moebius'."""

GOALS = ("all", "rows", "halves", "checkers", "first_row", "one_tile")
"""Every tile at home; each tile in its row; each in its half; on a cell of its colour; the first row; the first
tile."""

FAMILIES = (
    family(
        "sliding_tiles",
        "sliding_env:SlidingEnv",
        (
            task("board", tuple(BOARDS), "how the gap moves"),
            task("goal", GOALS, "which tiles must be where"),
            count("width", 3, 3, 7, (4, 6), "cells", "cells in a row", shapes=True),
            count("height", 4, 3, 7, (3, 6), "cells", "cells in a column", shapes=True),
            count("scramble", 20, 1, 200, (5, 60), "moves", "random moves of the gap that scramble the tiles"),
            count("barriers", 0, 0, 8, (2, 5), "barriers", "pairs of neighbouring cells between which nothing slides"),
            probability("jam", (0.1, 0.3), "probability that a tile sticks and does not slide"),
            ILLEGAL_COST,
            *COMMON,
        ),
        time_limit=TIME_LIMIT,
        description="Slide tiles through the gap until those of the goal are where they belong.",
        source="Johnson and Story 1879, https://doi.org/10.2307/2369492",
        tags=("planning", "permutation"),
    ),
)
