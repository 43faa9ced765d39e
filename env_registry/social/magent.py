"""MAgent2: teams of many agents on a grid, which fight or hunt.

Owns which environments there are and what varies: constructor arguments, and the health, damage and recovery of the
agents' types, which are scaled while an environment is configured. Maps are smaller than the library's own, on which a
step of a hundred agents and more is half a megabyte of observations; `gather`, which has 495 agents on its only map, is
left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env_registry.axes import Axis, BoolAxis, FloatAxis, IntAxis, Scalar
from env_registry.family import Actions, Actor, Domain, Family, Observations, Traits
from env_registry.simulator import Kind, Simulator

_SCALED = {"hp_scale": "hp", "damage_scale": "damage", "recovery_scale": "step_recover"}


# ------------------------------------------------------------------ axes


def _reward(name: str, default: float, levels: tuple[float, ...], what: str) -> FloatAxis:
    return FloatAxis(
        name=name,
        default=default,
        low=-5.0,
        high=5.0,
        levels=levels,
        unit="reward",
        description=what,
        randomisable=True,
    )


def _scale(name: str, levels: tuple[float, ...], what: str) -> FloatAxis:
    return FloatAxis(
        name=name,
        default=1.0,
        low=0.1,
        high=10.0,
        levels=levels,
        unit="x",
        description=f"factor on {what}",
        randomisable=True,
    )


def _map_size(default: int, low: int, high: int, levels: tuple[int, ...], what: str) -> IntAxis:
    return IntAxis(
        name="map_size",
        default=default,
        low=low,
        high=high,
        levels=levels,
        unit="cells",
        description=f"width and height of the map{what}",
    )


_MORE = ", and so the number of agents"
_CYCLES = IntAxis(
    name="max_cycles",
    default=100,
    low=5,
    high=1000,
    levels=(30, 60),
    unit="steps",
    description="steps after which the episode is truncated",
)
_SEEN = (
    BoolAxis(
        name="minimap_mode",
        default=False,
        levels=(True,),
        description="whether agents see their own places and where in the map the teams are",
    ),
    BoolAxis(
        name="extra_features",
        default=False,
        levels=(True,),
        description="whether agents see what they are, did last and got for it",
    ),
)
_HEALTH = _scale("hp_scale", (0.25, 4.0), "what agents can bear")
_DAMAGE = _scale("damage_scale", (0.25, 4.0), "what an attack does")
_FIGHT = (
    _reward("step_reward", -0.005, (-0.1, 0.1), "what every step pays"),
    _reward("dead_penalty", -0.1, (-2.0,), "what dying pays"),
    _reward("attack_penalty", -0.1, (-0.5, 0.0), "what every attack pays"),
    _reward("attack_opponent_reward", 0.2, (1.0,), "what hitting an opponent pays"),
)


# ------------------------------------------------------------------ model construction


def _make(name: str, values: Mapping[str, Scalar]) -> Simulator:
    from env_registry.social.pettingzoo_simulators import ParallelSimulator

    scales = {_SCALED[axis]: value for axis, value in values.items() if axis in _SCALED and value != 1.0}
    arguments = {axis: value for axis, value in values.items() if axis not in _SCALED}
    module = import_module(f"magent2.environments.{name}.{name}")
    return ParallelSimulator(partial(_build, module, scales, arguments))


def _build(module: Any, scales: Mapping[str, Any], arguments: Mapping[str, Any]) -> Any:
    """The library's environment; its configuration passes through here on its way to the engine."""
    configure = module.get_config

    def scaled(*given: Any, **named: Any) -> Any:
        config = configure(*given, **named)
        for kind in config.agent_type_dict.values():
            kind.update({part: kind[part] * scale for part, scale in scales.items() if part in kind})
        return config

    module.get_config = scaled
    try:
        return module.parallel_env(**arguments)
    finally:
        module.get_config = configure


# ------------------------------------------------------------------ witness


def _fighter(sides: tuple[tuple[int, ...], ...], simulator: Simulator) -> Actor:
    """Everyone goes for the nearest opponent and attacks it; `sides` are the groups of either side."""

    def act(_: Any, rng: np.random.Generator) -> dict[str, int]:
        env: Any = simulator._env  # type: ignore[attr-defined]
        places = [env.env.get_pos(handle) for handle in env.handles]
        chosen = {}
        for groups, others in (sides, sides[::-1]):
            opponents = np.concatenate([places[group] for group in others])
            for group in groups:
                for number, place in zip(env.env.get_agent_id(env.handles[group]), places[group], strict=True):
                    agent = env.possible_agents[number]
                    if agent in simulator.actors:
                        chosen[agent] = _approach(env.action_space(agent).n, opponents - place, rng)
        return chosen

    return act


def _approach(actions: int, ways: NDArray[Any], rng: np.random.Generator) -> int:
    """Actions are steps within a circle, row by row, then attacks within another, which may be empty."""
    steps, attacks = _REACHES[actions]
    if not len(ways) or rng.random() < 0.1:
        return int(rng.integers(actions))
    way = tuple(ways[np.abs(ways).sum(axis=1).argmin()])
    if way in attacks:
        return len(steps) + attacks.index(way)
    return min(range(len(steps)), key=lambda i: abs(steps[i][0] - way[0]) + abs(steps[i][1] - way[1]))


def _circle(radius: float) -> list[tuple[int, int]]:
    reach = range(-2, 3)
    return [(x, y) for y in reach for x in reach if x**2 + y**2 <= radius**2]


def _around(radius: float) -> list[tuple[int, int]]:
    return [place for place in _circle(radius) if place != (0, 0)]


# by number of actions
_REACHES = {
    5: (_circle(1), _around(0)),
    9: (_circle(1), _around(1)),
    21: (_circle(2), _around(1.5)),
    25: (_circle(2), _around(2)),
}


# ------------------------------------------------------------------ registration


def _family(
    name: str, map_size: IntAxis, *axes: Axis, sides: Any = None, description: str, tags: tuple[str, ...]
) -> Family:
    return Family(
        name=f"magent/{name}",
        domain=Domain.SOCIAL,
        traits=Traits(kind=Kind.PARALLEL, actions=Actions.DISCRETE, observations=Observations.VECTOR),
        axes=(map_size, *axes, *_SEEN, _CYCLES),
        make=partial(_make, name),
        horizon=lambda values: int(values["max_cycles"]),
        description=description,
        source=f"https://magent2.farama.org/environments/{name}/",
        licence="MIT",
        distribution="magent2",
        tags=("grid", "teams", *tags),
        witness=partial(_fighter, sides) if sides else None,
    )


FAMILIES: tuple[Family, ...] = (
    _family(
        "adversarial_pursuit",
        _map_size(20, 10, 45, (14, 28), _MORE),
        _reward("tag_penalty", -0.2, (-1.0, 0.0), "what every attempt to tag pays a predator"),
        description="Slow predators tag fast prey, best by surrounding it; nobody dies.",
        tags=("predator-prey",),
    ),
    _family(
        "battle",
        _map_size(16, 12, 45, (12, 24), _MORE),
        *_FIGHT,
        _HEALTH,
        _DAMAGE,
        _scale("recovery_scale", (0.1, 10.0), "the health that agents recover in each step"),
        sides=((0,), (1,)),
        description="Two armies fight in the open; the dead leave the game.",
        tags=("zero-sum",),
    ),
    _family(
        "battlefield",
        _map_size(46, 46, 80, (), ""),
        *(axis for axis in _FIGHT if axis.name in ("step_reward", "attack_penalty")),  # they are slow to meet
        sides=((0,), (1,)),
        description="Two armies of twelve fight around obstacles; the dead leave the game.",
        tags=("zero-sum",),
    ),
    _family(
        "combined_arms",
        _map_size(16, 16, 45, (24,), _MORE),
        *_FIGHT,
        _HEALTH,
        _DAMAGE,
        sides=((0, 1), (2, 3)),
        description="Two armies of melee and ranged units fight; friends can be hit, too.",
        tags=("zero-sum",),
    ),
    _family(
        "tiger_deer",
        _map_size(15, 10, 45, (21, 30), _MORE),
        _reward("tiger_step_recover", -0.1, (-0.5, 0.0), "health that tigers gain in each step"),
        _reward("deer_attacked", -0.1, (-1.0, 0.0), "what being attacked pays a deer"),
        _HEALTH,
        _DAMAGE,
        sides=((0,), (1,)),
        description="Tigers starve unless pairs of them attack deer.",
        tags=("predator-prey",),
    ),
)
