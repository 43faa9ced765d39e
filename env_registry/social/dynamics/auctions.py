"""Auctions and exchanges. Owns which rules there are as tasks; dynamics are in `auction_env` and `exchange_env`."""

from __future__ import annotations

from env_registry.family import Actions, Family
from env_registry.shorthand import choice, number, size, task, whole
from env_registry.social.dynamics.declared import TOGETHER, family

RULES = (
    "first_price",
    "second_price",
    "third_price",
    "all_pay",
    "war_of_attrition",
    "discriminatory",
    "uniform_price",
    "english",
    "dutch",
)
VALUES = ("private", "common", "interdependent")
EXCHANGES = ("call_market", "mcafee", "pairwise")

_DISTRIBUTION = choice("distribution", ("uniform", "high", "low", "bimodal"), "where values come from")

FAMILIES: tuple[Family, ...] = (
    family(
        "auction",
        "auction_env.Auction",
        task("rule", RULES, "who wins and what is paid"),
        task("values", VALUES, "what signals say of what an item is worth"),
        *TOGETHER,
        size("players", 4, 2, 12, (2, 8), "bidders that learn"),
        whole("rivals", 0, 0, 12, (1, 4), "bidders that bid 0.8 of their signal"),
        _DISTRIBUTION,
        number("signal_noise", 0.3, 0.0, 1.0, (0.1, 0.8), "largest error of a signal of a common value"),
        number("reserve", 0.0, 0.0, 1.0, (0.25, 0.5), "least valid bid"),
        number("budget", 1.0, 0.0, 1.0, (0.3, 0.6), "most that anybody can bid"),
        whole("units", 2, 2, 8, (3,), "items for sale where there can be several, less than bidders"),
        number("increment", 0.1, 0.02, 1.0, (0.05, 0.25), "by how much a clock moves", "1/round"),
        number("loss_aversion", 1.0, 0.0, 5.0, (0.4, 2.25), "factor on losses", "x"),
        actions=Actions.CONTINUOUS,
        description="Bidders with private or common values bid in sealed, clock or several-unit auctions.",
        source="Krishna 2010, Auction theory",
        tags=("auction", "hidden-information"),
    ),
    family(
        "exchange",
        "exchange_env.Exchange",
        task("rule", EXCHANGES, "who trades at which price"),
        *TOGETHER,
        size("pairs", 3, 1, 8, (1, 6), "buyers, and as many sellers"),
        _DISTRIBUTION,
        number("k", 0.5, 0.0, 1.0, (0.0, 1.0), "weight of the bid in the price"),
        number("fee", 0.0, 0.0, 1.0, (0.1, 0.3), "what a trade costs each side"),
        actions=Actions.CONTINUOUS,
        description="Buyers and sellers name prices in a double auction.",
        source="Friedman and Rust 1993, The double auction market; McAfee 1992",
        tags=("auction", "market", "hidden-information"),
    ),
)
