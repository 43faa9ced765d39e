"""More board games of OpenSpiel: captures, connections, races, walls, and fleets or stones that are not seen."""

from __future__ import annotations

from collections.abc import Mapping

from env_registry.axes import Scalar
from env_registry.family import Actions, Family
from env_registry.shorthand import number, size
from env_registry.social.openspiel.game import DETERMINISTIC, Parameters, choice, game, players, switch

_BOARD = ("board", "zero-sum", DETERMINISTIC)
_DICE = ("board", "zero-sum", "dice")
# Rectangular boards of more columns than rows let OpenSpiel's checkers fail in some captures.
_CHECKERS = {"8x8": (8, 8), "10x8": (10, 8), "10x10": (10, 10), "12x12": (12, 12)}
_FLEETS = ("2-3-3-4-5", "1-2-3", "2-2-2", "4-5")
_SHIP_VALUE = "1.0"


def _checkers(values: Mapping[str, Scalar]) -> Parameters:
    rows, columns = _CHECKERS[str(values["board"])]
    return {"rows": rows, "columns": columns}


def _battleship(values: Mapping[str, Scalar]) -> Parameters:
    sizes = _ships(values)
    listed = {"ship_sizes": f"[{';'.join(sizes)}]", "ship_values": f"[{';'.join(_SHIP_VALUE for _ in sizes)}]"}
    return {name: value for name, value in values.items() if name != "fleet"} | listed


def _ships(values: Mapping[str, Scalar]) -> list[str]:
    return str(values["fleet"]).split("-")


def _two_opposite(values: Mapping[str, Scalar]) -> Parameters:
    return {"players": values["players"], "twoPlayersOpposite": values["two_players_opposite"]}


FAMILIES: tuple[Family, ...] = (
    game(
        "checkers",
        choice("board", tuple(_CHECKERS), "rows and columns of the board"),
        horizon=1000,
        description="Men move diagonally, jump to capture and become kings on the far row; captures are forced.",
        tags=_BOARD,
        parameters=_checkers,
    ),
    game(
        "lines_of_action",
        size("max_game_length", 1000, 10, 1000, (30, 60, 90), "moves after which the game is drawn", "moves"),
        horizon=lambda values: int(values["max_game_length"]),
        description="Checkers move as far as there are checkers in the line of the move; who joins all of them wins.",
        tags=_BOARD,
    ),
    game(
        "nine_mens_morris",
        horizon=214,
        description="Three in a row takes one of the other's men; who has only two left or cannot move loses.",
        tags=_BOARD,
    ),
    game(
        "mancala",
        horizon=1000,
        description="Kalah: players sow stones around the board and gather them in their stores.",
        tags=_BOARD,
    ),
    game(
        "pentago",
        horizon=36,
        description="Place a marble, then twist a quarter of the board; five in a row win.",
        tags=_BOARD,
    ),
    game(
        "ultimate_tic_tac_toe",
        horizon=162,
        description="Nine boards of tic-tac-toe; a mark's place tells on which board the other must play.",
        tags=_BOARD,
    ),
    game(
        # One size only: the length of OpenSpiel's observations is that of the first game loaded in the process.
        "twixt",
        horizon=61,
        description="Pegs a knight's move apart are linked; a chain of links between two opposite sides wins.",
        tags=_BOARD,
        parameters=lambda values: {"board_size": 8},
    ),
    game(
        "quoridor",
        size("board_size", 9, 3, 13, (5, 7), "length of the board's sides", "cells"),
        size("wall_count", 10, 1, 40, (3, 5, 20), "walls of each player", "walls"),
        players(2, 4, (3, 4)),
        horizon=lambda values: 4 * int(values["board_size"]) ** 2,
        description="Pawns race to the other side of a board on which players raise walls in each other's way.",
        tags=_BOARD,
    ),
    game(
        "hive",
        switch("uses_mosquito", True, "whether there is a mosquito, which moves as its neighbours do"),
        switch("uses_ladybug", True, "whether there is a ladybug, which walks over the hive"),
        switch("uses_pillbug", True, "whether there is a pillbug, which moves its neighbours"),
        horizon=500,
        description="Insects are placed and moved around a growing hive; a surrounded queen loses.",
        tags=_BOARD,
    ),
    game(
        "banqi",
        size("max_no_progress", 50, 5, 100, (5, 10), "moves without capture or reveal that make a draw", "moves"),
        horizon=lambda values: 32 * int(values["max_no_progress"]) + 64,
        description="Half Chinese chess: pieces lie face down until they are turned over, and take by rank.",
        tags=("board", "zero-sum"),
    ),
    game(
        "einstein_wurfelt_nicht",
        horizon=112,
        description="A die tells which of six numbered stones must move towards the far corner.",
        tags=_DICE,
    ),
    game(
        "chinese_checkers",
        choice("players", ("2", "3", "4", "6"), "number of players"),
        size("max_moves", 1000, 20, 1000, (20, 50), "moves after which nobody wins", "moves"),
        horizon=lambda values: int(values["max_moves"]) * (10 * int(values["players"]) + 2),  # with hops
        description="Pieces hop over others across a star to the opposite point.",
        tags=_BOARD,
        parameters=lambda values: {**values, "players": int(values["players"])},
    ),
    game(
        "maedn",
        players(2, 4, (3, 4)),
        switch("two_players_opposite", True, "whether two players start at opposite corners instead of next ones"),
        horizon=1000,
        description="Mensch aergere Dich nicht: a race of pieces by a die, in which pieces send each other home.",
        tags=_DICE,
        parameters=_two_opposite,
    ),
    game(
        "phantom_go",
        size("board_size", 5, 4, 13, (7, 9), "length of the board's sides", "cells"),
        number("komi", 7.5, -30.5, 30.5, (-7.5,), "points that White gets for moving second"),
        size("handicap", 0, 0, 2, (2,), "stones that Black has at the start", "stones"),
        horizon=lambda values: 4 * int(values["board_size"]) ** 2,
        description="Go in which the other's stones are hidden until one hits them.",
        tags=_BOARD,
    ),
    game(
        "cursor_go",
        size("board_size", 7, 4, 19, (5, 9, 13), "length of the board's sides", "cells"),
        size("max_cursor_moves", 100, 5, 200, (5, 10), "moves of the cursor before a stone must be placed", "moves"),
        horizon=lambda values: 2 * int(values["board_size"]) ** 2 * (int(values["max_cursor_moves"]) + 1),
        description="Go in which a cursor is moved to where the stone shall be placed.",
        tags=_BOARD,
    ),
    game(
        "latent_ttt",
        horizon=18,
        description="Tic-tac-toe in which both choose a cell in secret before either is marked.",
        tags=_BOARD,
    ),
    game(
        "battleship",
        size("board_height", 6, 6, 10, (8, 10), "height of the sea", "cells"),
        size("board_width", 6, 6, 10, (8, 10), "width of the sea", "cells"),
        size("num_shots", 30, 5, 36, (10, 18), "shots of each player", "shots"),
        choice("fleet", _FLEETS, "lengths of the ships, in cells"),
        switch("allow_repeated_shots", True, "whether a cell may be shot at twice"),
        number("loss_multiplier", 1.0, 0.1, 4.0, (0.3, 2.0), "weight of one's own lost ships in the reward"),
        horizon=lambda values: 2 * (int(values["num_shots"]) + len(_ships(values))),
        description="Players place ships in secret and shoot at the other's sea.",
        tags=("board", DETERMINISTIC),
        parameters=_battleship,
    ),
    game(
        "python_ant_foraging",
        horizon=100,
        actions=Actions.DISCRETE,
        name="ant_foraging",
        description="Two ants on a grid bring food home and leave pheromones.",
        tags=("cooperative", "grid", DETERMINISTIC),
        module="open_spiel.python.games.ant_foraging",
    ),
)
