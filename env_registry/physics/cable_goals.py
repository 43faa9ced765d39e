"""What a cable is handled for: where things stand at the start, how far it is, and when it is done.

Owns fixtures, places and measures of progress, which is from 0 to 1. Knows nothing of rewards, and of observations only
what it shows of itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from env_registry.physics.cable_model import FLOOR, Values

if TYPE_CHECKING:
    from env_registry.physics.cable_env import CableEnv

Vector = NDArray[np.float64]

HOME = (0.0, 0.0, 0.12)  # m, of the empty tool
MOST_FIXTURES = 3
WALL = 0.004  # m, half the thickness of walls
POST_RADIUS = 0.012  # m
PASSED = math.radians(100)  # of the cable's turn about a post, seen from above: it lies on that side
WRAPPED = math.radians(200)
_STRAIGHT = math.radians(150)  # what a straight cable beside a post has, about
_SCALE = 0.1  # m, over which progress is felt


def near(distance: float) -> float:
    """1 at no distance, falling to 0."""
    return 1.0 - math.tanh(distance / _SCALE)


def moved(place: Vector, *, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Vector:
    there: Vector = place + np.array((x, y, z))
    return there


def share(amount: float, wanted: float) -> float:
    return min(max(amount / wanted, 0.0), 1.0)


def crossings(vertices: Vector, x: float) -> Vector:
    """Where the cable goes through the plane at x: (y, z) of each place."""
    before, after = vertices[:-1], vertices[1:]
    through = (before[:, 0] <= x) != (after[:, 0] <= x)
    before, after = before[through], after[through]
    along = (x - before[:, 0]) / (after[:, 0] - before[:, 0])
    found: Vector = before[:, 1:] + along[:, None] * (after[:, 1:] - before[:, 1:])
    return found


def turn_about(vertices: Vector, place: Vector) -> float:
    """How far the cable turns about an upright line on its way, in rad; positive to the left."""
    sides = vertices[:, :2] - place[:2]
    turns = np.diff(np.arctan2(sides[:, 1], sides[:, 0]))
    return float(((turns + math.pi) % (2 * math.pi) - math.pi).sum())


def _box(half: Sequence[float], place: Sequence[float], tilt: float = 0.0) -> str:
    """`tilt` is about x, in degrees."""
    size, pos = (" ".join(f"{float(x)!r}" for x in numbers) for numbers in (half, place))
    return f'<geom type="box" size="{size}" pos="{pos}" euler="{tilt!r} 0 0"/>'


class Goal:
    """An objective for given parameters.

    `held` is how far from its end (m) the cable lies in the fingers at the start, or is fastened to the chuck; None:
    it lies on the table.
    """

    held: float | None = None
    anchored: ClassVar[bool] = False

    def __init__(self, values: Values) -> None:
        self.values = values

    def fixtures(self) -> list[str]:
        """Geoms of each fixture."""
        return []

    def begin(self, env: CableEnv, rng: np.random.Generator) -> None:
        raise NotImplementedError

    def judge(self, env: CableEnv) -> tuple[float, bool]:
        """Progress, and whether it is done."""
        raise NotImplementedError

    def seen(self, env: CableEnv) -> Vector:
        return env.place

    def bends(self, rng: np.random.Generator) -> Vector:
        """Headings of the segments of a cable that lies about along x."""
        count = int(self.values["segments"])
        along = (np.arange(count) + 0.5) / count
        one, two = rng.uniform(-1, 1, 2)
        wave = one * np.sin(math.pi * along) + two * np.sin(2 * math.pi * along)
        relaxed = self.values["curl"] * self.values["length"] * (along - 0.5)
        headings: Vector = relaxed + self.values["start_bend"] * wave
        return headings


# ------------------------------------------------------------------ grasp


class Grasp(Goal):
    """The cable lies on the table under the empty tool; `held` is where its middle is."""

    def begin(self, env: CableEnv, rng: np.random.Generator) -> None:
        headings = self.bends(rng)
        turn = self.values["start_heading"] * rng.uniform(-1, 1)
        x, y = self.values["start_spread"] * rng.uniform(-1, 1, 2)
        env.lay_cable(headings - headings.mean() + turn, self.values["length"] / 2, (x, y))
        env.place_tool(HOME, closed=False)


class Lift(Grasp):
    """The cable's middle is `lift_height` above the table."""

    point: ClassVar[int] = 4

    def judge(self, env: CableEnv) -> tuple[float, bool]:
        point = env.points[self.point]
        risen = share(point[2] - self.values["radius"], self.values["lift_height"])
        return 0.4 * near(math.dist(env.tool, point)) + 0.6 * risen, risen >= 1

    def seen(self, env: CableEnv) -> Vector:
        return np.array([self.values["lift_height"]])


class LiftEnd(Lift):
    """The cable's end is `lift_height` above the table."""

    point: ClassVar[int] = 8


class Clear(Lift):
    """No part of the cable is lower than a third of `lift_height`."""

    def judge(self, env: CableEnv) -> tuple[float, bool]:
        points = env.points
        risen = share(points[:, 2].min() - self.values["radius"], self.values["lift_height"] / 3)
        middle = share(points[4, 2] - self.values["radius"], 2 * self.values["lift_height"])
        return 0.3 * near(math.dist(env.tool, points[4])) + 0.3 * middle + 0.4 * risen, risen >= 1


class Place(Grasp):
    """The cable's middle lies within 3 cm of the goal, and the tool has let go of it."""

    tolerance: ClassVar[float] = 0.03

    def begin(self, env: CableEnv, rng: np.random.Generator) -> None:
        super().begin(env, rng)
        side = 1 if rng.random() < 0.5 else -1
        x, y = self.values["goal_distance"] * np.array([rng.uniform(-0.5, 0.5), side * rng.uniform(0.8, 1.2)])
        env.put(np.array([*(env.points[4, :2] + np.array((x, y))), self.values["radius"]]))

    def judge(self, env: CableEnv) -> tuple[float, bool]:
        middle = env.points[4]
        distance = math.dist(middle[:2], env.place[:2])
        lies = middle[2] < 2 * self.values["radius"] + 0.003
        done = distance < self.tolerance and lies and env.touch == 0
        return 0.2 * near(math.dist(env.tool, middle)) + 0.7 * near(distance) + 0.1 * done, done


# ------------------------------------------------------------------ held cables


class Held(Goal):
    """The cable lies in the fingers, heading along x there."""

    held: float | None = 0.02
    start_x: ClassVar[float] = 0.0

    def begin(self, env: CableEnv, rng: np.random.Generator) -> None:
        assert self.held is not None
        x, y = self.values["start_spread"] * rng.uniform(-1, 1, 2)
        headings = self.bends(rng)
        env.lay_cable(headings - headings[-1], self.held, (self.start_x + x, y))
        env.place_tool((self.start_x + x, y, max(self.values["radius"], FLOOR)), closed=True)
        self.furnish(env, rng)

    def furnish(self, env: CableEnv, rng: np.random.Generator) -> None:
        raise NotImplementedError


# ------------------------------------------------------------------ route


class Route(Held):
    """The cable's beginning is pinned to the table; `fixtures` stand beside the cable, on its two sides in turn."""

    anchored: ClassVar[bool] = True
    start_x: ClassVar[float] = 0.15

    def geoms(self) -> str:
        raise NotImplementedError

    def extent(self) -> float:
        """From a fixture's middle to its side, m."""
        raise NotImplementedError

    def done(self, env: CableEnv, index: int) -> tuple[float, bool]:
        """Progress with one of the fixtures."""
        raise NotImplementedError

    def fixtures(self) -> list[str]:
        return [self.geoms()] * int(self.values["fixtures"])

    def furnish(self, env: CableEnv, rng: np.random.Generator) -> None:
        vertices, count = env.vertices, int(self.values["fixtures"])
        side = self.side(rng)
        for index in range(count):
            along = int(len(vertices) * (index + 1.6) / (count + 2))
            offset = self.extent() + self.values["offset"] + self.values["fixture_spread"] * rng.uniform(0, 1)
            env.put(np.array([vertices[along, 0], vertices[along, 1] + side * offset, 0.0]), index)
            side = self.next_side(side)

    def side(self, rng: np.random.Generator) -> int:
        return 1 if rng.random() < 0.5 else -1

    def next_side(self, side: int) -> int:
        return side

    def judge(self, env: CableEnv) -> tuple[float, bool]:
        each = [self.done(env, index) for index in range(int(self.values["fixtures"]))]
        return sum(progress for progress, _ in each) / len(each), all(done for _, done in each)

    def seen(self, env: CableEnv) -> Vector:
        """Places of up to three fixtures; zeros where there is none."""
        places = np.zeros((MOST_FIXTURES, 3))
        count = int(self.values["fixtures"])
        places[:count] = env.data.mocap_pos[:count]
        return places.ravel()


class Clip(Route):
    """The cable lies low between the two flared walls of every clip."""

    flare: ClassVar[float] = 25.0  # degrees

    def geoms(self) -> str:
        half, height = self.values["radius"] + self.values["clearance"], self.values["fixture_height"] / 2
        slope = math.radians(self.flare)
        aside = half + WALL / math.cos(slope) + height * math.tan(slope)
        size = (0.006, WALL, height / math.cos(slope))
        return "".join(_box(size, (0, side * aside, height), -side * self.flare) for side in (1, -1))

    def extent(self) -> float:
        rise = self.values["fixture_height"] * math.tan(math.radians(self.flare))
        return float(self.values["radius"] + self.values["clearance"] + 2 * WALL + rise)

    def room(self) -> tuple[float, float]:
        """Half the width and the height of where the cable shall pass, m."""
        radius, height = self.values["radius"], self.values["fixture_height"]
        return radius + self.values["clearance"] + 0.003, max(height / 2, 1.6 * radius)

    def done(self, env: CableEnv, index: int) -> tuple[float, bool]:
        place, vertices = env.fixture(index), env.vertices
        through = crossings(vertices, place[0])
        if not len(through):
            return 0.5 * near(float(np.linalg.norm(vertices - place, axis=1).min())), False
        half, height = self.room()
        aside = np.maximum(np.abs(through[:, 0] - place[1]) - half, 0)
        above = np.maximum(through[:, 1] - height, 0)
        missed = float(np.hypot(aside, above).min())
        return near(missed), missed == 0


class Hook(Clip):
    """The cable lies under the roof of every hook, which is open towards the side that the cable comes from."""

    depth: ClassVar[float] = 0.012  # m, half of the roof

    def geoms(self) -> str:
        height = 2 * self.values["radius"] + 2 * self.values["clearance"]
        side = self._side
        wall = _box((0.006, WALL, height / 2), (0, side * (self.depth + WALL), height / 2))
        roof = _box((0.006, self.depth + WALL, WALL), (0, side * WALL, height + WALL))
        return wall + roof

    _side: ClassVar[int] = 1

    def side(self, rng: np.random.Generator) -> int:
        return self._side

    def extent(self) -> float:
        return self.depth

    def room(self) -> tuple[float, float]:
        return self.depth, 2 * self.values["radius"] + 2 * self.values["clearance"]


class Side(Route):
    """The cable lies on the other side of every post than at the start; posts stand on its two sides in turn."""

    def geoms(self) -> str:
        height = self.values["fixture_height"]
        return f'<geom type="cylinder" size="{POST_RADIUS} {height / 2!r}" pos="0 0 {height / 2!r}"/>'

    def extent(self) -> float:
        return POST_RADIUS

    def side(self, rng: np.random.Generator) -> int:
        return 1

    def next_side(self, side: int) -> int:
        return -side

    def done(self, env: CableEnv, index: int) -> tuple[float, bool]:
        sign = 1 if index % 2 else -1
        turned = sign * turn_about(env.vertices, env.fixture(index))
        lies = env.vertices[:, 2].max() < self.values["fixture_height"]
        return share(turned + _STRAIGHT, PASSED + _STRAIGHT), turned > PASSED and bool(lies)


class Wrap(Side):
    """The cable is led round the posts, by more than half a turn, without leaving its side of them."""

    def next_side(self, side: int) -> int:
        return side

    def done(self, env: CableEnv, index: int) -> tuple[float, bool]:
        turned = turn_about(env.vertices, env.fixture(index))
        return share(turned, WRAPPED), turned > WRAPPED


# ------------------------------------------------------------------ insert


class Socket(Held):
    """The cable's end is `depth` inside a level hole in a block."""

    start_x: ClassVar[float] = -0.02
    thickness: ClassVar[float] = 0.025  # m, half of the block's
    closed: ClassVar[bool] = True
    deeper: ClassVar[float] = 1.0

    def __init__(self, values: Values) -> None:
        super().__init__(values)
        self.held = values["overhang"]

    def fixtures(self) -> list[str]:
        hole, height, t = self.values["radius"] + self.values["clearance"], self.values["hole_height"], self.thickness
        rim = 0.02
        below, top = (height - hole) / 2, height + hole + rim / 2
        walls = [
            _box((t, hole + rim, below), (t, 0, below)),
            _box((t, hole + rim, rim / 2), (t, 0, top)),
            *(_box((t, rim / 2, hole), (t, side * (hole + rim / 2), height)) for side in (1, -1)),
        ]
        if self.closed:
            walls.append(_box((WALL, hole, hole), (2 * t - WALL, 0, height)))
        return ["".join(walls)]

    def extent(self) -> float:
        """From the middle of the opening to the near side of the fixture, m."""
        return 0.0

    def furnish(self, env: CableEnv, rng: np.random.Generator) -> None:
        end = env.vertices[-1]
        ahead = self.extent() + self.values["goal_distance"] * rng.uniform(0.8, 1.2)
        mouth = np.array([end[0] + ahead, end[1] + self.values["fixture_spread"] * rng.uniform(-1, 1), 0.0])
        env.put(mouth, 0)
        env.put(moved(mouth, z=self.values["hole_height"]))

    def judge(self, env: CableEnv) -> tuple[float, bool]:
        end, mouth, wanted = env.vertices[-1], env.place, self.deeper * self.values["depth"]
        aside = np.abs(crossings(env.vertices, mouth[0]) - mouth[1:]).max(axis=1, initial=0)
        inside = bool((aside < self.values["radius"] + self.values["clearance"]).any())
        reached = share(end[0] - mouth[0], wanted) if inside else 0.0
        return 0.5 * near(math.dist(end, moved(mouth, x=wanted))) + 0.5 * reached, reached >= 1


class Ring(Socket):
    """The cable's end is one and a half times `depth` behind an upright plate, through its hole."""

    thickness: ClassVar[float] = 0.003
    closed: ClassVar[bool] = False
    deeper: ClassVar[float] = 1.5


class Cup(Socket):
    """The cable's end, which hangs down in front of the tool, is `depth` below the rim of a cup."""

    def __init__(self, values: Values) -> None:
        super().__init__(values)
        self.held = 2.5 * values["overhang"]

    def fixtures(self) -> list[str]:
        half, height = self.half, self.values["hole_height"] / 2
        walls = [_box((WALL, half + 2 * WALL, height), (side * (half + WALL), 0, height)) for side in (1, -1)]
        walls += [_box((half, WALL, height), (0, side * (half + WALL), height)) for side in (1, -1)]
        return ["".join(walls)]

    def extent(self) -> float:
        return self.half + 2 * WALL

    @property
    def half(self) -> float:
        """m, from the middle to a wall."""
        return float(self.values["radius"] + 4 * self.values["clearance"])

    def judge(self, env: CableEnv) -> tuple[float, bool]:
        end, rim = env.vertices[-1], env.place
        inside = max(abs(end[0] - rim[0]), abs(end[1] - rim[1])) < self.half
        lowered = share(rim[2] - end[2], self.values["depth"]) if inside else 0.0
        return 0.5 * near(math.dist(end, moved(rim, z=-self.values["depth"]))) + 0.5 * lowered, lowered >= 1


# ------------------------------------------------------------------ lay


class Tail(Held):
    """The cable's beginning, which drags behind, is within `tolerance` of the goal on the table."""

    def furnish(self, env: CableEnv, rng: np.random.Generator) -> None:
        ahead, aside = self.values["goal_distance"] * np.array([rng.uniform(0.8, 1.2), rng.uniform(-0.25, 0.25)])
        env.put(moved(env.points[0], x=ahead, y=aside))

    def judge(self, env: CableEnv) -> tuple[float, bool]:
        distance = math.dist(env.points[0], env.place)
        return near(distance), distance < self.values["tolerance"]


class Dangle(Tail):
    """The cable's beginning touches a spot in the air."""

    def furnish(self, env: CableEnv, rng: np.random.Generator) -> None:
        x, y = self.values["goal_distance"] * rng.uniform(-0.8, 0.8, 2)
        env.put(np.array([x, y, self.values["goal_height"]]))


class Loop(Tail):
    """The cable's two ends are within one and a half times `tolerance` of each other."""

    start_x: ClassVar[float] = 0.2

    def furnish(self, env: CableEnv, rng: np.random.Generator) -> None:
        env.put(env.points[0])

    def judge(self, env: CableEnv) -> tuple[float, bool]:
        points = env.points
        distance = math.dist(points[0], points[-1])
        return near(distance / 2), distance < 1.5 * self.values["tolerance"]


class Drape(Held):
    """The cable hangs over a bar, with its end in front of the bar and 3 cm below it."""

    def fixtures(self) -> list[str]:
        return ['<geom type="capsule" fromto="0 -0.15 0 0 0.15 0" size="0.01"/>']

    def furnish(self, env: CableEnv, rng: np.random.Generator) -> None:
        x = env.tool[0] + 0.05 + self.values["fixture_spread"] * rng.uniform(0, 1)
        env.put(np.array([x, env.tool[1], self.values["bar_height"]]), 0)
        env.put(np.array([x + 0.06, env.tool[1], self.values["bar_height"] - 0.04]))

    def judge(self, env: CableEnv) -> tuple[float, bool]:
        vertices, bar = env.vertices, env.fixture(0)
        through = crossings(vertices, bar[0])
        over = bool(((through[:, 1] > bar[2]) & (np.abs(through[:, 0] - bar[1]) < 0.15)).any())
        beyond = vertices[-1, 0] > bar[0] and vertices[-1, 2] < bar[2] - 0.03
        return 0.5 * near(math.dist(vertices[-1], env.place)) + 0.5 * over, over and bool(beyond)


GOALS: Mapping[str, Mapping[str, Callable[[Values], Goal]]] = {
    "grasp": {"lift": Lift, "end": LiftEnd, "clear": Clear, "place": Place},
    "route": {"clip": Clip, "hook": Hook, "side": Side, "wrap": Wrap},
    "insert": {"socket": Socket, "ring": Ring, "cup": Cup},
    "lay": {"tail": Tail, "dangle": Dangle, "loop": Loop, "drape": Drape},
}
