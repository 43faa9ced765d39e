"""Cable handling: grasping, routing, inserting and laying an elastic cable, our own tasks on MuJoCo.

Owns which tasks there are and what may vary; models are in `cable_model`, objectives in `cable_goals`, the environment
in `cable_env`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from env_registry.axes import Axis, BoolAxis, ChoiceAxis, FloatAxis, IntAxis, Scalar
from env_registry.family import Actions, Actor, Domain, Family, Observations, Traits
from env_registry.simulator import Kind, Simulator
from env_registry.symbolic.stepped_axis import SteppedIntAxis

TIME_LIMIT = 150  # steps


def _number(
    name: str,
    default: float,
    levels: tuple[float, ...],
    low: float,
    high: float,
    unit: str,
    description: str,
    *,
    randomisable: bool = True,
) -> FloatAxis:
    return FloatAxis(
        name=name,
        default=default,
        levels=levels,
        low=low,
        high=high,
        unit=unit,
        description=description,
        randomisable=randomisable,
    )


# ------------------------------------------------------------------ axes of cable and manipulator

CABLE: tuple[Axis, ...] = (
    IntAxis(
        name="segments",
        default=10,
        low=5,
        high=16,
        levels=(7, 15),
        unit="segments",
        description="rigid capsules that the cable is made of",
        randomisable=True,
    ),
    _number("length", 0.4, (0.28, 0.56), 0.25, 0.6, "m", "length of the cable"),
    _number("radius", 0.005, (0.0035, 0.007), 0.003, 0.008, "m", "radius of the cable"),
    _number("bend", 5e5, (5e4, 2e6), 2e4, 5e6, "Pa", "modulus of elasticity against bending"),
    _number("twist", 5e5, (5e4, 2e6), 2e4, 5e6, "Pa", "shear modulus against twisting"),
    _number("density", 1200.0, (600.0, 2400.0, 4800.0), 500.0, 5000.0, "kg/m^3", "density of the cable"),
    _number("damping", 3e-4, (1e-4, 1e-3, 3e-3), 1e-4, 3e-3, "N m s/rad", "loss in each bend of the cable"),
    _number("curl", 0.0, (1.5, 3.0), 0.0, 3.0, "1/m", "curvature of the relaxed cable, from how it was stored"),
    _number("friction", 0.6, (0.2, 1.2), 0.05, 1.5, "", "of the cable on table and fixtures"),
)
GRIP: tuple[Axis, ...] = (
    _number("grip_friction", 1.0, (0.1, 0.4), 0.05, 2.0, "", "friction of the finger pads"),
    _number("grip_force", 10.0, (1.0, 3.0, 25.0), 0.5, 25.0, "N", "most force with which the fingers close"),
)
MANIPULATION: tuple[Axis, ...] = (
    _number("servo", 1.0, (0.1, 0.3, 3.0), 0.05, 3.0, "x", "factor on the stiffness of all position controllers"),
    _number("speed", 1.0, (0.5, 2.0), 0.1, 2.0, "x", "factor on the rates of all joints: 0.3 m/s where they slide"),
    _number("gravity", 9.81, (1.62, 4.905, 19.62), 1.0, 20.0, "m/s^2", "gravitational acceleration, downwards"),
    _number("softness", 0.02, (0.01, 0.04), 0.01, 0.04, "s", "time constant of contacts"),
    SteppedIntAxis(
        name="control_ms",
        default=40,
        low=8,
        high=80,
        step=4,
        levels=(20, 80),
        unit="ms",
        description="simulated time of a step",
    ),
)

# ------------------------------------------------------------------ axes of the tasks

MANIPULATORS = ("gantry", "wrist", "arm", "chuck")


def _manipulator(*choices: str) -> ChoiceAxis:
    return ChoiceAxis(
        name="manipulator",
        default="gantry",
        choices=choices,
        levels=tuple(choice for choice in choices if choice != "gantry"),
        description="gantry: fingers that slide along x, y and z; wrist: these, and three hinges; arm: fingers on five "
        "hinges; chuck: slides without fingers, to which the cable is fastened",
        task=True,
    )


def _goal(default: str, *others: str, description: str) -> ChoiceAxis:
    return ChoiceAxis(
        name="goal",
        default=default,
        choices=(default, *others),
        levels=others,
        description=description,
        task=True,
    )


PAY: tuple[Axis, ...] = (
    ChoiceAxis(
        name="reward",
        default="dense",
        choices=("dense", "sparse"),
        levels=("sparse",),
        description="progress (0 to 1) less 1, and 1 for success; or that alone",
        randomisable=True,
    ),
    _number("action_cost", 0.01, (0.1, 0.5), 0.0, 1.0, "", "penalty on the mean square of the action"),
    BoolAxis(
        name="end_on_success",
        default=True,
        levels=(False,),
        description="whether success ends the episode",
        randomisable=True,
    ),
    ChoiceAxis(
        name="observe",
        default="actor",
        choices=("proprioception", "actor", "force", "critic"),
        levels=("proprioception", "force", "critic"),
        description="what is seen: joints, tool and goal; the cable, too; contact forces, too; true parameters, too",
    ),
)


def _start_bend(default: float, *levels: float) -> FloatAxis:
    what = "size of the random bends of the cable at the start"
    return _number("start_bend", default, levels, 0.0, 0.6, "rad", what)


def _start_spread(default: float, *levels: float) -> FloatAxis:
    what = "how far from its usual place the cable starts at most, along x and y"
    return _number("start_spread", default, levels, 0.0, 0.1, "m", what)


def _goal_distance(default: float, levels: tuple[float, ...], description: str) -> FloatAxis:
    return _number("goal_distance", default, levels, 0.02, 0.2, "m", description)


def _fixture_spread(default: float, levels: tuple[float, ...]) -> FloatAxis:
    what = "how far fixtures stand from their usual places at most"
    return _number("fixture_spread", default, levels, 0.0, 0.1, "m", what)


CLEARANCE = _number(
    "clearance", 0.006, (0.003, 0.012), 0.001, 0.02, "m", "room that fixtures leave on each side of the cable"
)
TOLERANCE = _number("tolerance", 0.04, (0.025, 0.06), 0.01, 0.1, "m", "how near counts as success")


@dataclass(frozen=True, kw_only=True)
class _Task:
    name: str
    axes: tuple[Axis, ...]
    description: str


_TASKS = (
    _Task(
        name="grasp",
        axes=(
            _goal(
                "lift",
                *("end", "clear", "place"),
                description="lift the cable's middle; lift its end; lift all of it; carry it to a spot and let go",
            ),
            _manipulator("gantry", "wrist", "arm"),
            _start_bend(0.3, 0.1, 0.6),
            _start_spread(0.04, 0.01, 0.08),
            _number("start_heading", 0.3, (0.1, 0.6), 0.0, 0.8, "rad", "largest angle of the cable to x at the start"),
            _number("lift_height", 0.1, (0.05, 0.15, 0.2), 0.02, 0.3, "m", "how high is high enough"),
            _goal_distance(0.12, (0.08, 0.17), "how far the cable is carried, about"),
        ),
        description="Pick up an elastic cable that lies on a table.",
    ),
    _Task(
        name="route",
        axes=(
            _goal(
                "clip",
                *("hook", "side", "wrap"),
                description="press the cable into clips; lead it under hooks; lift it over posts to their other sides; "
                "lead it round posts",
            ),
            _manipulator(*MANIPULATORS),
            _start_bend(0.15, 0.05, 0.3),
            _start_spread(0.015, 0.005, 0.03),
            IntAxis(
                name="fixtures",
                default=1,
                low=1,
                high=3,
                levels=(2, 3),
                unit="fixtures",
                description="clips, hooks or posts",
            ),
            _number(
                "offset", 0.025, (0.01, 0.05), 0.005, 0.08, "m", "how far beside the cable fixtures stand at least"
            ),
            _fixture_spread(0.02, (0.005, 0.04)),
            _number("fixture_height", 0.025, (0.015, 0.04), 0.01, 0.06, "m", "height of clips and posts"),
            CLEARANCE,
        ),
        description="Lay an elastic cable, pinned to a table at one end, along fixtures.",
    ),
    _Task(
        name="insert",
        axes=(
            _goal(
                "socket",
                *("ring", "cup"),
                description="push the cable's end into a level hole; thread it through a ring; lower it into a cup",
            ),
            _manipulator(*MANIPULATORS),
            _start_bend(0.3, 0.1, 0.6),
            _start_spread(0.04, 0.01, 0.08),
            _number("overhang", 0.06, (0.045, 0.085), 0.04, 0.1, "m", "length of cable in front of the fingers"),
            _goal_distance(0.06, (0.035, 0.1), "from the cable's end to the hole at the start, about"),
            _fixture_spread(0.04, (0.01, 0.08)),
            _number("hole_height", 0.05, (0.035, 0.08), 0.03, 0.12, "m", "height of hole or rim"),
            CLEARANCE,
            _number("depth", 0.02, (0.01, 0.03), 0.005, 0.03, "m", "how deep is deep enough"),
        ),
        description="Put the end of an elastic cable into an opening.",
    ),
    _Task(
        name="lay",
        axes=(
            _goal(
                "tail",
                *("dangle", "loop", "drape"),
                description="drag the cable's loose end to a spot; touch a spot in the air with it; bring the ends "
                "together; hang the cable over a bar",
            ),
            _manipulator(*MANIPULATORS),
            _start_bend(0.2, 0.05, 0.4),
            _start_spread(0.03, 0.01, 0.06),
            _goal_distance(
                0.12, (0.08, 0.17), "from the cable's loose end, or from the table's middle, to the spot, about"
            ),
            TOLERANCE,
            _number("goal_height", 0.06, (0.03, 0.12), 0.02, 0.2, "m", "height of the spot in the air"),
            _fixture_spread(0.03, (0.01, 0.06)),
            _number("bar_height", 0.12, (0.08, 0.17), 0.06, 0.25, "m", "height of the bar"),
        ),
        description="Bring an elastic cable that is held at one end into a shape.",
    ),
)


def _axes(task: _Task) -> tuple[Axis, ...]:
    return (*task.axes, *CABLE, *GRIP, *MANIPULATION, *PAY)


# ------------------------------------------------------------------ construction


def _make(task: _Task, values: Mapping[str, Scalar]) -> Simulator:
    from env_registry.physics.cable_env import CableEnv
    from env_registry.physics.cable_goals import GOALS
    from env_registry.physics.mujoco_simulator import MujocoSimulator

    defaults = {axis.name: axis.default for axis in _axes(task)}
    env: Any = CableEnv(GOALS[task.name][str(values["goal"])](values), values, defaults)
    return MujocoSimulator(env, time_limit=TIME_LIMIT, physics={})


def _retune(task: _Task, simulator: Any, values: Mapping[str, Scalar]) -> bool:
    from env_registry.physics.cable_goals import GOALS

    done: bool = simulator.env.retune(GOALS[task.name][str(values["goal"])](values), values)
    return done


def _witness(simulator: Simulator) -> Actor:
    from env_registry.physics.cable_scripts import witness

    return witness(simulator)


FAMILIES = tuple(
    Family(
        name=f"cable/{task.name}",
        domain=Domain.PHYSICS,
        traits=Traits(kind=Kind.SINGLE, actions=Actions.CONTINUOUS, observations=Observations.VECTOR, timed=True),
        axes=_axes(task),
        make=partial(_make, task),
        retune=partial(_retune, task),
        horizon=TIME_LIMIT,
        description=task.description,
        source="https://mujoco.readthedocs.io/en/3.3.0/computation/index.html, https://doi.org/10.1145/1360612.1360662",
        licence="Apache-2.0",
        distribution="mujoco",
        tags=("manipulation", "deformable", "mujoco"),
        witness=_witness,
    )
    for task in _TASKS
)
