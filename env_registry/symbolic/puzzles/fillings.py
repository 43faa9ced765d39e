"""Squares to be filled with numbers: Latin squares, sudoku and their relatives.

Owns rules and clues; the dynamics are in `filling_env`.
"""

from __future__ import annotations

from env_registry.shorthand import probability, task
from env_registry.symbolic.puzzles.shorthand import COMMON, ILLEGAL_COST, family, switch
from env_registry.symbolic.stepped_axis import SteppedIntAxis

TIME_LIMIT = 120  # steps

RULES = ("latin", "sudoku", "futoshiki", "skyscrapers", "kropki", "parity", "sums", "sandwich")
"""Every number once in each row and column; also in each box. With clues: which of two neighbours is greater; how many
numbers of a line are seen from either end, behind lower ones; which neighbours are consecutive, or one twice the other;
which are odd; sums of neighbours; sums between the lowest and the highest of a line."""

FAMILIES = (
    family(
        "filling",
        "filling_env:FillingEnv",
        (
            task("rule", RULES, "which rules and clues there are"),
            SteppedIntAxis(
                name="size",
                default=4,
                low=4,
                high=8,
                step=2,
                levels=(6, 8),
                unit="cells",
                description="side of the square, and number of numbers",
            ),
            probability("given", (0.0, 0.25, 0.75), "probability that a cell is given", 0.5),
            probability("told", (0.5,), "probability that a clue is given", 1.0),
            probability("wrong", (0.3, 0.7), "probability that a cell that is not given has a drawn number"),
            switch("final", "whether a number, once written, stays"),
            probability("jam", (0.1, 0.3), "probability that an action fails"),
            probability("fading", (0.05, 0.2), "probability that a written number disappears, in a step"),
            ILLEGAL_COST,
            *COMMON,
        ),
        time_limit=TIME_LIMIT,
        description="Fill a square with numbers so that all rules and clues hold.",
        source="https://en.wikipedia.org/wiki/Mathematics_of_Sudoku; https://en.wikipedia.org/wiki/Latin_square",
        tags=("constraint-satisfaction", "logic"),
    ),
)
