"""Turn-based games of OpenSpiel with chance or hidden information: cards, dice, auctions, bargains, signals."""

from __future__ import annotations

from collections.abc import Mapping

from env_registry.axes import Scalar
from env_registry.family import Actions, Family
from env_registry.shorthand import number, size
from env_registry.social.openspiel.game import DETERMINISTIC, Parameters, choice, game, players, switch


def _square(values: Mapping[str, Scalar]) -> Parameters:
    return {**values, "num_rows": values["board_size"], "num_cols": values["board_size"]}


FAMILIES: tuple[Family, ...] = (
    game(
        "kuhn_poker",
        players(2, 10, (3, 5)),
        horizon=3,
        actions=Actions.DISCRETE,
        description="One card each, one round of betting.",
        tags=("cards", "zero-sum"),
    ),
    game(
        "leduc_poker",
        players(2, 10, (3, 5)),
        switch("suit_isomorphism", False, "whether suits, which never matter, are hidden"),
        horizon=8,
        description="One private and one public card, two rounds of betting.",
        tags=("cards", "zero-sum"),
    ),
    game(
        "liars_dice",
        size("numdice", 1, 1, 4, (2, 3), "dice of each player"),
        size("dice_sides", 6, 2, 10, (4, 8), "sides of a die"),
        choice("bidding_rule", ("reset-face", "reset-quantity"), "what a higher bid may reset"),
        horizon=13,
        description="Players bid on all dice but see only their own, until one calls the bluff.",
        tags=("dice", "zero-sum"),
    ),
    game(
        "phantom_ttt",
        choice("gameversion", ("classical", "abrupt"), "whether one may move again after hitting a taken cell"),
        choice("obstype", ("reveal-nothing", "reveal-numturns"), "what is told of the other's turns"),
        horizon=17,
        description="Tic-tac-toe in which the other's marks are hidden until one hits them.",
        tags=("board", "zero-sum", DETERMINISTIC),
    ),
    game(
        "dark_hex",
        size("board_size", 3, 2, 6, (4, 5), "length of the board's sides", "cells"),
        choice("gameversion", ("cdh", "adh"), "whether one moves again after hitting a taken cell (cdh)"),
        choice("obstype", ("reveal-nothing", "reveal-numturns"), "what is told of the other's turns"),
        horizon=17,
        description="Hex in which the other's stones are hidden until one hits them.",
        tags=("board", "zero-sum", DETERMINISTIC),
        parameters=_square,
    ),
    game(
        "sheriff",
        number("item_value", 1.0, 0.5, 10.0, (2.0, 4.0), "worth of an illegal item that gets through"),
        number("item_penalty", 2.0, 0.5, 10.0, (1.0, 4.0), "fine for each illegal item that is found"),
        number("sheriff_penalty", 3.0, 0.5, 10.0, (1.0, 6.0), "compensation for a search that finds nothing"),
        size("max_bribe", 3, 1, 8, (2, 5), "highest bribe"),
        size("max_items", 3, 1, 8, (2, 5), "highest number of illegal items"),
        size("num_rounds", 4, 1, 6, (2, 3), "rounds of bribing"),
        horizon=9,
        description="A smuggler loads a cargo and bribes; a sheriff lets it pass or searches it.",
        tags=("negotiation", DETERMINISTIC),
    ),
    game(
        "first_sealed_auction",
        players(2, 8, (3, 5)),
        size("max_value", 10, 2, 30, (5, 20), "highest private value"),
        horizon=2,
        description="Sealed bids below one's private value; the highest wins and pays its bid.",
        tags=("auction",),
    ),
    game(
        "bargaining",
        size("max_turns", 10, 2, 20, (4, 6), "turns until talks break down"),
        number("discount", 1.0, 0.5, 1.0, (0.7, 0.9), "what is left of the worth after each turn"),
        number("prob_end", 0.0, 0.0, 0.5, (0.1, 0.3), "probability that talks break down after a turn"),
        horizon=10,
        description="Two players with private values divide a pool of items by offers.",
        tags=("negotiation",),
    ),
    game(
        "trade_comm",
        size("num_items", 10, 2, 20, (4, 6), "kinds of items"),
        horizon=4,
        description="Players with private items send a message each, then propose a trade.",
        tags=("negotiation", "communication", "cooperative"),
    ),
    game(
        "lewis_signaling",
        size("num_messages", 2, 1, 3, (1, 3), "messages to choose from"),
        horizon=2,
        description="A sender sees one of three states and sends a message; a receiver guesses the state.",
        tags=("communication", "cooperative"),
    ),
    game(
        "hanabi",
        players(2, 3, (3,)),  # beyond these ranges the cards may not suffice for the hands, which ends the process
        size("colors", 5, 3, 5, (3,), "colours of cards"),
        size("ranks", 5, 3, 5, (3,), "ranks of cards"),
        size("hand_size", 5, 2, 5, (3, 4), "cards in a hand"),
        size("max_information_tokens", 8, 1, 8, (3, 5), "hints in stock"),
        size("max_life_tokens", 3, 1, 3, (1, 2), "mistakes that end the game"),
        horizon=118,
        description="Players who see all hands but their own lay out fireworks in order, by hints.",
        tags=("cards", "cooperative", "communication"),
    ),
    game(
        "go_fish",
        players(2, 4, (3, 4)),
        size("ranks", 13, 8, 13, (8, 10), "ranks of cards"),  # fewer may not suffice for the hands
        size("suits", 4, 3, 4, (3,), "suits of cards, and so the size of a book"),
        horizon=1040,
        description="Players ask each other for ranks to complete books.",
        tags=("cards", "zero-sum"),
    ),
    game(
        "gin_rummy",
        size("hand_size", 10, 7, 10, (7,), "cards in a hand"),
        size("knock_card", 10, 1, 10, (5,), "deadwood with which one may knock"),
        horizon=300,
        description="Players draw and discard to form melds with little deadwood.",
        tags=("cards", "zero-sum"),
    ),
    game(
        "pig",
        players(2, 6, (3, 4)),
        size("winscore", 50, 10, 100, (20, 100), "score that wins"),
        size("diceoutcomes", 6, 3, 20, (4, 10), "sides of the die"),
        switch("piglet", False, "whether each roll counts one instead of what it shows"),
        horizon=1000,
        description="Players roll as often as they dare; a one loses the turn's score.",
        tags=("dice", "zero-sum"),
    ),
    game(
        "backgammon",
        switch("hyper_backgammon", False, "whether each player has three checkers only"),
        horizon=1500,
        description="A race of checkers by dice.",
        tags=("board", "dice", "zero-sum"),
    ),
)
