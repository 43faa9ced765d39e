"""Board games of OpenSpiel: two players, everything in sight, no chance."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from env_registry.axes import Scalar
from env_registry.family import Family
from env_registry.shorthand import size
from env_registry.social.openspiel.game import DETERMINISTIC, Parameters, choice, game, switch, with_integer

_TAGS = ("board", "zero-sum", DETERMINISTIC)


def _piles(values: Mapping[str, Scalar]) -> Parameters:
    return {**values, "pile_sizes": str(values["pile_sizes"]).replace("-", ";")}


FAMILIES: tuple[Family, ...] = (
    game(
        "connect_four",
        size("rows", 6, 4, 12, (5, 8), "rows of the board", "cells"),
        size("columns", 7, 4, 12, (5, 9), "columns of the board", "cells"),
        size("x_in_row", 4, 3, 6, (3, 5), "discs in a line that win"),
        horizon=42,
        description="Players drop discs into columns; a line of them wins.",
        tags=_TAGS,
    ),
    game(
        "gomoku",
        size("size", 7, 3, 19, (5, 9), "length of the board's sides", "cells"),
        size("connect", 4, 3, 6, (3, 5), "stones in a line that decide"),
        switch("anti", False, "whether the line loses instead of winning"),
        switch("wrap", False, "whether lines go on at the opposite side"),
        horizon=49,
        description="Players place stones anywhere; a line of them decides. With size 3 and connect 3: tic-tac-toe.",
        tags=_TAGS,
    ),
    game(
        "breakthrough",
        size("rows", 8, 4, 12, (5, 10), "rows of the board", "cells"),
        size("columns", 8, 3, 12, (4, 10), "columns of the board", "cells"),
        horizon=209,
        description="Pawns race to the other side and take diagonally.",
        tags=_TAGS,
    ),
    game(
        "hex",
        size("board_size", 7, 3, 13, (4, 5, 11), "length of the board's sides", "cells"),
        switch("swap", False, "whether the second player may take the first stone over"),
        horizon=49,
        description="Each player joins two opposite sides of a rhombus of hexagons.",
        tags=_TAGS,
    ),
    game(
        "y",
        size("board_size", 9, 3, 19, (5, 13), "length of the board's sides", "cells"),
        horizon=45,
        description="Players join all three sides of a triangle of hexagons.",
        tags=_TAGS,
    ),
    game(
        "havannah",
        size("board_size", 5, 3, 10, (3, 4, 8), "length of the board's sides", "cells"),
        horizon=61,
        description="Rings, bridges and forks on a hexagon of hexagons win.",
        tags=_TAGS,
    ),
    game(
        "go",
        size("board_size", 7, 4, 19, (5, 9), "length of the board's sides", "cells"),
        horizon=98,
        description="Players surround territory; Tromp-Taylor rules.",
        tags=_TAGS,
    ),
    game(
        "othello",
        horizon=128,
        description="Discs between two of the other colour turn over; the most discs win.",
        tags=_TAGS,
    ),
    game(
        "clobber",
        size("rows", 5, 2, 10, (4, 7), "rows of the board", "cells"),
        size("columns", 6, 2, 10, (4, 8), "columns of the board", "cells"),
        horizon=29,
        description="Each move takes a neighbouring stone; who cannot move loses.",
        tags=_TAGS,
    ),
    game(
        "amazons",
        choice("board_size", ("6", "8", "10"), "length of the board's sides, in cells"),
        horizon=108,
        description="Amazons move like queens and shoot arrows that block cells; who cannot move loses.",
        tags=_TAGS,
        parameters=partial(with_integer, "board_size"),
    ),
    game(
        "dots_and_boxes",
        size("num_rows", 2, 1, 6, (3, 4), "rows of boxes"),
        size("num_cols", 2, 1, 6, (3, 4), "columns of boxes"),
        switch("utility_margin", False, "whether the reward is the lead in boxes instead of win or loss"),
        horizon=12,
        description="Players draw edges; who closes a box owns it and moves again.",
        tags=_TAGS,
    ),
    game(
        "oware",
        size("num_houses_per_player", 6, 3, 9, (4, 8), "houses of each player"),
        size("num_seeds_per_house", 4, 2, 8, (3, 6), "seeds in each house at the start"),
        horizon=1000,
        description="A mancala game: players sow seeds and capture houses of two or three.",
        tags=_TAGS,
    ),
    game(
        "nim",
        choice("pile_sizes", ("1-3-5-7", "3-4-5", "2-3-5-6", "5-6-7-8-9"), "objects in each pile"),
        switch("is_misere", True, "whether taking the last object loses"),
        horizon=16,
        description="Players take objects from one pile at a time; the last object decides.",
        tags=_TAGS,
        parameters=_piles,
    ),
)
