"""DeepMind's Control Suite: 19 domains, each a family, with their tasks.

Owns which tasks there are and what may vary in each. Sizes, counts and target speeds that the suite gives names of
their own are parameters here: `reacher/hard` is `target_size=0.015`, `swimmer15` is `n_joints=15`, `stack_4` is
`n_boxes=4`, `lqr_6_2` is `n_actuators=2;n_passive=4`, `cartpole/three_poles` is `task=swingup;num_poles=3`,
`finger/turn_hard` is `target_radius=0.03` and `humanoid/run_pure_state` is `task=run;pure_state=true`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from env_registry.axes import Axis, BoolAxis, ChoiceAxis, FloatAxis, IntAxis, Scalar
from env_registry.family import Actions, Actor, Domain, Family, Observations, Traits
from env_registry.physics import dm_control_witnesses as witnesses
from env_registry.physics.gymnasium_mujoco import ARMATURE, DAMPING, FRICTION, GEAR, GRAVITY, MASS, STIFFNESS
from env_registry.shorthand import number
from env_registry.simulator import Kind, Simulator

TIME_LIMIT = 1000  # steps, of every task of the suite; the suite sets none for LQR
ACTION_LIMIT = 1.0  # of LQR, whose forces the suite does not bound

_TRAITS = Traits(kind=Kind.SINGLE, actions=Actions.CONTINUOUS, observations=Observations.VECTOR)


# ------------------------------------------------------------------ axes of the physics


def scale(name: str, low: float, high: float, levels: tuple[float, ...], what: str) -> FloatAxis:
    """An axis that is a factor."""
    return FloatAxis(
        name=name,
        default=1.0,
        low=low,
        high=high,
        levels=levels,
        unit="x",
        description=f"factor on {what}, relative to the task's model",
        randomisable=True,
    )


SLOPE = FloatAxis(
    name="slope",
    default=0.0,
    low=-30.0,
    high=30.0,
    levels=(-20.0, -10.0, 10.0, 20.0),
    unit="deg",
    description="inclination of the world, rising along x: the direction of gravity",
    randomisable=True,
)
HEADWIND = FloatAxis(
    name="headwind",
    default=0.0,
    low=-40.0,
    high=40.0,
    levels=(-20.0, 20.0, 40.0),
    unit="m/s",
    description="speed of the air against x; without wind there is no air",
    randomisable=True,
)
ROOT_MASS = scale(
    "root_mass_scale", 0.4, 4.0, (0.5, 2.0, 4.0), "mass and inertia of the first body: torso, cart or upper link"
)
JOINT_RANGE = scale("joint_range_scale", 0.3, 1.0, (0.5, 0.7), "the ranges of limited joints")
SOFTNESS = scale("contact_softness", 0.5, 8.0, (2.0, 4.0, 8.0), "the time constants of contacts")
DRY_FRICTION = scale("dry_friction_scale", 0.0, 10.0, (0.4, 4.0, 10.0), "the dry friction of joints")
LAG = scale("actuator_lag_scale", 0.5, 4.0, (0.5, 2.0, 4.0), "the time constants of the actuators")

WALKING = (GRAVITY, SLOPE, FRICTION, SOFTNESS, DAMPING, MASS, ROOT_MASS, ARMATURE, GEAR, JOINT_RANGE, HEADWIND)

# Beyond these, strong motors on light bodies find infinite accelerations in the corners of the other axes' ranges.
GENTLE_GEAR = replace(GEAR, high=1.5, levels=(0.4, 0.65, 1.5))
GENTLE_MASS = replace(MASS, low=0.65, levels=(0.65, 1.5, 2.25))
GENTLE_WALKING = tuple({GEAR: GENTLE_GEAR, MASS: GENTLE_MASS}.get(axis, axis) for axis in WALKING)


def _medium(density: float, *levels: float) -> tuple[FloatAxis, FloatAxis]:
    """The medium of swimmers, which is without viscosity."""
    return (
        FloatAxis(
            name="fluid_density",
            default=density,
            low=density / 10,
            high=1.5 * density,
            levels=levels,
            unit="kg/m^3",
            description="density of the medium",
            randomisable=True,
        ),
        FloatAxis(
            name="fluid_viscosity",
            default=0.0,
            low=0.0,
            high=0.2,
            levels=(0.02, 0.1),
            unit="Pa s",
            description="viscosity of the medium",
            randomisable=True,
        ),
    )


# ------------------------------------------------------------------ axes of the tasks


def _number(
    name: str, default: float, levels: tuple[float, ...], low: float, high: float, unit: str, description: str
) -> FloatAxis:
    return number(name, default, low, high, levels, description, unit)


def _count(name: str, default: int, levels: tuple[int, ...], low: int, high: int, description: str) -> IntAxis:
    return IntAxis(name=name, default=default, low=low, high=high, levels=levels, description=description)


def _flag(name: str, default: bool, description: str) -> BoolAxis:
    return BoolAxis(name=name, default=default, levels=(not default,), description=description)


def _substeps(default: int) -> IntAxis:
    return IntAxis(
        name="substeps",
        default=default,
        low=1,
        high=max(4, 2 * default),
        levels=tuple(level for level in (default // 2, 2 * default) if level > 0),
        unit="physics steps",
        description="physics steps an action lasts",
        randomisable=True,
    )


SPEED_SCALE = scale("target_speed_scale", 0.1, 4.0, (0.25, 0.5, 2.0), "the speed that is asked for")
TARGET_SCALE = scale("target_scale", 0.2, 5.0, (0.4, 2.0, 4.0), "the size of the target")
FULLY_OBSERVABLE = _flag("fully_observable", True, "whether objects and the target are seen, not only felt")


def _stand_height(default: float, *levels: float) -> FloatAxis:
    what = "height of head or torso above which it counts as standing"
    return _number("stand_height", default, levels, default / 10, 1.6 * default, "m", what)


def _target_speed(default: float, levels: tuple[float, ...], unit: str = "m/s") -> FloatAxis:
    return _number("target_speed", default, levels, default / 10, 4 * default, unit, "speed that earns the full reward")


# ------------------------------------------------------------------ domains and tasks


@dataclass(frozen=True, kw_only=True)
class _Task:
    """A class of the suite with its arguments, on a model written with arguments of its own."""

    name: str
    cls: str
    description: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, kw_only=True)
class _Setting:
    """A constant of the module, or an attribute of the task, that an axis sets to `form(value)`."""

    name: str
    form: Callable[[Any], Any] = _same


@dataclass(frozen=True, kw_only=True)
class _Domain:
    """A module of the suite.

    An axis with the name of an argument of a task or of its model is that argument. `constants` and `attributes` say
    what other axes set, `target` is the kind and name of the element that `target_scale` resizes, `touched` the parts
    of the model that tasks set anew in every episode.
    """

    name: str
    module: str
    tasks: tuple[_Task, ...]
    axes: tuple[Axis, ...]
    substeps: int = 1
    model: str = "get_model_and_assets"
    constants: Mapping[str, _Setting] = field(default_factory=dict)
    attributes: Mapping[str, _Setting] = field(default_factory=dict)
    target: tuple[str, str] | None = None
    touched: tuple[str, ...] = ()
    witness: Callable[[Simulator], Actor] = witnesses.hold
    description: str


def _speeds(argument: str, cls: str, names: Mapping[str, tuple[float, str]], **more: Any) -> tuple[_Task, ...]:
    """Tasks that differ in the speed they ask for."""
    return tuple(
        _Task(name=name, cls=cls, arguments={argument: speed, **more}, description=description)
        for name, (speed, description) in names.items()
    )


def _cosine(degrees: float) -> float:
    return math.cos(math.radians(degrees))


_HUMAN_SPEEDS = {
    "stand": (0, "A humanoid stands up."),
    "walk": (1, "A humanoid walks at 1 m/s."),
    "run": (10, "A humanoid runs at 10 m/s."),
}

_DOMAINS = (
    _Domain(
        name="acrobot",
        module="acrobot",
        witness=witnesses.pump,
        tasks=(
            _Task(
                name="swingup",
                cls="Balance",
                arguments={"sparse": False},
                description="The tip of two links, moved at the elbow only, comes near a target above.",
            ),
            _Task(
                name="swingup_sparse",
                cls="Balance",
                arguments={"sparse": True},
                description="As swingup, paid at the target only.",
            ),
        ),
        axes=(GRAVITY, SLOPE, DAMPING, MASS, ROOT_MASS, GEAR, HEADWIND, TARGET_SCALE),
        target=("site", "target"),
        description="Two links that are moved at the elbow only swing up.",
    ),
    _Domain(
        name="ball_in_cup",
        module="ball_in_cup",
        substeps=10,
        tasks=(_Task(name="catch", cls="BallInCup", description="A cup catches the ball that hangs from it."),),
        axes=(GRAVITY, SLOPE, FRICTION, SOFTNESS, DAMPING, STIFFNESS, MASS, ROOT_MASS, GEAR, HEADWIND, TARGET_SCALE),
        target=("site", "target"),
        description="A cup catches the ball that hangs from it on a string.",
    ),
    _Domain(
        name="cartpole",
        module="cartpole",
        tasks=(
            _Task(
                name="balance",
                cls="Balance",
                arguments={"swing_up": False, "sparse": False},
                model={"num_poles": 1},
                description="A cart keeps poles upright.",
            ),
            _Task(
                name="balance_sparse",
                cls="Balance",
                arguments={"swing_up": False, "sparse": True},
                model={"num_poles": 1},
                description="As balance, paid only while poles and cart are within their tolerances.",
            ),
            _Task(
                name="swingup",
                cls="Balance",
                arguments={"swing_up": True, "sparse": False},
                model={"num_poles": 1},
                description="A cart swings poles up.",
            ),
            _Task(
                name="swingup_sparse",
                cls="Balance",
                arguments={"swing_up": True, "sparse": True},
                model={"num_poles": 1},
                description="As swingup, paid only while poles and cart are within their tolerances.",
            ),
        ),
        axes=(
            *(GRAVITY, SLOPE, MASS, ROOT_MASS, GEAR, JOINT_RANGE, HEADWIND),
            _count("num_poles", 1, (2, 3, 5), 1, 6, "poles, one on top of another"),
            _number(
                "angle_tolerance", 5.7320, (3.0, 12.0, 24.0), 1.0, 90.0, "deg", "tilt up to which a pole is upright"
            ),
        ),
        attributes={
            "angle_tolerance": _Setting(name="_ANGLE_COSINE_RANGE", form=lambda degrees: (_cosine(degrees), 1)),
        },
        description="A cart on a rail balances poles or swings them up.",
    ),
    _Domain(
        name="cheetah",
        module="cheetah",
        tasks=(_Task(name="run", cls="Cheetah", description="A planar two-legged robot runs forwards."),),
        axes=(*WALKING, STIFFNESS, _target_speed(10.0, (2.5, 5.0, 20.0))),
        constants={"target_speed": _Setting(name="_RUN_SPEED")},
        description="A planar two-legged robot runs forwards.",
    ),
    _Domain(
        name="dog",
        module="dog",
        substeps=3,
        tasks=(
            _Task(name="stand", cls="Stand", model={"floor_size": 15}, description="A dog stands."),
            *(
                _Task(
                    name=name,
                    cls="Move",
                    arguments={"move_speed": speed},
                    model={"floor_size": 15 * speed},
                    description=f"A dog moves forwards at {speed} m/s.",
                )
                for name, speed in (("walk", 1), ("trot", 3), ("run", 9))
            ),
            _Task(name="fetch", cls="Fetch", model={"remove_ball": False}, description="A dog fetches a thrown ball."),
        ),
        axes=(
            *(*WALKING, STIFFNESS, LAG, SPEED_SCALE),
            _number(
                "stand_fraction", 0.9, (0.3, 0.6), 0.1, 1.2, "", "part of its standing height that is paid in full"
            ),
        ),
        constants={"stand_fraction": _Setting(name="_STAND_HEIGHT_FRACTION")},
        description="A dog with 38 muscles stands, moves and fetches.",
    ),
    _Domain(
        name="finger",
        module="finger",
        substeps=2,
        tasks=(
            _Task(name="spin", cls="Spin", description="A finger spins a body on a hinge."),
            _Task(
                name="turn",
                cls="Turn",
                arguments={"target_radius": 0.07},
                description="A finger turns a body on a hinge to a target angle.",
            ),
        ),
        axes=(
            *(FRICTION, SOFTNESS, DAMPING, DRY_FRICTION, MASS, ROOT_MASS, GEAR, JOINT_RANGE, HEADWIND),
            _target_speed(15.0, (), "rad/s"),  # no levels: neither random actions nor the witness spin it
            _number("target_radius", 0.07, (0.03, 0.15), 0.01, 0.3, "m", "radius of the target"),
        ),
        constants={"target_speed": _Setting(name="_SPIN_VELOCITY")},
        touched=("dof_damping", "site_pos", "site_size"),
        description="A finger of two links spins or turns a body on a hinge.",
    ),
    _Domain(
        name="fish",
        module="fish",
        substeps=10,
        tasks=(
            _Task(name="upright", cls="Upright", description="A fish turns upright."),
            _Task(name="swim", cls="Swim", description="A fish swims to a target."),
        ),
        axes=(
            *_medium(5000.0, 1000.0, 2500.0, 7500.0),
            *(DAMPING, STIFFNESS, GENTLE_MASS, ROOT_MASS, GENTLE_GEAR, TARGET_SCALE),
        ),
        target=("geom", "target"),
        touched=("geom_pos",),
        description="A fish with fins and a tail swims in still water.",
    ),
    _Domain(
        name="hopper",
        module="hopper",
        substeps=4,
        tasks=(
            _Task(name="stand", cls="Hopper", arguments={"hopping": False}, description="A one-legged robot stands."),
            _Task(
                name="hop", cls="Hopper", arguments={"hopping": True}, description="A one-legged robot hops forwards."
            ),
        ),
        axes=(*WALKING, _stand_height(0.6, 0.3), _target_speed(2.0, ())),
        constants={"stand_height": _Setting(name="_STAND_HEIGHT"), "target_speed": _Setting(name="_HOP_SPEED")},
        description="A planar one-legged robot stands or hops.",
    ),
    _Domain(
        name="humanoid",
        module="humanoid",
        substeps=5,
        tasks=_speeds("move_speed", "Humanoid", _HUMAN_SPEEDS, pure_state=False),
        axes=(
            *(*GENTLE_WALKING, STIFFNESS, SPEED_SCALE, _stand_height(1.4, 0.5, 1.0)),
            _flag("pure_state", False, "whether positions and velocities are seen instead of features of them"),
        ),
        constants={"stand_height": _Setting(name="_STAND_HEIGHT")},
        description="A simple humanoid with 21 joints stands, walks and runs.",
    ),
    _Domain(
        name="humanoid_cmu",
        module="humanoid_CMU",
        substeps=10,
        tasks=_speeds("move_speed", "HumanoidCMU", _HUMAN_SPEEDS),
        axes=(*WALKING, STIFFNESS, SPEED_SCALE, _stand_height(1.4, 0.5, 1.0)),
        constants={"stand_height": _Setting(name="_STAND_HEIGHT")},
        description="A humanoid of the CMU motion capture database with 56 joints stands, walks and runs.",
    ),
    _Domain(
        name="lqr",
        module="lqr",
        tasks=(
            _Task(
                name="lqr",
                cls="LQRLevel",
                arguments={"control_cost_coef": 0.1},
                model={"n_actuators": 1, "n_passive": 1},
                description="A chain of masses and springs comes to rest.",
            ),
        ),
        axes=(
            *(STIFFNESS, MASS, ROOT_MASS, GEAR),
            _number("damping", 0.0, (1.0, 5.0, 20.0), 0.0, 50.0, "N s/m", "damping of every joint"),
            _count("n_actuators", 1, (2, 4), 1, 8, "masses that are pushed, from the first on"),
            _count("n_passive", 1, (0, 2, 4), 0, 8, "masses that are not pushed"),
            _number("control_cost_coef", 0.1, (1.0, 10.0), 0.001, 100.0, "", "weight of squared forces in the cost"),
        ),
        touched=("jnt_stiffness",),
        description="A chain of masses and springs of random stiffness comes to rest: a linear-quadratic regulator.",
    ),
    _Domain(
        name="manipulator",
        module="manipulator",
        substeps=10,
        model="make_model",
        tasks=tuple(
            _Task(
                name=name,
                cls="Bring",
                arguments={"use_peg": use_peg, "insert": insert, "fully_observable": True},
                model={"use_peg": use_peg, "insert": insert},
                description=description,
            )
            for name, use_peg, insert, description in (
                ("bring_ball", False, False, "A planar arm with a hand brings a ball to a target."),
                ("bring_peg", True, False, "A planar arm with a hand brings a peg to a target pose."),
                ("insert_ball", False, True, "A planar arm with a hand puts a ball into a cup."),
                ("insert_peg", True, True, "A planar arm with a hand puts a peg into a slot."),
            )
        ),
        axes=(
            *(GRAVITY, SLOPE, FRICTION, SOFTNESS, DAMPING, STIFFNESS, MASS, ROOT_MASS, GEAR, JOINT_RANGE, HEADWIND),
            FULLY_OBSERVABLE,
            _number("close_distance", 0.01, (0.05, 0.2, 0.5), 0.002, 1.0, "m", "distance that counts as none"),
            _number("p_in_hand", 0.1, (0.8,), 0.0, 0.8, "", "probability that the object starts in the hand"),
        ),
        constants={
            "close_distance": _Setting(name="_CLOSE"),
            "p_in_hand": _Setting(name="_P_IN_HAND"),
        },
        touched=("body_pos", "body_quat"),
        description="A planar arm with a hand of two fingers brings objects to targets.",
    ),
    _Domain(
        name="pendulum",
        module="pendulum",
        witness=witnesses.pump,
        tasks=(_Task(name="swingup", cls="SwingUp", description="A weak motor swings a pole up."),),
        axes=(
            *(GRAVITY, SLOPE, DAMPING, MASS, GEAR, HEADWIND),
            _number(
                "angle_tolerance", 8.0, (4.0, 16.0, 32.0, 64.0), 1.0, 90.0, "deg", "tilt up to which it is upright"
            ),
        ),
        constants={"angle_tolerance": _Setting(name="_COSINE_BOUND", form=_cosine)},
        description="A motor too weak to lift a pole swings it up.",
    ),
    _Domain(
        name="point_mass",
        module="point_mass",
        witness=witnesses.settle,
        tasks=(
            _Task(
                name="easy",
                cls="PointMass",
                arguments={"randomize_gains": False},
                description="A point in the plane, pushed along x and y, goes to the middle.",
            ),
            _Task(
                name="hard",
                cls="PointMass",
                arguments={"randomize_gains": True},
                description="As easy, pushed along two directions that every episode draws anew.",
            ),
        ),
        axes=(SLOPE, DAMPING, MASS, GEAR, JOINT_RANGE, HEADWIND, TARGET_SCALE),
        target=("geom", "target"),
        touched=("wrap_prm",),
        description="A point in the plane goes to the middle.",
    ),
    _Domain(
        name="quadruped",
        module="quadruped",
        substeps=4,
        model="make_model",
        tasks=(
            *(
                _Task(
                    name=name,
                    cls="Move",
                    arguments={"desired_speed": speed},
                    model={"floor_size": 20 * speed},
                    description=f"A four-legged robot moves forwards at {speed} m/s.",
                )
                for name, speed in (("walk", 0.5), ("run", 5))
            ),
            _Task(
                name="escape",
                cls="Escape",
                model={"floor_size": 40, "terrain": True, "rangefinders": True},
                description="A four-legged robot climbs out of a bowl of rough ground.",
            ),
            _Task(
                name="fetch",
                cls="Fetch",
                model={"walls_and_ball": True},
                description="A four-legged robot brings a ball to the middle.",
            ),
        ),
        axes=(
            *(*GENTLE_WALKING, LAG, SPEED_SCALE, TARGET_SCALE),
            _number("terrain_smoothness", 0.15, (0.5, 1.0), 0.0, 1.0, "", "1: the bowl has no bumps"),
            _number("terrain_bump_scale", 2.0, (0.8, 5.0), 0.5, 10.0, "m", "distance between bumps of the bowl"),
        ),
        constants={
            "terrain_smoothness": _Setting(name="_TERRAIN_SMOOTHNESS"),
            "terrain_bump_scale": _Setting(name="_TERRAIN_BUMP_SCALE"),
        },
        target=("site", "target"),
        touched=("hfield_data",),
        description="A four-legged robot walks, runs, climbs and fetches.",
    ),
    _Domain(
        name="reacher",
        module="reacher",
        witness=witnesses.reach,
        tasks=(
            _Task(
                name="reach",
                cls="Reacher",
                arguments={"target_size": 0.05},
                description="A planar arm of two links reaches for a random target.",
            ),
        ),
        axes=(
            *(SLOPE, DAMPING, MASS, ROOT_MASS, GEAR, JOINT_RANGE, HEADWIND),
            _number("target_size", 0.05, (0.015, 0.1), 0.005, 0.3, "m", "radius of the target"),
        ),
        touched=("geom_pos", "geom_size"),
        description="A planar arm of two links reaches for a random target.",
    ),
    _Domain(
        name="stacker",
        module="stacker",
        substeps=10,
        model="make_model",
        tasks=(
            _Task(
                name="stack",
                cls="Stack",
                arguments={"n_boxes": 2, "fully_observable": True},
                model={"n_boxes": 2},
                description="A planar arm with a hand stacks boxes.",
            ),
        ),
        axes=(
            *(GRAVITY, SLOPE, FRICTION, SOFTNESS, DAMPING, STIFFNESS, MASS, GEAR, JOINT_RANGE, HEADWIND),
            _count("n_boxes", 2, (1, 3, 4), 1, 4, "boxes"),
            FULLY_OBSERVABLE,
        ),
        touched=("body_pos",),
        description="A planar arm with a hand of two fingers stacks boxes.",
    ),
    _Domain(
        name="swimmer",
        module="swimmer",
        substeps=15,
        tasks=(
            _Task(
                name="swim",
                cls="Swimmer",
                model={"n_joints": 6},
                description="A planar chain of links swims to a target.",
            ),
        ),
        axes=(
            *_medium(3000.0, 500.0, 1000.0, 1500.0, 4500.0),
            *(MASS, ROOT_MASS, ARMATURE, GEAR, JOINT_RANGE, TARGET_SCALE),
            _count("n_joints", 6, (3, 10, 15), 3, 20, "links"),
        ),
        target=("geom", "target"),
        touched=("geom_pos", "light_pos"),
        description="A planar chain of links swims in a viscous medium.",
    ),
    _Domain(
        name="walker",
        module="walker",
        substeps=10,
        tasks=_speeds(
            "move_speed",
            "PlanarWalker",
            {
                "stand": (0, "A planar two-legged robot stands."),
                "walk": (1, "A planar two-legged robot walks at 1 m/s."),
                "run": (8, "A planar two-legged robot runs at 8 m/s."),
            },
        ),
        axes=(*WALKING, SPEED_SCALE, _stand_height(1.2, 0.6, 0.85)),
        constants={"stand_height": _Setting(name="_STAND_HEIGHT")},
        description="A planar two-legged robot stands, walks and runs.",
    ),
)


# ------------------------------------------------------------------ construction

_SPEEDS = ("move_speed", "desired_speed")


def _make(domain: _Domain, values: Mapping[str, Scalar]) -> Simulator:
    from env_registry.physics import dm_control_simulator as engine
    from env_registry.physics.mujoco_simulator import EDITS

    module = f"dm_control.suite.{domain.module}"
    task = _task(domain, values)
    # What is at its default stays untouched, so that it is the suite's to the last bit.
    changed = {axis.name: values[axis.name] for axis in _axes(domain) if values[axis.name] != axis.default}
    return engine.DmControlSimulator(
        engine.stage(module, domain.model, tuple(_filled(task.model, values).items())),
        engine.task_class(module, task.cls, _settings(domain.constants, changed)),
        _arguments(task, values),
        attributes=_settings(domain.attributes, changed),
        physics={name: float(value) for name, value in changed.items() if name in EDITS},
        target=(*domain.target, float(values["target_scale"])) if domain.target and "target_scale" in changed else None,
        substeps=int(values["substeps"]),
        time_limit=TIME_LIMIT,
        action_limit=ACTION_LIMIT if domain.name == "lqr" else math.inf,
        touched=domain.touched,
        draw=partial(engine.draw_springs, factor=float(values["stiffness_scale"])) if domain.name == "lqr" else None,
    )


def _task(domain: _Domain, values: Mapping[str, Scalar]) -> _Task:
    return next((task for task in domain.tasks if task.name == values.get("task")), domain.tasks[0])


def _filled(arguments: Mapping[str, Any], values: Mapping[str, Scalar]) -> dict[str, Any]:
    return {name: values.get(name, value) for name, value in arguments.items()}


def _arguments(task: _Task, values: Mapping[str, Scalar]) -> dict[str, Any]:
    arguments = _filled(task.arguments, values)
    for name in arguments.keys() & set(_SPEEDS):
        arguments[name] = arguments[name] * values["target_speed_scale"]
    return arguments


def _settings(settings: Mapping[str, _Setting], changed: Mapping[str, Scalar]) -> dict[str, Any]:
    return {setting.name: setting.form(changed[axis]) for axis, setting in settings.items() if axis in changed}


def _axes(domain: _Domain) -> Sequence[Axis]:
    return (*_task_axis(domain), _substeps(domain.substeps), *domain.axes)


def _task_axis(domain: _Domain) -> tuple[ChoiceAxis, ...]:
    first, *others = (task.name for task in domain.tasks)
    if not others:
        return ()
    return (
        ChoiceAxis(
            name="task",
            default=first,
            choices=(first, *others),
            levels=tuple(others),
            description=" ".join(f"{task.name}: {task.description}" for task in domain.tasks),
            task=True,
        ),
    )


FAMILIES = tuple(
    Family(
        name=f"dm_control/{domain.name}",
        domain=Domain.PHYSICS,
        traits=_TRAITS,
        axes=tuple(_axes(domain)),
        make=partial(_make, domain),
        horizon=TIME_LIMIT,
        description=domain.description,
        source="https://arxiv.org/abs/1801.00690",
        licence="Apache-2.0",
        distribution="dm-control",
        tags=("continuous-control", "mujoco", "control-suite"),
        witness=domain.witness,
        reference_return=None if domain.name == "lqr" else 1000.0,  # a step pays one at most
    )
    for domain in _DOMAINS
)
