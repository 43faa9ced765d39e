"""Voting. Owns which rules there are as tasks; the dynamics are in `voting_env`."""

from __future__ import annotations

from env_registry.family import Actions, Family
from env_registry.shorthand import choice, number, probability, size, task, whole
from env_registry.social.dynamics.declared import TOGETHER, family

RULES = (
    "plurality",
    "veto",
    "approval",
    "quota",
    "random_ballot",
    "borda",
    "instant_runoff",
    "copeland",
)

FAMILIES: tuple[Family, ...] = (
    family(
        "voting",
        "voting_env.Voting",
        task("rule", RULES, "how votes make a winner"),
        *TOGETHER,
        size("players", 5, 2, 15, (3, 9), "voters that learn"),
        size("candidates", 4, 2, 5, (3, 5), "candidates"),
        whole("sincere", 0, 0, 30, (2, 8), "further voters, who vote as they think"),
        choice("culture", ("impartial", "line", "camps"), "how preferences of different voters are related"),
        number("drift", 0.0, 0.0, 1.0, (0.05, 0.2), "standard deviation of the change of utilities in a round"),
        probability("renewal", (0.0, 0.3), "that all preferences are drawn anew after a round", 0.05),
        number("change_cost", 0.0, 0.0, 1.0, (0.2, 0.6), "what everybody loses by a change of the incumbent"),
        number("quota", 0.5, 0.0, 1.0, (0.3, 0.8), "share of votes without which the incumbent stays"),
        actions=Actions.DISCRETE,
        description="Voters elect the same candidates again and again and see the tallies.",
        source="Brandt et al. 2016, Handbook of computational social choice; Meir et al. 2010 on iterative voting",
        tags=("voting", "mixed-motive"),
    ),
)
