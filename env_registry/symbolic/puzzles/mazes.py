"""Mazes: an agent in a maze with doors, teleports, arrows or ice, and places to go to.

Owns what mazes contain and what the agent is after; the dynamics are in `maze_env`.
"""

from __future__ import annotations

from env_registry.shorthand import probability, task
from env_registry.symbolic.puzzles.shorthand import COMMON, ILLEGAL_COST, count, family

TIME_LIMIT = 200  # steps

FEATURES = ("plain", "key", "gate", "teleports", "arrows", "ice")
"""A key opens a door for good; plates open a gate for a while; teleports are pairs of dead ends; arrows make loops
one-way; on ice one slides on up to a wall."""

OBJECTIVES = ("exit", "coins", "in_order", "return")
"""One place; several; several in their order; one and then back to the start."""

FAMILIES = (
    family(
        "maze",
        "maze_env:MazeEnv",
        (
            task("feature", FEATURES, "what there is besides walls"),
            task("objective", OBJECTIVES, "where to go"),
            count("rooms", 5, 3, 10, (3, 8), "rooms", "rooms in a row and in a column", shapes=True),
            probability("braid", (0.0, 0.5), "probability that a wall is open which the maze does not need", 0.2),
            count("targets", 3, 2, 8, (2, 6), "places", "number of places, where there are several"),
            count("view", 0, 0, 10, (1, 2, 4), "cells", "how far the agent sees; 0: everything", shapes=True),
            probability("jam", (0.1, 0.3), "probability that a move fails"),
            ILLEGAL_COST,
            *COMMON,
        ),
        time_limit=TIME_LIMIT,
        description="Find the way through a maze to one or several places.",
        source="https://en.wikipedia.org/wiki/Maze_generation_algorithm (randomised Kruskal)",
        tags=("navigation", "planning"),
    ),
)
