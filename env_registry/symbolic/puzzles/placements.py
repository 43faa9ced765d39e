"""Chess pieces placed on a board so that none attacks another, or so that all squares are attacked.

Owns pieces and the numbers that are wanted; the dynamics are in `placement_env`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from env_registry.shorthand import probability, task
from env_registry.symbolic.puzzles.shorthand import COMMON, choice, count, family, switch

TIME_LIMIT = 100  # steps

MOST_APART: Mapping[str, Callable[[int], int]] = {
    "queen": lambda n: n,
    "rook": lambda n: n,
    "bishop": lambda n: 2 * n - 2,
    "king": lambda n: ((n + 1) // 2) ** 2,
    "knight": lambda n: (n * n + 1) // 2,
}
"""Most pieces of which none attacks another, on a board of side n from 4 (Yaglom and Yaglom 1964)."""

FEWEST_COVERING: Mapping[str, Callable[[int], int]] = {
    "queen": {4: 2, 5: 3, 6: 3, 7: 4, 8: 5}.__getitem__,
    "rook": lambda n: n,
    "bishop": lambda n: n,
    "king": lambda n: ((n + 2) // 3) ** 2,
    "knight": {4: 4, 5: 5, 6: 8, 7: 10, 8: 12}.__getitem__,
}
"""Fewest pieces that attack or occupy all squares; queens and knights: https://oeis.org/A075458 and A006075."""

FAMILIES = (
    family(
        "placement",
        "placement_env:PlacementEnv",
        (
            task("piece", tuple(MOST_APART), "which piece"),
            task("goal", ("apart", "cover"), "as many as go without attack, or few that attack or occupy all squares"),
            count("size", 6, 4, 8, (4, 8), "squares", "side of the board", shapes=True),
            count("strewn", 0, 0, 12, (3, 8), "pieces", "pieces that lie about at the start"),
            choice("hand", ("toggle", "put"), "whether an action can take a piece away, too"),
            switch("attacks", "whether the numbers of pieces that attack each square are seen", shapes=True),
            probability("jam", (0.1, 0.3), "probability that an action fails"),
            probability("thief", (0.05, 0.2), "probability that a piece disappears, in a step"),
            *COMMON,
        ),
        time_limit=TIME_LIMIT,
        description="Place chess pieces so that none attacks another, or so that few attack every square.",
        source="https://en.wikipedia.org/wiki/Mathematical_chess_problem",
        tags=("constraint-satisfaction", "combinatorial-optimisation"),
    ),
)
