"""A planner for MiniGrid's worlds that sees the whole grid: the witness of families whose goals random actions miss.

Owns the ways through doors and past obstacles. It keeps no memory between steps, so it copes with actions that were not
executed as it chose them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from env_registry.family import Actor
from env_registry.simulator import Simulator

LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE, DONE = range(7)

STRAYING = 0.05

Cell: TypeAlias = tuple[int, int]
Aim: TypeAlias = tuple[set[Cell], int]
"""Cells to stand before, and what to do then."""

_Pose: TypeAlias = tuple[int, int, int]
_AHEAD = ((1, 0), (0, 1), (-1, 0), (0, -1))  # by direction


# ------------------------------------------------------------------ what worlds ask for


def goal(env: Any) -> Aim:
    return _where(env, "goal"), FORWARD


def prize(env: Any) -> Aim:
    return _place(env, env.obj), PICKUP


def door(env: Any) -> Aim:
    keys = _where(env, "key", env.door.color)
    return (keys, PICKUP) if env.carrying is None and keys else (_place(env, env.door), TOGGLE)


def red_then_blue(env: Any) -> Aim:
    return _place(env, env.blue_door if env.red_door.is_open else env.red_door), TOGGLE


def named_object(env: Any) -> Aim:
    return _where(env, env.targetType, env.targetColor), PICKUP


def named_place(env: Any) -> Aim:
    return {tuple(env.target_pos)}, DONE


def like_object(env: Any) -> Aim:
    return {tuple(env.success_pos)}, FORWARD


def beside_target(env: Any) -> Aim:
    if env.carrying is None:
        return {tuple(env.move_pos)}, PICKUP
    x, y = env.target_pos
    near = ((x + i, y + j) for i in (-1, 0, 1) for j in (-1, 0, 1))
    return {cell for cell in near if env.grid.get(*cell) is None}, DROP


# ------------------------------------------------------------------ the actor


def planner(aim: Callable[[Any], Aim], simulator: Simulator) -> Actor:
    """Goes for the aim; at random where there is no way, or an action is needed that the world has not.

    With something in its hands it moves at random now and then, for where it puts things down they may stand in its
    way again and again.
    """
    env: Any = simulator.env  # type: ignore[attr-defined]

    def act(_: Any, rng: np.random.Generator) -> int:
        if env.carrying is not None and rng.random() < STRAYING:
            return int(rng.integers(3))
        action = _seek(env, *aim(env))
        return int(rng.integers(env.action_space.n)) if action is None or action >= env.action_space.n else action

    return act


def _seek(env: Any, cells: set[Cell], then: int, depth: int = 6) -> int | None:
    way = _way(env, cells, lambda thing: _is_free(env, thing))
    if way is not None:
        if then == PICKUP and env.carrying is not None:
            open_way = _way(env, cells, lambda thing: _is_free(env, thing, has_key=False))
            return _first_action(env, way) if open_way is None else _put_down(env, open_way)
        return then if len(way) == 1 else _first_action(env, way)
    way = _way(env, cells, lambda thing: thing is None or thing.type not in ("wall", "lava"))
    if way is None or depth == 0:
        return None
    obstacles = (pose[:2] for pose in way[1:] if not _is_free(env, env.grid.get(*pose[:2])))
    return _remove(env, next(obstacles), depth - 1)


def _remove(env: Any, cell: Cell, depth: int) -> int | None:
    thing = env.grid.get(*cell)
    if thing.type != "door":
        return _seek(env, {cell}, PICKUP, depth)
    keys = _where(env, "key", thing.color)
    return _seek(env, keys, PICKUP, depth) if keys else _seek(env, _where(env, "box"), TOGGLE, depth)


def _put_down(env: Any, way: list[_Pose]) -> int:
    """Off the way and beside no door."""
    x, y = (int(part) for part in env.front_pos)
    around = [env.grid.get(x + i, y + j) for i, j in _AHEAD if 0 <= x + i < env.width and 0 <= y + j < env.height]
    bad = any(thing is not None and thing.type == "door" for thing in around) or (x, y) in {pose[:2] for pose in way}
    return DROP if env.grid.get(x, y) is None and not bad else RIGHT


def _first_action(env: Any, way: list[_Pose]) -> int:
    (_, _, before), (x, y, after) = way[:2]
    if before != after:
        return RIGHT if after == (before + 1) % 4 else LEFT
    thing = env.grid.get(x, y)
    return TOGGLE if thing is not None and thing.type == "door" and not thing.is_open else FORWARD


# ------------------------------------------------------------------ the grid


def _way(env: Any, cells: set[Cell], may_enter: Callable[[Any], bool]) -> list[_Pose] | None:
    """A shortest way to a pose that faces one of the cells, from the present pose on."""
    start = (int(env.agent_pos[0]), int(env.agent_pos[1]), int(env.agent_dir))
    came_from: dict[_Pose, _Pose | None] = {start: None}
    waiting = deque([start])
    while waiting:
        x, y, direction = pose = waiting.popleft()
        ahead = (x + _AHEAD[direction][0], y + _AHEAD[direction][1])
        if ahead in cells:
            return list(_back(came_from, pose))[::-1]
        poses: list[_Pose] = [(x, y, (direction + 1) % 4), (x, y, (direction - 1) % 4)]
        if 0 <= ahead[0] < env.width and 0 <= ahead[1] < env.height and may_enter(env.grid.get(*ahead)):
            poses.append((*ahead, direction))
        for following in poses:
            if following not in came_from:
                came_from[following] = pose
                waiting.append(following)
    return None


def _back(came_from: dict[_Pose, _Pose | None], pose: _Pose | None) -> Iterator[_Pose]:
    while pose is not None:
        yield pose
        pose = came_from[pose]


def _is_free(env: Any, thing: Any, *, has_key: bool = True) -> bool:
    if thing is None or thing.can_overlap():
        return thing is None or thing.type != "lava"
    if thing.type != "door":
        return False
    held = env.carrying if has_key else None
    return not thing.is_locked or (held is not None and (held.type, held.color) == ("key", thing.color))


def _where(env: Any, kind: str, colour: str | None = None) -> set[Cell]:
    return {
        (i % env.width, i // env.width)
        for i, thing in enumerate(env.grid.grid)
        if thing is not None and thing.type == kind and colour in (None, thing.color)
    }


def _place(env: Any, wanted: Any) -> set[Cell]:
    return {(i % env.width, i // env.width) for i, thing in enumerate(env.grid.grid) if thing is wanted}
