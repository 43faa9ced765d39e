"""Gymnasium's classic control tasks with their physical constants as parameters.

Owns which constant may vary and what follows from it. Constants that Gymnasium writes as literals into the equations
(gravity of acrobot and of the continuous mountain car) are no axes. An axis without levels needs a witness: it acts
only in states that random actions do not reach, so the catalogue does not enumerate it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from env_registry.axes import Axis, BoolAxis, ChoiceAxis, FloatAxis, Scalar
from env_registry.family import Actions, Domain, Family, Observations, Traits
from env_registry.shorthand import number
from env_registry.simulator import Kind, Simulator

if TYPE_CHECKING:
    from env_registry.gymnasium_adapter import GymnasiumSimulator


def _number(
    name: str, default: float, levels: tuple[float, ...], low: float, high: float, unit: str, description: str
) -> FloatAxis:
    return number(name, default, low, high, levels, description, unit)


# ------------------------------------------------------------------ axes

CARTPOLE_AXES = (
    _number("gravity", 9.8, (2.45, 4.9, 14.7, 19.6), 0.0, 30.0, "m/s^2", "gravitational acceleration"),
    _number("masscart", 1.0, (0.25, 0.5, 2.0, 4.0), 0.1, 10.0, "kg", "mass of the cart"),
    _number("masspole", 0.1, (0.05, 0.2, 0.5, 1.0), 0.01, 5.0, "kg", "mass of the pole"),
    _number("length", 0.5, (0.25, 1.0, 2.0), 0.05, 5.0, "m", "half of the pole's length"),
    _number("force_mag", 10.0, (5.0, 15.0, 25.0), 1.0, 50.0, "N", "force of a push"),
    _number("tau", 0.02, (0.01, 0.04), 0.001, 0.1, "s", "time between two actions"),
    _number("start_range", 0.05, (0.025, 0.1), 0.001, 0.2, "m, m/s, rad, rad/s", "greatest deviation at the start"),
    replace(
        _number("theta_threshold", math.radians(12), (0.12, 0.3), 0.1, 1.5, "rad", "tilt at which the pole has fallen"),
        randomisable=False,  # the observation space is twice as wide
    ),
    replace(
        _number("x_threshold", 2.4, (), 0.1, 20.0, "m", "distance at which the cart leaves the track; needs a witness"),
        randomisable=False,
    ),
    ChoiceAxis(
        name="kinematics_integrator",
        default="euler",
        choices=("euler", "semi-implicit-euler"),
        levels=("semi-implicit-euler",),
        description="numerical integration of the equations of motion",
        randomisable=True,
    ),
    BoolAxis(
        name="sutton_barto_reward",
        default=False,
        levels=(True,),
        description="reward 0 while the pole stands and -1 when it falls, instead of 1 a step",
        randomisable=True,
    ),
)

# Gymnasium's Runge-Kutta step of 0.2 s diverges where links are long, heavy and of little inertia and the torque is
# strong, and its wrapping of a huge angle never ends. In these ranges no angle came to 150 rad in 2,500 episodes of a
# policy that pumps energy, most of them at ends of ranges.
ACROBOT_AXES = (
    _number("link_length_1", 1.0, (0.5, 0.7), 0.3, 1.0, "m", "length of the first link, its mass at the centre"),
    _number("link_length_2", 1.0, (0.5, 0.7), 0.3, 1.0, "m", "length of the second link, its mass at the centre"),
    _number("link_mass_1", 1.0, (0.5, 2.0), 0.5, 2.0, "kg", "mass of the first link"),
    _number("link_mass_2", 1.0, (0.5, 2.0), 0.5, 2.0, "kg", "mass of the second link"),
    _number("link_moi", 1.0, (2.0, 4.0), 1.0, 4.0, "kg m^2", "moment of inertia of either link"),
    _number("torque", 1.0, (0.5, 1.5), 0.1, 1.5, "N m", "torque at the joint between the links"),
    _number("torque_noise_max", 0.0, (0.25, 0.5), 0.0, 0.5, "N m", "greatest random torque added to the action's"),
    _number("dt", 0.2, (0.05, 0.1), 0.02, 0.2, "s", "time between two actions"),
    _number("start_range", 0.1, (0.05, 0.2, 0.5), 0.001, 0.5, "rad, rad/s", "greatest deviation at the start"),
    ChoiceAxis(
        name="book_or_nips",
        default="book",
        choices=("book", "nips"),
        levels=("nips",),
        description="equations of motion of Sutton's book or of his earlier NIPS paper",
        randomisable=True,
    ),
)

_START_LOW = _number("start_low", -0.6, (-0.9,), -1.2, -0.55, "", "leftmost start; the valley's floor is at -0.52")
_START_HIGH = _number("start_high", -0.4, (-0.1,), -0.45, 0.2, "", "rightmost start; the valley's floor is at -0.52")
_GOAL = _number("goal_position", 0.5, (), 0.3, 0.6, "", "where the goal begins; needs a witness")
_GOAL_VELOCITY = _number("goal_velocity", 0.0, (), 0.0, 0.07, "1/step", "least speed at the goal; needs a witness")

MOUNTAIN_CAR_AXES = (
    _number("force", 0.001, (0.0005, 0.0015, 0.0025), 0.0001, 0.01, "1/step^2", "acceleration by the engine"),
    _number("gravity", 0.0025, (0.00125, 0.005), 0.0, 0.02, "1/step^2", "acceleration on a vertical slope"),
    _START_LOW,
    _START_HIGH,
    _GOAL,
    _GOAL_VELOCITY,
)

MOUNTAIN_CAR_CONTINUOUS_AXES = (
    _number("power", 0.0015, (0.00075, 0.00225, 0.0045), 0.0001, 0.01, "1/step^2", "acceleration by the full engine"),
    _START_LOW,
    _START_HIGH,
    replace(_GOAL, default=0.45),
    _GOAL_VELOCITY,
)

PENDULUM_AXES = (
    _number("g", 10.0, (2.5, 5.0, 15.0), 0.0, 30.0, "m/s^2", "gravitational acceleration"),
    _number("m", 1.0, (0.5, 2.0, 4.0), 0.1, 10.0, "kg", "mass of the rod"),
    _number("l", 1.0, (0.5, 1.5, 2.5), 0.2, 5.0, "m", "length of the rod"),
    _number("dt", 0.05, (0.025, 0.1), 0.005, 0.2, "s", "time between two actions"),
    _number("start_angle", math.pi, (0.5, 1.5), 0.01, math.pi, "rad", "greatest angle from upright at the start"),
    _number("start_speed", 1.0, (0.5, 2.0, 4.0), 0.01, 8.0, "rad/s", "greatest angular speed at the start"),
    replace(
        _number("max_torque", 2.0, (1.0, 4.0), 0.1, 20.0, "N m", "greatest torque, which bounds the action"),
        randomisable=False,
    ),
    replace(
        _number("max_speed", 8.0, (2.0,), 0.5, 50.0, "rad/s", "greatest angular speed, which bounds the observation"),
        randomisable=False,
    ),
)


# ------------------------------------------------------------------ tasks: how values get into Gymnasium's objects


def _set_cartpole(env: Any, values: Mapping[str, Any]) -> None:
    for name in (
        "gravity",
        "masscart",
        "masspole",
        "length",
        "force_mag",
        "tau",
        "kinematics_integrator",
        "x_threshold",
    ):
        setattr(env, name, values[name])
    env.theta_threshold_radians = values["theta_threshold"]
    env.total_mass = env.masspole + env.masscart
    env.polemass_length = env.masspole * env.length
    env.observation_space = _box([2 * env.x_threshold, math.inf, 2 * env.theta_threshold_radians, math.inf])


def _set_acrobot(env: Any, values: Mapping[str, Any]) -> None:
    env.LINK_LENGTH_1, env.LINK_COM_POS_1 = values["link_length_1"], values["link_length_1"] / 2
    env.LINK_LENGTH_2, env.LINK_COM_POS_2 = values["link_length_2"], values["link_length_2"] / 2
    env.LINK_MASS_1, env.LINK_MASS_2 = values["link_mass_1"], values["link_mass_2"]
    env.LINK_MOI = values["link_moi"]
    env.AVAIL_TORQUE = [-values["torque"], 0.0, values["torque"]]
    env.torque_noise_max = values["torque_noise_max"]
    env.dt = values["dt"]
    env.book_or_nips = values["book_or_nips"]


def _set_mountain_car(env: Any, values: Mapping[str, Any]) -> None:
    for name in ("force", "gravity", "power", "goal_position"):
        if name in values:
            setattr(env, name, values[name])


def _set_pendulum(env: Any, values: Mapping[str, Any]) -> None:
    for name in ("m", "l", "dt", "max_torque", "max_speed"):
        setattr(env, name, values[name])
    env.action_space = _box([env.max_torque])
    env.observation_space = _box([1.0, 1.0, env.max_speed])


def _box(high: Sequence[float]) -> Any:
    import numpy as np
    from gymnasium.spaces import Box

    bound = np.array(high, dtype=np.float32)
    return Box(-bound, bound, dtype=np.float32)


def _around_zero(values: Mapping[str, Any]) -> dict[str, float]:
    return {"low": -values["start_range"], "high": values["start_range"]}


def _between(values: Mapping[str, Any]) -> dict[str, float]:
    return {"low": values["start_low"], "high": values["start_high"]}


def _pendulum_start(values: Mapping[str, Any]) -> dict[str, float]:
    return {"x_init": values["start_angle"], "y_init": min(values["start_speed"], values["max_speed"])}


@dataclass(frozen=True, kw_only=True)
class _Task:
    """`state` names the attributes that hold the episode; `arguments` those axes that the constructor takes;
    `time_step` the attribute that holds a step's seconds."""

    name: str
    entry_point: str
    time_limit: int
    actions: Actions
    axes: tuple[Axis, ...]
    set_constants: Callable[[Any, Mapping[str, Any]], None]
    reset_options: Callable[[Mapping[str, Any]], dict[str, float]]
    arguments: tuple[str, ...] = ()
    state: tuple[str, ...] = ("state",)
    time_step: str = ""
    description: str
    reference_return: float | None = None


_TASKS = (
    _Task(
        name="acrobot",
        reference_return=-100.0,
        entry_point="acrobot:AcrobotEnv",
        time_limit=500,
        actions=Actions.DISCRETE,
        axes=ACROBOT_AXES,
        time_step="dt",
        set_constants=_set_acrobot,
        reset_options=_around_zero,
        description="A two-link pendulum, driven at the joint between the links, swings its tip up to a height.",
    ),
    _Task(
        name="cartpole",
        reference_return=475.0,
        entry_point="cartpole:CartPoleEnv",
        time_limit=500,
        actions=Actions.DISCRETE,
        axes=CARTPOLE_AXES,
        time_step="tau",
        set_constants=_set_cartpole,
        reset_options=_around_zero,
        arguments=("sutton_barto_reward",),
        state=("state", "steps_beyond_terminated"),
        description="A cart that is pushed left or right keeps a pole upright.",
    ),
    _Task(
        name="mountain_car",
        reference_return=-110.0,
        entry_point="mountain_car:MountainCarEnv",
        time_limit=200,
        actions=Actions.DISCRETE,
        axes=MOUNTAIN_CAR_AXES,
        set_constants=_set_mountain_car,
        reset_options=_between,
        arguments=("goal_velocity",),
        description="A car too weak for the slope gathers momentum to leave a valley.",
    ),
    _Task(
        name="mountain_car_continuous",
        reference_return=90.0,
        entry_point="continuous_mountain_car:Continuous_MountainCarEnv",
        time_limit=999,
        actions=Actions.CONTINUOUS,
        axes=MOUNTAIN_CAR_CONTINUOUS_AXES,
        set_constants=_set_mountain_car,
        reset_options=_between,
        arguments=("goal_velocity",),
        description="A car too weak for the slope gathers momentum to leave a valley, saving fuel.",
    ),
    _Task(
        name="pendulum",
        entry_point="pendulum:PendulumEnv",
        time_limit=200,
        actions=Actions.CONTINUOUS,
        axes=PENDULUM_AXES,
        time_step="dt",
        set_constants=_set_pendulum,
        reset_options=_pendulum_start,
        arguments=("g",),
        description="A motor too weak to lift a rod at once swings it up and holds it.",
    ),
)


# ------------------------------------------------------------------ construction


def _make(task: _Task, values: Mapping[str, Scalar]) -> Simulator:
    from env_registry.gymnasium_adapter import GymnasiumSimulator

    module, name = task.entry_point.split(":")
    environment = getattr(import_module(f"gymnasium.envs.classic_control.{module}"), name)
    env = environment(**{argument: values[argument] for argument in task.arguments})
    task.set_constants(env, values)
    simulator = GymnasiumSimulator(env, time_limit=task.time_limit, state=task.state)
    _set_episodes(task, simulator, values)
    return simulator


def _retune(task: _Task, simulator: GymnasiumSimulator, values: Mapping[str, Scalar]) -> bool:
    env = simulator.env
    for argument in task.arguments:
        setattr(env, f"_{argument}" if hasattr(env, f"_{argument}") else argument, values[argument])
    task.set_constants(env, values)
    _set_episodes(task, simulator, values)
    return True


def _set_episodes(task: _Task, simulator: GymnasiumSimulator, values: Mapping[str, Scalar]) -> None:
    simulator.reset_options = task.reset_options(values)
    simulator.step_ms = 1e3 * getattr(simulator.env, task.time_step) if task.time_step else None


FAMILIES = tuple(
    Family(
        name=f"classic/{task.name}",
        domain=Domain.PHYSICS,
        traits=Traits(
            kind=Kind.SINGLE,
            actions=task.actions,
            observations=Observations.VECTOR,
            timed=bool(task.time_step),
            renders=True,
        ),
        axes=task.axes,
        make=partial(_make, task),
        retune=partial(_retune, task),
        horizon=task.time_limit,
        description=task.description,
        reference_return=task.reference_return,
        source=f"https://gymnasium.farama.org/environments/classic_control/{task.name}/",
        licence="MIT",
        distribution="gymnasium",
        tags=("classic-control",),
    )
    for task in _TASKS
)
