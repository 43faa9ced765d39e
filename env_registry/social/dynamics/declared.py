"""How the families of social dynamics are declared: shared axes and the making of simulators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

from env_registry.axes import Axis, Scalar
from env_registry.family import Actions, Domain, Family, Observations, Traits
from env_registry.shorthand import number, probability, size
from env_registry.simulator import Kind, Simulator

# ------------------------------------------------------------------ shared axes

ROUNDS = size("rounds", 50, 1, 1000, (20, 100), "rounds after which the episode is truncated", "rounds")
CONTINUATION = number(
    "continuation", 1.0, 0.0, 1.0, (0.9, 0.97), "probability that the episode goes on after a round", "probability"
)
TREMBLE = probability("tremble", (0.05, 0.2), "that a player's action is replaced by a random one")
ALTRUISM = number(
    "altruism", 0.0, -1.0, 1.0, (-1.0, -0.4, 0.4, 1.0), "weight of the others' mean payoff in a player's reward"
)
ENVY = number("envy", 0.0, 0.0, 4.0, (0.5, 2.0), "reward lost by how much the others get more, on average")
GUILT = number("guilt", 0.0, 0.0, 1.0, (0.25, 0.6), "reward lost by how much the others get less, on average")

ALONE = (ROUNDS, CONTINUATION, TREMBLE)
"""Of games whose other participants have no payoffs, or payoffs that do not matter."""
TOGETHER = (*ALONE, ALTRUISM, ENVY, GUILT)

# ------------------------------------------------------------------ registration


def rounds_of(values: Mapping[str, Any]) -> int:
    rounds: int = values["rounds"]
    return rounds


def _make(module: str, name: str, fixed: Mapping[str, Any], values: Mapping[str, Scalar]) -> Simulator:
    from env_registry.social.dynamics.simulator import DynamicsSimulator

    environment = getattr(import_module(f"env_registry.social.dynamics.{module}"), name)
    return DynamicsSimulator(environment(**fixed, **values))


def family(
    name: str,
    environment: str,
    *axes: Axis,
    actions: Actions,
    description: str,
    source: str,
    tags: tuple[str, ...],
    fixed: Mapping[str, Any] | None = None,
    make: Callable[[Mapping[str, Scalar]], Simulator] | None = None,
) -> Family:
    """A family of the `environment`, as `module.Class` of this package, whose arguments are the axes and `fixed`."""
    module, _, class_name = environment.partition(".")
    return Family(
        name=f"society/{name}",
        domain=Domain.SOCIAL,
        traits=Traits(kind=Kind.PARALLEL, actions=actions, observations=Observations.VECTOR),
        axes=axes,
        make=make or partial(_make, module, class_name, fixed or {}),
        horizon=rounds_of,
        description=description,
        source=source,
        licence="Apache-2.0",
        distribution="numpy",
        tags=tags,
    )
