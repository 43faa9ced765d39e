"""Mazes, warehouses and chess boards that one walks through."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tests.bare.puzzles.reference import Puzzle

WAYS = ((-1, 0), (1, 0), (0, -1), (0, 1))


class Maze(Puzzle):
    limit = 200
    high = 19

    def __init__(
        self, objective: str = "exit", rooms: int = 5, braid: float = 0.2, targets: int = 3, **common: Any
    ) -> None:
        super().__init__(**common)
        self.objective, self.rooms, self.braid, self.targets = objective, rooms, braid, targets

    def begin(self) -> None:
        n = self.rooms
        rooms = [(r, c) for r in range(n) for c in range(n)]
        walls = []
        for r, c in rooms:
            walls += [((r, c), (r, c + 1))] if c + 1 < n else []
            walls += [((r, c), (r + 1, c))] if r + 1 < n else []
        order, chances = self.rng.permutation(len(walls)), self.rng.random(len(walls))
        part = {room: {room} for room in rooms}
        self.floor = {(2 * r + 1, 2 * c + 1) for r, c in rooms}
        for i in order:
            one, other = walls[i]
            if other not in part[one] or chances[i] < self.braid:
                joined = part[one] | part[other]
                part.update(dict.fromkeys(joined, joined))
                self.floor.add((one[0] + other[0] + 1, one[1] + other[1] + 1))
        self.me, *others = [(2 * r + 1, 2 * c + 1) for r, c in self.mixed(rooms)]
        self.left = others[: {"coins": self.targets, "in_order": self.targets}.get(self.objective, 1)]
        self.left += [self.me] if self.objective == "return" else []
        self.all = list(self.left)

    def do(self, action: int) -> bool:
        there = self.me[0] + WAYS[action][0], self.me[1] + WAYS[action][1]
        legal = there in self.floor
        self.me = there if legal else self.me
        wanted = self.left[:1] if self.objective in ("in_order", "return") else self.left
        if self.me in wanted:
            self.left.remove(self.me)
        return legal

    def share(self) -> Fraction:
        return Fraction(len(self.all) - len(self.left), len(self.all))

    def mark(self, cell: tuple[int, int]) -> int:
        if cell == self.me:
            return 2
        if cell in self.left:
            at = len(self.all) - 1 - self.all[::-1].index(cell)
            return 11 + at if self.objective in ("in_order", "return") else 3
        return int(cell not in self.floor)

    def look(self) -> Any:
        side = range(2 * self.rooms + 1)
        return [[self.mark((r, c)) for c in side] for r in side]


class Sokoban(Puzzle):
    """Classic rules, or with boxes that have marks of their own."""

    def __init__(self, goal: str = "any", size: int = 7, boxes: int = 3, scramble: int = 30, **common: Any) -> None:
        super().__init__(**common)
        self.own, self.size, self.count, self.scramble = goal == "own", size, boxes, scramble
        self.high = 3 + boxes

    def begin(self) -> None:
        for attempt in range(1000):
            if self.laid(0.15 if attempt < 20 else 0.0) and self.unsolved():
                return

    def laid(self, density: float) -> bool:
        inside = [(r, c) for r in range(1, self.size - 1) for c in range(1, self.size - 1)]
        chances = self.rng.random((self.size - 2, self.size - 2)).ravel()
        free = {cell for cell, chance in zip(inside, chances, strict=True) if chance >= density}
        parts = []
        while free:
            part = {min(free)}
            while grown := {n for cell in part for n in self.around(cell)} & free - part:
                part |= grown
            parts.append(part)
            free -= part
        self.floor = max(parts, key=len) if parts else set()
        order = self.mixed(sorted(self.floor))
        if len(order) < self.count + 2:
            return False
        self.marks, self.boxes, self.me = order[: self.count], order[: self.count], order[self.count]
        return True

    @staticmethod
    def around(cell: tuple[int, int], sign: int = 1) -> list[tuple[int, int]]:
        return [(cell[0] + sign * down, cell[1] + sign * right) for down, right in WAYS]

    def unsolved(self) -> bool:
        """Walk backwards: to the cell behind, and if one likes with the box in front."""
        for made in range(self.scramble + 200):
            if made >= self.scramble and self.share() < 1:
                return True
            ways = []
            for ahead, behind in zip(self.around(self.me), self.around(self.me, -1), strict=True):
                if behind in self.floor and behind not in self.boxes:
                    ways += [(behind, None)] + [(behind, ahead)] * (ahead in self.boxes)
            if not ways:
                return False
            behind, box = self.any_of(ways)
            self.boxes = [self.me if b == box else b for b in self.boxes]
            self.me = behind
        return False

    def do(self, action: int) -> bool:
        there = self.around(self.me)[action]
        beyond = self.around(there)[action]
        if there not in self.floor or (there in self.boxes and (beyond not in self.floor or beyond in self.boxes)):
            return False
        self.boxes = [beyond if box == there else box for box in self.boxes]
        self.me = there
        return True

    def share(self) -> Fraction:
        right = sum(b == m for b, m in zip(self.boxes, self.marks, strict=True))
        return Fraction(right if self.own else len({*self.boxes} & {*self.marks}), self.count)

    def look(self) -> Any:
        side = range(self.size)

        def thing(cell: tuple[int, int]) -> int:
            if cell == self.me:
                return 2
            if cell in self.boxes:
                return 3 + (self.boxes.index(cell) if self.own else 0)
            return int(cell not in self.floor)

        def mark(cell: tuple[int, int]) -> int:
            return (1 + self.marks.index(cell) if self.own else 1) if cell in self.marks else 0

        return [[[what((r, c)) for c in side] for r in side] for what in (thing, mark)]


class Tour(Puzzle):
    PIECES = {  # noqa: RUF012  # in the order of actions
        "knight": ((1, 2), (1, -2), (-1, 2), (-1, -2), (2, 1), (2, -1), (-2, 1), (-2, -1)),
        "wazir": ((0, 1), (0, -1), (1, 0), (-1, 0)),
    }

    def __init__(self, piece: str = "knight", board: str = "flat", tour: str = "open", **common: Any) -> None:
        super().__init__(**common)
        self.leaps, self.torus, self.closed = self.PIECES[piece], board == "torus", tour == "closed"
        self.high, self.actions = 4, len(self.leaps)
        self.squares = [(r, c) for r in range(6) for c in range(6)]

    def begin(self) -> None:
        self.path = [self.mixed(self.squares)[0]]

    def target(self, leap: tuple[int, int]) -> tuple[int, int] | None:
        r, c = self.path[-1][0] + leap[0], self.path[-1][1] + leap[1]
        there = (r % 6, c % 6) if self.torus else (r, c)
        home = self.closed and len(self.path) == 36 and there == self.path[0]
        return there if there in self.squares and (home or there not in self.path) else None

    def do(self, action: int) -> bool:
        there = self.target(self.leaps[action])
        self.path += [there] if there else []
        return there is not None

    def share(self) -> Fraction:
        return Fraction(len(self.path), 37 if self.closed else 36)

    def stuck(self) -> bool:
        return not any(self.target(leap) for leap in self.leaps)

    def look(self) -> Any:
        def mark(square: tuple[int, int]) -> int:
            if square == self.path[-1]:
                return 3
            return 4 if self.closed and square == self.path[0] else int(square in self.path)

        return [[mark((r, c)) for c in range(6)] for r in range(6)]
