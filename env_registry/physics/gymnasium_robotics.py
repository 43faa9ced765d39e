"""Gymnasium-Robotics: Fetch, the Shadow and Adroit hands, mazes for a point and an ant, and a kitchen.

Owns which tasks there are and what may vary in each. Rewards default to what the library registers without a suffix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from typing import Any

from env_registry.axes import Axis, BoolAxis, ChoiceAxis, IntAxis, Scalar
from env_registry.family import Actions, Actor, Domain, Family, Observations, Traits
from env_registry.physics.gymnasium_mujoco import ARMATURE, DAMPING, FRICTION, GEAR, GRAVITY, MASS, STIFFNESS
from env_registry.shorthand import number, switch
from env_registry.simulator import Kind, Simulator

# ------------------------------------------------------------------ axes


def _number(
    name: str, default: float, levels: tuple[float, ...], low: float, high: float, unit: str, what: str
) -> Axis:
    return number(name, default, low, high, levels, what, unit)


def _frames(default: int, low: int, high: int, levels: tuple[int, ...]) -> Axis:
    return IntAxis(
        name="frame_skip",
        default=default,
        low=low,
        high=high,
        levels=levels,
        unit="physics steps",
        description="physics steps an action lasts",
        randomisable=True,
    )


def _reward(default: str, other: str) -> Axis:
    return ChoiceAxis(
        name="reward",
        default=default,
        choices=("sparse", "dense"),
        levels=(other,),
        description="whether rewards only tell success, or also how near it is",
        randomisable=True,
    )


def _task(name: str, choices: tuple[str, ...], what: str) -> Axis:
    return ChoiceAxis(name=name, default=choices[0], choices=choices, levels=choices[1:], description=what, task=True)


SPARSE, DENSE = _reward("sparse", "dense"), _reward("dense", "sparse")
DRY_FRICTION = _number(
    "dry_friction_scale",
    1.0,
    (0.4, 2.0, 4.0),
    0.0,
    5.0,
    "x",
    "factor on the dry friction of joints, relative to the task's model",
)
SOFTNESS = _number(
    "contact_softness",
    1.0,
    (2.0, 4.0),
    1.0,
    5.0,
    "x",
    "factor on the time constants of contacts, relative to the task's model",
)
SUBSTEPS = _frames(20, 5, 40, (10, 40))

ARM_PHYSICS = (GRAVITY, FRICTION, DAMPING, STIFFNESS, MASS, ARMATURE, SOFTNESS)
# Not the softness of contacts: objects sink through a soft Shadow hand, and the library's resets try for ever.
HAND_PHYSICS = (GRAVITY, FRICTION, DAMPING, MASS, ARMATURE, GEAR, DRY_FRICTION)
_PHYSICS_NAMES = frozenset(axis.name for axis in (*ARM_PHYSICS, *HAND_PHYSICS))


def _distance(default: float, *levels: float) -> Axis:
    what = "distance from the goal that counts as success"
    return _number("distance_threshold", default, levels, default / 5, 50 * default, "m", what)


def _target_range(default: float, *levels: float) -> Axis:
    return _number(
        "target_range", default, levels, 0.02, 0.4, "m", "how far goals lie from their centre along each axis"
    )


def _object_range(default: float, *levels: float) -> Axis:
    what = "how far the object starts from the hand along each axis, at most; 0.1 m is the least distance"
    return _number("obj_range", default, levels, 0.09, 0.25, "m", what)


ROTATION = _number(
    "rotation_threshold", 0.1, (0.4, 1.0, 2.0), 0.05, 3.2, "rad", "angle from the goal that counts as success"
)
TOUCH = ChoiceAxis(
    name="touch",
    default="off",
    choices=("off", "boolean", "sensordata"),
    levels=("boolean", "sensordata"),
    description="what the observation has of the 92 touch sensors: nothing, whether they feel, or what they feel",
)
MAZE = (
    SPARSE,
    switch("continuing_task", True, "whether the episode goes on at the goal"),
    switch("reset_target", False, "whether a goal that is reached is followed by another; only if the episode goes on"),
    _number(
        "position_noise_range",
        0.25,
        (0.0, 0.1),
        0.0,
        0.4,
        "cells",
        "how far start and goal lie from the middle of a cell",
    ),
)
# Chance never brings the ant to its goal, so what happens there has no levels.
ANT_MAZE = tuple(replace(axis, levels=()) if isinstance(axis, BoolAxis) else axis for axis in MAZE)


# ------------------------------------------------------------------ mazes


@dataclass(frozen=True)
class _Maze:
    """The library's name of a map, or its rows of walls (#) and free cells; and the steps of point and ant."""

    map: str
    point_steps: int = 600
    ant_steps: int = 1000


_MAZES: Mapping[str, _Maze] = {
    "u": _Maze("U_MAZE", 300, 700),
    "open": _Maze("OPEN", 300, 700),
    "open-diverse-g": _Maze("OPEN_DIVERSE_G", 300, 700),
    "open-diverse-gr": _Maze("OPEN_DIVERSE_GR", 300, 700),
    "medium": _Maze("MEDIUM_MAZE"),
    "medium-diverse-g": _Maze("MEDIUM_MAZE_DIVERSE_G"),
    "medium-diverse-gr": _Maze("MEDIUM_MAZE_DIVERSE_GR"),
    "large": _Maze("LARGE_MAZE", 800),
    "large-diverse-g": _Maze("LARGE_MAZE_DIVERSE_G", 800),
    "large-diverse-gr": _Maze("LARGE_MAZE_DIVERSE_GR", 800),
    "four-rooms": _Maze("######### #...#...# #.......# #...#...# ##.###.## #...#...# #.......# #...#...# #########"),
    "spiral": _Maze("######### #.......# #######.# #.....#.# #.###.#.# #.#...#.# #.#####.# #.......# #########"),
    "comb": _Maze("######### #.#.#.#.# #.#.#.#.# #.#.#.#.# #.......# #########"),
    "pillars": _Maze("######### #.......# #.#.#.#.# #.......# #.#.#.#.# #.......# #########"),
}
MAP = _task("map", tuple(_MAZES), "the maze and, in the diverse ones, the marked cells of goals (g) and starts (r)")


def maze_map(name: str) -> list[list[Any]]:
    """A map as the library takes it: 1 for walls."""
    chosen = _MAZES[name].map
    if chosen.startswith("#"):
        return [[int(cell == "#") for cell in row] for row in chosen.split()]
    found: list[list[Any]] = getattr(import_module("gymnasium_robotics.envs.maze.maps"), chosen)
    return found


# ------------------------------------------------------------------ targets of the hand, goals of the kitchen

_TARGETS: Mapping[str, tuple[str, str]] = {
    "full": ("random", "xyz"),
    "rotate": ("ignore", "xyz"),
    "rotate-z": ("ignore", "z"),
    "rotate-parallel": ("ignore", "parallel"),
    "place-z": ("random", "z"),
    "place-parallel": ("random", "parallel"),
}
_SINGLES = (
    *("microwave", "kettle", "light-switch", "slide-cabinet"),
    *("hinge-cabinet", "bottom-burner", "top-burner"),
)
_CHORES: Mapping[str, tuple[str, ...]] = {
    "all": ("bottom-burner", "top-burner", "light-switch", "slide-cabinet", "hinge-cabinet", "microwave", "kettle"),
    **{chore: (chore,) for chore in _SINGLES},
    "d4rl-complete": ("microwave", "kettle", "light-switch", "slide-cabinet"),
    "d4rl-mixed": ("microwave", "kettle", "bottom-burner", "light-switch"),
}


def _target(values: Mapping[str, Any]) -> dict[str, Any]:
    position, rotation = _TARGETS[values["target"]]
    return {"target_position": position, "target_rotation": rotation, **_touch(values)}


def _touch(values: Mapping[str, Any]) -> dict[str, Any]:
    return {} if values["touch"] == "off" else {"touch_get_obs": values["touch"]}


def _maze(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"maze_map": maze_map(values["map"])}


def _chores(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"tasks_to_complete": [chore.replace("-", " ") for chore in _CHORES[values["chores"]]]}


def _nothing(values: Mapping[str, Any]) -> dict[str, Any]:
    return {}


# ------------------------------------------------------------------ tasks


@dataclass(frozen=True, kw_only=True)
class _Task:
    """A class of the library.

    `constructor` turns values into its arguments; axes in `builds` are what it reads. Other axes that are no physics
    set attributes, which have the axis' name or the one in `attributes`. `state` names those that hold an episode;
    `engine` is the attribute that has the MuJoCo environment, if that is another.
    """

    name: str
    entry_point: str
    axes: tuple[Axis, ...]
    time_limit: int | Callable[[Mapping[str, Any]], int]
    builds: tuple[str, ...] = ()
    constructor: Callable[[Mapping[str, Any]], dict[str, Any]] = _nothing
    attributes: Mapping[str, str] = field(default_factory=dict)
    state: tuple[str, ...] = ("goal",)
    engine: str = ""
    witness: str = ""
    observations: Observations = Observations.MIXED
    page: str
    description: str
    tags: tuple[str, ...] = ()


_FETCH = {"reward": "reward_type", "frame_skip": "n_substeps"}


def _fetch(name: str, *axes: Axis, witness: str, description: str, physics: tuple[Axis, ...] = ARM_PHYSICS) -> _Task:
    camel = "".join(word.title() for word in name.split("_"))
    return _Task(
        name=f"fetch/{name}",
        entry_point=f"fetch.{name}:MujocoFetch{camel}Env",
        axes=(SPARSE, _distance(0.05, 0.02, 0.1, 0.2), SUBSTEPS, *axes, *physics),
        time_limit=50,
        attributes=_FETCH,
        witness=witness,
        page=f"fetch/{name}/",
        description=description,
        tags=("manipulation", "goals"),
    )


def _shadow(name: str, module: str, targets: tuple[str, ...], description: str) -> _Task:
    return _Task(
        name=f"hand/{name}",
        entry_point=f"shadow_dexterous_hand.{module}:MujocoHand{name.title()}Env",
        axes=(
            _task("target", targets, "what the goal is: a rotation (about z, or to faces), a place, or both"),
            TOUCH,
            SPARSE,
            _distance(0.05 if name == "pen" else 0.01),  # no levels: chance never brings the object so near
            ROTATION,
            SUBSTEPS,
            *HAND_PHYSICS,
        ),
        time_limit=100,
        builds=("target", "touch"),
        constructor=_target,
        attributes=_FETCH,
        page=f"shadow_dexterous_hand/{module}/",
        description=description,
        tags=("manipulation", "goals"),
    )


def _adroit(name: str, description: str, *, idle: tuple[Axis, ...] = (), state: tuple[str, ...] = ()) -> _Task:
    return _Task(
        name=f"adroit/{name}",
        entry_point=f"adroit_hand.adroit_{name}:AdroitHand{name.title()}Env",
        axes=(DENSE, _frames(5, 1, 20, (2, 10)), *(axis for axis in (*HAND_PHYSICS, SOFTNESS) if axis not in idle)),
        time_limit=200,
        attributes={"reward": "sparse_reward"},
        state=state,
        observations=Observations.VECTOR,
        page=f"adroit_hand/adroit_{name}/",
        description=description,
        tags=("manipulation",),
    )


_TASKS = (
    _fetch(
        "reach",
        _target_range(0.15, 0.05, 0.3),
        witness="reach",
        physics=(DAMPING, MASS, ARMATURE),
        description="A robot arm leads its hand to a goal in the air.",
    ),
    _fetch(
        "push",
        _object_range(0.15, 0.1, 0.22),
        _target_range(0.15, 0.05, 0.3),
        witness="push",
        description="A robot arm with a closed hand pushes a cube to a goal on the table.",
    ),
    _fetch(
        "slide",
        _object_range(0.1, 0.15, 0.22),
        _target_range(0.3, 0.1, 0.2),
        witness="push",
        description="A robot arm hits a puck so that it slides to a goal out of reach.",
    ),
    _fetch(
        "pick_and_place",
        _object_range(0.15, 0.1, 0.22),
        _target_range(0.15, 0.05, 0.3),
        witness="pick",
        physics=(*ARM_PHYSICS, GEAR),
        description="A robot arm lifts a cube to a goal on the table or in the air.",
    ),
    _Task(
        name="hand/reach",
        entry_point="shadow_dexterous_hand.reach:MujocoHandReachEnv",
        axes=(SPARSE, _distance(0.01, 0.03, 0.1), SUBSTEPS, GRAVITY, DAMPING, MASS, ARMATURE, GEAR),
        time_limit=50,
        attributes=_FETCH,
        page="shadow_dexterous_hand/reach/",
        description="A hand of five fingers brings its fingertips to goals.",
        tags=("manipulation", "goals"),
    ),
    _shadow("block", "manipulate_block", tuple(_TARGETS), "A hand turns a block in its palm to a goal."),
    _shadow("egg", "manipulate_egg", ("full", "rotate"), "A hand turns an egg in its palm to a goal."),
    _shadow("pen", "manipulate_pen", ("full", "rotate"), "A hand turns a pen in its palm to a goal."),
    _adroit("door", "A hand on an arm undoes the latch of a door and opens it."),
    _adroit("hammer", "A hand on an arm takes a hammer and drives a nail into a board."),
    _adroit("pen", "A hand turns a pen to the orientation of another.", state=("pen_length", "tar_length")),
    _adroit("relocate", "A hand on an arm carries a ball to a target.", idle=(DRY_FRICTION,)),
    _Task(
        name="maze/point",
        entry_point="maze.point_maze:PointMazeEnv",
        axes=(MAP, *MAZE, _frames(1, 1, 10, (2, 5)), DAMPING, MASS, GEAR, SOFTNESS),
        time_limit=lambda values: _MAZES[values["map"]].point_steps,
        builds=("map",),
        constructor=_maze,
        attributes={"reward": "reward_type", "frame_skip": "point_env.frame_skip"},
        state=("goal", "reset_pos", "point_env.init_qpos"),
        engine="point_env",
        witness="maze",
        page="maze/point_maze/",
        description="A ball that is pushed by forces finds its way to a goal in a maze.",
        tags=("navigation", "goals"),
    ),
    _Task(
        name="maze/ant",
        entry_point="maze.ant_maze_v5:AntMazeEnv",
        axes=(MAP, *ANT_MAZE, _frames(5, 2, 10, (2, 10)), GRAVITY, FRICTION, DAMPING, MASS, ARMATURE, GEAR),
        time_limit=lambda values: _MAZES[values["map"]].ant_steps,
        builds=("map",),
        constructor=_maze,
        attributes={"reward": "reward_type", "frame_skip": "ant_env.frame_skip"},
        state=("goal", "reset_pos", "ant_env.init_qpos"),
        engine="ant_env",
        page="maze/ant_maze/",
        description="A four-legged robot finds its way to a goal in a maze.",
        tags=("navigation", "goals"),
    ),
    _Task(
        name="kitchen/franka",
        entry_point="franka_kitchen.kitchen_env:KitchenEnv",
        axes=(
            _task("chores", tuple(_CHORES), "what is to be done: one or several of seven chores, each worth 1 a step"),
            _number(
                "object_noise_ratio", 0.0005, (0.05, 0.2), 0.0, 1.0, "x", "factor on the noise of observed objects"
            ),
            _number(
                "robot_noise_ratio",
                0.01,
                (0.1, 0.5),
                0.0,
                1.0,
                "x",
                "factor on the noise of observed joints, which the arm is led by",
            ),
            _frames(40, 10, 60, (20, 60)),
            *(GRAVITY, DAMPING, MASS, ARMATURE, GEAR),
        ),
        time_limit=280,
        builds=("chores",),
        constructor=_chores,
        attributes={"robot_noise_ratio": "robot_env.robot_noise_ratio", "frame_skip": "robot_env.frame_skip"},
        state=(
            "robot_env._last_robot_qpos",
            "tasks_to_complete",
            "episode_task_completions",
            "step_task_completions",
        ),
        engine="robot_env",
        page="franka_kitchen/franka_kitchen/",
        description="A robot arm does chores in a kitchen.",
        tags=("manipulation", "goals"),
    ),
)


# ------------------------------------------------------------------ construction


def _make(task: _Task, values: Mapping[str, Scalar]) -> Simulator:
    from env_registry.physics.gymnasium_robotics_simulator import RoboticsSimulator

    changed = {axis.name: values[axis.name] for axis in task.axes if values[axis.name] != axis.default}
    settings = {
        task.attributes.get(name, name): _attribute(task, value)
        for name, value in changed.items()
        if name not in _PHYSICS_NAMES and name not in task.builds
    }
    limit = task.time_limit if isinstance(task.time_limit, int) else task.time_limit(values)
    return RoboticsSimulator(
        ";".join((task.name, *(str(values[name]) for name in task.builds))),
        partial(_build, task, values),
        engine=task.engine,
        time_limit=limit,
        state=task.state,
        settings=settings,
        physics={name: float(value) for name, value in changed.items() if name in _PHYSICS_NAMES},
    )


def _attribute(task: _Task, value: Scalar) -> Any:
    return value == "sparse" if value in ("sparse", "dense") and task.name.startswith("adroit/") else value


def _build(task: _Task, values: Mapping[str, Scalar]) -> Any:
    module, name = task.entry_point.split(":")
    if values.get("touch", "off") != "off":
        module, name = f"{module}_touch_sensors", name.replace("Env", "TouchSensorsEnv")
    environment = getattr(import_module(f"gymnasium_robotics.envs.{module}"), name)
    return environment(**task.constructor(values))


def _witness(name: str, simulator: Simulator) -> Actor:
    from env_registry.physics import gymnasium_robotics_simulator as room

    if name == "maze":
        assert isinstance(simulator, room.RoboticsSimulator)
        maze: Any = simulator.env
        return room.through_maze(maze.maze)
    found: Actor = getattr(room, name)
    return found


FAMILIES = tuple(
    Family(
        name=f"robotics/{task.name.replace('/', '_')}",
        domain=Domain.PHYSICS,
        traits=Traits(kind=Kind.SINGLE, actions=Actions.CONTINUOUS, observations=task.observations, timed=True),
        axes=task.axes,
        make=partial(_make, task),
        horizon=task.time_limit,
        description=task.description,
        source=f"https://robotics.farama.org/envs/{task.page}",
        licence="MIT",
        distribution="gymnasium-robotics",
        tags=("continuous-control", "mujoco", *task.tags),
        witness=partial(_witness, task.witness) if task.witness else None,
    )
    for task in _TASKS
)
