"""What environments exist, how they are named, and how they are made. Imports no engine until one is made.

>>> spec = parse("mujoco/half_cheetah;gravity=4.905:delay(steps=2)")
>>> simulator = make(spec)
>>> observation = simulator.reset(EpisodeSeeds.of(0))
"""

from env_registry import arithmetic as arithmetic  # first: it sets what numpy reads when it is loaded
from env_registry.axes import Axis, Distribution, DistributionKind, Scalar, Value
from env_registry.cards import Card, card_of
from env_registry.catalogue import base_task, enumerate_specs
from env_registry.family import Actions, Domain, Family, Observations, Traits, families, family_versions
from env_registry.make import make
from env_registry.modifiers import Modifier, modifiers
from env_registry.problems import RefProblem, SyntaxProblem, UnknownName, WrongComposition, WrongValue
from env_registry.seeding import EpisodeSeeds, episode_seeds
from env_registry.simulator import SINGLE_AGENT, Agent, Kind, Simulator
from env_registry.spec import ModifierUse, Spec, parse
from env_registry.tables import Table, TableProblem

__all__ = [
    "SINGLE_AGENT",
    "Actions",
    "Agent",
    "Axis",
    "Card",
    "Distribution",
    "DistributionKind",
    "Domain",
    "EpisodeSeeds",
    "Family",
    "Kind",
    "Modifier",
    "ModifierUse",
    "Observations",
    "RefProblem",
    "Scalar",
    "Simulator",
    "Spec",
    "SyntaxProblem",
    "Table",
    "TableProblem",
    "Traits",
    "UnknownName",
    "Value",
    "WrongComposition",
    "WrongValue",
    "base_task",
    "card_of",
    "enumerate_specs",
    "episode_seeds",
    "families",
    "family_versions",
    "make",
    "modifiers",
    "parse",
]
