"""Congestion games. Owns which games there are as tasks; the dynamics are in `congestion_env`."""

from __future__ import annotations

from env_registry.family import Actions, Family
from env_registry.shorthand import choice, number, size, task, whole
from env_registry.social.dynamics.declared import TOGETHER, family

GAMES = (
    "braess",
    "pigou",
    "parallel",
    "el_farol",
    "minority",
    "market_entry",
    "bottleneck",
    "queues",
    "restaurants",
)

FAMILIES: tuple[Family, ...] = (
    family(
        "congestion",
        "congestion_env.Congestion",
        task("game", GAMES, "what options pay"),
        *TOGETHER,
        size("players", 6, 2, 24, (3, 15), "players"),
        whole("commuters", 0, 0, 48, (6, 24), "further participants, who go where it was best"),
        number("capacity", 0.6, 0.1, 2.0, (0.3, 0.9), "how many an option takes"),
        number("steepness", 1.0, 0.2, 8.0, (0.5, 3.0), "power of the load in a cost"),
        number("toll", 0.0, 0.0, 4.0, (0.4, 1.5), "price of an option that all take, in proportion to its share"),
        number("payoff_noise", 0.0, 0.0, 4.0, (0.2, 0.8), "standard deviation of noise on each payoff"),
        choice("sight", ("all", "own"), "options whose shares a player sees"),
        actions=Actions.DISCRETE,
        description="Players choose routes, times, bars, queues or markets that are worse the more choose them.",
        source="Rosenthal 1973; Arthur 1994; Challet and Zhang 1997; Vickrey 1969",
        tags=("congestion", "repeated"),
    ),
)
