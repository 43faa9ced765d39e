"""Sokoban and its relatives: boxes that a worker in a warehouse moves onto marks.

Owns how boxes move in which task; the dynamics are in `sokoban_env`.
"""

from __future__ import annotations

from env_registry.shorthand import probability, task
from env_registry.symbolic.puzzles.shorthand import COMMON, ILLEGAL_COST, count, family

TIME_LIMIT = 150  # steps

RULES = ("push", "push_two", "pull", "slide", "swap", "torus")
"""The worker pushes one box; up to two in a row; pulls the one behind; pushes one that slides on until something stops
it; changes places with one; pushes one in a warehouse without outer walls whose sides are joined."""

FAMILIES = (
    family(
        "sokoban",
        "sokoban_env:SokobanEnv",
        (
            task("rule", RULES, "how boxes move"),
            task("goal", ("any", "own"), "whether each box has a mark of its own"),
            count("size", 7, 6, 14, (10,), "cells", "side of the warehouse, outer walls included", shapes=True),
            count("boxes", 3, 1, 5, (1, 2, 5), "boxes", "number of boxes", shapes=True),
            count("scramble", 30, 1, 300, (10, 100), "steps", "steps taken back from the goal to the start"),
            probability("walls", (0.0, 0.3), "probability that a cell is a wall", 0.15),
            probability("jam", (0.1, 0.3), "probability that a step fails"),
            ILLEGAL_COST,
            *COMMON,
        ),
        time_limit=TIME_LIMIT,
        description="Move all boxes of a warehouse onto marks.",
        source="https://en.wikipedia.org/wiki/Sokoban; backward generation: https://doi.org/10.1609/aiide.v7i1.12452",
        tags=("planning", "irreversible"),
    ),
)
