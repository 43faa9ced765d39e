"""Opinion dynamics. Owns which dynamics and objectives there are as tasks; the dynamics are in `opinion_env`."""

from __future__ import annotations

from env_registry.family import Actions, Family
from env_registry.shorthand import choice, number, probability, size, task, whole
from env_registry.social.dynamics.declared import TOGETHER, family

CONTINUOUS = ("degroot", "friedkin_johnsen", "hegselmann_krause", "repulsion", "signed", "deffuant")
BINARY = ("voter", "majority", "q_voter", "threshold", "sznajd")
OBJECTIVES = ("persuade", "consensus", "diversity")

_OBJECTIVE = task("objective", OBJECTIVES, "what players are paid for")
_SOCIETY = (
    size("players", 2, 2, 8, (4,), "players, who steer"),
    whole("residents", 24, 4, 64, (12, 48), "residents, who hold opinions"),
    choice("graph", ("small_world", "ring", "grid", "scale_free", "complete"), "who hears whom"),
    whole("links", 2, 1, 6, (1, 4), "half the mean number of neighbours, on graphs that leave it open"),
    probability("rewiring", (0.5, 1.0), "that a link of a small world is random", 0.1),
    probability("reach", (0.1, 0.8), "that a player reaches a resident", 0.4),
    number("influence", 0.3, 0.0, 1.0, (0.1, 0.8), "weight of what players say"),
)

FAMILIES: tuple[Family, ...] = (
    family(
        "opinions",
        "opinion_env.ContinuousOpinions",
        task("dynamics", CONTINUOUS, "how residents change their minds"),
        _OBJECTIVE,
        *TOGETHER,
        *_SOCIETY,
        number("confidence", 0.25, 0.0, 1.0, (0.1, 0.5), "difference up to which others are heard"),
        number("stubbornness", 0.3, 0.0, 1.0, (0.1, 0.7), "weight of first opinions"),
        probability("hostility", (0.0, 0.5), "that a link is hostile", 0.2),
        number("noise", 0.0, 0.0, 1.0, (0.05, 0.2), "standard deviation of noise on opinions"),
        choice("initial", ("uniform", "polarised"), "the first opinions"),
        number("loudness_cost", 0.0, 0.0, 2.0, (0.3, 1.0), "cost of saying an extreme opinion"),
        actions=Actions.CONTINUOUS,
        description="Players steer opinions between 0 and 1, which neighbours on a graph draw together or apart.",
        source="Castellano, Fortunato and Loreto 2009, https://doi.org/10.1103/RevModPhys.81.591",
        tags=("opinions", "network", "population"),
    ),
    family(
        "binary_opinions",
        "opinion_env.BinaryOpinions",
        task("dynamics", BINARY, "how residents change their minds"),
        _OBJECTIVE,
        *TOGETHER,
        *_SOCIETY,
        number("threshold", 0.4, 0.0, 1.0, (0.2, 0.7), "share of neighbours that convinces"),
        probability("noise", (0.0, 0.1, 0.3), "that an opinion flips in a round", 0.02),
        probability("initial_share", (0.1, 0.9), "that a first opinion is 1", 0.5),
        number("message_cost", 0.05, 0.0, 1.0, (0.0, 0.2), "cost of saying something"),
        actions=Actions.DISCRETE,
        description="Players speak for one of two opinions, which spread on a graph by copying, majority or contagion.",
        source="Castellano, Fortunato and Loreto 2009, https://doi.org/10.1103/RevModPhys.81.591",
        tags=("opinions", "network", "population"),
    ),
    family(
        "cultures",
        "opinion_env.Cultures",
        _OBJECTIVE,
        *TOGETHER,
        *_SOCIETY,
        size("features", 3, 1, 6, (2, 5), "features of a culture"),
        size("traits", 4, 2, 8, (2, 8), "traits of a feature"),
        probability("noise", (0.0, 0.1), "that a resident takes a random trait in a round", 0.01),
        actions=Actions.DISCRETE,
        description="Players speak for traits in a society whose neighbours grow alike the more alike they are.",
        source="Axelrod 1997, The dissemination of culture, https://doi.org/10.1177/0022002797041002001",
        tags=("opinions", "network", "population"),
    ),
)
