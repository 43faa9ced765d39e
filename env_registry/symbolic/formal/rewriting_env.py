"""Rewriting words with the rules of a semi-Thue system, as a Gymnasium environment.

Dynamics. A word, and a cursor before one of its letters or at its end. An action moves the cursor one letter to the
right (from the end to the start), goes back to the start word, or applies a rule: its left side is looked for from the
cursor on, then from the word's start, and the first match is replaced by the right side; the cursor goes there. With
`matching="here"` only a match at the cursor counts. Without a match, where the word would become longer than
`capacity`, or with probability `failure` nothing happens.

The goal is derived from the start by rules at places drawn uniformly, `derivation` of them or, for `goal="normal"`, up
to 100, until none applies; starts that lead to themselves are drawn again, 20 times at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from env_registry.symbolic.formal.rewriting import SYSTEMS, System

Letters = NDArray[np.int8]

LONGEST_DERIVATION = 100
_ATTEMPTS = 20

MOVE, RESTART = 0, 1


@dataclass(frozen=True)
class Rule:
    left: str
    right: str

    def matches(self, word: str) -> list[int]:
        """Where the rule can be applied, from left to right."""
        body = self.left.strip("^$.")
        places = [place for place in range(len(word) - len(body) + 1) if word.startswith(body, place)]
        if self.left[:1] == "^":
            places = [place for place in places if place == 0]
        if self.left[-1:] == "$":
            places = [place for place in places if place + len(body) == len(word)]
        return places

    def apply(self, word: str, place: int) -> str:
        body = self.left.strip("^$.")
        rest = word[place + len(body) :]
        if self.left.endswith("."):
            return word[:place] + self.right.replace(".", rest)
        return word[:place] + self.right + rest


@cache
def rules_of(system: System) -> tuple[Rule, ...]:
    """The rules one by one; a `left=right` gives two."""
    rules = []
    for text in system.rules.split():
        left, sign, right = text.partition("=" if "=" in text else ">")
        rules.append(Rule(left, right))
        if sign == "=":
            rules.append(Rule(right, left))
    return tuple(rules)


class RewritingEnv(gymnasium.Env[Letters, np.int64]):
    """Actions: 0 moves the cursor, 1 goes back to the start word, 2 + i applies rule i.

    Rewards: 1 for the goal, which ends the episode, less `step_cost`; with `reward="progress"` also the decrease of the
    share of places in which word and goal differ, of the longer one's.

    Observation (3 x capacity): the word and the goal, letters from 1 in the system's order, 0 beyond their ends; then 1
    at the cursor's place, of which the one after the last letter of a full word is not shown.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  # as Gymnasium declares it

    def __init__(
        self,
        *,
        system: str = "miu",
        length: int = 6,
        derivation: int = 5,
        capacity: int = 24,
        reward: str = "progress",
        step_cost: float = 0.0,
        matching: str = "next",
        failure: float = 0.0,
        mutation: float = 0.0,
        view_radius: int = 0,
        sensor_noise: float = 0.0,
        goal: str = "derived",
        slip: float = 0.0,
    ) -> None:
        self.system = SYSTEMS[system]
        self.rules = rules_of(self.system)
        self.observation_space = spaces.Box(0, len(self.system.letters), (3, capacity), np.int8)
        self.action_space = spaces.Discrete(2 + len(self.rules))
        self.word = self.start = self.target = ""
        self.cursor = 0
        self.solution: list[tuple[int, int, str]] = []  # rule, place and word after it
        self._numbers = {letter: number for number, letter in enumerate(self.system.letters, start=1)}
        self._length, self._capacity, self._cost, self._near = length, capacity, step_cost, matching == "here"
        self._rules_to_goal = derivation if goal == "derived" else LONGEST_DERIVATION
        self._progress, self._failure, self._mutation, self._slip = reward == "progress", failure, mutation, slip
        self._view_radius, self._sensor_noise = view_radius, sensor_noise

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Letters, dict[str, Any]]:
        super().reset(seed=seed)
        for _ in range(_ATTEMPTS):
            self.start = self.system.axiom or self._random_word()
            self.solution = self._derivation(self.start)
            self.target = self.solution[-1][2] if self.solution else self.start
            if self.target != self.start:
                break
        self.word, self.cursor = self.start, 0
        return self._observation(), {}

    def step(self, action: np.int64) -> tuple[Letters, float, bool, bool, dict[str, Any]]:
        if self._slip and self.np_random.random() < self._slip:
            action = self.np_random.integers(2 + len(self.rules))
        before = self._distance()
        self._act(int(action))
        if self._mutation and self.np_random.random() < self._mutation and self.word:
            place = int(self.np_random.integers(len(self.word)))
            self.word = self.word[:place] + self._random_letter() + self.word[place + 1 :]
        over = self.word == self.target
        reward = float(over) - self._cost + (before - self._distance() if self._progress else 0.0)
        return self._observation(), reward, over, False, {}

    def hint(self, rng: np.random.Generator) -> int:
        """The next rule of the derivation that made the goal; off its way, back to the start."""
        words = [self.start, *(word for _, _, word in self.solution)]
        if self.word not in words or self.word == self.target:
            return RESTART if self.word != self.target else MOVE
        rule, place, _ = self.solution[len(words) - 1 - words[::-1].index(self.word)]
        return 2 + rule if self._place(self.rules[rule]) == place else MOVE

    def _random_letter(self) -> str:
        return self.system.letters[int(self.np_random.integers(len(self.system.letters)))]

    def _random_word(self) -> str:
        return "".join(self._random_letter() for _ in range(self._length))

    def _derivation(self, word: str) -> list[tuple[int, int, str]]:
        steps = []
        for _ in range(self._rules_to_goal):
            possible = [
                (number, place, following)
                for number, rule in enumerate(self.rules)
                for place in rule.matches(word)
                if len(following := rule.apply(word, place)) <= self._capacity
            ]
            if not possible:
                break
            steps.append(possible[int(self.np_random.integers(len(possible)))])
            word = steps[-1][2]
        return steps

    def _place(self, rule: Rule) -> int | None:
        """Where the rule would be applied now."""
        matches = rule.matches(self.word)
        if self._near:
            return self.cursor if self.cursor in matches else None
        return next((place for place in matches if place >= self.cursor), matches[0] if matches else None)

    def _act(self, action: int) -> None:
        if action == MOVE:
            self.cursor = self.cursor + 1 if self.cursor < len(self.word) else 0
        elif action == RESTART:
            self.word, self.cursor = self.start, 0
        elif not (self._failure and self.np_random.random() < self._failure):
            rule = self.rules[action - 2]
            place = self._place(rule)
            if place is not None and len(following := rule.apply(self.word, place)) <= self._capacity:
                self.word, self.cursor = following, place
        self.cursor = min(self.cursor, len(self.word))

    def _distance(self) -> float:
        longer = max(len(self.word), len(self.target))
        same = sum(a == b for a, b in zip(self.word, self.target, strict=False))
        return (longer - same) / longer if longer else 0.0

    def _observation(self) -> Letters:
        seen = np.zeros((3, self._capacity), dtype=np.int8)
        for row, word in enumerate((self.word, self.target)):
            seen[row, : len(word)] = [self._numbers[letter] for letter in word]
        if self.cursor < self._capacity:
            seen[2, self.cursor] = 1
        if self._sensor_noise:
            wrong = self.np_random.random(self._capacity) < self._sensor_noise
            letters = self.np_random.integers(1, len(self._numbers) + 1, self._capacity, dtype=np.int8)
            seen[0] = np.where(wrong, letters, seen[0])
        if self._view_radius:
            seen[0, : max(0, self.cursor - self._view_radius)] = 0
            seen[0, self.cursor + self._view_radius + 1 :] = 0
        return seen
