"""Repeated games on graphs. Owns which games and graphs there are as tasks; the dynamics are in `network_game_env`."""

from __future__ import annotations

from env_registry.family import Actions, Family
from env_registry.shorthand import choice, number, probability, size, task, whole
from env_registry.social.dynamics.declared import TOGETHER, family

GAMES = (
    "prisoners_dilemma",
    "snowdrift",
    "stag_hunt",
    "coordination",
    "coloring",
    "rock_paper_scissors",
    "best_shot",
    "critical_mass",
)
GRAPHS = ("small_world", "ring", "grid", "scale_free", "complete")
LINKS = whole("links", 2, 1, 6, (1, 4), "half the mean number of neighbours, on graphs that leave it open")
REWIRING = probability("rewiring", (0.0, 0.5, 1.0), "that a link of a small world is random", 0.1)

FAMILIES: tuple[Family, ...] = (
    family(
        "network_game",
        "network_game_env.NetworkGame",
        task("game", GAMES, "what a node plays with its neighbours"),
        task("graph", GRAPHS, "who are neighbours"),
        *TOGETHER,
        size("players", 8, 2, 32, (4, 16), "nodes that learn"),
        size("residents", 8, 0, 64, (0, 24), "nodes that follow a rule"),
        LINKS,
        REWIRING,
        number("benefit", 3.0, 0.0, 10.0, (1.25, 6.0), "what the game gives"),
        number("cost", 1.0, 0.0, 10.0, (0.4, 2.5), "what the game takes"),
        choice("update", ("imitate", "best_reply", "copy"), "how residents choose"),
        probability("mutation", (0.0, 0.2), "that a resident acts at random", 0.02),
        choice("sight", ("neighbours", "everybody"), "whose actions a player sees shares of"),
        actions=Actions.DISCRETE,
        description="Each player plays one action against all its neighbours on a graph, among residents that imitate.",
        source="Nowak and May 1992, https://doi.org/10.1038/359826a0; Szabó and Fáth 2007",
        tags=("network", "repeated", "population"),
    ),
)
