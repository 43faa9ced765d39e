"""A second, independent cable handling for the default task of each family: models as files, places by name, one number
at a time."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

TIME_LIMIT = 150
SEGMENTS, SEGMENT, RADIUS = 10, 0.04, 0.005
STRIDE = 0.3 * 0.04  # m a step
LOW, HIGH = (-0.3, -0.3, 0.004), (0.3, 0.3, 0.6)
AXES = ("x", "y", "z")


class ReferenceCable:
    """A gantry with two fingers; `bend` and `held` differ by family."""

    bend = 0.3
    held: float | None = None  # m from the cable's end
    spread = 0.04
    start_x = 0.0

    def __init__(self, model: str) -> None:
        self.model = mujoco.MjModel.from_xml_path(str(Path(__file__).with_name(f"cable_{model}.xml")))
        self.data = mujoco.MjData(self.model)

    def reset(self, *, seed: int, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.rng = np.random.default_rng(seed)
        mujoco.mj_resetData(self.model, self.data)
        self.steps = 0
        self.start()
        mujoco.mj_forward(self.model, self.data)
        return self.seen(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        wanted = [min(max(float(a), -1.0), 1.0) for a in action]
        for i, name in enumerate(AXES):
            target = self.data.actuator(name).ctrl
            target[0] = min(max(target[0] + wanted[i] * STRIDE, LOW[i]), HIGH[i])
        self.data.actuator("fingers").ctrl = -0.01 + (wanted[3] + 1) / 2 * 0.03
        for _ in range(10):
            mujoco.mj_step(self.model, self.data)
        mujoco.mj_kinematics(self.model, self.data)
        self.steps += 1
        progress, success = self.judge()
        effort = (wanted[0] ** 2 + wanted[1] ** 2 + wanted[2] ** 2 + wanted[3] ** 2) / 4
        reward = (1.0 if success else 0.0) - 0.01 * effort + (progress - 1)
        return self.seen(), reward, success, self.steps >= TIME_LIMIT, {}

    # ------------------------------------------------------------------ to be told by the task

    def start(self) -> None:
        raise NotImplementedError

    def judge(self) -> tuple[float, bool]:
        raise NotImplementedError

    def goal(self) -> list[float]:
        return list(self.data.body("goal").xpos)

    # ------------------------------------------------------------------ where things are

    def tool(self) -> Any:
        return self.data.body("tool").xpos

    def ends(self) -> list[Any]:
        return [self.data.body(f"cable{i}").xpos for i in range(SEGMENTS)] + [self.data.site("cable_end").xpos]

    def along(self, share: float) -> Any:
        """A place on the cable, from 0 to 1 of its length."""
        whole = min(int(share * SEGMENTS), SEGMENTS - 1)
        rest = share * SEGMENTS - whole
        ends = self.ends()
        return ends[whole] * (1 - rest) + ends[whole + 1] * rest

    def seen(self) -> Any:
        joints = [*AXES, "finger_left", "finger_right"]
        cable = [self.along(i / 8) for i in range(9)]
        return np.concatenate(
            (
                [self.data.actuator(name).ctrl[0] for name in (*AXES, "fingers")],
                [self.data.joint(name).qpos[0] for name in joints],
                [self.data.joint(name).qvel[0] for name in AXES],
                self.tool(),
                self.data.body("tool").xquat,
                self.goal(),
                *cable,
            )
        )

    # ------------------------------------------------------------------ beginnings

    def wave(self) -> list[float]:
        one, two = self.rng.uniform(-1, 1), self.rng.uniform(-1, 1)
        middles = [(i + 0.5) / SEGMENTS for i in range(SEGMENTS)]
        return [self.bend * (one * np.sin(np.pi * m) + two * np.sin(2 * np.pi * m)) for m in middles]

    def lay(self, headings: list[float], at: float, x: float, y: float) -> None:
        """The place `at` m before the cable's end comes to (x, y)."""
        places = [np.zeros(2)]
        steps = [np.array([SEGMENT * np.cos(h), SEGMENT * np.sin(h)]) for h in headings]
        for step in steps:
            places.append(places[-1] + step)
        whole = min(int((0.4 - at) / SEGMENT), SEGMENTS - 1)
        share = ((0.4 - at) - whole * SEGMENT) / SEGMENT
        first = places[0] + (np.array([x, y]) - places[whole] - steps[whole] * share)
        self.data.joint("cable0").qpos = [*first, RADIUS, *half_turn(headings[0])]
        for i in range(1, SEGMENTS):
            self.data.joint(f"cable{i}").qpos = half_turn(headings[i] - headings[i - 1])
        if "anchor" in [self.model.body(i).name for i in range(self.model.nbody)]:
            self.move("anchor", [*first, RADIUS])

    def hold(self, x: float, y: float, z: float, fingers: float, asked: float) -> None:
        for name, value in zip(AXES, (x, y, z), strict=True):
            self.data.joint(name).qpos = self.data.actuator(name).ctrl = value
        for side in ("left", "right"):
            self.data.joint(f"finger_{side}").qpos = fingers
        self.data.actuator("fingers").ctrl = asked

    def start_held(self, held: float) -> None:
        x, y = self.spread * self.rng.uniform(-1, 1), self.spread * self.rng.uniform(-1, 1)
        headings = self.wave()
        self.lay([h - headings[-1] for h in headings], held, self.start_x + x, y)
        self.hold(self.start_x + x, y, 0.005, RADIUS, -0.01)
        mujoco.mj_kinematics(self.model, self.data)

    def move(self, body: str, place: Any) -> None:
        self.data.mocap_pos[self.model.body(body).mocapid[0]] = place


class ReferenceGrasp(ReferenceCable):
    def start(self) -> None:
        headings = self.wave()
        turn = 0.3 * self.rng.uniform(-1, 1)
        x, y = 0.04 * self.rng.uniform(-1, 1), 0.04 * self.rng.uniform(-1, 1)
        mean = np.mean(headings)
        self.lay([h - mean + turn for h in headings], 0.2, x, y)
        self.hold(0.0, 0.0, 0.12, 0.02, 0.02)

    def judge(self) -> tuple[float, bool]:
        middle = self.along(0.5)
        risen = min(max((middle[2] - RADIUS) / 0.1, 0.0), 1.0)
        return 0.4 * near(distance(self.tool(), middle)) + 0.6 * risen, bool(risen >= 1)

    def goal(self) -> list[float]:
        return [0.1]


class ReferenceRoute(ReferenceCable):
    bend, spread, start_x = 0.15, 0.015, 0.15

    def start(self) -> None:
        self.start_held(0.02)
        side = 1 if self.rng.random() < 0.5 else -1
        beside = self.ends()[int(11 * 1.6 / 3)]
        half_width = RADIUS + 0.006 + 2 * 0.004 + 0.025 * np.tan(np.radians(25))
        offset = half_width + 0.025 + 0.02 * self.rng.uniform(0, 1)
        self.move("fixture0", [beside[0], beside[1] + side * offset, 0.0])

    def judge(self) -> tuple[float, bool]:
        clip, missed = self.data.body("fixture0").xpos, []
        for y, z in crossings(self.ends(), clip[0]):
            missed.append(np.hypot(max(abs(y - clip[1]) - 0.014, 0), max(z - 0.0125, 0)))
        if not missed:
            return 0.5 * near(min(distance(end, clip) for end in self.ends())), False
        return near(min(missed)), bool(min(missed) == 0)

    def goal(self) -> list[float]:
        return [*self.data.body("fixture0").xpos, 0, 0, 0, 0, 0, 0]


class ReferenceInsert(ReferenceCable):
    start_x = -0.02

    def start(self) -> None:
        self.start_held(0.06)
        end = self.ends()[-1]
        ahead = 0.06 * self.rng.uniform(0.8, 1.2)
        x, y = end[0] + ahead, end[1] + 0.04 * self.rng.uniform(-1, 1)
        self.move("fixture0", [x, y, 0.0])
        self.move("goal", [x, y, 0.05])

    def judge(self) -> tuple[float, bool]:
        end, mouth = self.ends()[-1], self.data.body("goal").xpos
        through = crossings(self.ends(), mouth[0])
        inside = any(max(abs(y - mouth[1]), abs(z - mouth[2])) < 0.011 for y, z in through)
        reached = min(max((end[0] - mouth[0]) / 0.02, 0.0), 1.0) if inside else 0.0
        return 0.5 * near(distance(end, mouth + np.array([0.02, 0, 0]))) + 0.5 * reached, bool(reached >= 1)


class ReferenceLay(ReferenceCable):
    bend, spread = 0.2, 0.03

    def start(self) -> None:
        self.start_held(0.02)
        ahead, aside = 0.12 * self.rng.uniform(0.8, 1.2), 0.12 * self.rng.uniform(-0.25, 0.25)
        self.move("goal", self.ends()[0] + np.array([ahead, aside, 0]))

    def judge(self) -> tuple[float, bool]:
        missing = distance(self.ends()[0], self.data.body("goal").xpos)
        return near(missing), missing < 0.04


def near(missing: float) -> float:
    return 1.0 - math.tanh(missing / 0.1)


def distance(one: Any, other: Any) -> float:
    return math.dist(one, other)


def half_turn(angle: float) -> list[float]:
    return [np.cos(angle / 2), 0.0, 0.0, np.sin(angle / 2)]


def crossings(ends: list[Any], x: float) -> list[tuple[float, float]]:
    found = []
    for one, other in pairwise(ends):
        if (one[0] <= x) != (other[0] <= x):
            share = (x - one[0]) / (other[0] - one[0])
            found.append((one[1] + share * (other[1] - one[1]), one[2] + share * (other[2] - one[2])))
    return found


BARE: dict[str, Any] = {
    "cable/grasp": partial(ReferenceGrasp, "grasp"),
    "cable/route": partial(ReferenceRoute, "route"),
    "cable/insert": partial(ReferenceInsert, "insert"),
    "cable/lay": partial(ReferenceLay, "lay"),
}
