"""Blocks world: blocks in stacks on a few places, moved by a crane.

Owns cranes and goals; the dynamics are in `blocks_env`.
"""

from __future__ import annotations

from env_registry.shorthand import probability, task
from env_registry.symbolic.puzzles.shorthand import COMMON, ILLEGAL_COST, count, family, switch

TIME_LIMIT = 150  # steps

CRANES = ("free", "neighbours", "round", "hand")
"""A block moves to any other place; to the next on either side; to the next one round a ring, in either direction; or
a hand moves left or right, and grips or lets go."""

GOALS = ("tower", "match", "sort", "level", "pairs")
"""All in order on the first place, 1 lowest; as a given picture; odd ones on the first and even ones on the last place;
stacks of equal height, up to one; each even block directly on the odd one before it."""

FAMILIES = (
    family(
        "blocks_world",
        "blocks_env:BlocksEnv",
        (
            task("crane", CRANES, "how blocks move"),
            task("goal", GOALS, "how blocks are to stand"),
            count("blocks", 4, 2, 10, (6, 9), "blocks", "number of blocks", shapes=True),
            count("places", 4, 4, 8, (6,), "places", "number of places", shapes=True),
            count("scramble", 10, 1, 100, (3, 30), "moves", "random moves that lead from the goal to the start"),
            probability("drop", (0.05, 0.2), "probability that a block put down lands on a place drawn anew"),
            switch("tops_only", "whether only the highest block of a stack is seen"),
            ILLEGAL_COST,
            *COMMON,
        ),
        time_limit=TIME_LIMIT,
        description="Move blocks from stack to stack until they stand as the goal wants.",
        source="Gupta and Nau 1992, https://doi.org/10.1016/0004-3702(92)90028-V",
        tags=("planning", "classical"),
    ),
)
