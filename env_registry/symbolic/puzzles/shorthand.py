"""How puzzles declare their axes and families: what all of them have in common, said once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from env_registry.axes import Axis, Scalar
from env_registry.family import Actions, Domain, Family, Observations, Traits
from env_registry.shorthand import number, probability, task
from env_registry.simulator import Kind, Simulator
from env_registry.symbolic.formal.shorthand import SLIP, choice, count, hinted, switch

__all__ = [
    "COMMON",
    "ILLEGAL_COST",
    "SLIP",
    "STEP_COST",
    "choice",
    "count",
    "family",
    "number",
    "probability",
    "switch",
    "task",
]

REWARD = choice(
    "reward",
    ("progress", "goal", "level"),
    "what pays besides the 1 for solving: each increase of the score, nothing, or the score at every step",
)
STEP_COST = number("step_cost", 0.0, 0.0, 10.0, (0.02, 0.1), "what every step costs", "reward units")
SENSOR_NOISE = probability("sensor_noise", (0.05, 0.2), "probability that the agent sees an arbitrary value, for each")
ILLEGAL_COST = number("illegal_cost", 0.0, 0.0, 10.0, (0.05, 0.2), "what an action costs that can do nothing", "reward")

COMMON: tuple[Axis, ...] = (REWARD, STEP_COST, SENSOR_NOISE, SLIP)
"""Axes of every puzzle that `puzzle_env.PuzzleEnv` understands."""


def family(
    name: str,
    environment: str,
    axes: tuple[Axis, ...],
    *,
    time_limit: int,
    description: str,
    source: str,
    tags: tuple[str, ...],
    observations: Observations = Observations.DISCRETE,
    fixed: Mapping[str, Any] | None = None,
) -> Family:
    """A family of one environment class, `module:class` in this package; `fixed` are arguments that are no axes."""
    return Family(
        name=f"puzzles/{name}",
        domain=Domain.SYMBOLIC,
        traits=Traits(kind=Kind.SINGLE, actions=Actions.DISCRETE, observations=observations),
        axes=axes,
        make=_maker(environment, time_limit, dict(fixed or {})),
        horizon=time_limit,
        description=description,
        source=source,
        licence="Apache-2.0",
        distribution="numpy",
        tags=tags,
        witness=hinted,
    )


def _maker(environment: str, time_limit: int, fixed: dict[str, Any]) -> Callable[[Mapping[str, Scalar]], Simulator]:
    module, name = environment.split(":")

    def make(values: Mapping[str, Scalar]) -> Simulator:
        from env_registry.gymnasium_adapter import GymnasiumSimulator

        kind = getattr(import_module(f"{__package__}.{module}"), name)
        return GymnasiumSimulator(kind(**fixed, **values), time_limit=time_limit, state=kind.STATE)

    return make
