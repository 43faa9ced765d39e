"""A register machine, example by example, and circuits as dicts from rows to bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.bare.formal.reference import Reference


class Adder(Reference):
    """A register machine that is to add, example by example."""

    TIME_LIMIT = 100

    def __init__(self, **values: Any) -> None:
        super().__init__(values.pop("slip", 0.0))
        self.values = {
            "examples": 4,
            "greatest_input": 9,
            "registers": 4,
            "instructions": "all",
            "overflow": "saturate",
            "greatest_value": 255,
            "reward": "progress",
            "instruction_cost": 0.0,
            "fault": 0.0,
            "garbage": False,
            "secret": False,
            "sensor_noise": 0.0,
        } | values
        kinds, registers = self.values["instructions"], range(self.values["registers"])
        half, product = [] if kinds == "counting" else [lambda a, b: a // 2], [lambda a, b: a * b]
        sums = [] if kinds == "counting" else [lambda a, b: a + b, lambda a, b: a - b]
        self.program: list[tuple[Callable[[int, int], int], int, int]] = []
        for one in (lambda a, b: a + 1, lambda a, b: a - 1, lambda a, b: 0, *half):
            self.program += [(one, d, d) for d in registers]
        self.program += [(lambda a, b: b, d, s) for d in registers for s in registers if s != d]
        for two in (*sums, *(product if kinds == "all" else [])):
            self.program += [(two, d, s) for d in registers for s in registers]
        self.actions = len(self.program)

    def begin(self) -> Any:
        examples, registers, greatest = (self.values[n] for n in ("examples", "registers", "greatest_input"))
        inputs = self.rng.integers(greatest + 1, size=(examples, 2), dtype=np.int32).tolist()
        rest = [[0] * registers] * examples
        if self.values["garbage"]:
            rest = self.rng.integers(greatest + 1, size=(examples, registers), dtype=np.int32).tolist()
        self.memory = [[a, b, *others[2:]] for (a, b), others in zip(inputs, rest, strict=True)]
        self.wanted = [self.bounded(a + b) for a, b in inputs]
        return self.seen()

    def bounded(self, value: int) -> int:
        value, greatest = max(value, 0), self.values["greatest_value"]
        return min(value, greatest) if self.values["overflow"] == "saturate" else value % (greatest + 1)

    def right(self) -> int:
        return sum(row[0] == wanted for row, wanted in zip(self.memory, self.wanted, strict=True))

    def play(self, action: int) -> tuple[Any, float, bool]:
        before = self.right()
        if not (self.values["fault"] and self.rng.random() < self.values["fault"]):
            operation, target, source = self.program[action]
            for row in self.memory:
                row[target] = self.bounded(operation(row[target], row[source]))
        over = self.right() == self.values["examples"]
        reward = (1.0 if over else 0.0) - self.values["instruction_cost"]
        if self.values["reward"] == "progress":
            reward += (self.right() - before) / self.values["examples"]
        return self.seen(), reward, over

    def seen(self) -> Any:
        seen = np.array(self.memory, dtype=np.int32)
        if self.values["sensor_noise"]:
            wrong = self.rng.random(seen.shape) < self.values["sensor_noise"]
            drawn = self.rng.integers(self.values["greatest_input"] + 1, size=seen.shape, dtype=np.int32)
            seen[wrong] = drawn[wrong]
        return seen if self.values["secret"] else np.column_stack((seen, np.array(self.wanted, dtype=np.int32)))


class Circuit(Reference):
    """Signals as dicts from rows to bits. The wanted function is of the class of `conjunction`, or else of parity."""

    TIME_LIMIT = 40
    BASES = {  # noqa: RUF012
        "full": "0001 0010 0100 0111 0110 1110 1101 1011 1000 1001",  # at (0, 0), (0, 1), (1, 0), (1, 1)
        "nand": "1110",
        "nor": "1000",
        "and_xor": "0001 0110 1001",
        "and_inverter": "0001 0010 0100 1000",
        "implication": "1011 1101",
    }

    def __init__(self, conjunction: bool = True, **values: Any) -> None:
        super().__init__(values.pop("slip", 0.0))
        self.conjunction = conjunction
        self.values = {
            "basis": "full",
            "gates": 8,
            "reward": "progress",
            "gate_cost": 0.0,
            "known_rows": 16,
            "fault": 0.0,
            "member": "any",
            "distractors": 0,
            "sensor_noise": 0.0,
        } | values
        size = 4 + self.values["distractors"] + self.values["gates"]
        pairs = [(i, j) for j in range(size) for i in range(size) if i <= j]
        self.moves = [(gate, i, j) for gate in self.gates(self.values["basis"]) for i, j in pairs]
        self.size, self.actions = size, len(self.moves)

    def gates(self, basis: str) -> list[dict[tuple[int, int], int]]:
        inputs = [(0, 0), (0, 1), (1, 0), (1, 1)]
        return [dict(zip(inputs, map(int, text), strict=True)) for text in self.BASES[basis].split()]

    def begin(self) -> Any:
        self.inputs = [{row: int(f"{row:04b}"[3 - i]) for row in range(16)} for i in range(4)]
        self.wanted = {row: self.wanted_value([self.inputs[i][row] for i in range(4)]) for row in range(16)}
        if self.values["member"] == "any":
            order = self.rng.permutation(4).tolist()
            negated = self.rng.integers(2, size=4, dtype=np.int8).tolist()
            output = int(self.rng.integers(2, dtype=np.int8))
            places = [order.index(i) for i in range(4)]
            self.wanted = {
                row: self.wanted_value([self.inputs[p][row] ^ negated[p] for p in places]) ^ output for row in range(16)
            }
        self.rows = set(self.rng.permutation(16)[: self.values["known_rows"]].tolist())
        self.signals = list(self.inputs)
        for _ in range(self.values["distractors"]):
            i, j = self.rng.integers(len(self.signals), size=2).tolist()
            number = int(self.rng.choice([8, 4, 2, 14, 6, 7, 11, 13, 1, 9]))
            self.lay({(a, b): number >> (2 * a + b) & 1 for a in (0, 1) for b in (0, 1)}, i, j)
        return self.seen()

    def wanted_value(self, inputs: list[int]) -> int:
        return int(not any(inputs)) if self.conjunction else sum(inputs) % 2

    def lay(self, gate: dict[tuple[int, int], int], i: int, j: int) -> None:
        signal = {row: gate[self.signals[i][row], self.signals[j][row]] for row in range(16)}
        if self.values["fault"]:
            for row, chance in enumerate(self.rng.random(16)):
                signal[row] ^= int(chance < self.values["fault"])
        self.signals.append(signal)

    def agreement(self) -> float:
        return max(sum(s[row] == self.wanted[row] for row in self.rows) for s in self.signals) / len(self.rows)

    def play(self, action: int) -> tuple[Any, float, bool]:
        gate, i, j = self.moves[action]
        nothing = dict.fromkeys(range(16), 0)
        before, laid = self.agreement(), len(self.signals)
        self.signals += [nothing] * (self.size - laid)
        self.lay(gate, i, j)
        self.signals = [*self.signals[:laid], self.signals[-1]]
        solved = self.agreement() == 1.0
        reward = (1.0 if solved else 0.0) - self.values["gate_cost"]
        if self.values["reward"] == "progress":
            reward += self.agreement() - before
        return self.seen(), reward, solved or len(self.signals) == self.size

    def seen(self) -> Any:
        rows = [[signal[row] for row in range(16)] for signal in self.signals]
        signals = np.array(rows + [[0] * 16] * (self.size - len(rows)), dtype=np.int8)
        if self.values["sensor_noise"]:
            signals ^= (self.rng.random(signals.shape) < self.values["sensor_noise"]).astype(np.int8)
        last = [self.wanted[row] if row in self.rows else 2 for row in range(16)]
        return np.vstack((signals, np.array(last, dtype=np.int8)))
