"""A cable, a manipulator and fixtures on a table, as MuJoCo models made of primitives.

Owns the MJCF text, which is a function of the parameters alone, and its compiled models, which are shared and never
written to. Knows nothing of objectives and rewards.

The cable is a chain of capsules on ball joints with the elastic forces of MuJoCo's plugin `mujoco.elasticity.cable`.
Lengths are metres, angles radians; z points up, the table's top is z = 0, the cable lies along x in the model's text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import mujoco
import numpy as np

PHYSICS_MS = 4
"""One physics step. Control steps are whole multiples of it."""

REACH = 0.3  # m, of the tool to all sides of the table's centre
CEILING = 0.6  # m, highest place of the tool
FLOOR = 0.004  # m, lowest: the pads reach 3 mm below the tool's centre
FINGER_TRAVEL = 0.02  # m, of each finger
CLOSED = -0.01  # m, asked of closing fingers, so that they press with all their force on any cable

ARM_BASE = -0.45  # m, x of the arm's axis of yaw
ARM_SHOULDER = 0.25  # m, height
ARM_LINK = 0.4  # m, upper arm and forearm
ARM_WRIST = 0.1  # m, from the wrist down to the tool's centre
_ARM_INERTIA = 0.1  # kg m^2, of the rotors of the arm's large joints
_FINGER_INERTIA = 0.5  # kg, of each finger's drive: light fingers would be pressed into the cable

_MATERIAL_LOSS = 0.03  # s, damping per stiffness
_SPIN_LOSS = 300.0  # 1/s, damping per inertia of the whole cable about its axis

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Joint:
    """A joint of a manipulator under position control; `rate` is the fastest its target moves, in m/s or rad/s."""

    name: str
    low: float
    high: float
    rate: float
    stiffness: float  # N/m or N m/rad
    inertia: float  # kg or kg m^2: what the critical damping of the controller is computed for
    strength: float  # N or N m


def _slides() -> tuple[Joint, ...]:
    ranges = (("x", -REACH, REACH), ("y", -REACH, REACH), ("z", FLOOR, CEILING))
    return tuple(Joint(name, low, high, 0.3, 1000.0, 0.6, 20.0) for name, low, high in ranges)


def _arm() -> tuple[Joint, ...]:
    large = (("base", -1.3, 1.3), ("shoulder", -1.6, 1.2), ("elbow", 0.1, 2.8))
    small = (("wrist", -2.6, 1.5), ("roll", -1.6, 1.6))
    return (
        *(Joint(name, low, high, 1.0, 1500.0, 1.5, 30.0) for name, low, high in large),
        *(Joint(name, low, high, 2.0, 40.0, 0.03, 2.0) for name, low, high in small),
    )


MANIPULATORS: Mapping[str, tuple[Joint, ...]] = {
    "gantry": _slides(),
    "wrist": (*_slides(), *(Joint(name, -1.2, 1.2, 1.5, 10.0, 0.005, 1.0) for name in ("yaw", "pitch", "roll"))),
    "arm": _arm(),
    "chuck": _slides(),
}
"""Joints in the order of the action. All but the chuck have two fingers, whose opening is the action's last number."""


def has_fingers(manipulator: str) -> bool:
    return manipulator != "chuck"


# ------------------------------------------------------------------ the cable


def segment_length(values: Values) -> float:
    return float(values["length"]) / int(values["segments"])


def _rotor(values: Values) -> tuple[float, float]:
    """Rotor inertia and damping of the joints. What makes any cable of the axes' ranges stable at this time step:

    - Rotor inertia at the ball joints, with which the stiffest bending or twisting of a segment oscillates no faster
      than half a radian in a physics step; and losses in proportion to the stiffness, as in a viscoelastic material.
    - Both for the whole, too, whose inertia about its own axis is tiny: a rolling thin cable else spins itself apart.
    """
    area_moment = math.pi * values["radius"] ** 4 / 4
    spin = values["density"] * values["length"] * 2 * area_moment  # kg m^2, of the whole about its axis
    stiffness = max(values["bend"], 2 * values["twist"]) * area_moment / segment_length(values)
    inertia = max(16 * stiffness * (PHYSICS_MS / 1000) ** 2, 3 * spin)
    return inertia, values["damping"] + _MATERIAL_LOSS * stiffness + _SPIN_LOSS * spin


def _cable(values: Values) -> str:
    """Nested bodies."""
    segment, n = segment_length(values), int(values["segments"])
    inertia, damping = _rotor(values)
    dynamics = f'armature="{inertia!r}" damping="{damping!r}"'
    turn = values["curl"] * segment / 2
    geom = (
        f'<geom type="capsule" fromto="0 0 0 {segment!r} 0 0" size="{values["radius"]!r}" '
        f'density="{values["density"]!r}" '
        f'friction="{values["friction"]!r} 0.005 0.0001"/><plugin instance="cable"/>'
    )
    start = f"{-values['length'] / 2!r} 0 {values['radius']!r}"
    parts = [f'<body name="cable0" pos="{start}"><joint name="cable0" type="free" {dynamics}/>{geom}']
    for i in range(1, n):
        parts.append(
            f'<body name="cable{i}" pos="{segment!r} 0 0" quat="{math.cos(turn)!r} 0 0 {math.sin(turn)!r}">'
            f'<joint name="cable{i}" type="ball" {dynamics}/>{geom}'
        )
    return "".join([*parts, f'<site name="cable_end" pos="{segment!r} 0 0"/>', "</body>" * n])


# ------------------------------------------------------------------ manipulators


def _slide(name: str, axis: str) -> str:
    return f'<joint name="{name}" type="slide" axis="{axis}"/>'


def _hinge(name: str, axis: str, armature: float) -> str:
    return f'<joint name="{name}" type="hinge" axis="{axis}" armature="{armature!r}"/>'


def _finger(side: str, sign: int, values: Values) -> str:
    return (
        f'<body name="finger_{side}" gravcomp="1">'
        f'<joint name="finger_{side}" type="slide" axis="0 {sign} 0" limited="true" range="0 {FINGER_TRAVEL}" '
        f'armature="{_FINGER_INERTIA}"/>'
        f'<inertial pos="0 {sign * 0.004} 0.012" mass="0.05" diaginertia="1e-5 1e-5 1e-5"/>'
        f'<geom name="pad_{side}" type="box" pos="0 {sign * 0.004} 0.012" size="0.01 0.004 0.015" priority="1" '
        f'solref="0.008 1" condim="4" friction="{values["grip_friction"]!r} 0.01 0.0001"/>'
        f'<site name="pad_{side}" type="box" pos="0 {sign * 0.004} 0.012" size="0.013 0.007 0.018"/></body>'
    )


def _tool(manipulator: str, joints: str, values: Values, place: str = "0 0 0") -> str:
    inertia = '<inertial pos="0 0 0.05" mass="0.5" diaginertia="5e-4 5e-4 5e-4"/>'
    if has_fingers(manipulator):
        end = (
            '<geom name="palm" type="box" pos="0 0 0.05" size="0.02 0.032 0.01"/>'
            f"{_finger('left', 1, values)}{_finger('right', -1, values)}"
        )
    else:
        end = '<geom name="palm" type="box" pos="0 0 0.04" size="0.01 0.01 0.02"/>'
    return f'<body name="tool" pos="{place}" gravcomp="1">{joints}{inertia}{end}</body>'


def _manipulator(manipulator: str, values: Values) -> str:
    slides = _slide("x", "1 0 0") + _slide("y", "0 1 0") + _slide("z", "0 0 1")
    if manipulator == "arm":
        return _arm_bodies(values)
    if manipulator == "wrist":
        axes = (("yaw", "0 0 1"), ("pitch", "0 1 0"), ("roll", "1 0 0"))
        slides += "".join(_hinge(name, axis, 0.003) for name, axis in axes)
    return _tool(manipulator, slides, values)


def _arm_bodies(values: Values) -> str:
    """Links have no contacts: only the hand meets cable, fixtures and table."""
    link = f'<inertial pos="{ARM_LINK / 2} 0 0" mass="1" diaginertia="0.002 0.02 0.02"/>'
    look = f'<geom type="capsule" fromto="0 0 0 {ARM_LINK} 0 0" size="0.03" contype="0" conaffinity="0" mass="0"/>'
    tool = _tool("arm", _hinge("roll", "0 0 1", 0.02), values, f"0 0 {-ARM_WRIST}")
    small = '<inertial pos="0 0 0" mass="0.2" diaginertia="2e-4 2e-4 2e-4"/>'
    return (
        f'<body name="shoulder" pos="{ARM_BASE} 0 {ARM_SHOULDER}" gravcomp="1">'
        f"{_hinge('base', '0 0 1', _ARM_INERTIA)}{small}"
        f'<body name="upper_arm" gravcomp="1">{_hinge("shoulder", "0 1 0", _ARM_INERTIA)}{link}{look}'
        f'<body name="forearm" pos="{ARM_LINK} 0 0" gravcomp="1">{_hinge("elbow", "0 1 0", _ARM_INERTIA)}{link}{look}'
        f'<body name="wrist" pos="{ARM_LINK} 0 0" gravcomp="1">{_hinge("wrist", "0 1 0", 0.02)}{small}'
        f"{tool}</body></body></body></body>"
    )


def _gains(joint: Joint, values: Values) -> tuple[float, float]:
    """Stiffness and critical damping of a joint's controller."""
    stiffness = joint.stiffness * values["servo"]
    return stiffness, 2 * math.sqrt(stiffness * joint.inertia)


def _actuators(manipulator: str, values: Values) -> str:
    parts = []
    for joint in MANIPULATORS[manipulator]:
        stiffness, damping = _gains(joint, values)
        parts.append(
            f'<position name="{joint.name}" joint="{joint.name}" kp="{stiffness!r}" '
            f'kv="{damping!r}" ctrlrange="{joint.low} {joint.high}" '
            f'forcerange="{-joint.strength} {joint.strength}"/>'
        )
    if has_fingers(manipulator):
        force = values["grip_force"]
        parts.append(
            f'<position name="fingers" tendon="fingers" kp="4000" kv="40" ctrlrange="{CLOSED} {FINGER_TRAVEL}" '
            f'forcerange="{-force!r} {force!r}"/>'
        )
    return "".join(parts)


_FINGER_DRIVE = (
    '<tendon><fixed name="fingers"><joint joint="finger_left" coef="0.5"/><joint joint="finger_right" coef="0.5"/>'
    "</fixed></tendon>"
)
_FINGERS_TOGETHER = '<joint joint1="finger_left" joint2="finger_right" solref="0.01 1"/>'
_SENSORS = '<sensor><touch name="left" site="pad_left"/><touch name="right" site="pad_right"/></sensor>'


# ------------------------------------------------------------------ the whole


def grip_of(values: Values, from_end: float) -> tuple[int, float]:
    """The segment that lies `from_end` before the cable's end, and how far along it."""
    segment = segment_length(values)
    along = max(float(values["length"]) - from_end, 0.0)
    index = min(int(along / segment), int(values["segments"]) - 1)
    return index, along - index * segment


def scene(values: Values, *, fixtures: Sequence[str] = (), held: float | None = None, anchored: bool = False) -> str:
    """The MJCF text.

    `fixtures` are the geoms of bodies that resets put into place (mocap bodies `fixture0`, …, then `goal`). `held` is
    the distance from the cable's end (m) at which a chuck holds it. An `anchored` cable's beginning is pinned to the
    mocap body `anchor`, the last one.
    """
    manipulator = values["manipulator"]
    fingers = has_fingers(manipulator)
    equalities = _FINGERS_TOGETHER if fingers else ""
    if held is not None and not fingers:
        index, along = grip_of(values, held)
        equalities += f'<weld body1="tool" body2="cable{index}" relpose="{-along!r} 0 0 1 0 0 0" solref="0.01 1"/>'
    if anchored:
        equalities += '<connect body1="cable0" body2="anchor" anchor="0 0 0" solref="0.01 1"/>'
    start = f"{-values['length'] / 2!r} 0 {values['radius']!r}"
    bodies = "".join(f'<body name="fixture{i}" mocap="true">{geoms}</body>' for i, geoms in enumerate(fixtures))
    anchor = f'<body name="anchor" mocap="true" pos="{start}"/>' if anchored else ""
    return (
        '<mujoco model="cable">'
        f'<option timestep="{PHYSICS_MS / 1000}" integrator="implicitfast" jacobian="dense" impratio="10" '
        f'gravity="0 0 {-values["gravity"]!r}"/>'
        f'<default><geom solref="{values["softness"]!r} 1" friction="0.05 0.005 0.0001"/></default>'
        '<extension><plugin plugin="mujoco.elasticity.cable"><instance name="cable">'
        f'<config key="twist" value="{values["twist"]!r}"/><config key="bend" value="{values["bend"]!r}"/>'
        "</instance></plugin></extension>"
        '<worldbody><geom name="table" type="plane" size="1 1 0.1"/>'
        f'{_cable(values)}{_manipulator(manipulator, values)}{bodies}<body name="goal" mocap="true"/>{anchor}'
        f"</worldbody>{_FINGER_DRIVE if fingers else ''}<equality>{equalities}</equality>"
        f"<actuator>{_actuators(manipulator, values)}</actuator>{_SENSORS if fingers else ''}</mujoco>"
    )


@lru_cache(maxsize=64)
def compiled(text: str) -> mujoco.MjModel:
    """The model of a text; one for all who ask, so nobody may write to it."""
    return mujoco.MjModel.from_xml_string(text)


# ------------------------------------------------------------------ in place

TUNED: Values = {
    "friction": 0.6,
    "grip_friction": 1.0,
    "grip_force": 10.0,
    "servo": 1.0,
    "damping": 3e-4,
    "gravity": 9.81,
    "softness": 0.02,
}
"""Values that `tune` writes into a compiled model, and what stands for them where models are compared without them."""


def tune(model: mujoco.MjModel, values: Values) -> None:
    """Make a model, whose text differs at most in `TUNED`, the one that the text of these values is compiled to."""
    joints = MANIPULATORS[values["manipulator"]]
    fingers = has_fingers(values["manipulator"])
    cable = [model.body(f"cable{i}").id for i in range(int(values["segments"]))]
    pads = [model.geom(f"pad_{side}").id for side in ("left", "right")] if fingers else []
    model.opt.gravity[2] = -values["gravity"]
    model.geom_friction[model.body_geomadr[cable], 0] = values["friction"]
    model.geom_friction[pads, 0] = values["grip_friction"]
    model.geom_solref[np.setdiff1d(np.arange(model.ngeom), pads), 0] = values["softness"]
    model.dof_damping[np.isin(model.dof_bodyid, cable)] = _rotor(values)[1]
    for actuator, joint in enumerate(joints):
        stiffness, damping = _gains(joint, values)
        model.actuator_gainprm[actuator, 0] = stiffness
        model.actuator_biasprm[actuator, 1:3] = -stiffness, -damping
    if fingers:
        model.actuator_forcerange[len(joints)] = -values["grip_force"], values["grip_force"]
