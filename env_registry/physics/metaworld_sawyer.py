"""Meta-World: fifty manipulation tasks of a Sawyer arm that is led by its hand.

Owns which tasks there are and what may vary. Every episode draws the places of objects and goal anew from its seed, as
the library does where it generates its benchmarks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from env_registry.axes import BoolAxis, ChoiceAxis, FloatAxis, IntAxis, Scalar
from env_registry.family import Actions, Actor, Domain, Family, Observations, Traits
from env_registry.physics.gymnasium_mujoco import PHYSICS
from env_registry.simulator import Kind, Simulator

if TYPE_CHECKING:
    from env_registry.physics.metaworld_simulator import MetaworldSimulator

TIME_LIMIT = 500  # steps; the library's

TASKS = (
    *("assembly", "basketball", "bin-picking", "box-close"),
    *("button-press", "button-press-topdown", "button-press-topdown-wall", "button-press-wall"),
    *("coffee-button", "coffee-pull", "coffee-push", "dial-turn", "disassemble"),
    *("door-close", "door-lock", "door-open", "door-unlock", "drawer-close", "drawer-open"),
    *("faucet-close", "faucet-open", "hammer", "hand-insert"),
    *("handle-press", "handle-press-side", "handle-pull", "handle-pull-side", "lever-pull"),
    *("peg-insert-side", "peg-unplug-side", "pick-out-of-hole", "pick-place", "pick-place-wall"),
    *("plate-slide", "plate-slide-back", "plate-slide-back-side", "plate-slide-side"),
    *("push", "push-back", "push-wall", "reach", "reach-wall", "shelf-place", "soccer"),
    *("stick-pull", "stick-push", "sweep", "sweep-into", "window-close", "window-open"),
)


# ------------------------------------------------------------------ axes

TASK = ChoiceAxis(
    name="task",
    default="reach",
    choices=TASKS,
    levels=tuple(task for task in TASKS if task != "reach"),
    description="what the arm is to do, with the objects it does it to",
    task=True,
)
REWARD = ChoiceAxis(
    name="reward",
    default="v2",
    choices=("v2", "v1", "success"),
    levels=("v1", "success"),
    description="the library's second reward function, its first, or 1 for each step that finds the task done",
    randomisable=True,
)
GOAL_OBSERVABLE = BoolAxis(
    name="goal_observable",
    default=True,
    levels=(False,),
    description="whether the observation has the goal's position; zeros stand for it otherwise",
    randomisable=True,
)
FRAME_SKIP = IntAxis(
    name="frame_skip",
    default=5,
    low=2,
    high=20,
    levels=(2, 10),
    unit="physics steps",
    description="physics steps an action lasts",
    randomisable=True,
)
ACTION_SCALE = FloatAxis(
    name="action_scale",
    default=0.01,
    low=0.002,
    high=0.03,
    levels=(0.005, 0.02),
    unit="m",
    description="how far a full action leads the hand",
    randomisable=True,
)
SPREAD = FloatAxis(
    name="spread",
    default=1.0,
    low=0.5,
    high=1.0,
    levels=(0.5,),
    unit="x",
    description="factor on the size of the boxes that objects and goals are drawn from; below 0.5 some tasks, which "
    "keep object and goal apart, would seldom find a start",
    randomisable=True,
)
SETTINGS = (FRAME_SKIP, ACTION_SCALE, SPREAD)


# ------------------------------------------------------------------ construction


def _changed(values: Mapping[str, Scalar], axes: tuple[Any, ...]) -> dict[str, Any]:
    return {axis.name: values[axis.name] for axis in axes if values[axis.name] != axis.default}


def _make(values: Mapping[str, Scalar]) -> Simulator:
    from env_registry.physics.metaworld_simulator import MetaworldSimulator

    return MetaworldSimulator(str(values["task"]), *_settings(values))


def _retune(simulator: MetaworldSimulator, values: Mapping[str, Scalar]) -> bool:
    simulator.retune(*_settings(values))
    return True


def _settings(values: Mapping[str, Scalar]) -> tuple[dict[str, Any], dict[str, float]]:
    return {axis.name: values[axis.name] for axis in (REWARD, GOAL_OBSERVABLE, *SETTINGS)}, _changed(values, PHYSICS)


def _witness(simulator: Simulator) -> Actor:
    from env_registry.physics.metaworld_simulator import witness

    return witness(simulator)


FAMILIES = (
    Family(
        name="metaworld/sawyer",
        domain=Domain.PHYSICS,
        traits=Traits(kind=Kind.SINGLE, actions=Actions.CONTINUOUS, observations=Observations.VECTOR, timed=True),
        axes=(TASK, REWARD, GOAL_OBSERVABLE, *SETTINGS, *PHYSICS),
        make=_make,
        retune=_retune,
        horizon=TIME_LIMIT,
        description="A robot arm with a gripper handles the objects on a table.",
        source="https://arxiv.org/abs/1910.10897, https://metaworld.farama.org",
        licence="MIT",
        distribution="metaworld",
        tags=("manipulation", "mujoco"),
        witness=_witness,
    ),
)
