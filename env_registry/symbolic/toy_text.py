"""Gymnasium's toy text tasks.

Owns what may vary in each. Where Gymnasium has a switch and a probability that means nothing without it, there is one
axis here, so that no two values are the same environment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from env_registry.axes import Axis, BoolAxis, ChoiceAxis, FloatAxis, Scalar
from env_registry.family import Actions, Domain, Family, Observations, Traits
from env_registry.simulator import Kind, Simulator

FROZEN_LAKE_TIME_LIMITS = {"4x4": 100, "8x8": 200}
"""Steps, as registered for FrozenLake-v1 and FrozenLake8x8-v1."""
TAXI_TIME_LIMIT = 200
CLIFF_WALKING_TIME_LIMIT = 1000
"""Ours: Gymnasium registers none, and a walk that never finds the goal would never end."""
BLACKJACK_HORIZON = 20
"""Hits until two aces, counted as one each, and further aces exceed 21; the task ends itself."""


# ------------------------------------------------------------------ axes


def _probability(name: str, default: float, levels: tuple[float, ...], low: float, description: str) -> FloatAxis:
    return FloatAxis(
        name=name, default=default, levels=levels, low=low, high=1.0, description=description, randomisable=True
    )


def _reward(name: str, default: float, levels: tuple[float, ...], description: str) -> FloatAxis:
    return FloatAxis(
        name=name, default=default, levels=levels, low=-1000.0, high=1000.0, description=description, randomisable=True
    )


FROZEN_LAKE_AXES = (
    ChoiceAxis(
        name="map_name", default="4x4", choices=("4x4", "8x8"), levels=("8x8",), description="which of the two maps"
    ),
    _probability(
        "success_rate",
        1 / 3,
        (0.5, 0.75, 1.0),
        0.0,
        "probability of moving as intended, else to either side of it; 1 is the lake that is not slippery",
    ),
    _reward("hole_reward", 0.0, (-1.0,), "reward for falling into a hole"),
    _reward("step_reward", 0.0, (-0.1, 0.1), "reward for any other step"),
)

CLIFF_WALKING_AXES = (
    BoolAxis(
        name="is_slippery",
        default=False,
        levels=(True,),
        description="whether two moves of three go to a side of the intended one",
        randomisable=True,
    ),
    _reward("cliff_reward", -100.0, (-10.0, -30.0, -300.0), "reward for stepping off the cliff, back to the start"),
    _reward("step_reward", -1.0, (-4.0, -10.0), "reward for any other step"),
)

TAXI_AXES = (
    _probability(
        "success_rate", 1.0, (0.4, 0.8), 0.0, "probability of driving as intended, else to a side; below 1 it rains"
    ),
    _probability(
        "fickle_probability",
        0.0,
        (),
        0.0,
        "probability that a picked-up passenger changes the destination once; needs a witness: such a passenger",
    ),
)

BLACKJACK_AXES = (
    ChoiceAxis(
        name="rules",
        default="sutton-barto",
        choices=("sutton-barto", "casino", "plain"),
        levels=("casino",),
        description="whether an ace and a ten beat any other 21 (sutton-barto), pay 1.5 (casino) or neither (plain); "
        "plain needs a witness: such a hand against a dealer's 21",
        randomisable=True,
    ),
)


# ------------------------------------------------------------------ tasks


@dataclass(frozen=True, kw_only=True)
class _Task:
    """`make` gives the environment and its time limit; `state` names the attributes that hold the episode."""

    name: str
    axes: tuple[Axis, ...]
    observations: Observations = Observations.DISCRETE
    make: Callable[[Mapping[str, Any]], tuple[Any, int | None]]
    state: tuple[str, ...]
    horizon: int
    description: str
    reference_return: float | None = None


def _frozen_lake(values: Mapping[str, Any]) -> tuple[Any, int]:
    from gymnasium.envs.toy_text.frozen_lake import FrozenLakeEnv

    env = FrozenLakeEnv(
        map_name=values["map_name"],
        success_rate=values["success_rate"],
        reward_schedule=(1, values["hole_reward"], values["step_reward"]),
    )
    return env, FROZEN_LAKE_TIME_LIMITS[values["map_name"]]


def _cliff_walking(values: Mapping[str, Any]) -> tuple[Any, int]:
    from gymnasium.envs.toy_text.cliffwalking import CliffWalkingEnv

    env = CliffWalkingEnv(is_slippery=values["is_slippery"])
    rewards = {-100: values["cliff_reward"], -1: values["step_reward"]}
    for moves in env.P.values():
        for action, outcomes in moves.items():
            moves[action] = [(p, state, rewards[reward], over) for p, state, reward, over in outcomes]
    return env, CLIFF_WALKING_TIME_LIMIT


def _taxi(values: Mapping[str, Any]) -> tuple[Any, int]:
    from gymnasium.envs.toy_text.taxi import TaxiEnv

    env = TaxiEnv(
        is_rainy=values["success_rate"] < 1,
        rainy_probability=values["success_rate"],
        fickle_passenger=values["fickle_probability"] > 0,
        fickle_probability=values["fickle_probability"],
    )
    return env, TAXI_TIME_LIMIT


def _blackjack(values: Mapping[str, Any]) -> tuple[Any, None]:
    from gymnasium.envs.toy_text.blackjack import BlackjackEnv

    return BlackjackEnv(sab=values["rules"] == "sutton-barto", natural=values["rules"] == "casino"), None


_TASKS = (
    _Task(
        name="blackjack",
        axes=BLACKJACK_AXES,
        observations=Observations.MIXED,
        make=_blackjack,
        state=("player", "dealer"),
        horizon=BLACKJACK_HORIZON,
        description="Draw cards towards 21 without exceeding it, against a dealer who draws up to 17.",
    ),
    _Task(
        name="cliff_walking",
        axes=CLIFF_WALKING_AXES,
        make=_cliff_walking,
        state=("s",),
        horizon=CLIFF_WALKING_TIME_LIMIT,
        description="Walk along a cliff to the goal. Truncated after 1,000 steps, which Gymnasium leaves open.",
    ),
    _Task(
        name="frozen_lake",
        reference_return=0.7,
        axes=FROZEN_LAKE_AXES,
        make=_frozen_lake,
        state=("s",),
        horizon=FROZEN_LAKE_TIME_LIMITS["4x4"],
        description="Cross a slippery frozen lake without falling into a hole. The map 8x8 allows 200 steps.",
    ),
    _Task(
        name="taxi",
        reference_return=8.0,
        axes=TAXI_AXES,
        make=_taxi,
        state=("s", "fickle_step"),
        horizon=TAXI_TIME_LIMIT,
        description="Pick up a passenger and drive to the destination.",
    ),
)


# ------------------------------------------------------------------ construction


def _make(task: _Task, values: Mapping[str, Scalar]) -> Simulator:
    from env_registry.gymnasium_adapter import GymnasiumSimulator

    env, time_limit = task.make(values)
    return GymnasiumSimulator(env, time_limit=time_limit, state=task.state)


FAMILIES = tuple(
    Family(
        name=f"toytext/{task.name}",
        domain=Domain.SYMBOLIC,
        traits=Traits(kind=Kind.SINGLE, actions=Actions.DISCRETE, observations=task.observations, renders=True),
        axes=task.axes,
        make=partial(_make, task),
        horizon=task.horizon,
        description=task.description,
        reference_return=task.reference_return,
        source=f"https://gymnasium.farama.org/environments/toy_text/{task.name}/",
        licence="MIT",
        distribution="gymnasium",
        tags=("tabular",),
    )
    for task in _TASKS
)
