"""How the families of social dynamics are declared: shared axes, short forms of axes, and the making of simulators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

from env_registry.axes import Axis, ChoiceAxis, FloatAxis, IntAxis, Scalar
from env_registry.family import Actions, Domain, Family, Observations, Traits
from env_registry.simulator import Kind, Simulator

# ------------------------------------------------------------------ short forms


def count(
    name: str, default: int, low: int, high: int, levels: tuple[int, ...], description: str, unit: str = ""
) -> IntAxis:
    """A size, which changes spaces or agents."""
    return IntAxis(name=name, default=default, low=low, high=high, levels=levels, unit=unit, description=description)


def whole(name: str, default: int, low: int, high: int, levels: tuple[int, ...], description: str) -> IntAxis:
    return IntAxis(
        name=name, default=default, low=low, high=high, levels=levels, description=description, randomisable=True
    )


def number(
    name: str, default: float, low: float, high: float, levels: tuple[float, ...], description: str, unit: str = ""
) -> FloatAxis:
    return FloatAxis(
        name=name,
        default=default,
        low=low,
        high=high,
        levels=levels,
        unit=unit,
        description=description,
        randomisable=True,
    )


def chance(name: str, default: float, levels: tuple[float, ...], description: str) -> FloatAxis:
    return number(name, default, 0.0, 1.0, levels, description, "probability")


def choice(name: str, choices: tuple[str, ...], description: str, *, randomisable: bool = True) -> ChoiceAxis:
    """The first choice is the default, the others are levels."""
    return ChoiceAxis(
        name=name,
        default=choices[0],
        levels=choices[1:],
        choices=choices,
        description=description,
        randomisable=randomisable,
    )


def task(name: str, choices: tuple[str, ...], description: str) -> ChoiceAxis:
    """The first choice is the default."""
    return ChoiceAxis(
        name=name, default=choices[0], levels=choices[1:], choices=choices, description=description, task=True
    )


# ------------------------------------------------------------------ shared axes

ROUNDS = IntAxis(
    name="rounds",
    default=50,
    low=1,
    high=1000,
    levels=(20, 100),
    unit="rounds",
    description="rounds after which the episode is truncated",
)
CONTINUATION = number(
    "continuation", 1.0, 0.0, 1.0, (0.9, 0.97), "probability that the episode goes on after a round", "probability"
)
TREMBLE = chance("tremble", 0.0, (0.05, 0.2), "that a player's action is replaced by a random one")
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
