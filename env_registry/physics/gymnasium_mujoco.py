"""Gymnasium's MuJoCo tasks, version 5.

Owns which tasks there are and what may vary in each. Axes that change nothing on a task are not offered there, and
levels are those that moved observations or rewards by more than 5 % of their spread in the median over seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from env_registry.axes import Axis, BoolAxis, FloatAxis, IntAxis, Scalar
from env_registry.family import Actions, Domain, Family, Observations, Traits
from env_registry.simulator import Kind, Simulator

if TYPE_CHECKING:
    from env_registry.physics.mujoco_simulator import MujocoSimulator

STANDARD_GRAVITY = 9.81  # m/s^2

_TRAITS = Traits(kind=Kind.SINGLE, actions=Actions.CONTINUOUS, observations=Observations.VECTOR, timed=True)


# ------------------------------------------------------------------ axes of the physics


def _scale(name: str, what: str) -> FloatAxis:
    return FloatAxis(
        name=f"{name}_scale",
        default=1.0,
        low=0.4,
        high=2.5,
        levels=(0.4, 0.65, 1.5, 2.25),
        unit="x",
        description=f"factor on {what}, relative to the task's model",
        randomisable=True,
    )


GRAVITY = FloatAxis(
    name="gravity",
    default=STANDARD_GRAVITY,
    low=0.0,
    high=30.0,
    levels=(2.4525, 4.905, 6.867, 14.715),
    unit="m/s^2",
    description="gravitational acceleration, downwards",
    randomisable=True,
)
FRICTION = _scale("friction", "the friction coefficients of all surfaces")
DAMPING = _scale("damping", "the damping of all joints")
STIFFNESS = _scale("stiffness", "the stiffness of all joint springs")
MASS = _scale("mass", "masses and inertias of all bodies, as a change of density would make it")
ARMATURE = _scale("armature", "the rotor inertia of all joints")
GEAR = _scale("gear", "the gear ratio, and so the strength, of all motors")
PHYSICS = (GRAVITY, FRICTION, DAMPING, STIFFNESS, MASS, ARMATURE, GEAR)

FLUID = (
    FloatAxis(
        name="fluid_density",
        default=4000.0,
        low=100.0,
        high=20000.0,
        levels=(1000.0, 2000.0, 8000.0),
        unit="kg/m^3",
        description="density of the medium",
        randomisable=True,
    ),
    FloatAxis(
        name="fluid_viscosity",
        default=0.1,
        low=0.0,
        high=100.0,
        levels=(10.0, 50.0),
        unit="Pa s",
        description="viscosity of the medium",
        randomisable=True,
    ),
)
# A humanoid's light, strongly damped limbs are too stiff for its time step: beyond 1.5, with masses and rotor inertias
# at the low ends of their ranges, MuJoCo found infinite accelerations. In 120 corners of the ranges here it found none.
HUMANOID_PHYSICS = tuple(
    replace(axis, high=1.5, levels=(0.4, 0.65, 1.5)) if axis is DAMPING else axis for axis in PHYSICS
)
_PHYSICS_NAMES = frozenset(axis.name for axis in PHYSICS + FLUID)


# ------------------------------------------------------------------ axes of the tasks: arguments of the constructors


def _number(name: str, default: float, levels: tuple[float, ...], description: str, *, unit: str = "") -> FloatAxis:
    """A constructor argument, from 0 to ten times the largest value that is listed."""
    return FloatAxis(
        name=name,
        default=default,
        low=0.0,
        high=10 * max(default, *levels),
        levels=levels,
        unit=unit,
        description=description,
        randomisable=True,
    )


def _reset_noise(default: float, *levels: float) -> FloatAxis:
    """Above zero: without noise every episode would start alike."""
    axis = _number("reset_noise_scale", default, levels, "size of the random deviation from the initial pose at reset")
    return replace(axis, low=default / 10, high=2 * max(default, *levels))


def _frame_skip(default: int, *levels: int) -> IntAxis:
    return IntAxis(
        name="frame_skip",
        default=default,
        low=1,
        high=20,
        levels=levels,
        unit="physics steps",
        description="physics steps an action lasts",
        randomisable=True,
    )


def _bool(name: str, default: bool, description: str, *, randomisable: bool = False) -> BoolAxis:
    return BoolAxis(
        name=name, default=default, levels=(not default,), description=description, randomisable=randomisable
    )


def _forward(default: float) -> FloatAxis:
    return _number("forward_reward_weight", default, (default / 2, default * 2), "reward for each m/s forwards")


def _control_cost(default: float, *levels: float) -> FloatAxis:
    return _number("ctrl_cost_weight", default, levels, "penalty on the sum of squared controls")


def _healthy_reward(default: float) -> FloatAxis:
    return _number("healthy_reward", default, (default / 2, default * 2), "reward for each step in a healthy state")


def _healthy_z_min(default: float, *levels: float) -> FloatAxis:
    return _number("healthy_z_min", default, levels, "lowest height of the torso that counts as healthy", unit="m")


def _healthy_z_max(default: float, *levels: float) -> FloatAxis:
    return _number("healthy_z_max", default, levels, "greatest height of the torso that counts as healthy", unit="m")


def _healthy_angle(default: float, *levels: float) -> FloatAxis:
    what = "greatest tilt of the torso to either side that counts as healthy"
    return _number("healthy_angle_max", default, levels, what, unit="rad")


TERMINATE = _bool("terminate_when_unhealthy", True, "whether an unhealthy state ends the episode", randomisable=True)
HIDE_POSITION = _bool(
    "exclude_current_positions_from_observation", True, "whether the observation leaves out the absolute position"
)
SEE_CONTACTS = _bool(
    "include_cfrc_ext_in_observation", True, "whether the observation has the external forces on bodies"
)


# ------------------------------------------------------------------ tasks


@dataclass(frozen=True, kw_only=True)
class _Task:
    """A class of Gymnasium, its registered time limit and what may vary."""

    name: str
    entry_point: str
    time_limit: int
    axes: tuple[Axis, ...]
    description: str
    reference_return: float | None = None


_TASKS = (
    _Task(
        name="ant",
        reference_return=6000.0,
        entry_point="ant_v5:AntEnv",
        time_limit=1000,
        axes=(
            *(GRAVITY, FRICTION, DAMPING, MASS, ARMATURE, GEAR),
            _frame_skip(5, 2, 10),
            _reset_noise(0.1, 0.05, 0.2),
            _forward(1.0),
            _control_cost(0.5, 0.25, 1.0),
            _number("contact_cost_weight", 5e-4, (5e-2, 0.1), "penalty on the sum of squared, clipped contact forces"),
            _healthy_reward(1.0),
            _healthy_z_min(0.2, 0.5),
            _healthy_z_max(1.0, 0.7),
            TERMINATE,
            HIDE_POSITION,
            SEE_CONTACTS,
        ),
        description="A four-legged robot walks forwards.",
    ),
    _Task(
        name="half_cheetah",
        reference_return=4800.0,
        entry_point="half_cheetah_v5:HalfCheetahEnv",
        time_limit=1000,
        axes=(
            *PHYSICS,
            _frame_skip(5, 2, 10),
            _reset_noise(0.1, 0.05, 0.2),
            _forward(1.0),
            _control_cost(0.1, 0.05, 0.2, 0.5),
            HIDE_POSITION,
        ),
        description="A planar two-legged robot runs forwards.",
    ),
    _Task(
        name="hopper",
        reference_return=3800.0,
        entry_point="hopper_v5:HopperEnv",
        time_limit=1000,
        axes=(
            *(GRAVITY, FRICTION, DAMPING, MASS, ARMATURE, GEAR),
            _frame_skip(4, 2, 8),
            _reset_noise(5e-3, 0.02, 0.08),
            _forward(1.0),
            _control_cost(1e-3, 0.1, 0.5),
            _healthy_reward(1.0),
            _healthy_z_min(0.7, 1.2),
            _healthy_angle(0.2, 0.1, 0.4),
            TERMINATE,
            HIDE_POSITION,
        ),
        description="A planar one-legged robot hops forwards.",
    ),
    _Task(
        name="humanoid",
        entry_point="humanoid_v5:HumanoidEnv",
        time_limit=1000,
        axes=(
            *HUMANOID_PHYSICS,
            _frame_skip(5, 2, 10),
            _reset_noise(0.01, 0.03, 0.1),
            _forward(1.25),
            _control_cost(0.1, 0.5, 1.0),
            _number("contact_cost_weight", 5e-7, (5e-6, 5e-5), "penalty on the sum of squared contact forces"),
            _healthy_reward(5.0),
            _healthy_z_min(1.0, 1.2),
            TERMINATE,
            HIDE_POSITION,
            SEE_CONTACTS,
        ),
        description="A two-legged robot with arms walks forwards without falling.",
    ),
    _Task(
        name="humanoid_standup",
        entry_point="humanoidstandup_v5:HumanoidStandupEnv",
        time_limit=1000,
        axes=(
            *HUMANOID_PHYSICS,
            _frame_skip(5, 2, 10),
            _reset_noise(0.01, 0.03, 0.1),
            _control_cost(0.1, 5.0, 20.0),
            _number("impact_cost_weight", 5e-7, (5e-6, 5e-5), "penalty on the sum of squared contact forces"),
            HIDE_POSITION,
            SEE_CONTACTS,
        ),
        description="A lying two-legged robot with arms stands up.",
    ),
    _Task(
        name="inverted_double_pendulum",
        reference_return=9100.0,
        entry_point="inverted_double_pendulum_v5:InvertedDoublePendulumEnv",
        time_limit=1000,
        axes=(
            *(GRAVITY, replace(DAMPING, levels=(0.4, 0.65, 2.25)), MASS, GEAR),
            _frame_skip(5, 2, 10),
            _reset_noise(0.1, 0.05, 0.2),
            _healthy_reward(10.0),
        ),
        description="A cart balances a pole that carries another pole.",
    ),
    _Task(
        name="inverted_pendulum",
        reference_return=950.0,
        entry_point="inverted_pendulum_v5:InvertedPendulumEnv",
        time_limit=1000,
        axes=(
            *(GRAVITY, DAMPING, MASS, GEAR),
            _frame_skip(2, 1, 4),
            _reset_noise(0.01, 0.03, 0.1),
        ),
        description="A cart balances a pole.",
    ),
    _Task(
        name="pusher",
        reference_return=0.0,
        entry_point="pusher_v5:PusherEnv",
        time_limit=100,
        axes=(
            *(DAMPING, MASS, ARMATURE, GEAR),
            _frame_skip(5, 2, 10),
            _number(
                "reward_near_weight", 0.5, (0.25, 1.0), "penalty for the distance from the arm's tip to the object"
            ),
            _number("reward_dist_weight", 1.0, (0.5, 2.0), "penalty for the distance from the object to the goal"),
            _number("reward_control_weight", 0.1, (0.05, 0.2), "penalty on the sum of squared controls"),
        ),
        description="A seven-joint arm pushes a cylinder to a goal.",
    ),
    _Task(
        name="reacher",
        reference_return=-3.75,
        entry_point="reacher_v5:ReacherEnv",
        time_limit=50,
        axes=(
            *(DAMPING, ARMATURE, GEAR),
            _frame_skip(2, 1, 4),
            _number("reward_dist_weight", 1.0, (0.5, 2.0), "penalty for the distance from fingertip to target"),
            _number("reward_control_weight", 1.0, (0.1, 0.5, 2.0), "penalty on the sum of squared controls"),
        ),
        description="A two-joint arm reaches for a random target.",
    ),
    _Task(
        name="swimmer",
        reference_return=360.0,
        entry_point="swimmer_v5:SwimmerEnv",
        time_limit=1000,
        axes=(
            *FLUID,
            *(MASS, replace(ARMATURE, levels=(0.4, 2.25)), GEAR),
            _frame_skip(4, 2, 8),
            _reset_noise(0.1, 0.05, 0.2),
            _forward(1.0),
            _control_cost(1e-4, 0.1, 0.2),
            HIDE_POSITION,
        ),
        description="A chain of three links swims forwards in a viscous medium.",
    ),
    _Task(
        name="walker2d",
        entry_point="walker2d_v5:Walker2dEnv",
        time_limit=1000,
        axes=(
            *(GRAVITY, FRICTION, DAMPING, MASS, ARMATURE, GEAR),
            _frame_skip(4, 2, 8),
            _reset_noise(5e-3, 0.02, 0.08),
            _forward(1.0),
            _control_cost(1e-3, 0.1, 0.5),
            _healthy_reward(1.0),
            _healthy_z_min(0.8, 1.1),
            _healthy_angle(1.0, 0.25, 0.5),
            TERMINATE,
            HIDE_POSITION,
        ),
        description="A planar two-legged robot walks forwards.",
    ),
)


# ------------------------------------------------------------------ construction


def _make(task: _Task, values: Mapping[str, Scalar]) -> Simulator:
    from env_registry.physics.mujoco_simulator import MujocoSimulator
    from env_registry.physics.native_mujoco import TASKS, NativeMujocoSimulator

    module, name = task.entry_point.split(":")
    environment = getattr(import_module(f"gymnasium.envs.mujoco.{module}"), name)
    env = environment(**_arguments(task, values))
    simulator = NativeMujocoSimulator if name in TASKS else MujocoSimulator
    return simulator(env, time_limit=task.time_limit, physics=_physics(task, values))


def _retune(task: _Task, simulator: MujocoSimulator, values: Mapping[str, Scalar]) -> bool:
    simulator.retune(_arguments(task, values), _physics(task, values))
    return True


def _physics(task: _Task, values: Mapping[str, Scalar]) -> dict[str, float]:
    """A model at its defaults stays untouched, so that it is the registered one to the last bit."""
    return {
        axis.name: float(values[axis.name])
        for axis in task.axes
        if axis.name in _PHYSICS_NAMES and values[axis.name] != axis.default
    }


def _arguments(task: _Task, values: Mapping[str, Scalar]) -> dict[str, Any]:
    arguments: dict[str, Any] = {axis.name: values[axis.name] for axis in task.axes if axis.name not in _PHYSICS_NAMES}
    if "healthy_z_min" in arguments:
        ceiling = arguments.pop("healthy_z_max", _CEILINGS.get(task.name))
        arguments["healthy_z_range"] = (arguments.pop("healthy_z_min"), ceiling)
    if "healthy_angle_max" in arguments:
        tilt = arguments.pop("healthy_angle_max")
        arguments["healthy_angle_range"] = (-tilt, tilt)
    return arguments


# The library's upper ends of the healthy height, where they are no axis.
_CEILINGS = {"hopper": float("inf"), "humanoid": 2.0, "walker2d": 2.0}


FAMILIES = tuple(
    Family(
        name=f"mujoco/{task.name}",
        domain=Domain.PHYSICS,
        traits=_TRAITS,
        axes=task.axes,
        make=partial(_make, task),
        retune=partial(_retune, task),
        horizon=task.time_limit,
        description=task.description,
        reference_return=task.reference_return,
        source=f"https://gymnasium.farama.org/environments/mujoco/{task.name}/",
        licence="MIT",
        distribution="gymnasium",
        tags=("continuous-control", "mujoco"),
    )
    for task in _TASKS
)
