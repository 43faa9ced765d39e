"""Bargaining. Owns which protocols there are as tasks; the dynamics are in `bargaining_env`."""

from __future__ import annotations

from env_registry.family import Actions, Family
from env_registry.shorthand import number, probability, size, task
from env_registry.social.dynamics.declared import TOGETHER, family

BILATERAL = ("alternating", "nash_demand", "ultimatum", "final_offer", "concession", "issues")
MULTILATERAL = ("majority", "unanimity", "veto")

_PIE = (
    number("patience", 0.9, 0.0, 1.0, (0.3, 0.6), "factor on a pie's worth from one round to the next", "x"),
    number("impatience", 0.0, 0.0, 1.0, (0.3, 0.7), "part of its patience that player 0 lacks"),
    number("outside", 0.0, 0.0, 1.0, (0.2, 0.4), "share of the pie that each gets without an agreement"),
    probability("breakdown", (0.0, 0.4), "that a rejection ends a negotiation", 0.1),
    number("pie_spread", 0.0, 0.0, 1.0, (0.4, 0.9), "by how much pies may be larger or smaller than 1"),
)

FAMILIES: tuple[Family, ...] = (
    family(
        "bargaining",
        "bargaining_env.Bargaining",
        task("protocol", BILATERAL, "who proposes, demands and accepts, and when"),
        *TOGETHER,
        *_PIE,
        actions=Actions.CONTINUOUS,
        description="Two players divide one pie after another by offers, demands, or an arbitrator.",
        source="Rubinstein 1982, https://doi.org/10.2307/1912531; Nash 1953; Güth et al. 1982; Farber 1980",
        tags=("bargaining", "mixed-motive"),
    ),
    family(
        "legislative_bargaining",
        "bargaining_env.Bargaining",
        task("protocol", MULTILATERAL, "who must agree"),
        *TOGETHER,
        size("players", 3, 3, 9, (5, 9), "players"),
        *_PIE,
        actions=Actions.CONTINUOUS,
        description="Random proposers divide a pie among several players, of whom a majority or all must agree.",
        source="Baron and Ferejohn 1989, https://doi.org/10.2307/1956664; Winter 1996",
        tags=("bargaining", "coalition"),
    ),
)
