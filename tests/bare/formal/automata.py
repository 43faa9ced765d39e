"""Cellular automata, cell by cell."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.bare.formal.reference import Reference


class Life(Reference):
    actions = 6

    def __init__(self, objective: str, rule: str = "b3-s23", **values: Any) -> None:
        super().__init__(values.pop("slip", 0.0))
        self.objective = objective
        self.births, self.survivals = (part[1:] for part in rule.split("-"))
        self.size = values.pop("size", 15)
        self.values = {
            "edge": "torus",
            "target_density": 0.3,
            "initial_density": 0.5,
            "noise": 0.0,
            "update_probability": 1.0,
            "updates_per_step": 1,
            "brush": 1,
            "tool": "flip",
            "stride": 1,
            "paint_cost": 0.0,
            "view_radius": 0,
            "sensor_noise": 0.0,
        } | values

    def begin(self) -> Any:
        self.cells = self.soup()
        self.row = self.column = self.size // 2
        self.goal = self.soup() if self.objective == "pattern" else []
        if self.goal:
            for _ in range(20):
                self.goal = self.next_cells(self.goal)
        return self.seen()

    def soup(self) -> list[list[int]]:
        chances = self.rng.random((self.size, self.size)).tolist()
        return self.walled([[int(chance < self.values["initial_density"]) for chance in row] for row in chances])

    def walled(self, cells: list[list[int]]) -> list[list[int]]:
        if self.values["edge"] == "torus":
            return cells
        return [[cell if r and c else 0 for c, cell in enumerate(row)] for r, row in enumerate(cells)]

    def next_cells(self, cells: list[list[int]]) -> list[list[int]]:
        def becomes(r: int, c: int) -> int:
            around = sum(cells[(r + i) % self.size][(c + j) % self.size] for i in (-1, 0, 1) for j in (-1, 0, 1))
            neighbours = str(around - cells[r][c])
            return int(neighbours in (self.survivals if cells[r][c] else self.births))

        return self.walled([[becomes(r, c) for c in range(self.size)] for r in range(self.size)])

    def play(self, action: int) -> tuple[Any, float, bool]:
        stride = self.values["stride"]
        if action == 5:
            half = self.values["brush"] // 2
            square = range(-half, self.values["brush"] - half)
            for r, c in {((self.row + i) % self.size, (self.column + j) % self.size) for i in square for j in square}:
                self.cells[r][c] = {"flip": 1 - self.cells[r][c], "birth": 1, "death": 0}[self.values["tool"]]
            self.cells = self.walled(self.cells)
        elif action:
            down, right = {1: (-1, 0), 2: (1, 0), 3: (0, -1), 4: (0, 1)}[action]
            self.row, self.column = (self.row + stride * down) % self.size, (self.column + stride * right) % self.size
        for _ in range(self.values["updates_per_step"]):
            before = self.cells
            self.update()
        total = self.size**2
        if self.objective == "density":
            reward = 1.0 - abs(sum(map(sum, self.cells)) / total - self.values["target_density"])
        else:
            wanted = self.goal if self.objective == "pattern" else before
            reward = sum(a == b for x, y in zip(self.cells, wanted, strict=True) for a, b in zip(x, y, strict=True))
            reward /= total
        return self.seen(), reward - (self.values["paint_cost"] if action == 5 else 0.0), False

    def update(self) -> None:
        cells = self.next_cells(self.cells)
        shape = (self.size, self.size)
        if self.values["update_probability"] < 1:
            for r, row in enumerate(self.rng.random(shape).tolist()):
                for c, chance in enumerate(row):
                    if chance >= self.values["update_probability"]:
                        cells[r][c] = self.cells[r][c]
        if self.values["noise"]:
            for r, row in enumerate(self.rng.random(shape).tolist()):
                for c, chance in enumerate(row):
                    cells[r][c] = 1 - cells[r][c] if chance < self.values["noise"] else cells[r][c]
        self.cells = self.walled(cells)

    def seen(self) -> Any:
        radius = self.values["view_radius"]
        side = 2 * radius + 1 if radius else self.size
        where = [i - side // 2 for i in range(side)]
        layers = [
            [[layer[(self.row + i) % self.size][(self.column + j) % self.size] for j in where] for i in where]
            for layer in (self.cells, *([self.goal] if self.goal else []))
        ]
        if self.values["sensor_noise"]:
            wrong = self.rng.random((side, side)) < self.values["sensor_noise"]
            layers[0] = [[cell ^ int(wrong[r, c]) for c, cell in enumerate(row)] for r, row in enumerate(layers[0])]
        return np.array(layers, dtype=np.int8)


class Ring(Reference):
    actions = 4

    def __init__(self, rule: str = "", code: str = "", size: int = 31, **values: Any) -> None:
        super().__init__(values.pop("slip", 0.0))
        self.rule, self.code, self.size = rule, code, size
        self.colours = 3 if code else 2
        self.values = {
            "initial_density": 0.5,
            "noise": 0.0,
            "updates_per_step": 1,
            "brush": 1,
            "stride": 1,
            "paint_cost": 0.0,
            "view_radius": 0,
            "sensor_noise": 0.0,
            "target": 0.5,
            "edge": "ring",
        } | values

    def begin(self) -> Any:
        self.previous, self.cells = self.soup(), self.soup()
        self.place = self.size // 2
        return self.seen()

    def soup(self) -> list[int]:
        colours = self.rng.integers(1, self.colours, self.size, dtype=np.int8).tolist()
        chances = self.rng.random(self.size)
        return self.walled(
            [c if p < self.values["initial_density"] else 0 for c, p in zip(colours, chances, strict=True)]
        )

    def walled(self, cells: list[int]) -> list[int]:
        return [0, *cells[1:]] if self.values["edge"] == "wall" else cells

    def becomes(self, place: int) -> int:
        left, own, right = (self.cells[(place + i) % self.size] for i in (-1, 0, 1))
        if self.code:
            digits = np.base_repr(int(self.code), 3).zfill(7)
            return int(digits[6 - (left + own + right)])
        pattern = f"{left}{own}{right}"
        ones = ["111", "110", "101", "100", "011", "010", "001", "000"]
        bit = f"{int(self.rule.rstrip('r')):08b}"[ones.index(pattern)]
        return int(bit) ^ self.previous[place]

    def play(self, action: int) -> tuple[Any, float, bool]:
        if action == 3:
            half = self.values["brush"] // 2
            for place in {(self.place + i - half) % self.size for i in range(self.values["brush"])}:
                self.cells[place] = (self.cells[place] + 1) % self.colours
            self.cells = self.walled(self.cells)
        else:
            self.place = (self.place + {0: 0, 1: -1, 2: 1}[action] * self.values["stride"]) % self.size
        for _ in range(self.values["updates_per_step"]):
            cells = [self.becomes(place) for place in range(self.size)]
            if self.values["noise"]:
                cells = self.disturbed(cells, self.values["noise"])
            self.previous, self.cells = self.cells, self.walled(cells)
        mean = sum(self.cells) / (self.size * (self.colours - 1))
        reward = 1.0 - abs(mean - self.values["target"]) - (self.values["paint_cost"] if action == 3 else 0.0)
        return self.seen(), reward, False

    def disturbed(self, cells: list[int], probability: float) -> list[int]:
        drawn = self.rng.integers(self.colours, size=len(cells), dtype=np.int8).tolist()
        chances = self.rng.random(len(cells)).tolist()
        return [new if p < probability else old for new, p, old in zip(drawn, chances, cells, strict=True)]

    def seen(self) -> Any:
        radius = self.values["view_radius"]
        length = 2 * radius + 1 if radius else self.size
        rows = (self.cells,) if self.code else (self.cells, self.previous)
        flat = [row[(self.place + i - length // 2) % self.size] for row in rows for i in range(length)]
        if self.values["sensor_noise"]:
            flat = self.disturbed(flat, self.values["sensor_noise"])
        return np.array(flat, dtype=np.int8).reshape(len(rows), length)
