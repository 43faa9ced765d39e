"""Games of OpenSpiel in which all players act at once: matrix games, bids, grids."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from env_registry.axes import ChoiceAxis, IntAxis, Scalar
from env_registry.family import Actions, Family
from env_registry.shorthand import number, size
from env_registry.social.openspiel.game import DETERMINISTIC, Parameters, choice, game, players, switch, with_integer

# Payoffs are those of OpenSpiel's matrix games.
_STAGE_GAMES = {
    "prisoners_dilemma": "matrix_pd",
    "stag_hunt": "matrix_sh",
    "chicken": "matrix_cd",
    "battle_of_the_sexes": "matrix_bos",
    "coordination": "matrix_coordination",
    "matching_pennies": "matrix_mp",
    "matching_pennies_3p": "matching_pennies_3p",
    "rock_paper_scissors": "matrix_rps",
    "biased_rock_paper_scissors": "matrix_brps",
    "rock_paper_scissors_water": "matrix_rpsw",
    "shapley": "matrix_shapleys_game",
}

# `*` is a wall; letters are where things start or should end. `standard` is OpenSpiel's own.
_GRIDS: Mapping[str, Mapping[str, str]] = {
    "markov_soccer": {
        "standard": ".....\n..OB.\n.AO..\n.....",
        "wide": ".......\n..OB...\n...O...\n..AO...\n.......",
    },
    "laser_tag": {
        "standard": "S.....S\n.......\n..*.*..\n.**.**.\n..*.*..\n.......\nS.....S",
        "open": "S....\n.....\n..*..\n.....\n....S",
    },
    "pathfinding": {
        "square": "A.b\n...\nB.a\n",
        "open": "A..b\n.*..\nB..a\n",
        "crossing": "A.B\n*.*\nb.a\n",
    },
    "capture_the_flag": {
        "narrow": "....\na..b\n....",
        "standard": ".......\n.......\na.....b\n.......\n.......",
    },
}


def _field(game_name: str) -> ChoiceAxis:
    return choice("grid", tuple(_GRIDS[game_name]), "the field")


def _on_grid(game_name: str, values: Mapping[str, Scalar]) -> Parameters:
    return {**values, "grid": _GRIDS[game_name][str(values["grid"])]}


def _repeated(values: Mapping[str, Scalar]) -> Parameters:
    return {**values, "stage_game": {"name": _STAGE_GAMES[str(values["stage_game"])]}}


def _horizon(default: int, levels: tuple[int, ...]) -> IntAxis:
    return size("horizon", default, 5, 1000, levels, "steps until the game ends", "steps")


FAMILIES: tuple[Family, ...] = (
    game(
        "repeated_game",
        choice("stage_game", tuple(_STAGE_GAMES), "what is repeated", task=True),
        size("num_repetitions", 20, 1, 200, (1, 10, 50), "rounds"),
        size("recall", 1, 1, 10, (3,), "last rounds that players see"),
        name="repeated_matrix_game",
        horizon=20,
        actions=Actions.DISCRETE,
        description="A matrix game played again and again by players who see the last rounds.",
        tags=("matrix", DETERMINISTIC),
        parameters=_repeated,
    ),
    game(
        "goofspiel",
        size("num_cards", 13, 3, 13, (5, 8), "cards of each player"),
        choice("points_order", ("random", "descending", "ascending"), "order of the prizes"),
        choice("returns_type", ("win_loss", "point_difference", "total_points"), "what is rewarded", task=True),
        switch("imp_info", False, "whether bids stay hidden"),
        players(2, 5, (3, 4)),
        horizon=13,
        description="Players bid cards, each once, for prizes that turn up one by one.",
        tags=("cards",),
    ),
    game(
        "blotto",
        players(2, 3, (3,)),
        size("coins", 10, 3, 15, (5, 8), "coins of each player"),
        size("fields", 3, 3, 4, (4,), "fields"),
        horizon=1,
        actions=Actions.DISCRETE,
        description="Players spread coins over fields; the most fields won win.",
        tags=("matrix", "zero-sum", DETERMINISTIC),
    ),
    game(
        "oshi_zumo",
        size("coins", 50, 5, 100, (20, 80), "coins of each player"),
        size("size", 3, 1, 6, (1, 5), "half of the field's length", "cells"),
        size("min_bid", 0, 0, 3, (1,), "lowest bid", "coins"),
        switch("alesia", False, "whether the rules are those of Alesia: a tie costs nothing"),
        horizon=1000,
        description="Players bid coins each round to push a wrestler off the other's end.",
        tags=("zero-sum", DETERMINISTIC),
    ),
    game(
        "coop_box_pushing",
        switch("fully_observable", False, "whether agents see the whole grid instead of what is before them"),
        _horizon(100, (30, 60)),
        horizon=100,
        actions=Actions.DISCRETE,
        description="Two agents with unreliable moves push small boxes alone or a large one together.",
        tags=("cooperative", "grid"),
    ),
    game(
        "markov_soccer",
        _field("markov_soccer"),
        _horizon(100, (20, 50)),
        horizon=100,
        actions=Actions.DISCRETE,
        description="Two players on a grid fight for a ball and bring it to the other's goal.",
        tags=("zero-sum", "grid"),
        parameters=partial(_on_grid, "markov_soccer"),
    ),
    game(
        "laser_tag",
        _field("laser_tag"),
        _horizon(100, (30, 60)),
        switch("zero_sum", False, "whether being tagged costs what tagging gains"),
        switch("fully_obs", True, "whether players see the whole grid instead of a part in their direction"),
        horizon=100,
        actions=Actions.DISCRETE,
        description="Two players on a grid with walls turn, move and tag each other with a beam.",
        tags=("grid",),
        parameters=partial(_on_grid, "laser_tag"),
    ),
    game(
        "pathfinding",
        _field("pathfinding"),
        _horizon(100, (30, 60)),
        number("step_reward", -0.01, -1.0, 0.0, (-0.1, 0.0), "reward of each player in each step"),
        number("solve_reward", 100.0, 0.0, 1000.0, (30.0, 300.0), "reward of a player who arrives"),
        horizon=100,
        actions=Actions.DISCRETE,
        description="Players find their ways through a grid without running into each other.",
        tags=("cooperative", "grid"),
        parameters=partial(_on_grid, "pathfinding"),
    ),
    game(
        "snake",
        choice("players", ("2", "4"), "number of players"),
        size("rows", 10, 5, 20, (6, 8), "rows of the grid", "cells"),
        size("columns", 10, 5, 20, (6, 8), "columns of the grid", "cells"),
        _horizon(100, (10,)),
        horizon=100,
        actions=Actions.DISCRETE,
        description="Snakes grow by eating and die by running into something.",
        tags=("competitive", "grid"),
        parameters=partial(with_integer, "players"),
    ),
    game(
        "capture_the_flag",
        _field("capture_the_flag"),
        _horizon(100, (30, 60)),
        horizon=100,
        actions=Actions.DISCRETE,
        description="Two players on a grid carry the other's flag home.",
        tags=("zero-sum", "grid"),
        parameters=partial(_on_grid, "capture_the_flag"),
    ),
)
