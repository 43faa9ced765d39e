"""Mazes as a Gymnasium environment.

Dynamics. Rooms and the passages between them are cells of a grid of 2 * rooms + 1 cells a side. A move leads to the
next cell up, down, left or right, on ice as far as nothing blocks; it is illegal where even the first cell is blocked,
and fails with probability `jam`. Walls block, the closed door and gate block, and an arrow's cell is entered and left
only along it. Who stops on a teleport is on its partner. The key opens the door for good; a plate opens the gate for
as many steps as lead from the farther plate to it and three more. What is sought is got where one stops; in order,
only the next one.

Generation (`_carved`, `_furnished`). Walls between rooms, in a drawn order, are opened where they still separate rooms;
each other one is open with probability `braid`. Rooms in a drawn order are the start, the places sought, and what else
there is. Door and gate stand on the way from the start to the first place; the key, or a plate, in a room on the near
side, the other plate beyond (sides as if there were no open walls but the needed ones). On ice start and places are
rooms between which one can slide back and forth for ever.
"""

from __future__ import annotations

from collections import deque
from typing import Any, TypeAlias

import numpy as np

from env_registry.symbolic.puzzles.puzzle_env import Cells, PuzzleEnv

FLOOR, WALL, AGENT, PLACE, KEY, DOOR, TELEPORT, ARROW = 0, 1, 2, 3, 4, 5, 6, 7
"""ARROW + action is an arrow; NUMBERED + i the i-th of ordered places."""
NUMBERED = 11
_MOST_PLACES = 8

Passages: TypeAlias = dict[int, list[tuple[int, int]]]  # of each room: (room behind the passage, the passage's cell)


class MazeEnv(PuzzleEnv):
    """Observation: the cells, or the square of `2 * view + 1` around the agent, walls beyond the edge. The score is the
    share of places that were got."""

    STATE = (*PuzzleEnv.STATE, "ground", "agent", "power", "places", "got", "special", "lasting")

    def __init__(
        self,
        *,
        feature: str = "plain",
        objective: str = "exit",
        rooms: int = 5,
        braid: float = 0.2,
        targets: int = 3,
        view: int = 0,
        jam: float = 0.0,
        **common: Any,
    ) -> None:
        side = 2 * rooms + 1
        seen = 2 * view + 1 if view else side
        super().__init__((seen, seen), NUMBERED + _MOST_PLACES, 4, **common)
        self._feature, self._objective, self._rooms, self._braid = feature, objective, rooms, braid
        self._targets = targets if objective in ("coins", "in_order") else 1
        self._view, self._jam, self._side = view, jam, side
        self._steps = (-side, side, -1, 1)
        self.ground: list[int] = []
        self.agent = 0
        self.power = 0  # 1 with the key; steps for which the gate stays open
        self.places: list[int] = []
        self.got: list[bool] = []
        self.special: list[int] = []  # cells of the key, of the plates, or of teleports in pairs
        self.lasting = 0

    # ------------------------------------------------------------------ generation

    def begin(self) -> None:
        tree, opened = self._carved()
        order = self.np_random.permutation(self._rooms**2).tolist()
        self.special, self.power, self.lasting = [], 0, 0
        if self._feature == "ice":
            order = self._slippery(order)
        start, *rest = order
        sought, rest = rest[: self._targets], rest[self._targets :]
        if self._objective == "return":
            sought.append(start)
        self.agent, self.places = self._cell(start), [self._cell(room) for room in sought]
        self.got = [False] * len(sought)
        if self._feature in ("key", "gate"):
            self._lock(tree, start, sought[0])
        elif self._feature == "teleports":
            dead_ends = [self._cell(room) for room in rest if len(opened[room]) == 1]
            self.special = dead_ends[: min(len(dead_ends) // 2 * 2, 4)]

    def _cell(self, room: int) -> int:
        return self._side * (2 * (room // self._rooms) + 1) + 2 * (room % self._rooms) + 1

    def _carved(self) -> tuple[Passages, Passages]:
        """The needed passages, and all. With arrows there is one on each that is not needed, its direction drawn."""
        walls = [
            (room, room + step)
            for room in range(self._rooms**2)
            for step in (1, self._rooms)
            if (step == 1 and room % self._rooms < self._rooms - 1) or (step > 1 and room + step < self._rooms**2)
        ]
        order = self.np_random.permutation(len(walls)).tolist()
        spare = (self.np_random.random(len(walls)) < self._braid).tolist()
        back = self.np_random.integers(2, size=len(walls)).tolist() if self._feature == "arrows" else []
        self.ground = [WALL] * self._side**2
        for room in range(self._rooms**2):
            self.ground[self._cell(room)] = FLOOR
        tree: Passages = {room: [] for room in range(self._rooms**2)}
        opened: Passages = {room: [] for room in range(self._rooms**2)}
        group = list(range(self._rooms**2))
        for index in order:
            one, other = walls[index]
            cell = (self._cell(one) + self._cell(other)) // 2
            if group[one] != group[other]:
                old, new = group[other], group[one]
                group = [new if mark == old else mark for mark in group]
                tree[one].append((other, cell))
                tree[other].append((one, cell))
                self.ground[cell] = FLOOR
            elif spare[index]:
                step = self._cell(other) - cell
                self.ground[cell] = ARROW + self._steps.index(-step if back[index] else step) if back else FLOOR
            else:
                continue
            opened[one].append((other, cell))
            opened[other].append((one, cell))
        return tree, opened

    def _lock(self, tree: Passages, start: int, sought: int) -> None:
        """A door or gate on the way, drawn among its passages; the key or plates in rooms drawn on its sides."""
        way = _way(tree, start, sought)
        before, behind = way[int(self.np_random.integers(len(way) - 1)) :][:2]
        door = next(cell for room, cell in tree[before] if room == behind)
        near = sorted(_side(tree, start, door))
        self.special = [self._cell(near[int(self.np_random.integers(len(near)))])]
        if self._feature == "gate":
            far = sorted(_side(tree, behind, door))
            self.special.append(self._cell(far[int(self.np_random.integers(len(far)))]))
            plates = [self._cells_to(plate, door) for plate in self.special]
            self.lasting = max(plates) + 3
        self.ground[door] = DOOR
        self._arrive()

    def _cells_to(self, start: int, end: int) -> int:
        """Steps between two cells where nothing is locked."""
        distance = {start: 0}
        queue = deque([start])
        while queue:
            cell = queue.popleft()
            for step in self._steps:
                if cell + step not in distance and self.ground[cell + step] != WALL:
                    distance[cell + step] = distance[cell] + 1
                    queue.append(cell + step)
        return distance[end]

    def _slippery(self, order: list[int]) -> list[int]:
        """Rooms among which one slides back and forth, in the given order: a smallest such set that is reached from the
        first room."""
        room_of = {self._cell(room): room for room in order}
        slides = {cell: [self._moved(cell, 0, action)[0] for action in range(4)] for cell in room_of}
        first = self._cell(order[0])
        closed = min((_reached(slides, cell) for cell in sorted(_reached(slides, first))), key=len)
        return [room for room in order if self._cell(room) in closed]

    # ------------------------------------------------------------------ steps

    def act(self, action: int) -> bool:
        cell, power = self._moved(self.agent, self.power, action)
        legal = cell != self.agent
        if legal and self._jam and self.np_random.random() < self._jam:
            cell, power = self.agent, self._later(self.agent, self.power)
        else:
            self.follow(action, None)
        self.agent, self.power = cell, power
        self._arrive()
        return legal

    def _arrive(self) -> None:
        if self._feature in ("key", "gate") and self.agent in self.special:
            self.power = max(self.lasting, 1)
        for index, place in enumerate(self.places):
            if not self.got[index]:
                self.got[index] = place == self.agent
                if self._ordered:
                    break

    @property
    def _ordered(self) -> bool:
        return self._objective in ("in_order", "return")

    def _moved(self, cell: int, power: int, action: int) -> tuple[int, int]:
        """Where an action leads, and how long the gate is then open."""
        step, arrow = self._steps[action], ARROW + action
        here = cell
        while True:
            ground, there = self.ground[here], self.ground[here + step]
            if there == WALL or (there == DOOR and not power):
                break
            if (there >= ARROW and there != arrow) or (ground >= ARROW and ground != arrow):
                break
            here += step
            if self._feature != "ice":
                break
        if here != cell and self._feature == "teleports" and here in self.special:
            here = self.special[self.special.index(here) ^ 1]
        return here, self._later(here, power)

    def _later(self, cell: int, power: int) -> int:
        if self._feature == "gate":
            return self.lasting if cell in self.special else max(power - 1, 0)
        return int(power or (self._feature == "key" and cell in self.special))

    def score(self) -> float:
        return sum(self.got) / len(self.got)

    def view(self) -> Cells:
        ground = np.array(self.ground, np.int16)
        if self._feature == "teleports":
            ground[self.special] = TELEPORT
        elif self.power:
            ground[ground == DOOR] = FLOOR
        if self._feature == "gate" or (self._feature == "key" and not self.power):
            ground[self.special] = KEY
        for index, place in enumerate(self.places):
            if not self.got[index]:
                ground[place] = NUMBERED + index if self._ordered else PLACE
        ground[self.agent] = AGENT
        cells = ground.reshape(self._side, self._side)
        if self._view:
            row, column = divmod(self.agent, self._side)
            cells = np.pad(cells, self._view, constant_values=WALL)
            cells = cells[row : row + 2 * self._view + 1, column : column + 2 * self._view + 1].copy()
        return cells

    def hint(self, rng: np.random.Generator) -> int:
        """A step on a shortest way to the next place."""
        if not self.plan:
            wanted = [place for place, got in zip(self.places, self.got, strict=True) if not got]
            self.plan = self._route(wanted[:1] if self._ordered else wanted)
        return super().hint(rng)

    def _route(self, wanted: list[int]) -> list[int]:
        start = (self.agent, self.power)
        came: dict[tuple[int, int], tuple[tuple[int, int], int] | None] = {start: None}
        queue = deque([start])
        while queue:
            state = queue.popleft()
            if state[0] in wanted and state != start:
                route = []
                while (step := came[state]) is not None:
                    state, action = step
                    route.append(action)
                return route
            for action in range(4):
                after = self._moved(*state, action)
                if after not in came:
                    came[after] = (state, action)
                    queue.append(after)
        return []


# ------------------------------------------------------------------ ways between rooms


def _way(tree: Passages, start: int, end: int) -> list[int]:
    """The rooms on the way from one room to another."""
    ways = {start: [start]}
    queue = deque([start])
    while queue:
        room = queue.popleft()
        for there, _ in tree[room]:
            if there not in ways:
                ways[there] = [*ways[room], there]
                queue.append(there)
    return ways[end]


def _side(tree: Passages, start: int, door: int) -> set[int]:
    """The rooms on this side of the door."""
    return _reached({room: [there for there, cell in ways if cell != door] for room, ways in tree.items()}, start)


def _reached(ways: dict[int, list[int]], start: int) -> set[int]:
    reached, queue = {start}, [start]
    while queue:
        for there in ways[queue.pop()]:
            if there not in reached:
                reached.add(there)
                queue.append(there)
    return reached
