"""Rewriting and languages, by what words look like."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.bare.formal.reference import Reference


class Miu(Reference):
    """Hofstadter's puzzle, rule by rule."""

    TIME_LIMIT = 100
    actions = 6
    letters = "miu"

    def __init__(self, **values: Any) -> None:
        super().__init__(values.pop("slip", 0.0))
        self.values = {
            "derivation": 5,
            "capacity": 24,
            "reward": "progress",
            "step_cost": 0.0,
            "matching": "next",
            "failure": 0.0,
            "mutation": 0.0,
            "view_radius": 0,
            "sensor_noise": 0.0,
        } | values

    def ways(self, word: str, rule: int) -> dict[int, str]:
        """Words that a rule makes, by the place where it is applied."""
        if rule == 0:
            return {len(word) - 1: word + "u"} if word.endswith("i") else {}
        if rule == 1:
            return {0: word + word[1:]} if word.startswith("m") else {}
        old, new = ("iii", "u") if rule == 2 else ("uu", "")
        return {i: word[:i] + new + word[i + len(old) :] for i in range(len(word)) if word[i : i + len(old)] == old}

    def begin(self) -> Any:
        for _ in range(20):
            target = "mi"
            for _ in range(self.values["derivation"]):
                possible = [
                    word
                    for rule in range(4)
                    for word in self.ways(target, rule).values()
                    if len(word) <= self.values["capacity"]
                ]
                if not possible:
                    break
                target = possible[int(self.rng.integers(len(possible)))]
            if target != "mi":
                break
        self.word, self.target, self.cursor = "mi", target, 0
        return self.seen()

    def play(self, action: int) -> tuple[Any, float, bool]:
        before = self.distance()
        if action == 0:
            self.cursor = self.cursor + 1 if self.cursor < len(self.word) else 0
        elif action == 1:
            self.word, self.cursor = "mi", 0
        elif not (self.values["failure"] and self.rng.random() < self.values["failure"]):
            ways = self.ways(self.word, action - 2)
            ahead = [place for place in ways if place >= self.cursor]
            places = (
                [self.cursor] if self.cursor in ways else [*ahead, *ways] if self.values["matching"] == "next" else []
            )
            if places and len(ways[places[0]]) <= self.values["capacity"]:
                self.word, self.cursor = ways[places[0]], places[0]
        self.cursor = min(self.cursor, len(self.word))
        if self.values["mutation"] and self.rng.random() < self.values["mutation"] and self.word:
            place = int(self.rng.integers(len(self.word)))
            self.word = self.word[:place] + self.letters[int(self.rng.integers(3))] + self.word[place + 1 :]
        over = self.word == self.target
        reward = (1.0 if over else 0.0) - self.values["step_cost"]
        if self.values["reward"] == "progress":
            reward += before - self.distance()
        return self.seen(), reward, over

    def distance(self) -> float:
        longer = max(len(self.word), len(self.target))
        return sum(self.word[i : i + 1] != self.target[i : i + 1] for i in range(longer)) / longer if longer else 0.0

    def seen(self) -> Any:
        capacity, radius = self.values["capacity"], self.values["view_radius"]
        rows = [
            [1 + self.letters.index(x) for x in word] + [0] * (capacity - len(word))
            for word in (self.word, self.target)
        ]
        if self.values["sensor_noise"]:
            wrong = self.rng.random(capacity) < self.values["sensor_noise"]
            drawn = self.rng.integers(1, 4, capacity, dtype=np.int8)
            rows[0] = [int(drawn[i]) if wrong[i] else rows[0][i] for i in range(capacity)]
        if radius:
            rows[0] = [x if abs(i - self.cursor) <= radius else 0 for i, x in enumerate(rows[0])]
        return np.array([*rows, [int(i == self.cursor) for i in range(capacity)]], dtype=np.int8)


class TomitaTwo(Reference):
    """Words (10)*, by what they look like. Symbol 2 is the end of a word."""

    def __init__(self, duty: str, **values: Any) -> None:
        super().__init__(values.pop("slip", 0.0))
        self.duty = duty
        self.actions = 2 if duty == "recognition" else 3
        self.values = {
            "corruption": 0.0,
            "tilt": 1.0,
            "end": 0.2,
            "window": 1,
            "mistake": 0.0,
            "relabel": False,
            "show_state": False,
            "foreign": 0.2 if duty == "recognition" else 0.0,
            "ahead": 1,
            "prefix": 4,
        } | values

    def begin(self) -> Any:
        self.names = [*(self.rng.permutation(2).tolist() if self.values["relabel"] else [0, 1]), 2]
        self.word, self.recent = "", [2] * self.values["window"]
        self.waiting: list[int] = []
        self.given = 0
        if self.duty == "prediction":
            for _ in range(self.values["ahead"]):
                self.draw_ahead()
        return self.seen()

    @staticmethod
    def belongs(word: str) -> bool:
        return word == "10" * (len(word) // 2)

    def draw(self, word: str) -> int:
        fitting = [x for x in (0, 1) if ("10" * len(word) + "10").startswith(f"{word}{x}")]
        if (self.belongs(word) and self.rng.random() < self.values["end"]) or not fitting:
            return 2
        if self.values["foreign"] and self.rng.random() < self.values["foreign"]:
            fitting = [0, 1]
        weights = [float(x in fitting) * self.values["tilt"] ** x for x in (0, 1)]
        return int(self.rng.random() * sum(weights) >= weights[0])

    def draw_ahead(self) -> None:
        word = self.word
        for symbol in self.waiting:
            word = "" if symbol == 2 else f"{word}{symbol}"
        self.waiting.append(self.draw(word))

    def read(self, symbol: int) -> None:
        self.word = "" if symbol == 2 else f"{self.word}{symbol}"
        if self.values["corruption"] and self.rng.random() < self.values["corruption"]:
            symbol = int(self.rng.integers(2))
        self.recent = [*self.recent[1:], self.names[symbol]]

    def play(self, action: int) -> tuple[Any, float, bool]:
        right = getattr(self, self.duty)(action)
        reward = 0.0 if right is None else 1.0 if right else self.values["mistake"]
        return self.seen(), reward, False

    def recognition(self, action: int) -> bool:
        right = self.belongs(self.word) == (action == 1)
        self.read(self.draw(self.word))
        return right

    def prediction(self, action: int) -> bool:
        right = self.names[self.waiting[-1]] == action
        self.read(self.waiting.pop(0))
        self.draw_ahead()
        return right

    def completion(self, action: int) -> bool | None:
        if self.given < self.values["prefix"]:
            symbol = self.draw(self.word)
            self.given = self.given + 1 if symbol != 2 else self.values["prefix"]
            if symbol != 2:
                self.read(symbol)
            return None
        if action < 2:
            self.read(self.names.index(action))
            return None
        right = self.belongs(self.word)
        self.read(2)
        self.given = 0
        return right

    def seen(self) -> Any:
        phase = [int(self.given >= self.values["prefix"])] if self.duty == "completion" else []
        state = [0 if self.belongs(self.word) else 1 if self.belongs(self.word + "0") else 2]
        return np.array([*self.recent, *phase, *state * self.values["show_state"]], dtype=np.int64)
