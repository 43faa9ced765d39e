"""Commons. Owns which resources there are as tasks; the dynamics are in `commons_env`."""

from __future__ import annotations

from env_registry.family import Actions, Family
from env_registry.shorthand import number, probability, size, task
from env_registry.social.dynamics.declared import TOGETHER, family

RESOURCES = (
    "logistic",
    "allee",
    "beverton_holt",
    "ricker",
    "gompertz",
    "recharge",
    "seasonal",
    "forest",
    "predator_prey",
    "patches",
)

FAMILIES: tuple[Family, ...] = (
    family(
        "commons",
        "commons_env.Commons",
        task("resource", RESOURCES, "how stocks grow"),
        *TOGETHER,
        size("players", 4, 2, 16, (2, 8), "players"),
        number("growth_rate", 0.5, 0.0, 3.0, (0.2, 1.0, 2.0), "growth of a small stock", "1/round"),
        number("catchability", 0.5, 0.0, 1.0, (0.2, 1.0), "share of a stock that full effort of all takes"),
        number("initial_stock", 0.5, 0.0, 1.0, (0.2, 1.0), "stock at the start, of the capacity"),
        number("effort_cost", 0.05, 0.0, 1.0, (0.0, 0.2), "cost of full effort"),
        number("tax", 0.0, 0.0, 1.0, (0.4, 1.0), "share of the harvest that is divided among all"),
        number("growth_noise", 0.0, 0.0, 2.0, (0.1, 0.4), "standard deviation of a factor on stocks"),
        number("survey_noise", 0.0, 0.0, 2.0, (0.1, 0.4), "relative standard deviation of the stocks seen"),
        probability("shock", (0.05, 0.2), "that all stocks are halved in a round"),
        actions=Actions.CONTINUOUS,
        description="Players harvest a fishery, a forest or groundwater that grows back by itself.",
        source="Clark 1990, Mathematical bioeconomics; Ostrom, Gardner and Walker 1994, Rules, games, and commons",
        tags=("dilemma", "resource"),
    ),
)
