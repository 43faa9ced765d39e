"""Chess and its kin in OpenSpiel: other boards, other goals, captured pieces that return, and boards in the dark."""

from __future__ import annotations

from functools import partial

from env_registry.axes import Axis
from env_registry.family import Family
from env_registry.shorthand import size
from env_registry.social.openspiel.game import DETERMINISTIC, choice, game, switch, with_integer

LONGEST = 17695
"""Half-moves of the longest game under the rules of draws, as OpenSpiel counts them."""

_TAGS = ("board", "zero-sum", "chess", DETERMINISTIC)
_BOARD = choice("board_size", ("8", "4"), "length of the board's sides, in cells; 4 is Silverman's small chess")
_CHESS960 = switch("chess960", False, "whether the first rank is one of 960 random arrangements")
_sized = partial(with_integer, "board_size")


def _chess(short_name: str, *axes: Axis, **declared: object) -> Family:
    return game(short_name, *axes, horizon=LONGEST, tags=_TAGS, **declared)  # type: ignore[arg-type]


FAMILIES: tuple[Family, ...] = (
    _chess("chess", _CHESS960, description="Chess; checkmate wins."),
    _chess("antichess", description="Chess in which captures are forced and who loses all pieces wins."),
    _chess(
        "crazyhouse",
        _CHESS960,
        size("insanity", 1, 0, 4, (2, 4), "pieces of its kind that a capture puts into the captor's hand", "pieces"),
        description="Chess in which captured pieces change sides and may be dropped back onto the board.",
    ),
    _chess(
        "dark_chess",
        _BOARD,
        description="Chess on a board of which each side sees only where its pieces could go; taking the king wins.",
        parameters=_sized,
    ),
    _chess(
        "kriegspiel",
        _BOARD,
        description="Chess against unseen pieces: an umpire tells whether a move is possible, and of checks.",
        parameters=_sized,
    ),
    _chess(
        "rbc",
        _BOARD,
        size("sense_size", 3, 1, 4, (1, 2), "width of the square that a player may sense before a move", "cells"),
        switch("sense_border", False, "whether the sensed square may reach beyond the border"),
        description="Reconnaissance blind chess: sense a square of the board, then move in the dark; taking the king "
        "wins.",
        parameters=_sized,
    ),
    _chess("shogi", description="Japanese chess: captured pieces are dropped back, pieces promote on the far ranks."),
    game(
        "xiangqi",
        horizon=500,
        tags=_TAGS,
        description="Chinese chess: a river, palaces, and cannons that jump to capture.",
    ),
)
