"""Lights out on square boards: pressing a light changes it and others.

Owns which lights a press changes in which task; the dynamics are in `lights_env`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from env_registry.shorthand import probability, task
from env_registry.symbolic.puzzles.shorthand import COMMON, ILLEGAL_COST, count, family

TIME_LIMIT = 150  # steps

PATTERNS: Mapping[str, str] = {
    "plus": ".#. ### .#.",
    "diagonal": "#.# .#. #.#",
    "square": "### ### ###",
    "bar": "... ### ...",
    "corner": "... .## .#.",
    "arrow": "#.. .#. .##",
    "knight": ".#.#. #...# ..#.. #...# .#.#.",
    "far_plus": "..#.. ..... #.#.# ..... ..#..",
    "ring": "### #.# ###",
    "open_plus": ".#. #.# .#.",
    "open_diagonal": "#.# ... #.#",
    "open_knight": ".#.#. #...# ..... #...# .#.#.",
}
"""Which lights of the neighbourhood change, the pressed one in the middle."""

LINES = ("row_column", "diagonals")
"""Instead of a neighbourhood: the whole row and column, or both diagonals."""


def offsets(pattern: str) -> list[tuple[int, int]]:
    """(down, right) of each light that changes."""
    rows = PATTERNS[pattern].split()
    middle = len(rows) // 2
    return [(r - middle, c - middle) for r, row in enumerate(rows) for c, mark in enumerate(row) if mark == "#"]


def _rules() -> Iterator[str]:
    for pattern in (*PATTERNS, *LINES):
        yield pattern
        if pattern != "row_column":  # whose lines are the same on a torus
            yield f"{pattern}.torus"
        if pattern in LINES or (0, 0) in offsets(pattern):  # else the last light could not be put out
            yield f"{pattern}.lit_only"


FAMILIES = (
    family(
        "lights_out",
        "lights_env:LightsEnv",
        (
            task("rule", tuple(_rules()), "which lights change; on a torus; or only lit ones can be pressed"),
            count("size", 5, 3, 10, (3, 7), "lights", "lights in a row and in a column", shapes=True),
            count("states", 2, 2, 6, (3, 4), "states", "brightnesses that a light goes through, 0 among them"),
            count("scramble", 6, 1, 60, (2, 12, 25), "presses", "presses that the start is away from the goal"),
            count("broken", 0, 0, 4, (2, 4), "buttons", "lights that cannot be pressed, drawn at the start"),
            probability("drift", (0.005, 0.02), "probability, for each light, that it changes by chance in a step"),
            ILLEGAL_COST,
            *COMMON,
        ),
        time_limit=TIME_LIMIT,
        description="Put out all lights of a board, on which pressing one changes others, too.",
        source="https://doi.org/10.1080/0025570X.1998.11996658",
        tags=("planning", "linear-algebra"),
    ),
)
