"""Epidemics. Owns which models, measures and contacts there are as tasks; the dynamics are in `epidemic_env`."""

from __future__ import annotations

from env_registry.family import Actions, Family
from env_registry.shorthand import choice, number, probability, size, task, whole
from env_registry.social.dynamics.declared import TOGETHER, family

MODELS = ("sir", "sis", "seir", "sirs", "seirs")
MEASURES = ("distancing", "vaccination", "testing")
MIXING = ("complete", "small_world")

FAMILIES: tuple[Family, ...] = (
    family(
        "epidemic",
        "epidemic_env.Epidemic",
        task("model", MODELS, "states of a node, in the order in which it passes through them"),
        task("measure", MEASURES, "what players can do"),
        task("mixing", MIXING, "who meets whom: everybody everybody, or neighbours in a small world"),
        *TOGETHER,
        size("players", 6, 2, 24, (3, 12), "nodes that choose"),
        whole("residents", 18, 0, 64, (6, 42), "nodes that do not"),
        whole("seeds", 2, 0, 12, (1, 6), "nodes that are infectious at first"),
        whole("links", 2, 1, 6, (1, 4), "half the number of neighbours in a small world"),
        probability("rewiring", (0.5, 1.0), "that a link of a small world is random", 0.1),
        number("transmission", 0.8, 0.0, 4.0, (0.4, 1.6), "infections by one in a round when nobody is immune"),
        probability("recovery", (0.1, 0.5), "that an infection ends in a round", 0.2),
        probability("onset", (0.15, 1.0), "that who is exposed becomes infectious in a round", 0.4),
        probability("waning", (0.0, 0.2), "that immunity ends in a round", 0.05),
        probability("imported", (0.0, 0.05), "that a susceptible node is infected from outside in a round", 0.005),
        number("effectiveness", 0.7, 0.0, 1.0, (0.3, 1.0), "part of contacts that full distancing avoids"),
        probability("efficacy", (0.4,), "that a vaccination works", 0.8),
        number("caution", 0.0, 0.0, 1.0, (0.4, 0.8), "distancing of the residents"),
        number("measure_cost", 0.2, 0.0, 2.0, (0.05, 0.6), "cost of a full measure, where an infectious round costs 1"),
        choice("sight", ("neighbours", "everybody"), "of whom a player sees shares"),
        actions=Actions.DISCRETE,
        description="Players distance themselves, are vaccinated, or test and isolate while a disease spreads.",
        source="Pastor-Satorras et al. 2015, https://doi.org/10.1103/RevModPhys.87.925",
        tags=("epidemic", "network", "population"),
    ),
)
