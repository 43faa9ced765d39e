"""Level-based foraging: agents of different levels gather food that may be too heavy for one of them.

Owns what may vary and the witness. Fields are square, because the library's own check of its observations fails in
those that are higher than wide.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from env_registry.axes import FloatAxis, Scalar
from env_registry.family import Actions, Actor, Domain, Family, Observations, Traits
from env_registry.shorthand import size, switch
from env_registry.simulator import Kind, Simulator

NONE, NORTH, SOUTH, WEST, EAST, LOAD = range(6)


# ------------------------------------------------------------------ axes

_switch = partial(switch, randomisable=False)

_AXES = (
    _switch(
        "force_coop",
        False,
        "whether food has always the greatest level, so that one agent alone is too weak",
        task=True,
    ),
    size("players", 2, 2, 8, (3, 4, 6), "number of agents"),
    size("field_size", 8, 5, 20, (5, 12, 16), "height and width of the field", "cells"),
    size("max_num_food", 2, 1, 8, (1, 4, 6), "pieces of food, as far as there is room", "pieces"),
    size("sight", 8, 1, 20, (1, 2, 4), "how far an agent sees", "cells"),
    size("max_player_level", 2, 1, 6, (1, 4), "highest level of an agent"),
    size("max_food_level", 0, 0, 12, (1, 3), "highest level of food; 0: what the three weakest lift together"),
    FloatAxis(
        name="penalty",
        default=0.0,
        low=0.0,
        high=1.0,
        levels=(0.1, 0.5),
        unit="reward",
        description="what an attempt to lift too much costs",
        randomisable=True,
    ),
    _switch("normalize_reward", True, "whether all food together is worth one"),
    _switch("observe_agent_levels", True, "whether agents see each other's levels"),
    size("max_episode_steps", 50, 5, 500, (15, 30), "steps after which the episode ends", "steps"),
)


# ------------------------------------------------------------------ model construction


def _make(values: Mapping[str, Scalar]) -> Simulator:
    from env_registry.social.level_based_foraging_simulator import ForagingSimulator

    return ForagingSimulator(values)


# ------------------------------------------------------------------ witness


def _gatherer(simulator: Simulator) -> Actor:
    """All agents go for the same piece of food and lift it together."""
    env: Any = simulator.env  # type: ignore[attr-defined]

    def act(_: Any, rng: np.random.Generator) -> dict[str, int]:
        food = np.argwhere(env.field > 0)[0]
        moves = zip(simulator.agents, env.players, strict=True)
        return {agent: _towards(food - np.array(player.position), rng) for agent, player in moves}

    return act


def _towards(way: Any, rng: np.random.Generator) -> int:
    down, right = int(way[0]), int(way[1])
    if abs(down) + abs(right) == 1:
        return LOAD
    vertical = NORTH if down < 0 else SOUTH
    horizontal = WEST if right < 0 else EAST
    choices = [move for move, steps in ((vertical, down), (horizontal, right)) if steps] or [NORTH]
    return int(rng.choice([*choices, int(rng.integers(1, 5))], p=[*([0.8 / len(choices)] * len(choices)), 0.2]))


# ------------------------------------------------------------------ registration

FAMILIES: tuple[Family, ...] = (
    Family(
        name="lbforaging/foraging",
        domain=Domain.SOCIAL,
        traits=Traits(kind=Kind.PARALLEL, actions=Actions.DISCRETE, observations=Observations.VECTOR),
        axes=_AXES,
        make=_make,
        horizon=lambda values: int(values["max_episode_steps"]),
        description="Agents on a field lift food whose level is at most that of all who lift it at once.",
        source="https://arxiv.org/abs/2006.07869",
        licence="MIT",
        distribution="lbforaging",
        tags=("grid", "mixed-motive"),
        witness=_gatherer,
    ),
)
