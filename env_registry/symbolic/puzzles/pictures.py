"""Pictures of black and white cells, to be found from clues.

Owns what the clues tell in which task; the dynamics are in `picture_env`.
"""

from __future__ import annotations

from env_registry.shorthand import probability, task
from env_registry.symbolic.puzzles.shorthand import COMMON, count, family

TIME_LIMIT = 100  # steps

CLUES = ("runs", "counts", "diagonals", "longest", "changes", "mosaic", "crosses")
"""The lengths of the runs of black cells in each row and column (nonogram); how many are black in each (discrete
tomography); in each diagonal of both directions; the longest run in each row and column; how often the colour changes
along each; how many are black of each cell and its eight neighbours, or of each cell's row and column together."""

FAMILIES = (
    family(
        "picture",
        "picture_env:PictureEnv",
        (
            task("clues", CLUES, "what is told of the picture"),
            count("size", 5, 3, 10, (4, 8), "cells", "side of the picture", shapes=True),
            probability("density", (0.25, 0.75), "probability that a cell is black", 0.5),
            probability("told", (0.5, 0.8), "probability that a clue is given", 1.0),
            probability("given", (0.3, 0.6), "probability that a cell is right at the start, else white"),
            probability("jam", (0.1, 0.3), "probability that an action fails"),
            probability("drift", (0.005, 0.02), "probability, for each cell, that it changes by chance in a step"),
            *COMMON,
        ),
        time_limit=TIME_LIMIT,
        description="Paint cells black until all clues about the picture hold.",
        source="https://en.wikipedia.org/wiki/Nonogram; https://en.wikipedia.org/wiki/Discrete_tomography",
        tags=("constraint-satisfaction", "logic"),
    ),
)
