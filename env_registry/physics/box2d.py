"""Gymnasium's Box2D tasks: a lander with discrete or continuous engines, and a walker with two legs.

Owns which tasks there are and what may vary in each: arguments of the constructors, the world's gravity, and constants
of the library's modules. Not offered: the car race, whose image of every step costs some milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from env_registry.axes import Axis, ChoiceAxis, FloatAxis, IntAxis, Scalar
from env_registry.family import Actions, Actor, Domain, Family, Observations, Traits
from env_registry.shorthand import number
from env_registry.simulator import Kind, Simulator

LANDER_TIME_LIMIT = 1000  # steps
WALKER_TIME_LIMITS = {"grass": 1600, "hardcore": 2000}  # steps

_LANDER = "gymnasium.envs.box2d.lunar_lander"
_WALKER = "gymnasium.envs.box2d.bipedal_walker"


# ------------------------------------------------------------------ axes


def _number(
    name: str, default: float, levels: tuple[float, ...], low: float, high: float, unit: str, description: str
) -> FloatAxis:
    return number(name, default, low, high, levels, description, unit)


@dataclass(frozen=True)
class _Constant:
    """An axis that is a constant of the library's module."""

    axis: FloatAxis | IntAxis
    name: str


LANDER_GRAVITY = _number("gravity", 10.0, (2.5, 5.0, 7.0), 0.1, 11.9, "m/s^2", "gravitational acceleration, downwards")
LANDER_WIND = (
    _number("wind_power", 0.0, (5.0, 10.0, 20.0), 0.0, 20.0, "N", "greatest force of the wind"),
    _number("turbulence_power", 0.0, (0.5, 1.0, 2.0), 0.0, 2.0, "N m", "greatest torque of the wind"),
)
LANDER_CONSTANTS = (
    _Constant(
        _number("main_engine_power", 13.0, (4.0, 8.0, 20.0, 30.0), 1.0, 40.0, "", "strength of the main engine"),
        "MAIN_ENGINE_POWER",
    ),
    _Constant(
        _number("side_engine_power", 0.6, (0.15, 0.3, 1.2, 2.4), 0.0, 5.0, "", "strength of the side engines"),
        "SIDE_ENGINE_POWER",
    ),
    _Constant(
        _number("side_engine_away", 12.0, (4.0, 24.0), 1.0, 30.0, "px", "distance of the side engines from the middle"),
        "SIDE_ENGINE_AWAY",
    ),
    _Constant(
        _number("initial_push", 1000.0, (250.0, 500.0, 2000.0), 0.0, 4000.0, "N", "greatest force of the first push"),
        "INITIAL_RANDOM",
    ),
    _Constant(
        IntAxis(
            name="fps",
            default=50,
            low=20,
            high=120,
            levels=(25, 100),
            unit="1/s",
            description="steps of a second",
            randomisable=True,
        ),
        "FPS",
    ),
    _Constant(
        _number("scale", 30.0, (20.0, 45.0), 15.0, 60.0, "px/m", "how many pixels of its drawing make a metre"),
        "SCALE",
    ),
)

WALKER_TERRAIN = ChoiceAxis(
    name="terrain",
    default="grass",
    choices=tuple(WALKER_TIME_LIMITS),
    levels=("hardcore",),
    description="grass: slightly uneven ground; hardcore: with stumps, stairs and pits",
    task=True,
)
WALKER_GRAVITY = _number("gravity", 10.0, (2.5, 5.0, 15.0, 25.0), 0.0, 30.0, "m/s^2", "gravitational acceleration")
WALKER_DENSITIES = (
    _number("hull_density", 5.0, (1.5, 3.0, 10.0), 0.5, 20.0, "kg/m^2", "density of the hull"),
    _number("leg_density", 1.0, (0.4, 2.5, 5.0), 0.2, 10.0, "kg/m^2", "density of the legs"),
)
WALKER_CONSTANTS = (
    _Constant(
        _number("motors_torque", 80.0, (20.0, 40.0, 160.0), 5.0, 400.0, "N m", "strength of the joints"),
        "MOTORS_TORQUE",
    ),
    _Constant(_number("speed_hip", 4.0, (1.0, 2.0, 8.0), 0.5, 16.0, "rad/s", "greatest speed of hips"), "SPEED_HIP"),
    _Constant(
        _number("speed_knee", 6.0, (1.5, 3.0, 12.0), 0.5, 24.0, "rad/s", "greatest speed of knees"), "SPEED_KNEE"
    ),
    _Constant(_number("friction", 2.5, (0.1, 0.4, 1.0), 0.0, 10.0, "", "friction of the ground"), "FRICTION"),
    _Constant(
        _number("lidar_range", 160 / 30, (2.0, 3.5, 10.0), 0.5, 20.0, "m", "distance that the range finders see"),
        "LIDAR_RANGE",
    ),
    _Constant(
        _number("initial_push", 5.0, (500.0, 2000.0, 5000.0), 0.0, 5000.0, "N", "greatest force of the first push"),
        "INITIAL_RANDOM",
    ),
    _Constant(
        IntAxis(
            name="start_pad",
            default=20,
            low=10,
            high=60,
            levels=(10, 40),
            unit="steps of terrain",
            description="length of the even ground in whose middle the walker starts",
            randomisable=True,
        ),
        "TERRAIN_STARTPAD",
    ),
    _Constant(
        IntAxis(
            name="grass_length",
            default=10,
            low=4,
            high=40,
            levels=(5, 20),
            unit="steps of terrain",
            description="most ground between two obstacles, and before the goal",
            randomisable=True,
        ),
        "TERRAIN_GRASS",
    ),
    _Constant(
        IntAxis(
            name="fps",
            default=50,
            low=20,
            high=120,
            levels=(25, 100),
            unit="1/s",
            description="steps of a second",
            randomisable=True,
        ),
        "FPS",
    ),
)


# ------------------------------------------------------------------ construction


def _constants(constants: tuple[_Constant, ...], values: Mapping[str, Scalar]) -> dict[str, Scalar]:
    return {
        constant.name: values[constant.axis.name]
        for constant in constants
        if values[constant.axis.name] != constant.axis.default
    }


def _make_lander(values: Mapping[str, Scalar], *, continuous: bool) -> Simulator:
    from env_registry.physics.box2d_simulators import Box2dSimulator
    from env_registry.physics.module_variants import variant

    module = variant(_LANDER, _constants(LANDER_CONSTANTS, values))
    wind = {axis.name: values[axis.name] for axis in LANDER_WIND}
    env = module.LunarLander(
        continuous=continuous, gravity=-float(values["gravity"]), enable_wind=any(wind.values()), **wind
    )
    return Box2dSimulator(env, time_limit=LANDER_TIME_LIMIT)


def _make_walker(values: Mapping[str, Scalar]) -> Simulator:
    from env_registry.physics.box2d_simulators import WalkerSimulator
    from env_registry.physics.module_variants import variant

    densities = {axis.name: float(values[axis.name]) for axis in WALKER_DENSITIES}
    return WalkerSimulator(
        variant(_WALKER, _constants(WALKER_CONSTANTS, values)),
        hardcore=values["terrain"] == "hardcore",
        gravity=float(values["gravity"]),
        time_limit=_walker_horizon(values),
        **densities,
    )


def _walker_horizon(values: Mapping[str, Scalar]) -> int:
    return WALKER_TIME_LIMITS[str(values["terrain"])]


# ------------------------------------------------------------------ witnesses


def _land(simulator: Any) -> Actor:
    """The library's own pilot."""
    from gymnasium.envs.box2d import lunar_lander

    pilot: Any = lunar_lander.heuristic
    if simulator.env.continuous:
        return lambda observation, rng: pilot(simulator.env, observation).astype("float32")
    return lambda observation, rng: pilot(simulator.env, observation)


def _walk(simulator: Simulator) -> Actor:
    """The library's own walker."""
    from gymnasium.envs.box2d import bipedal_walker

    walker: Any = bipedal_walker.BipedalWalkerHeuristics()
    return lambda observation, rng: walker.step_heuristic(observation).astype("float32")


# ------------------------------------------------------------------ families


def _family(name: str, actions: Actions, axes: tuple[Axis, ...], description: str, **more: Any) -> Family:
    return Family(
        name=f"box2d/{name}",
        domain=Domain.PHYSICS,
        traits=Traits(kind=Kind.SINGLE, actions=actions, observations=Observations.VECTOR),
        axes=axes,
        description=description,
        source=f"https://gymnasium.farama.org/environments/box2d/{name.removesuffix('_continuous')}/",
        licence="MIT",
        distribution="gymnasium",
        tags=("box2d",),
        **more,
    )


_LANDER_AXES = (LANDER_GRAVITY, *LANDER_WIND, *(constant.axis for constant in LANDER_CONSTANTS))
_make_discrete: Callable[[Mapping[str, Scalar]], Simulator] = partial(_make_lander, continuous=False)
_make_continuous: Callable[[Mapping[str, Scalar]], Simulator] = partial(_make_lander, continuous=True)

FAMILIES = (
    _family(
        "lunar_lander",
        Actions.DISCRETE,
        _LANDER_AXES,
        "A lander with three engines, each on or off, comes down on a pad.",
        make=_make_discrete,
        horizon=LANDER_TIME_LIMIT,
        witness=_land,
        reference_return=200.0,
    ),
    _family(
        "lunar_lander_continuous",
        Actions.CONTINUOUS,
        _LANDER_AXES,
        "A lander with throttled engines comes down on a pad.",
        make=_make_continuous,
        horizon=LANDER_TIME_LIMIT,
        witness=_land,
        reference_return=200.0,
    ),
    _family(
        "bipedal_walker",
        Actions.CONTINUOUS,
        (WALKER_TERRAIN, WALKER_GRAVITY, *WALKER_DENSITIES, *(constant.axis for constant in WALKER_CONSTANTS)),
        "A planar robot with two legs of two links walks over uneven ground.",
        make=_make_walker,
        horizon=_walker_horizon,
        witness=_walk,
        reference_return=300.0,
    ),
)
