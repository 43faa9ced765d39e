"""MaMuJoCo: MuJoCo robots whose joints belong to several agents.

Owns which robots and factorisations there are and what may vary: how much agents see, and all that may vary in the
same robot under one agent. Factorisations named as the library names them are the library's; the others give whole
limbs, or joints of one kind, to an agent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from env_registry.axes import Axis, BoolAxis, ChoiceAxis, IntAxis, Scalar
from env_registry.family import Actions, Domain, Family, Observations, Traits
from env_registry.physics import gymnasium_mujoco
from env_registry.physics.gymnasium_mujoco import PHYSICS
from env_registry.simulator import Kind, Simulator

if TYPE_CHECKING:
    from env_registry.physics.mujoco_simulator import MujocoSimulator
    from env_registry.social.ma_mujoco_simulator import MultiAgentMujocoSimulator

_SINGLE = {family.name.removeprefix("mujoco/"): family for family in gymnasium_mujoco.FAMILIES}
_TRAITS = Traits(kind=Kind.PARALLEL, actions=Actions.CONTINUOUS, observations=Observations.VECTOR, timed=True)
_PHYSICS_NAMES = frozenset(axis.name for axis in (*PHYSICS, *gymnasium_mujoco.FLUID))

Groups = tuple[tuple[int, ...], ...]  # for each agent, the motors of its joints


# ------------------------------------------------------------------ axes

OBSK = IntAxis(
    name="agent_obsk",
    default=1,
    low=0,
    high=4,
    levels=(0, 2),
    unit="joints",
    description="how far from its own joints an agent sees others",
)
NEIGHBOUR_VELOCITIES = BoolAxis(
    name="neighbour_velocities",
    default=False,
    levels=(True,),
    description="whether agents see the velocities of others' joints beside their positions",
)
GLOBALS_OBSERVABLE = BoolAxis(
    name="globals_observable",
    default=True,
    levels=(False,),
    description="whether agents see what is nobody's joint, such as the torso's place and motion, or the target",
)
SEEING = (OBSK, NEIGHBOUR_VELOCITIES, GLOBALS_OBSERVABLE)
_SEEING_NAMES = frozenset(axis.name for axis in SEEING)


def _count(name: str, default: int, high: int, levels: tuple[int, ...], low: int, what: str) -> IntAxis:
    return IntAxis(name=name, default=default, low=low, high=high, levels=levels, description=what)


def _of(robot: str, *names: str) -> tuple[Axis, ...]:
    """Axes of Gymnasium's robot with one agent: those named, or all that leave its observation alone."""
    chosen = (axis for axis in _SINGLE[robot].axes if not names or axis.name in names)
    return tuple(axis for axis in chosen if not axis.name.endswith("_in_observation") and "exclude_" not in axis.name)


def _calmer(axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
    """Many light links that start wildly in a dense medium have infinite accelerations; within these ranges not."""
    changes: dict[str, dict[str, Any]] = {
        "reset_noise_scale": {"high": 0.1, "levels": (0.025, 0.05)},
        "fluid_density": {"high": 8000.0},
        "mass_scale": {"low": 0.65, "levels": (0.65, 1.5, 2.25)},
    }
    return tuple(replace(axis, **changes.get(axis.name, {})) for axis in axes)


_SETTINGS = ("frame_skip", "reset_noise_scale", "forward_reward_weight", "ctrl_cost_weight")


# ------------------------------------------------------------------ robots


@dataclass(frozen=True, kw_only=True)
class _Robot:
    """A robot: its name in the library, what an agent sees of its own joints, and who may move what."""

    name: str
    scenario: str
    sees: tuple[str, ...] = ("qpos", "qvel")
    librarys: tuple[str, ...] = ()
    ours: Mapping[str, Groups] = field(default_factory=dict)
    axes: tuple[Axis, ...] = ()
    time_limit: int = 1000  # steps; as Gymnasium registers the robot
    description: str

    @property
    def factorisations(self) -> tuple[str, ...]:
        return (*self.librarys, *self.ours)


_HUMANOID_SEES = ("qpos", "qvel", "cinert", "cvel", "qfrc_actuator", "cfrc_ext")
_HUMANOID_GROUPS: Mapping[str, Groups] = {
    "trunk-sides": ((0, 1, 2), (3, 4, 5, 6, 11, 12, 13), (7, 8, 9, 10, 14, 15, 16)),
    "limbs": ((0, 1, 2), (3, 4, 5, 6), (7, 8, 9, 10), (11, 12, 13), (14, 15, 16)),
}
_PAIRS: Groups = ((0, 3), (1, 4), (2, 5))
_AGENTS = "number of agents, from head to tail"
_SEGMENTS = "number of segments that each agent moves"

_ROBOTS = (
    _Robot(
        name="ant",
        scenario="Ant",
        sees=("qpos", "qvel", "cfrc_ext"),
        librarys=("4x2", "2x4", "2x4d"),
        ours={"8x1": tuple((joint,) for joint in range(8)), "hips-ankles": ((0, 2, 4, 6), (1, 3, 5, 7))},
        axes=_of("ant"),
        description="The legs of a four-legged robot walk forwards together.",
    ),
    _Robot(
        name="half_cheetah",
        scenario="HalfCheetah",
        librarys=("2x3", "6x1"),
        ours={"3x2": _PAIRS},
        axes=_of("half_cheetah"),
        description="The joints of a planar two-legged robot run forwards together.",
    ),
    _Robot(
        name="hopper",
        scenario="Hopper",
        librarys=("3x1",),
        ours={"thigh-shank": ((0,), (1, 2))},
        axes=_of("hopper"),
        description="The joints of a planar one-legged robot hop forwards together.",
    ),
    _Robot(
        name="humanoid",
        scenario="Humanoid",
        sees=_HUMANOID_SEES,
        librarys=("9-8",),
        ours=_HUMANOID_GROUPS,
        axes=_of("humanoid"),
        description="The parts of a two-legged robot with arms walk forwards together without falling.",
    ),
    _Robot(
        name="humanoid_standup",
        scenario="HumanoidStandup",
        sees=_HUMANOID_SEES,
        librarys=("9-8",),
        ours=_HUMANOID_GROUPS,
        axes=_of("humanoid_standup"),
        description="The parts of a lying two-legged robot with arms stand up together.",
    ),
    _Robot(
        name="pusher",
        scenario="Pusher",
        librarys=("3p",),
        ours={"7x1": tuple((joint,) for joint in range(7))},
        axes=_of("pusher"),
        time_limit=100,
        description="The joints of an arm push a cylinder to a goal together.",
    ),
    _Robot(
        name="reacher",
        scenario="Reacher",
        sees=("qpos", "qvel", "fingertip_dist"),
        librarys=("2x1",),
        axes=_of("reacher"),
        time_limit=50,
        description="The two joints of an arm reach for a random target together.",
    ),
    _Robot(
        name="swimmer",
        scenario="Swimmer",
        librarys=("2x1",),
        axes=_of("swimmer"),
        description="The two joints of a chain swim forwards together.",
    ),
    _Robot(
        name="walker2d",
        scenario="Walker2d",
        librarys=("2x3",),
        ours={"3x2": _PAIRS, "6x1": tuple((joint,) for joint in range(6))},
        axes=_of("walker2d"),
        description="The joints of a planar two-legged robot walk forwards together.",
    ),
    _Robot(
        name="coupled_half_cheetah",
        scenario="CoupledHalfCheetah",
        sees=("qpos", "qvel", "ten_J", "ten_length", "ten_velocity"),
        librarys=("1p1",),
        ours={
            "back-front": ((0, 1, 2, 6, 7, 8), (3, 4, 5, 9, 10, 11)),
            "4x3": ((0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11)),
        },
        axes=_of("half_cheetah"),
        description="Two planar robots, tied to each other by a tendon, run forwards.",
    ),
    _Robot(
        name="many_segment_ant",
        scenario="ManySegmentAnt",
        sees=("qpos", "qvel", "cfrc_ext"),
        axes=(
            _count("agents", 2, 6, (3, 4), 2, _AGENTS),
            _count("segments", 1, 2, (2,), 1, _SEGMENTS),
            *_of("ant", *_SETTINGS, *_PHYSICS_NAMES, "contact_cost_weight", "healthy_reward"),
        ),
        description="Ants that are coupled in a row walk forwards.",
    ),
    _Robot(
        name="many_segment_swimmer",
        scenario="ManySegmentSwimmer",
        axes=(
            _count("agents", 4, 10, (2, 6), 2, _AGENTS),
            _count("segments", 2, 4, (1, 3), 1, _SEGMENTS),
            *_calmer(_of("swimmer", *_SETTINGS, *_PHYSICS_NAMES - {"armature_scale"})),
        ),
        description="A chain of many links swims forwards in a viscous medium.",
    ),
)


def _axes(robot: _Robot) -> tuple[Axis, ...]:
    seeing = SEEING if robot.name != "many_segment_swimmer" else SEEING[:-1]  # which has no globals in the library
    if len(robot.factorisations) < 2:
        return (*seeing, *robot.axes)
    first, *others = robot.factorisations
    who = "which joints belong to an agent"
    choice = ChoiceAxis(
        name="factorisation",
        default=first,
        choices=robot.factorisations,
        levels=tuple(others),
        description=who,
        task=True,
    )
    return (choice, *seeing, *robot.axes)


# ------------------------------------------------------------------ construction


def _make(robot: _Robot, values: Mapping[str, Scalar]) -> Simulator:
    from env_registry.social.ma_mujoco_simulator import MultiAgentMujocoSimulator

    name = str(values.get("factorisation", robot.factorisations[0] if robot.factorisations else ""))
    groups = robot.ours.get(name)
    if groups is not None:
        name = robot.librarys[0]
    seen_of_others = ["qpos", "qvel"] if values["neighbour_velocities"] else ["qpos"]
    return MultiAgentMujocoSimulator(
        _single(robot, values),
        time_limit=robot.time_limit,
        scenario=robot.scenario,
        factorisation=name.replace("9-8", "9|8") or f"{values['agents']}x{values['segments']}",
        groups=groups,
        local_categories=[list(robot.sees), *[seen_of_others] * int(values["agent_obsk"])],
        global_categories=("qpos", "qvel") if values.get("globals_observable", True) else (),
    )


def _single(robot: _Robot, values: Mapping[str, Scalar]) -> MujocoSimulator:
    """The robot under one agent."""
    from env_registry.social.ma_mujoco_simulator import coupled_half_cheetah, segmented

    if robot.name in _SINGLE:
        return cast("MujocoSimulator", _SINGLE[robot.name].make(_of_one_agent(robot, values)))
    settings, physics = _of_ours(robot, values)
    if robot.name == "coupled_half_cheetah":
        return coupled_half_cheetah(settings, physics)
    return segmented(robot.name, int(values["agents"]) * int(values["segments"]), settings, physics)


def _retune(robot: _Robot, simulator: MultiAgentMujocoSimulator, values: Mapping[str, Scalar]) -> bool:
    if robot.name in _SINGLE:
        return _SINGLE[robot.name].retune(simulator, _of_one_agent(robot, values))
    simulator.retune(*_of_ours(robot, values))
    return True


def _of_one_agent(robot: _Robot, values: Mapping[str, Scalar]) -> dict[str, Any]:
    """Values for Gymnasium's robot."""
    own = {axis.name: values[axis.name] for axis in robot.axes}
    return {axis.name: axis.default for axis in _SINGLE[robot.name].axes} | own


def _of_ours(robot: _Robot, values: Mapping[str, Scalar]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings and edits of a robot that Gymnasium does not have."""
    physics = {
        axis.name: values[axis.name]
        for axis in robot.axes
        if axis.name in _PHYSICS_NAMES and values[axis.name] != axis.default
    }
    others = {*_PHYSICS_NAMES, "agents", "segments"}
    return {axis.name: values[axis.name] for axis in robot.axes if axis.name not in others}, physics


FAMILIES = tuple(
    Family(
        name=f"ma_mujoco/{robot.name}",
        domain=Domain.SOCIAL,
        traits=_TRAITS,
        axes=_axes(robot),
        make=partial(_make, robot),
        retune=partial(_retune, robot),
        horizon=robot.time_limit,
        description=robot.description,
        source="https://robotics.farama.org/envs/MaMuJoCo/ after https://arxiv.org/abs/2003.06709",
        licence="MIT",
        distribution="gymnasium-robotics",
        tags=("cooperative", "continuous-control", "mujoco"),
    )
    for robot in _ROBOTS
)
