"""Elementary cellular automata with an agent: our own rule space.

Owns which rules count as different tasks and what else may vary; the dynamics are in `cellular_automaton_env`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from env_registry.axes import FloatAxis, IntAxis, Scalar
from env_registry.family import Actions, Domain, Family, Observations, Traits
from env_registry.simulator import Kind, Simulator
from env_registry.symbolic.stepped_axis import SteppedIntAxis

TIME_LIMIT = 200  # steps
DEFAULT_RULE = 110

_TRAITS = Traits(kind=Kind.SINGLE, actions=Actions.DISCRETE, observations=Observations.DISCRETE)


# ------------------------------------------------------------------ rules


def mirror(rule: int) -> int:
    """The rule that does the same with left and right exchanged."""
    return sum((rule >> (4 * r + 2 * c + left) & 1) << (4 * left + 2 * c + r) for left, c, r in _NEIGHBOURHOODS)


def complement(rule: int) -> int:
    """The rule that does the same with zeros and ones exchanged."""
    return sum((1 - (rule >> (7 - n) & 1)) << n for n in range(8))


_NEIGHBOURHOODS = tuple((left, c, r) for left in (0, 1) for c in (0, 1) for r in (0, 1))

INDEPENDENT_RULES = tuple(
    rule for rule in range(256) if rule == min(rule, mirror(rule), complement(rule), mirror(complement(rule)))
)
"""The 88 rules that are the smallest of their class under exchange of left and right and of zeros and ones.

Two rules of a class give one task: mirrored actions, or inverted cells and target."""

FORGETFUL_RULES = (0, 8, 32, 40, 128, 136, 160, 168)
"""Wolfram's class 1 among them: nearly every start, and all that the agent did, is soon gone."""

RULES = tuple(rule for rule in INDEPENDENT_RULES if rule not in FORGETFUL_RULES)


# ------------------------------------------------------------------ axes

RULE = IntAxis(
    name="rule",
    default=DEFAULT_RULE,
    low=0,
    high=255,
    levels=tuple(rule for rule in RULES if rule != DEFAULT_RULE),
    description="the automaton's rule in Wolfram's numbering",
    task=True,
)
SIZE = SteppedIntAxis(
    name="size",
    default=31,
    low=5,
    high=255,
    step=2,
    levels=(15, 63, 127),
    unit="cells",
    description="length of the ring",
)
UPDATES = IntAxis(
    name="updates_per_step",
    default=1,
    low=1,
    high=16,
    unit="updates",
    description="updates of the automaton between two actions; no levels, as rules that settle or blink do not notice",
    randomisable=True,
)


def _share(name: str, default: float, levels: tuple[float, ...], description: str) -> FloatAxis:
    return FloatAxis(
        name=name, default=default, levels=levels, low=0.0, high=1.0, description=description, randomisable=True
    )


TARGET = _share("target_density", 0.5, (0.0, 0.25, 0.75, 1.0), "share of ones that is the goal")
START = _share("initial_density", 0.5, (0.1, 0.25, 0.75), "probability of a one in each cell at the start")
NOISE = _share("noise", 0.0, (0.01, 0.05), "probability that a cell flips by chance, after each update")


# ------------------------------------------------------------------ construction


def _make(values: Mapping[str, Scalar], *, hold_majority: bool) -> Simulator:
    from env_registry.gymnasium_adapter import GymnasiumSimulator
    from env_registry.symbolic.cellular_automaton_env import CellularAutomatonEnv

    goal = {"target_density": None} if hold_majority else {}
    env = CellularAutomatonEnv(**{**values, **goal})  # type: ignore[arg-type]  # values have their axes' types
    return GymnasiumSimulator(env, time_limit=TIME_LIMIT, state=("cells", "majority"))


_SOURCE = "https://doi.org/10.1103/RevModPhys.55.601"

FAMILIES = (
    Family(
        name="rules/cellular_automaton",
        domain=Domain.SYMBOLIC,
        traits=_TRAITS,
        axes=(RULE, SIZE, TARGET, START, UPDATES, NOISE),
        make=partial(_make, hold_majority=False),
        horizon=TIME_LIMIT,
        description="Hold the share of ones in a cellular automaton on a ring at a target by flipping single cells.",
        source=_SOURCE,
        licence="Apache-2.0",
        distribution="numpy",
        tags=("cellular-automaton", "control"),
    ),
    Family(
        name="rules/cellular_majority",
        domain=Domain.SYMBOLIC,
        traits=_TRAITS,
        axes=(RULE, SIZE, START, UPDATES, NOISE),
        make=partial(_make, hold_majority=True),
        horizon=TIME_LIMIT,
        description="Bring a cellular automaton on a ring to the value that most of its cells had at the start.",
        source=_SOURCE,
        licence="Apache-2.0",
        distribution="numpy",
        tags=("cellular-automaton", "control", "memory"),
    ),
)
