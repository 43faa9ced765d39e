"""Minesweeper on boards of different neighbourhoods.

Owns neighbourhoods and goals; the dynamics are in `mines_env`.
"""

from __future__ import annotations

from collections.abc import Mapping

from env_registry.shorthand import probability, task
from env_registry.symbolic.puzzles.shorthand import COMMON, choice, count, family, switch

TIME_LIMIT = 150  # steps

_KNIGHT = tuple((r, c) for r in (-2, -1, 1, 2) for c in (-2, -1, 1, 2) if abs(r) != abs(c))
_KING = tuple((r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0))

NEIGHBOURS: Mapping[str, tuple[tuple[int, int], ...]] = {
    "king": _KING,
    "plus": ((-1, 0), (1, 0), (0, -1), (0, 1)),
    "diagonal": ((-1, -1), (-1, 1), (1, -1), (1, 1)),
    "hexagonal": ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, 1), (1, -1)),
    "knight": _KNIGHT,
    "row": ((0, -2), (0, -1), (0, 1), (0, 2)),
    "wide": tuple((r, c) for r in range(-2, 3) for c in range(-2, 3) if (r, c) != (0, 0)),
}
"""(down, right) of the cells whose mines a cell counts."""

FAMILIES = (
    family(
        "minesweeper",
        "mines_env:MinesEnv",
        (
            task("neighbours", tuple(NEIGHBOURS), "whose mines a cell counts"),
            task("clue", ("count", "nearest"), "a cell tells how many mines are next to it, or how far the nearest is"),
            count("size", 6, 4, 16, (4, 9), "cells", "side of the board", shapes=True),
            probability("density", (0.08, 0.25), "share of cells with a mine, rounded, at least one", 0.15),
            choice("edges", ("flat", "torus"), "whether the board's sides are joined"),
            switch("open_zeros", "whether opening a cell without mines next to it opens its neighbours, and so on"),
            switch("blunt", "whether a mine does not end the episode"),
            switch("safe_start", "whether the first cell opened, and what it counts, has no mine, where possible"),
            probability("misreading", (0.05, 0.2), "probability that a clue is one too high, as long as it is seen"),
            *COMMON,
        ),
        time_limit=TIME_LIMIT,
        description="Open all cells without a mine, told by opened ones about mines near them.",
        source="https://en.wikipedia.org/wiki/Minesweeper_(video_game)",
        tags=("deduction", "partial-observability"),
    ),
)
