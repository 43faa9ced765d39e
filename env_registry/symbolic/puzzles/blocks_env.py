"""Blocks world as a Gymnasium environment.

Dynamics. Blocks 1, 2, ... stand in stacks on places. An action of a crane without a hand takes the top block of one
place to another, which is illegal from an empty place. A hand stands over a place: it moves left or right (illegal
beyond the ends), or it grips the top block or, holding one, lets it go (illegal over an empty place with nothing held).
A block that is put down lands, with probability `drop`, on a place that is drawn uniformly instead.

The start: a drawn arrangement that has the goal, and then `scramble` legal moves drawn uniformly, and more until the
goal is not reached.

Random draws: at the start those of `_arranged`, then each move; in a step whether a block drops elsewhere, and where.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from env_registry.symbolic.puzzles.puzzle_env import Cells, PuzzleEnv

LEFT, RIGHT, GRIP = range(3)


class BlocksEnv(PuzzleEnv):
    """Observation (2 x places x blocks): the stacks from below, 0 where there is none; then the picture that is wanted,
    all 0 unless the goal is `match`. With a hand there is a third picture: in it stands the number of the block held,
    or -1 for none, over its place, in the first layer.

    The score is the share of what the goal asks of each block (`level`: of the height) that holds, while nothing is
    held.
    """

    STATE = (*PuzzleEnv.STATE, "stacks", "hand", "held", "wanted")

    def __init__(
        self,
        *,
        crane: str = "free",
        goal: str = "tower",
        blocks: int = 4,
        places: int = 4,
        scramble: int = 10,
        drop: float = 0.0,
        tops_only: bool = False,
        **common: Any,
    ) -> None:
        self._moves, self._undo = _moves(crane, places)
        self._has_hand = crane == "hand"
        shape = (3 if self._has_hand else 2, places, blocks)
        super().__init__(shape, blocks, 3 if self._has_hand else len(self._moves), low=-1, **common)
        self.stacks: list[list[int]] = [[] for _ in range(places)]
        self.wanted: list[list[int]] = [[] for _ in range(places)]
        self.hand, self.held = 0, 0
        self._goal, self._blocks, self._places = goal, blocks, places
        self._scramble, self._drop, self._tops_only = scramble, drop, tops_only

    def begin(self) -> None:
        self.hand, self.held = 0, 0
        self.stacks = self._arranged()
        self.wanted = [list(stack) for stack in self.stacks]
        made = 0
        while made < self._scramble or self.score() == 1.0:
            able = [action for action in range(self._actions) if self._legal(action)]
            action = able[self.np_random.integers(len(able))]
            self._execute(action, None)
            self.plan.append(self._undo[action])
            made += 1

    def act(self, action: int) -> bool:
        if not self._legal(action):
            return False
        puts_down = not self._has_hand or (action == GRIP and self.held)
        landing = None
        if puts_down and self._drop and self.np_random.random() < self._drop:
            landing = int(self.np_random.integers(self._places))
        self._execute(action, landing)
        self.follow(action, (self._undo[action],) if landing is None else None)
        if landing is not None:
            self.plan = []
        return True

    def score(self) -> float:
        share = self._share()
        return share - 1.0 / self._blocks if self.held else share

    def view(self) -> Cells:
        seen = np.zeros(self._shape, np.int16)
        for place, stack in enumerate(self.stacks):
            if self._tops_only:
                seen[0, place, len(stack) - 1 : len(stack)] = stack[-1:]
            else:
                seen[0, place, : len(stack)] = stack
        if self._goal == "match":
            for place, stack in enumerate(self.wanted):
                seen[1, place, : len(stack)] = stack
        if self._has_hand:
            seen[2, self.hand, 0] = self.held or -1
        return seen

    def _arranged(self) -> list[list[int]]:
        """An arrangement with the goal. `tower` draws nothing; `match` an order of the blocks, then a place for each;
        `sort` an order, `level` too; `pairs` an order of the odd blocks and a place for each."""
        stacks: list[list[int]] = [[] for _ in range(self._places)]
        if self._goal == "tower":
            stacks[0] = list(range(1, self._blocks + 1))
        elif self._goal == "pairs":
            for odd in 2 * self.np_random.permutation((self._blocks + 1) // 2) + 1:
                pair = [int(odd), int(odd) + 1] if odd < self._blocks else [int(odd)]
                stacks[int(self.np_random.integers(self._places))] += pair
        else:
            for index, block in enumerate((self.np_random.permutation(self._blocks) + 1).tolist()):
                place = index % self._places
                if self._goal == "match":
                    place = int(self.np_random.integers(self._places))
                elif self._goal == "sort":
                    place = 0 if block % 2 else self._places - 1
                stacks[place].append(block)
        return stacks

    def _legal(self, action: int) -> bool:
        if not self._has_hand:
            return bool(self.stacks[self._moves[action][0]])
        if action == GRIP:
            return bool(self.held or self.stacks[self.hand])
        return self.hand > 0 if action == LEFT else self.hand < self._places - 1

    def _execute(self, action: int, landing: int | None) -> None:
        if not self._has_hand:
            here, there = self._moves[action]
            block = self.stacks[here].pop()
            self.stacks[there if landing is None else landing].append(block)
        elif action != GRIP:
            self.hand += 1 if action == RIGHT else -1
        elif self.held:
            self.stacks[self.hand if landing is None else landing].append(self.held)
            self.held = 0
        else:
            self.held = self.stacks[self.hand].pop()

    def _share(self) -> float:
        match self._goal:
            case "level":
                heights = [len(stack) for stack in self.stacks]
                uneven = max(heights) - min(heights) - (1 if sum(heights) % self._places else 0)
                return 1.0 - max(uneven, 0) / self._blocks
            case "pairs":
                on = {upper: lower for stack in self.stacks for lower, upper in pairwise(stack)}
                return sum(on.get(even) == even - 1 for even in range(2, self._blocks + 1, 2)) / (self._blocks // 2)
            case "sort":
                last = self._places - 1
                right = sum(block % 2 for block in self.stacks[0]) + sum(1 - block % 2 for block in self.stacks[last])
                return right / self._blocks
            case _:
                pairs = zip(self.stacks, self.wanted, strict=True)
                right = sum(a == b for stack, other in pairs for a, b in zip(stack, other, strict=False))
                return right / self._blocks


@cache
def _moves(crane: str, places: int) -> tuple[list[tuple[int, int]], list[int]]:
    """(from, to) of each action, and the action that takes it back; a hand's are left, right, grip."""
    if crane == "hand":
        return [], [RIGHT, LEFT, GRIP]
    pairs = [(a, b) for a in range(places) for b in range(places) if a != b]
    if crane == "neighbours":
        pairs = [(a, b) for a, b in pairs if abs(a - b) == 1]
    elif crane == "round":
        pairs = [(a, b) for a, b in pairs if (a - b) % places in (1, places - 1)]
    return pairs, [pairs.index((b, a)) for a, b in pairs]
