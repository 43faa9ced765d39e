"""Merging tiles, as in 2048: a board is tilted, tiles slide, and fitting ones merge.

Owns which tiles merge into what; the dynamics are in `merging_env`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from env_registry.shorthand import probability, task
from env_registry.symbolic.puzzles.shorthand import COMMON, ILLEGAL_COST, count, family

TIME_LIMIT = 300  # steps


class Tiles(NamedTuple):
    """Tiles are numbered 1, 2, ...; `merged` tells which tile two neighbours become, 0 if they do not merge."""

    new: tuple[int, int]  # the usual new tile, and the other one
    merged: Callable[[int, int], int]


TILES: Mapping[str, Tiles] = {
    "twins": Tiles((1, 2), lambda a, b: a + 1 if a == b else 0),
    "threes": Tiles((1, 2), lambda a, b: 3 if {a, b} == {1, 2} else a + 1 if a == b > 2 else 0),
    "fibonacci": Tiles((1, 2), lambda a, b: max(a, b) + 1 if abs(a - b) == 1 else 2 if a == b == 1 else 0),
    "ladder": Tiles((1, 2), lambda a, b: max(a, b) + 1 if abs(a - b) < 2 else 0),
    "eater": Tiles((1, 2), lambda a, b: max(a, b) if abs(a - b) == 1 else a + 1 if a == b else 0),
}
"""Equal ones become the next (2048); 1 and 2 become 3, and from there equal ones the next (Threes); neighbours in
Fibonacci's series become the next one; equal or neighbouring ones, the next; equal ones
become the next, and a tile swallows one that is smaller by one."""

FAMILIES = (
    family(
        "merging",
        "merging_env:MergingEnv",
        (
            task("tiles", tuple(TILES), "which tiles merge into what"),
            task("slide", ("far", "one"), "whether tiles slide as far as they can, or by one cell"),
            task("fresh", ("anywhere", "behind"), "new tiles come on any free cell, or on the edge that is tilted up"),
            count("width", 4, 3, 7, (3, 6), "cells", "cells in a row", shapes=True),
            count("height", 4, 3, 7, (3, 6), "cells", "cells in a column", shapes=True),
            count("goal", 9, 4, 15, (6,), "", "the tile that solves the puzzle"),
            probability("other", (0.0, 0.3), "probability that a new tile is the less usual one", 0.1),
            count("at_start", 2, 1, 4, (4,), "tiles", "tiles on the board at the start"),
            count("a_step", 1, 1, 4, (2,), "tiles", "new tiles after each tilt"),
            ILLEGAL_COST,
            *COMMON,
        ),
        time_limit=TIME_LIMIT,
        description="Tilt a board so that its tiles slide and merge, until one is as great as wanted.",
        source="https://en.wikipedia.org/wiki/2048_(video_game); https://en.wikipedia.org/wiki/Threes",
        tags=("planning", "stochastic"),
    ),
)
