"""Cable handling as a Gymnasium environment: what a manipulator does, what is seen and what is paid.

Owns the step, the start of an episode and the layout of observations. What the cable is handled for, the `Goal`, says
where things stand and how far it is. Knows nothing of axes' ranges.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any

import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from env_registry.physics.cable_model import (
    CLOSED,
    FINGER_TRAVEL,
    MANIPULATORS,
    PHYSICS_MS,
    TUNED,
    Values,
    compiled,
    grip_of,
    has_fingers,
    scene,
    segment_length,
    tune,
)
from env_registry.physics.cable_tool import pose_joints

if TYPE_CHECKING:
    from env_registry.physics.cable_goals import Goal

Vector = NDArray[np.float64]

POINTS = 9
"""Places on the cable that are observed, evenly spaced along it, however many segments it has."""

PRIVILEGED = (
    *("segments", "length", "radius", "bend", "twist", "density", "damping", "curl", "friction", "grip_friction"),
    *("grip_force", "servo", "speed", "gravity", "softness"),
)
"""Parameters that the group `parameters` tells."""

OBSERVE: Mapping[str, tuple[str, ...]] = {
    "proprioception": ("joints", "tool", "goal"),
    "actor": ("joints", "tool", "goal", "cable"),
    "force": ("joints", "tool", "goal", "cable", "contact"),
    "critic": ("joints", "tool", "goal", "cable", "contact", "parameters"),
}
"""Groups of each observation. Each begins with all of the one before it: what an actor sees is the beginning of what
its critic sees."""


class CableEnv(gymnasium.Env[Vector, NDArray[np.float32]]):
    """A position-controlled manipulator handles a cable on a table.

    Action (float32, each from -1 to 1): how fast the target of each joint moves, as a share of the joint's rate, in the
    order of `MANIPULATORS`; then, where there are fingers, their opening (-1 closed, 1 open).

    Observation (float64, flat): groups one after the other, at the places that `groups` tells.

    - joints: targets of all joints and the fingers' opening; positions and velocities of all joints (m, rad, s)
    - tool: the tool's centre (m) and orientation (unit quaternion)
    - goal: places of the goal and of the fixtures (m), see the goal
    - cable: `POINTS` x 3 places along the cable, from its beginning to its end (m)
    - contact: what each finger feels, and the load on each actuator (N, N m)
    - parameters: `PRIVILEGED`, as multiples of their defaults, which `reference` gives (curl, of default 0, plainly)

    Reward. `dense`: progress from 0 to 1, less 1, plus 1 in a step that finds success. `sparse`: that 1 alone. Either
    less `action_cost` times the mean square of the action. Success ends the episode where `end_on_success`.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  # as Gymnasium declares it

    def __init__(self, goal: Goal, values: Values, reference: Values) -> None:
        self.goal, self.values, self._reference = goal, values, reference
        self.model = compiled(_scene(goal, values))
        self.data = mujoco.MjData(self.model)
        self._untuned = _scene(goal, {**values, **TUNED})
        self._owns_model = False
        self.joints = MANIPULATORS[values["manipulator"]]
        self.fingers = has_fingers(values["manipulator"])
        self.substeps = max(round(values["control_ms"] / PHYSICS_MS), 1)
        self._find()
        self._low, self._high = (
            np.array([getattr(joint, end) for joint in self.joints], np.float64) for end in ("low", "high")
        )
        self._scale()
        self._sees = OBSERVE[values["observe"]]
        size = sum(len(getattr(self, f"_see_{group}")()) for group in self._sees)
        self.observation_space = spaces.Box(-np.inf, np.inf, (size,), np.float64)
        self.action_space = spaces.Box(-1, 1, (len(self.joints) + self.fingers,), np.float32)

    def retune(self, goal: Goal, values: Values) -> bool:
        """Take other values from the next reset on, with the model edited in place; False where they need another."""
        if _scene(goal, {**values, **TUNED}) != self._untuned:
            return False
        if not self._owns_model:
            self.model = copy(self.model)
            self.data = mujoco.MjData(self.model)
            self._owns_model = True
        tune(self.model, values)
        self.goal, self.values = goal, values
        self._scale()
        return True

    def _scale(self) -> None:
        """What follows from values without the model."""
        values, reference = self.values, self._reference
        rates = np.array([joint.rate for joint in self.joints])
        self.stride: Vector = rates * values["speed"] * self.dt
        self._parameters = np.array([values[name] / (reference[name] or 1) for name in PRIVILEGED], np.float64)

    def _find(self) -> None:
        """Addresses in the model."""
        model, count = self.model, int(self.values["segments"])
        self._first = model.body("cable0").id
        self._bodies = slice(self._first, self._first + count)
        end = model.site("cable_end").id
        self._end = slice(end, end + 1)
        self._cable_qpos = int(model.joint("cable0").qposadr[0])
        self._joint_qpos = np.array([model.joint(joint.name).qposadr[0] for joint in self.joints])
        self._joint_qvel = np.array([model.joint(joint.name).dofadr[0] for joint in self.joints])
        self._finger_qpos = np.array(
            [model.joint(f"finger_{side}").qposadr[0] for side in ("left", "right")] if self.fingers else [], int
        )
        self._tool = model.body("tool").id
        self._goal_mocap = int(model.body("goal").mocapid[0])
        along = np.linspace(0, count, POINTS)
        self._before = np.minimum(along.astype(int), count - 1)
        self._share = (along - self._before)[:, None]

    @property
    def dt(self) -> float:
        """Seconds of a step."""
        return float(self.substeps * PHYSICS_MS / 1000)

    @cached_property
    def groups(self) -> dict[str, slice]:
        """Where each group lies in the observation."""
        found, start = {}, 0
        for group in self._sees:
            stop = start + len(getattr(self, f"_see_{group}")())
            found[group], start = slice(start, stop), stop
        return found

    # ------------------------------------------------------------------ what goals look at

    @property
    def tool(self) -> Vector:
        """The tool's centre, between the fingertips."""
        return self.data.xpos[self._tool]  # type: ignore[no-any-return]

    @property
    def vertices(self) -> Vector:
        """Ends of all segments, from the cable's beginning: (segments + 1) x 3."""
        return np.concatenate((self.data.xpos[self._bodies], self.data.site_xpos[self._end]))

    @property
    def points(self) -> Vector:
        """`POINTS` x 3 places along the cable."""
        vertices = self.vertices
        points: Vector = vertices[self._before] * (1 - self._share) + vertices[self._before + 1] * self._share
        return points

    @property
    def place(self) -> Vector:
        """Where the goal is."""
        return self.data.mocap_pos[self._goal_mocap]  # type: ignore[no-any-return]

    def fixture(self, index: int) -> Vector:
        return self.data.mocap_pos[index]  # type: ignore[no-any-return]

    @property
    def touch(self) -> float:
        """What both fingers feel, in N."""
        return float(self.data.sensordata[:2].sum()) if self.fingers else 0.0

    @property
    def targets(self) -> Vector:
        """Where the joints are asked to be."""
        return self.data.ctrl[: len(self.joints)]  # type: ignore[no-any-return]

    # ------------------------------------------------------------------ episodes

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Vector, dict[str, Any]]:
        super().reset(seed=seed)
        mujoco.mj_resetData(self.model, self.data)
        self.goal.begin(self, self.np_random)
        mujoco.mj_forward(self.model, self.data)
        return self._observation(), {}

    def lay_cable(self, headings: Vector, at: float, place: tuple[float, float]) -> None:
        """Put the cable flat on the table.

        `headings` are those of the segments, in rad from x; the point `at` m from the cable's end comes to `place`.
        """
        segment = segment_length(self.values)
        steps = segment * np.stack((np.cos(headings), np.sin(headings)), axis=1)
        vertices = np.concatenate((np.zeros((1, 2)), np.cumsum(steps, axis=0)))
        index, along = grip_of(self.values, at)
        vertices += np.array(place) - vertices[index] - steps[index] * (along / segment)
        qpos, start = self.data.qpos, self._cable_qpos
        qpos[start : start + 7] = (*vertices[0], self.values["radius"], *_yaw(headings[0]))
        for i, turn in enumerate(np.diff(headings) - self.values["curl"] * segment):
            qpos[start + 7 + 4 * i : start + 11 + 4 * i] = _yaw(turn)
        if self.goal.anchored:
            self.data.mocap_pos[self._goal_mocap + 1] = (*vertices[0], self.values["radius"])
        mujoco.mj_kinematics(self.model, self.data)  # goals may look at the cable to place the rest

    def place_tool(self, place: tuple[float, float, float], *, closed: bool) -> None:
        """Put the tool upright to a place, with its fingers open or round a cable."""
        joints = np.clip(pose_joints(self.values["manipulator"], place), self._low, self._high)
        self.data.qpos[self._joint_qpos] = joints
        self.data.ctrl[: len(joints)] = joints
        if self.fingers:
            self.data.ctrl[-1] = CLOSED if closed else FINGER_TRAVEL
            self.data.qpos[self._finger_qpos] = self.values["radius"] if closed else FINGER_TRAVEL
        mujoco.mj_kinematics(self.model, self.data)

    def put(self, place: Vector, fixture: int | None = None) -> None:
        """Put a fixture, or else the goal, to a place."""
        self.data.mocap_pos[self._goal_mocap if fixture is None else fixture] = place

    def step(self, action: NDArray[np.float32]) -> tuple[Vector, float, bool, bool, dict[str, Any]]:
        wanted = np.clip(np.asarray(action, np.float64), -1, 1)
        targets = self.targets
        targets[:] = np.clip(targets + wanted[: len(targets)] * self.stride, self._low, self._high)
        if self.fingers:
            self.data.ctrl[-1] = CLOSED + (wanted[-1] + 1) / 2 * (FINGER_TRAVEL - CLOSED)
        mujoco.mj_step(self.model, self.data, self.substeps)
        mujoco.mj_kinematics(self.model, self.data)  # where things are now, not one physics step ago
        progress, success = self.goal.judge(self)
        reward = float(success) - self.values["action_cost"] * float(np.mean(wanted**2))
        if self.values["reward"] == "dense":
            reward += progress - 1
        return self._observation(), reward, success and self.values["end_on_success"], False, {"success": success}

    # ------------------------------------------------------------------ observations

    def _observation(self) -> Vector:
        return np.concatenate([getattr(self, f"_see_{group}")() for group in self._sees])

    def _see_joints(self) -> Vector:
        data = self.data
        return np.concatenate(
            (data.ctrl, data.qpos[self._joint_qpos], data.qpos[self._finger_qpos], data.qvel[self._joint_qvel])
        )

    def _see_tool(self) -> Vector:
        return np.concatenate((self.tool, self.data.xquat[self._tool]))

    def _see_goal(self) -> Vector:
        return self.goal.seen(self)

    def _see_cable(self) -> Vector:
        return self.points.ravel()

    def _see_contact(self) -> Vector:
        return np.concatenate((self.data.sensordata, self.data.actuator_force))

    def _see_parameters(self) -> Vector:
        return self._parameters


def _scene(goal: Goal, values: Values) -> str:
    return scene(values, fixtures=goal.fixtures(), held=goal.held, anchored=goal.anchored)


def _yaw(angle: float) -> tuple[float, float, float, float]:
    return float(np.cos(angle / 2)), 0.0, 0.0, float(np.sin(angle / 2))
