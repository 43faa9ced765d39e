"""Where the tool of each manipulator is for given joints, and the joints that bring it to a place.

Owns kinematics of upright tools. Knows nothing of simulation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from env_registry.physics.cable_model import ARM_BASE, ARM_LINK, ARM_SHOULDER, ARM_WRIST

Place = tuple[float, float, float]


def pose_joints(manipulator: str, place: Sequence[float], yaw: float = 0.0) -> list[float]:
    """The joints of an upright tool at a place (m), turned by `yaw` (rad) where there is a joint for it."""
    x, y, z = map(float, place)
    if manipulator == "arm":
        return _arm_joints(x, y, z, yaw)
    return [x, y, z, *([yaw, 0.0, 0.0] if manipulator == "wrist" else [])]


def tool_place(manipulator: str, joints: Sequence[float]) -> Place:
    """Where these joints put the tool; exact for the arm while the tool is upright."""
    if manipulator != "arm":
        return float(joints[0]), float(joints[1]), float(joints[2])
    base, shoulder, elbow = map(float, joints[:3])
    forward = ARM_LINK * (math.cos(shoulder) + math.cos(shoulder + elbow))
    height = ARM_SHOULDER - ARM_LINK * (math.sin(shoulder) + math.sin(shoulder + elbow)) - ARM_WRIST
    return ARM_BASE + forward * math.cos(base), forward * math.sin(base), height


def _arm_joints(x: float, y: float, z: float, yaw: float) -> list[float]:
    """Elbow up. A place out of reach becomes the nearest in its direction."""
    forward, up = math.hypot(x - ARM_BASE, y), z + ARM_WRIST - ARM_SHOULDER
    distance = min(math.hypot(forward, up), 2 * ARM_LINK)
    elbow = math.acos(distance**2 / (2 * ARM_LINK**2) - 1)
    shoulder = -(math.atan2(up, forward) + elbow / 2)
    base = math.atan2(y, x - ARM_BASE)
    return [base, shoulder, elbow, -(shoulder + elbow), yaw - base]
