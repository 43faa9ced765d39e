"""More games of OpenSpiel with hidden information: tricks, bridge, poker, dominoes, dice, bargains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from env_registry.axes import Scalar
from env_registry.family import Actions, Family
from env_registry.shorthand import size
from env_registry.social.openspiel.game import Parameters, choice, game, players, switch

_TRICKS = ("cards", "tricks")


# ------------------------------------------------------------------ poker


@dataclass(frozen=True)
class _Poker:
    """A variant of poker; entries of tuples are by round of betting."""

    limit: bool
    ranks: int
    suits: int
    hole_cards: int
    board_cards: tuple[int, ...]
    raises: int = 3  # at most so many in a round, with a limit


_POKERS = {
    "leduc_no_limit": _Poker(False, 6, 4, 1, (0, 1)),
    "leduc_limit": _Poker(True, 6, 4, 1, (0, 1), raises=2),
    "flop_no_limit": _Poker(False, 13, 4, 2, (0, 3)),
    "flop_limit": _Poker(True, 13, 4, 2, (0, 3)),
    "texas_no_limit": _Poker(False, 13, 4, 2, (0, 3, 1, 1)),
    "texas_limit": _Poker(True, 13, 4, 2, (0, 3, 1, 1)),
}
_BIG_BLIND = 2


def _poker(values: Mapping[str, Scalar]) -> Parameters:
    variant, count = _POKERS[str(values["variant"])], int(values["players"])
    rounds = len(variant.board_cards)
    first = ("2" if count == 2 else "3", *("1" for _ in variant.board_cards[1:]))
    raise_sizes = (str(_BIG_BLIND * (1 if at < (rounds + 1) // 2 else 2)) for at in range(rounds))
    return {
        "betting": "limit" if variant.limit else "nolimit",
        "bettingAbstraction": values["bets"],
        "numPlayers": count,
        "numRounds": rounds,
        "numRanks": variant.ranks,
        "numSuits": variant.suits,
        "numHoleCards": variant.hole_cards,
        "numBoardCards": " ".join(map(str, variant.board_cards)),
        "blind": " ".join(["1", str(_BIG_BLIND), *("0" for _ in range(count - 2))]),
        "firstPlayer": " ".join(first),
        "stack": " ".join(str(values["stack"]) for _ in range(count)),
        "raiseSize": " ".join(raise_sizes),
        "maxRaises": " ".join(str(variant.raises) for _ in range(rounds)),
    }


def _poker_horizon(values: Mapping[str, Scalar]) -> int:
    """Every player acts once a round and after every raise; without a limit at most the stack is raised."""
    variant, count = _POKERS[str(values["variant"])], int(values["players"])
    rounds = len(variant.board_cards)
    raises = variant.raises * rounds if variant.limit else int(values["stack"])
    return count * (rounds + raises)


# ------------------------------------------------------------------ parameters that differ from the axes


def _bridge(values: Mapping[str, Scalar]) -> Parameters:
    return {
        "use_double_dummy_result": False,  # which takes half a second an episode
        "dealer_vul": values["dealer_vulnerable"],
        "non_dealer_vul": values["others_vulnerable"],
    }


def _oh_hell(values: Mapping[str, Scalar]) -> Parameters:
    return {**values, "num_tricks_fixed": values["num_tricks_fixed"] or -1}


_HEARTS = (
    switch("can_lead_any_club", False, "whether any club may open instead of the two"),
    switch("jd_bonus", False, "whether the jack of diamonds takes points off"),
    switch("must_break_hearts", True, "whether hearts may be led only after one was played"),
    switch("qs_breaks_hearts", True, "whether the queen of spades lets hearts be led"),
)


FAMILIES: tuple[Family, ...] = (
    game(
        "bridge",
        switch("dealer_vulnerable", False, "whether the dealer's side is vulnerable"),
        switch("others_vulnerable", False, "whether the other side is vulnerable"),
        horizon=371,
        description="Contract bridge: an auction, then thirteen tricks.",
        tags=(*_TRICKS, "zero-sum", "teams"),
        parameters=_bridge,
    ),
    game(
        "tiny_bridge_2p",
        switch("abstracted", False, "whether players see the kind of their hand instead of its cards"),
        horizon=8,
        description="The bidding of a bridge with eight cards, by two partners.",
        tags=("cards", "cooperative", "communication"),
    ),
    game(
        "tiny_bridge_4p",
        horizon=57,
        description="The bidding of a bridge with eight cards, by two pairs of partners.",
        tags=("cards", "zero-sum", "teams"),
    ),
    game(
        "euchre",
        switch("allow_lone_defender", False, "whether a defender may play alone"),
        horizon=31,
        description="Four players in pairs choose trumps and play five tricks with a short pack.",
        tags=(*_TRICKS, "zero-sum", "teams"),
    ),
    game(
        "hearts",
        *_HEARTS,
        horizon=64,
        description="Four players avoid tricks with hearts or the queen of spades.",
        tags=_TRICKS,
    ),
    game(
        "oh_hell",
        size("players", 3, 3, 7, (5, 7), "number of players"),
        size("num_suits", 4, 3, 4, (3,), "suits of cards"),
        size("num_cards_per_suit", 13, 8, 13, (8,), "cards of each suit"),
        size("num_tricks_fixed", 0, 0, 3, (1, 3), "tricks of a hand; 0: a random number of them"),
        switch("off_bid_penalty", False, "whether a wrong bid costs points"),
        size("points_per_trick", 1, 1, 10, (3,), "points for a trick"),
        horizon=lambda values: 2 * (int(values["num_suits"]) * int(values["num_cards_per_suit"]) + 2),
        description="Players bid how many tricks they will take, and should take exactly so many.",
        tags=_TRICKS,
        parameters=_oh_hell,
    ),
    game(
        "spades",
        horizon=56,
        description="Two pairs bid for tricks in which spades are trumps.",
        tags=(*_TRICKS, "teams"),
    ),
    game(
        "skat",
        horizon=35,
        description="Three players: one, who was bid highest, plays against two.",
        tags=(*_TRICKS, "zero-sum"),
    ),
    game(
        "dou_dizhu",
        horizon=171,
        description="Fight the landlord: one plays against two, who wins by getting rid of all cards.",
        tags=("cards", "zero-sum", "teams"),
    ),
    game(
        "crazy_eights",
        players(5, 10, (2, 3, 8)),
        size("max_draw_cards", 5, 1, 5, (1, 2), "cards that one draws at most before passing", "cards"),
        size("max_turns", 100, 5, 200, (12, 20), "turns after which the game ends", "turns"),
        switch("use_special_cards", False, "whether some cards skip, reverse or make the next player draw"),
        switch("reshuffle", False, "whether the discards are shuffled when the pack is used up"),
        horizon=10_000,
        description="Players shed cards that match in suit or rank; eights are wild.",
        tags=("cards",),
    ),
    game(
        "tiny_hanabi",
        horizon=2,
        actions=Actions.DISCRETE,
        description="Two players with a private card each: what the first does must tell the second enough.",
        tags=("matrix", "cooperative", "communication"),
    ),
    game(
        "repeated_leduc_poker",
        players(2, 6, (3, 5)),
        size("num_hands", 2, 1, 10, (4, 8), "hands", "hands"),
        switch("suit_isomorphism", False, "whether suits, which never matter, are hidden"),
        horizon=lambda values: int(values["num_hands"]) * (7 * int(values["players"]) - 4),
        description="Hands of Leduc poker, one after the other.",
        tags=("cards", "zero-sum"),
    ),
    game(
        "universal_poker",
        choice("variant", tuple(_POKERS), "cards, rounds and limits of the bets", task=True),
        players(2, 4, (3, 4)),
        size("stack", 40, 6, 200, (10, 20, 100), "chips of each player at the start; the blinds are 1 and 2"),
        choice("bets", ("fcpa", "fc", "fchpa"), "fold, call, half pot, pot, all-in: what may be bet without a limit"),
        horizon=_poker_horizon,
        name="poker",
        description="Poker after the rules of the annual computer poker competition: blinds, bets, a showdown.",
        tags=("cards", "zero-sum"),
        parameters=_poker,
    ),
    game(
        "python_block_dominoes",
        horizon=28,
        name="block_dominoes",
        description="Two players lay dominoes end to end; who is blocked pays for the pips in the hands.",
        tags=("zero-sum",),
        module="open_spiel.python.games.block_dominoes",
    ),
    game(
        "python_team_dominoes",
        horizon=28,
        name="team_dominoes",
        description="Two pairs lay dominoes end to end; who is blocked pays for the pips in the hands.",
        tags=("zero-sum", "teams"),
        module="open_spiel.python.games.team_dominoes",
    ),
    game(
        "python_liars_poker",
        size("hand_length", 5, 2, 10, (3, 8), "digits in a hand"),
        size("num_digits", 5, 3, 10, (3, 8), "digits that there are"),
        horizon=lambda values: 4 * int(values["hand_length"]) * int(values["num_digits"]),
        name="liars_poker",
        description="Players bid how often a digit is in all hands together, until all others challenge.",
        tags=("zero-sum",),
        module="open_spiel.python.games.liars_poker",
    ),
    game(
        "yacht",
        players(2, 4, (3,)),
        size("num_dice", 5, 2, 5, (3,), "dice"),
        size("dice_sides", 6, 3, 6, (4,), "sides of a die"),
        size("rolls_per_turn", 3, 1, 5, (1, 2), "rolls of a turn"),
        horizon=lambda values: int(values["players"]) * 12 * (int(values["rolls_per_turn"]) + 1),
        description="Players roll dice, keep some of them and fill twelve boxes with the best of them.",
        tags=("dice", "zero-sum"),
    ),
    game(
        "negotiation",
        switch("enable_utterances", True, "whether each offer comes with a message of free symbols"),
        size("num_items", 3, 2, 5, (2, 5), "kinds of items"),
        size("num_symbols", 5, 2, 6, (2,), "symbols of a message"),
        size("utterance_dim", 3, 1, 3, (1,), "symbols in a message"),
        horizon=20,
        description="Two players with private values divide random items by offers and cheap talk.",
        tags=("negotiation", "communication"),
        seeded_by="rng_seed",
    ),
)
