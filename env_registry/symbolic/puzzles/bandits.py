"""Bandits: which arm to pull, when what it pays must be found out.

Owns how arms pay and change in which task; the dynamics are in `bandit_env`.
"""

from __future__ import annotations

from env_registry.family import Observations
from env_registry.shorthand import number, probability, task
from env_registry.symbolic.puzzles.shorthand import SLIP, STEP_COST, count, family, switch

TIME_LIMIT = 100  # steps

KINDS = (
    "bernoulli",
    "gaussian",
    "heavy_tailed",
    "unimodal",
    "needle",
    "restless",
    "switching",
    "mortal",
    "periodic",
    "rested",
    "rotting",
    "rising",
    "recovering",
    "sleeping",
    "contextual",
    "linear",
    "apple_tasting",
    "experts",
    "duelling",
    "best_arm",
    "budgeted",
)

FAMILIES = (
    family(
        "bandit",
        "bandit_env:BanditEnv",
        (
            task("kind", KINDS, "how arms pay and change, and what is seen"),
            count("arms", 5, 3, 32, (3, 10, 20), "arms", "number of arms", shapes=True),
            number("gap", 0.8, 0.0, 1.0, (0.2, 0.4), "range within which mean payments lie", "reward units"),
            number("rate", 0.1, 0.0, 1.0, (0.03, 0.3), "how fast arms change, where they do", "a step or a pull"),
            count("contexts", 4, 2, 16, (2, 8), "contexts", "contexts or features, where there are any", shapes=True),
            probability("corruption", (0.1, 0.3), "probability that another outcome is shown than was paid"),
            switch("blind", "whether outcomes are not shown"),
            STEP_COST,
            SLIP,
        ),
        time_limit=TIME_LIMIT,
        description="Pull arms that pay at random, so that they pay much in all.",
        source="Lattimore and Szepesvari, Bandit Algorithms (2020), https://doi.org/10.1017/9781108571401",
        tags=("exploration", "bandit"),
        observations=Observations.VECTOR,
    ),
)
