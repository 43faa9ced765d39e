"""Peg solitaire: a peg jumps over a neighbour into a hole and the neighbour is taken off.

Owns boards, directions and goals; the dynamics are in `pegs_env`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from env_registry.shorthand import probability, task
from env_registry.symbolic.puzzles.shorthand import COMMON, ILLEGAL_COST, count, family, switch

TIME_LIMIT = 150  # steps


class Board(NamedTuple):
    """Rows of holes `o`, the middle one `x`; pegs jump along lines through the directions (down, right)."""

    rows: str
    directions: tuple[tuple[int, int], ...] = ((0, 1), (1, 0))


_KING = ((0, 1), (1, 0), (1, 1), (1, -1))
_TRIANGULAR = ((0, 1), (1, 0), (1, 1))  # rows start one half hole further left than the row above
_ENGLISH = "..ooo.. ..ooo.. ooooooo oooxooo ooooooo ..ooo.. ..ooo.."

BOARDS: Mapping[str, Board] = {
    "english": Board(_ENGLISH),
    "english_diagonal": Board(_ENGLISH, _KING),
    "french": Board("..ooo.. .ooooo. ooooooo oooxooo ooooooo .ooooo. ..ooo.."),
    "wiegleb": Board("...ooo... ...ooo... ...ooo... ooooooooo ooooxoooo ooooooooo ...ooo... ...ooo... ...ooo..."),
    "asymmetric": Board("..ooo... ..ooo... ..ooo... oooooooo oooxoooo oooooooo ..ooo... ..ooo..."),
    "diamond": Board("....o.... ...ooo... ..ooooo.. .ooooooo. ooooxoooo .ooooooo. ..ooooo.. ...ooo... ....o...."),
    "square": Board("oooooo oooooo oooooo oooxoo oooooo oooooo"),
    "square_diagonal": Board("ooooo ooooo ooxoo ooooo ooooo", _KING),
    "triangle": Board("o.... oo... oxo.. oooo. ooooo", _TRIANGULAR),
    "hexagon": Board("ooo.. oooo. ooxoo .oooo ..ooo", _TRIANGULAR),
}

FAMILIES = (
    family(
        "peg_solitaire",
        "pegs_env:PegsEnv",
        (
            task("board", tuple(BOARDS), "holes and lines of the board"),
            task("goal", ("one_left", "middle"), "one peg is left: anywhere, or in the middle"),
            count("jumps", 8, 1, 40, (3, 5, 16), "jumps", "jumps from the start to the goal, where the board allows"),
            probability("regrow", (0.05, 0.2), "probability that a peg that was jumped over stays"),
            switch("carry_on", "whether the episode goes on when no jump is left"),
            probability("jam", (0.1, 0.3), "probability that a jump fails"),
            ILLEGAL_COST,
            *COMMON,
        ),
        time_limit=TIME_LIMIT,
        description="Jump pegs over pegs, which are then taken off, until one is left.",
        source="Beasley, The Ins and Outs of Peg Solitaire (1985)",
        tags=("planning", "irreversible"),
    ),
)
