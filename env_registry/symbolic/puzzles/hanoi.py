"""Towers of Hanoi: disks move between pegs, a larger one never onto a smaller one.

Owns which moves between pegs a task allows, and its starts and goals; the dynamics are in `hanoi_env`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from env_registry.shorthand import probability, task
from env_registry.symbolic.puzzles.shorthand import COMMON, ILLEGAL_COST, count, family

TIME_LIMIT = 150  # steps

MOVES: Mapping[str, Callable[[int, int, int], bool]] = {
    "any": lambda here, there, pegs: True,
    "cyclic": lambda here, there, pegs: there == (here + 1) % pegs,
    "cyclic_and_back": lambda here, there, pegs: there == (here + 1) % pegs or (here, there) == (1, 0),
    "one_barred": lambda here, there, pegs: (here, there) != (0, pegs - 1),
    "neighbours": lambda here, there, pegs: abs(here - there) == 1,
}
"""The five strongly connected sets of moves between three pegs, and what they are with more (here, there, pegs)."""

GOALS = ("gather", "tower", "exchange", "arrange")
"""From anywhere to the last peg; from the first to the last; odd and even disks, on the first and last peg, change
places; from anywhere to anywhere."""

FAMILIES = (
    family(
        "hanoi",
        "hanoi_env:HanoiEnv",
        (
            task("moves", tuple(MOVES), "between which pegs disks move"),
            task("goal", GOALS, "where disks are and are to be"),
            count("disks", 4, 2, 6, (2, 3, 6), "disks", "number of disks", shapes=True),
            count("pegs", 3, 3, 5, (4, 5), "pegs", "number of pegs", shapes=True),
            probability("jam", (0.1, 0.3), "probability that a disk does not move"),
            probability("drift", (0.05, 0.2), "probability that a random move is tried after each action"),
            ILLEGAL_COST,
            *COMMON,
        ),
        time_limit=TIME_LIMIT,
        description="Bring a tower of disks from peg to peg, no larger disk ever above a smaller one.",
        source="Sapir 2004, https://doi.org/10.1093/comjnl/47.1.20",
        tags=("planning", "recursion"),
    ),
)
