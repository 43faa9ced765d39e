"""Scripted controllers that solve the tasks: witnesses that what they ask for can be done.

They see the simulation itself, not observations. Each script is a generator of what the tool shall do next.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env_registry.family import Actor
from env_registry.physics import cable_goals as goals
from env_registry.physics.cable_env import CableEnv
from env_registry.physics.cable_model import CEILING, FLOOR
from env_registry.physics.cable_tool import pose_joints, tool_place
from env_registry.simulator import Simulator
from env_registry.wrapper import Wrapper

Vector = NDArray[np.float64]

OPEN, CLOSED = 1.0, -1.0
PACE = 0.3  # m/s, of the tool's target
_ARRIVED = 0.006  # m


@dataclass(frozen=True)
class Wish:
    """Where the tool shall be, how its fingers stand (-1 closed, 1 open) and how it is turned, in rad."""

    place: Vector
    fingers: float = CLOSED
    yaw: float = 0.0
    pace: float = 1.0


Script = Iterator[Wish]


def witness(simulator: Simulator) -> Actor:
    """An actor that begins its script anew with every episode."""
    script: Script = iter(())
    last = Wish(np.array(goals.HOME))

    def act(_: Any, rng: np.random.Generator) -> Any:
        nonlocal script, last
        env = _environment(simulator)
        if env.data.time == 0:
            script = _SCRIPTS[type(env.goal)](env)
        last = next(script, last)
        return _action(env, last)

    return act


def _environment(simulator: Simulator) -> CableEnv:
    while isinstance(simulator, Wrapper):
        simulator = simulator.inner
    env = getattr(simulator, "env", None)
    assert isinstance(env, CableEnv)
    return env


def _action(env: CableEnv, wish: Wish) -> NDArray[np.float32]:
    """What brings the target of the tool straight towards the place."""
    manipulator = env.values["manipulator"]
    start = np.array(tool_place(manipulator, env.targets.tolist()))
    way = np.clip(wish.place, (-1, -1, FLOOR), (1, 1, CEILING)) - start
    longest = PACE * wish.pace * env.values["speed"] * env.dt
    next_place = start + way * min(longest / max(float(np.linalg.norm(way)), 1e-9), 1)
    joints = np.array(pose_joints(manipulator, next_place.tolist(), wish.yaw))
    action = np.clip((joints - env.targets) / env.stride, -1, 1)
    return np.append(action, wish.fingers).astype(np.float32)[: env.action_space.shape[0]]  # type: ignore[index]


# ------------------------------------------------------------------ steps of scripts


def go(
    env: CableEnv, place: Callable[[], Any], *, fingers: float = CLOSED, yaw: float = 0.0, pace: float = 1.0
) -> Script:
    """Go to a place, which may move, until the tool is there or has had plenty of time."""
    for _ in range(60):
        wanted = np.asarray(place(), np.float64)
        if math.dist(env.tool, wanted) < _ARRIVED:
            return
        yield Wish(wanted, fingers, yaw, pace)


def stay(env: CableEnv, steps: int, *, fingers: float = CLOSED, yaw: float = 0.0) -> Script:
    place = np.array(tool_place(env.values["manipulator"], env.targets.tolist()))
    for _ in range(steps):
        yield Wish(place, fingers, yaw)


def lead(
    env: CableEnv,
    wanted: Callable[[], Any],
    *,
    vertex: int = -1,
    close: float = 0.003,
    gain: float = 0.5,
    pace: float = 1.0,
    most: int = 60,
) -> Script:
    """Move the tool so that one end of the cable comes to a place."""
    for _ in range(most):
        missing = np.asarray(wanted(), np.float64) - env.vertices[vertex]
        if float(np.linalg.norm(missing)) < close:
            return
        target = np.array(tool_place(env.values["manipulator"], env.targets.tolist()))
        yield Wish(target + gain * missing, pace=pace)


def _low(env: CableEnv, place: Vector, height: float | None = None) -> Vector:
    """The place with another height, else with that of a cable on the table."""
    return np.array([place[0], place[1], max(env.values["radius"], FLOOR) if height is None else height])


def _toward(one: Vector, other: Vector) -> Vector:
    """Unit vector along the table."""
    way = (other - one) * (1, 1, 0)
    direction: Vector = way / max(float(np.linalg.norm(way)), 1e-9)
    return direction


# ------------------------------------------------------------------ grasp


def _pick(env: CableEnv, point: int) -> Script:
    along = env.points[min(point + 1, 8)] - env.points[point - 1]
    yaw = 0.0 if env.values["manipulator"] == "gantry" else math.atan2(along[1], along[0])
    yield from go(env, lambda: _low(env, env.points[point], 0.05), fingers=OPEN, yaw=yaw)
    yield from go(env, lambda: _low(env, env.points[point]), fingers=OPEN, yaw=yaw)
    yield from stay(env, 5, yaw=yaw)


def _lift(env: CableEnv, point: int) -> Script:
    yield from _pick(env, point)
    yield from go(env, lambda: _low(env, env.tool, CEILING), yaw=_yaw_now(env))


def _yaw_now(env: CableEnv) -> float:
    """The turn of the tool's target."""
    match env.values["manipulator"]:
        case "wrist":
            return float(env.targets[3])
        case "arm":
            return float(env.targets[0] + env.targets[4])
        case _:
            return 0.0


def _place(env: CableEnv) -> Script:
    yield from _pick(env, 4)
    yaw = _yaw_now(env)
    yield from go(env, lambda: _low(env, env.tool, 0.06), yaw=yaw)
    yield from go(env, lambda: _low(env, env.place, 0.06), yaw=yaw)
    yield from go(env, lambda: _low(env, env.place), yaw=yaw)
    yield from stay(env, 4, fingers=OPEN, yaw=yaw)
    yield from go(env, lambda: _low(env, env.tool, 0.1), fingers=OPEN, yaw=yaw)


# ------------------------------------------------------------------ route


def _free_length(env: CableEnv) -> float:
    return float(env.values["length"]) - float(env.goal.held or 0)


def _swing(env: CableEnv, start: Vector, radius: float, height: float, direction: Vector) -> Script:
    """Up, keeping the cable nearly taut from `start`, and round to a direction."""
    now = _toward(start, env.tool)
    from_angle, to_angle = math.atan2(now[1], now[0]), math.atan2(direction[1], direction[0])
    for angle in np.linspace(from_angle, to_angle, 2 + int(abs(to_angle - from_angle) / 0.3)):
        place = start + radius * np.array([math.cos(angle), math.sin(angle), 0])
        yield from go(env, lambda: _low(env, place, height), pace=0.7)  # noqa: B023  # used up before the next round
    yield from stay(env, 4)


def _clip(env: CableEnv) -> Script:
    start, left = env.vertices[0], _free_length(env)
    for index in range(int(env.values["fixtures"])):
        place = env.fixture(index)
        direction, near = _toward(start, place), math.dist(start[:2], place[:2])
        height = min((env.values["fixture_height"] + 0.04) * left / near, 0.6 * left)
        yield from _swing(env, start, 0.99 * math.sqrt(left**2 - height**2), height, direction)
        yield from go(env, lambda: _low(env, start + direction * left * 0.985), pace=0.7)  # noqa: B023
        yield from stay(env, 3)
        left -= near
        start = place.copy()


def _hook(env: CableEnv) -> Script:
    start, left = env.vertices[0], _free_length(env)
    for index in range(int(env.values["fixtures"])):
        place = env.fixture(index)
        direction = _toward(start, goals.moved(place, y=0.006))
        yield from go(env, lambda: _low(env, start + direction * left * 0.96))  # noqa: B023
        yield from go(env, lambda: _low(env, start + direction * left))  # noqa: B023
        yield from stay(env, 3)
        left -= math.dist(start[:2], place[:2])
        start = place.copy()


def _side(env: CableEnv) -> Script:
    start, left = env.vertices[0], _free_length(env)
    for index in range(int(env.values["fixtures"])):
        post, sign = env.fixture(index), -1 if index % 2 else 1
        through = goals.moved(post, y=sign * 0.05)
        near = math.dist(start[:2], post[:2])
        height = min((env.values["fixture_height"] + 0.04) * left / near, 0.7 * left)
        yield from _swing(env, start, 0.97 * math.sqrt(left**2 - height**2), height, _toward(start, through))
        yield from go(env, lambda: _low(env, start + _toward(start, through) * left * 0.95))  # noqa: B023
        left -= math.dist(start[:2], through[:2])
        start = through


def _wrap(env: CableEnv) -> Script:
    post = env.fixture(int(env.values["fixtures"]) - 1)
    left = _free_length(env) - math.dist(env.vertices[0][:2], post[:2])
    angle = math.atan2(env.tool[1] - post[1], env.tool[0] - post[0])
    while angle < math.radians(130):
        angle += math.radians(25)
        radius = 0.9 * left - 0.02 * max(angle, 0)
        place = post + radius * np.array([math.cos(angle), math.sin(angle), 0])
        yield from go(env, lambda: _low(env, place))  # noqa: B023


# ------------------------------------------------------------------ insert and lay


def _insert(env: CableEnv) -> Script:
    yield from go(env, lambda: _low(env, env.tool, env.place[2]))
    yield from lead(env, lambda: goals.moved(env.place, x=-0.025))
    yield from lead(env, lambda: goals.moved(env.place, x=0.06), pace=0.4)


def _cup(env: CableEnv) -> Script:
    yield from go(env, lambda: _low(env, env.tool, env.place[2] + 0.12))
    yield from lead(env, lambda: goals.moved(env.place, z=0.02), close=0.01, gain=0.15, pace=0.3, most=50)
    yield from lead(
        env, lambda: goals.moved(env.place, z=-env.values["depth"] - 0.01), close=0, gain=0.15, pace=0.3, most=150
    )


def _tail(env: CableEnv) -> Script:
    """Pull ahead of the line from the loose end to the spot, which the end then follows."""
    length = _free_length(env)
    while True:
        way = env.place - env.points[0]
        angle = np.clip(math.atan2(way[1], max(way[0], 0.05)), -0.6, 0.6)
        yield Wish(_low(env, env.place + length * np.array([math.cos(angle), math.sin(angle), 0])))


def _dangle(env: CableEnv) -> Script:
    """Lift the cable above the spot, slowly at last so that it swings little, and creep to where its end hits it."""
    length = _free_length(env)
    yield from go(env, lambda: _low(env, env.place, 0.1))
    yield from go(env, lambda: _low(env, env.place, 0.7 * length))
    yield from go(env, lambda: _low(env, env.place, length + env.place[2] - 0.01), pace=0.5)
    yield from lead(env, lambda: env.place, vertex=0, close=0, gain=0.2, pace=0.1, most=150)


def _loop(env: CableEnv) -> Script:
    yield from go(env, lambda: _low(env, env.tool, 0.1))
    for ahead, aside, height in ((0.2, 0.12, 0.1), (0.06, 0.14, 0.1), (-0.04, 0.06, 0.06)):
        yield from go(env, lambda: goals.moved(env.points[0], x=ahead, y=aside, z=height))  # noqa: B023
    yield from lead(env, lambda: _low(env, env.points[0], 0.035), close=0, most=150)


def _drape(env: CableEnv) -> Script:
    bar = env.fixture(0)
    yield from go(env, lambda: _low(env, env.tool, bar[2] + 0.06))
    yield from go(env, lambda: goals.moved(bar, x=0.07, z=0.06))
    yield from go(env, lambda: goals.moved(bar, x=0.07, z=-0.06))


_SCRIPTS: Mapping[type[goals.Goal], Callable[[CableEnv], Script]] = {
    goals.Lift: lambda env: _lift(env, 4),
    goals.LiftEnd: lambda env: _lift(env, 7),
    goals.Clear: lambda env: _lift(env, 4),
    goals.Place: _place,
    goals.Clip: _clip,
    goals.Hook: _hook,
    goals.Side: _side,
    goals.Wrap: _wrap,
    goals.Socket: _insert,
    goals.Ring: _insert,
    goals.Cup: _cup,
    goals.Tail: _tail,
    goals.Dangle: _dangle,
    goals.Loop: _loop,
    goals.Drape: _drape,
}
