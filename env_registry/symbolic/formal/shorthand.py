"""How the formal systems declare their axes and families: what all of them have in common, said once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from env_registry import shorthand
from env_registry.axes import Axis, BoolAxis, ChoiceAxis, IntAxis, Scalar
from env_registry.family import Actions, Actor, Domain, Family, Observations, Traits
from env_registry.shorthand import probability
from env_registry.simulator import Kind, Simulator

_TRAITS = Traits(kind=Kind.SINGLE, actions=Actions.DISCRETE, observations=Observations.DISCRETE)

Values = Mapping[str, Scalar]


# ------------------------------------------------------------------ axes


def count(
    name: str,
    default: int,
    low: int,
    high: int,
    levels: tuple[int, ...],
    unit: str,
    description: str,
    *,
    shapes: bool = False,
) -> IntAxis:
    """An integer; with `shapes` it changes the spaces."""
    return shorthand.whole(name, default, low, high, levels, description, unit, randomisable=not shapes)


def choice(name: str, choices: tuple[str, ...], description: str, *, shapes: bool = False) -> ChoiceAxis:
    """A choice that makes no other task; the first is the default."""
    return shorthand.choice(name, choices, description, randomisable=not shapes)


def switch(name: str, description: str, *, shapes: bool = False) -> BoolAxis:
    """Something that is off unless asked for."""
    return shorthand.switch(name, False, description, randomisable=not shapes)


SLIP = probability("slip", (0.1, 0.3), "probability that a uniformly drawn action is executed instead")


# ------------------------------------------------------------------ families


def family(
    name: str,
    environment: str,
    axes: tuple[Axis, ...],
    *,
    state: tuple[str, ...],
    time_limit: int,
    description: str,
    source: str,
    tags: tuple[str, ...],
    fixed: Mapping[str, Any] | None = None,
    horizon: int | Callable[[Values], int] | None = None,
    witness: Callable[[Simulator], Actor] | None = None,
) -> Family:
    """A family of one environment class, `module:class` in this package.

    `state` names the attributes that hold an episode; `fixed` are the constructor's arguments that are no axes.
    """
    return Family(
        name=f"formal/{name}",
        domain=Domain.SYMBOLIC,
        traits=_TRAITS,
        axes=axes,
        make=_Make(environment, state, time_limit, dict(fixed or {})),
        horizon=horizon or time_limit,
        description=description,
        source=source,
        licence="Apache-2.0",
        distribution="numpy",
        tags=tags,
        witness=witness,
    )


class _Make:
    """Imports the environment with the first simulator, not with the family."""

    def __init__(self, environment: str, state: tuple[str, ...], time_limit: int, fixed: dict[str, Any]) -> None:
        self._module, self._class = environment.split(":")
        self._state, self._time_limit, self._fixed = state, time_limit, fixed

    def __call__(self, values: Values) -> Simulator:
        from env_registry.gymnasium_adapter import GymnasiumSimulator

        environment = getattr(import_module(f"{__package__}.{self._module}"), self._class)
        env = environment(**self._fixed, **values)
        return GymnasiumSimulator(env, time_limit=self._time_limit, state=self._state)


# ------------------------------------------------------------------ witnesses


def hinted(simulator: Simulator) -> Actor:
    """Does what the environment, which knows its solution, suggests."""
    hint: Callable[[np.random.Generator], Any] = simulator.env.hint  # type: ignore[attr-defined]  # as _Make makes it
    return lambda observation, rng: hint(rng)
