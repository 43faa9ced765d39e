"""Sokoban as a Gymnasium environment.

Dynamics. A step leads up, down, left or right, unless it is blocked by a wall or by boxes that cannot move; then it is
illegal. What happens to boxes is the task's rule; see `_pushed`. With probability `jam` a legal step fails.

Generation. Each cell inside is a wall with probability `walls`; of the rest, what does not belong to the largest
connected part becomes wall, too. Marks, each with its box, and the worker are on drawn cells. Then `scramble` steps
are taken back, each drawn uniformly from all that can be, and more until a box is off its mark (pushed boxes are
pulled; where two could have been pushed, both). If there is none after 200 more, or no room, everything is drawn anew;
from the twentieth time on without walls.

Random draws: at the start a number for each cell inside, an order of the free cells, and each step taken back; in a
step whether it jams.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from env_registry.symbolic.puzzles.puzzle_env import Cells, PuzzleEnv

_STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1))
_TRIES = 20
_PATIENCE = 200

WORKER, BOX = 2, 3


class SokobanEnv(PuzzleEnv):
    """Observation (2 x size x size): 1 wall, 2 worker, 3 box (or 3, 4, ... where each has its mark); then the marks, 1
    (or 1, 2, ...). The score is the share of boxes on marks (their own)."""

    STATE = (*PuzzleEnv.STATE, "walls", "marks", "boxes", "worker")

    def __init__(
        self,
        *,
        rule: str = "push",
        goal: str = "any",
        size: int = 7,
        boxes: int = 3,
        scramble: int = 30,
        walls: float = 0.15,
        jam: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__((2, size, size), BOX + boxes, 4, **common)
        self._rule, self._own, self._size, self._count = rule, goal == "own", size, boxes
        self._scramble, self._density, self._jam = scramble, walls, jam
        self._next = _next(size)
        self.walls: NDArray[np.bool_] = np.zeros(size * size, np.bool_)
        self.marks: list[int] = []
        self.boxes: list[int] = []
        self.worker = 0

    # ------------------------------------------------------------------ generation

    def begin(self) -> None:
        for attempt in range(1_000_000):
            if self._built(self._density if attempt < _TRIES else 0.0) and self._taken_back():
                return

    def _built(self, density: float) -> bool:
        size, margin = self._size, 0 if self._rule == "torus" else 1
        inside = size - 2 * margin
        walls = np.ones((size, size), np.bool_)
        walls[margin : size - margin, margin : size - margin] = self.np_random.random((inside, inside)) < density
        self.walls = walls.ravel()
        free = self._largest_part()
        self.walls[:] = True
        self.walls[free] = False
        order = self.np_random.permutation(len(free)).tolist()
        if len(free) < self._count + 2:
            return False
        self.marks = [free[index] for index in order[: self._count]]
        self.boxes, self.worker = list(self.marks), free[order[self._count]]
        return True

    def _largest_part(self) -> list[int]:
        parts: list[list[int]] = [[]]
        left = dict.fromkeys(np.flatnonzero(~self.walls).tolist())
        while left:
            part = [next(iter(left))]
            del left[part[0]]
            for cell in part:
                for there in self._next[cell]:
                    if there in left:
                        del left[there]
                        part.append(there)
            parts.append(part)
        largest: list[int] = max(parts, key=len)
        return sorted(largest)

    def _taken_back(self) -> bool:
        self.plan = []
        for made in range(self._scramble + _PATIENCE):
            if made >= self._scramble and self.score() < 1.0:
                return True
            ways = [(action, pulls) for action in range(4) for pulls in (False, True) if self._before(action, pulls)]
            if not ways:
                return False
            action, pulls = ways[self.np_random.integers(len(ways))]
            self.worker, moved = self._before(action, pulls) or (0, {})
            self.boxes = [moved.get(box, box) for box in self.boxes]
            self.plan.append(action)
        return False

    def _before(self, action: int, moves_boxes: bool) -> tuple[int, dict[int, int]] | None:
        """Where the worker, and which boxes were where, before the action, if they can have been so."""
        back = self._next[self.worker][action ^ 1]
        if not moves_boxes:
            drags = self._rule == "pull" and self._next[back][action ^ 1] in self.boxes
            return None if self._blocked(back) or drags else (back, {})
        if self._rule in ("pull", "swap"):
            origin = self._next[back][action ^ 1] if self._rule == "pull" else self.worker
            if back not in self.boxes or (self._rule == "pull" and self._blocked(origin)):
                return None
            return back, {back: origin}
        box = self._next[self.worker][action]
        if self._rule == "slide":
            while not self._blocked(box):
                box = self._next[box][action]
            if not self._blocked(self._next[box][action]):
                return None
        if self._blocked(back) or box not in self.boxes:
            return None
        beyond = self._next[box][action]
        both = self._rule == "push_two" and beyond in self.boxes
        return back, {box: self.worker, beyond: box} if both else {box: self.worker}

    # ------------------------------------------------------------------ steps

    def act(self, action: int) -> bool:
        there = self._next[self.worker][action]
        moved = self._pushed(there, action)
        if self.walls[there] or moved is None:
            return False
        if self._jam and self.np_random.random() < self._jam:
            return True
        self.boxes = [moved.get(box, box) for box in self.boxes]
        self.worker = there
        reversible = self._rule == "swap" or (self._rule != "pull" and not moved)
        self.follow(action, (action ^ 1,) if reversible else None)
        return True

    def _pushed(self, there: int, action: int) -> dict[int, int] | None:
        """Which boxes a step onto a cell moves where; None where it cannot be made."""
        if self._rule == "pull":
            behind = self._next[self.worker][action ^ 1]
            if there in self.boxes:
                return None
            return {behind: self.worker} if behind in self.boxes else {}
        if there not in self.boxes:
            return {}
        if self._rule == "swap":
            return {there: self.worker}
        beyond = self._next[there][action]
        if self._rule == "push_two" and beyond in self.boxes:
            after = self._next[beyond][action]
            return None if self._blocked(after) else {there: beyond, beyond: after}
        if self._blocked(beyond):
            return None
        while self._rule == "slide" and not self._blocked(self._next[beyond][action]):
            beyond = self._next[beyond][action]
        return {there: beyond}

    def _blocked(self, cell: int) -> bool:
        return bool(self.walls[cell]) or cell in self.boxes

    def score(self) -> float:
        if self._own:
            return sum(box == mark for box, mark in zip(self.boxes, self.marks, strict=True)) / self._count
        return sum(box in self.marks for box in self.boxes) / self._count

    def view(self) -> Cells:
        seen = np.zeros((2, self._size**2), np.int16)
        seen[0] = self.walls
        seen[0, self.boxes] = BOX + np.arange(self._count) if self._own else BOX
        seen[0, self.worker] = WORKER
        seen[1, self.marks] = 1 + np.arange(self._count) if self._own else 1
        return seen.reshape(2, self._size, self._size)


def _next(size: int) -> list[list[int]]:
    """The cell after each in each direction, round the edges."""
    return [
        [(r + down) % size * size + (c + right) % size for down, right in _STEPS] for r, c in np.ndindex(size, size)
    ]
