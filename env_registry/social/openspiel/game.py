"""How a game of OpenSpiel is declared as a family.

Owns what all of its games have in common: parameters are axes, players take turns (or all act at a simultaneous node),
observations are vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any, TypeAlias

from env_registry import shorthand
from env_registry.axes import Axis, IntAxis, Scalar
from env_registry.family import Actions, Domain, Family, Observations, Traits
from env_registry.shorthand import size
from env_registry.simulator import Kind, Simulator

Parameters: TypeAlias = Mapping[str, Any]
DETERMINISTIC = "deterministic"  # tag of games without chance: the seed changes nothing


switch = partial(shorthand.switch, randomisable=False)
choice = partial(shorthand.choice, randomisable=False)


def players(default: int, high: int, levels: tuple[int, ...]) -> IntAxis:
    return size("players", default, 2, high, levels, "number of players")


def with_integer(name: str, values: Mapping[str, Scalar]) -> Parameters:
    """Parameters of a game that takes some integers only, which a choice offers as text."""
    return {**values, name: int(values[name])}


def game(
    short_name: str,
    *axes: Axis,
    horizon: int | Callable[[Mapping[str, Scalar]], int],
    description: str,
    tags: tuple[str, ...],
    name: str | None = None,
    actions: Actions = Actions.MASKED,
    parameters: Callable[[Mapping[str, Scalar]], Parameters] = dict,
    seeded_by: str | None = None,
    module: str | None = None,
) -> Family:
    """A family of one game; `parameters` turns the axes' values into OpenSpiel's where the two differ.

    `seeded_by` names the parameter that seeds a game's own random generator, `module` the module of OpenSpiel that must
    be imported for its games in Python.
    """
    return Family(
        name=f"openspiel/{name or short_name}",
        domain=Domain.SOCIAL,
        traits=Traits(kind=Kind.TURN, actions=actions, observations=Observations.VECTOR),
        axes=axes,
        make=partial(_make, short_name, parameters, actions is Actions.MASKED, seeded_by, module),
        horizon=horizon,
        description=description,
        source=source(short_name),
        licence="Apache-2.0",
        distribution="open-spiel",
        tags=tags,
    )


def source(short_name: str) -> str:
    return f"OpenSpiel, https://arxiv.org/abs/1908.09453, game `{short_name}`"


def _make(
    short_name: str,
    parameters: Callable[[Mapping[str, Scalar]], Parameters],
    masked: bool,
    seeded_by: str | None,
    module: str | None,
    values: Mapping[str, Scalar],
) -> Simulator:
    from env_registry.social.openspiel.simulator import OpenSpielSimulator

    if module:
        import_module(module)
    return OpenSpielSimulator(short_name, parameters(values), masked=masked, seeded_by=seeded_by)
