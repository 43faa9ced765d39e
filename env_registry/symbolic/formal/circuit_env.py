"""Building a circuit gate by gate, as a Gymnasium environment.

Dynamics. A signal is a truth table: its value for each of the 16 values of four inputs, input i being bit i of the
row's number. The first four signals are the inputs, then come `distractors` gates drawn at random, then `gates` signals
that are 0 until laid. Each step lays one gate: the next signal becomes a function of two signals (or of one, twice), of
those that the basis has; in every row it is wrong with probability `fault`. The episode ends when a signal has the
wanted values in all rows that matter, or after the last gate.

Random draws: at the start the member of the class (permutation, negation of inputs, of the output), the rows that
matter, the distractors; in a step whether the action slips and to which, then the faults, then what the sensors get
wrong.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Bits = NDArray[np.int8]

ROWS = 16
INPUTS = 4

# A gate is bit 2a + b of its number.
AND, NOR, XOR, OR, NAND, XNOR = 0b1000, 0b0001, 0b0110, 0b1110, 0b0111, 0b1001
A_NOT_B, B_NOT_A, A_OR_NOT_B, B_OR_NOT_A = 0b0100, 0b0010, 0b1101, 0b1011

BASES: dict[str, tuple[int, ...]] = {
    "full": (AND, A_NOT_B, B_NOT_A, OR, XOR, NAND, B_OR_NOT_A, A_OR_NOT_B, NOR, XNOR),
    "nand": (NAND,),
    "nor": (NOR,),
    "and_xor": (AND, XOR, XNOR),
    "and_inverter": (AND, A_NOT_B, B_NOT_A, NOR),
    "implication": (A_OR_NOT_B, B_OR_NOT_A),
}


class CircuitEnv(gymnasium.Env[Bits, np.int64]):
    """An action is `gate * pairs + pair`: a gate of the basis, and which two signals i <= j it takes, in the order
    (0, 0), (0, 1), (1, 1), (0, 2), (1, 2), ...

    Rewards: 1 for the wanted function, less `gate_cost` for every gate; with `reward="progress"` also the increase in
    the share of rows that matter in which the best signal is right.

    Observation (signals + 1 x 16): the signals, and last the wanted values, 2 in rows that do not matter.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  # as Gymnasium declares it

    def __init__(
        self,
        *,
        function: str = "0001",
        basis: str = "full",
        gates: int = 8,
        reward: str = "progress",
        gate_cost: float = 0.0,
        known_rows: int = 16,
        fault: float = 0.0,
        member: str = "any",
        distractors: int = 0,
        sensor_noise: float = 0.0,
        slip: float = 0.0,
    ) -> None:
        size = INPUTS + distractors + gates
        self._pairs = [(i, j) for j in range(size) for i in range(j + 1)]
        self._basis = BASES[basis]
        self.observation_space = spaces.Box(0, 2, (size + 1, ROWS), np.int8)
        self._actions = len(self._basis) * len(self._pairs)
        self.action_space = spaces.Discrete(self._actions)
        self.signals: Bits = np.zeros((size, ROWS), dtype=np.int8)
        self.target = _bits(int(function, 16))
        self.known = np.ones(ROWS, dtype=np.bool_)
        self.filled = INPUTS
        self.best = 0.0
        self._function, self._any, self._known_rows = self.target, member == "any", known_rows
        self._progress, self._cost, self._fault, self._slip = reward == "progress", gate_cost, fault, slip
        self._distractors, self._sensor_noise = distractors, sensor_noise

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Bits, dict[str, Any]]:
        super().reset(seed=seed)
        self.target = self._member() if self._any else self._function
        self.known = np.zeros(ROWS, dtype=np.bool_)
        self.known[self.np_random.permutation(ROWS)[: self._known_rows]] = True
        self.signals = np.zeros_like(self.signals)
        self.signals[:INPUTS] = _INPUT_BITS
        self.filled = INPUTS
        for _ in range(self._distractors):
            i, j = self.np_random.integers(self.filled, size=2)
            self._lay(int(self.np_random.choice(BASES["full"])), int(i), int(j))
        self.best = self._agreement()
        return self._observation(), {}

    def step(self, action: np.int64) -> tuple[Bits, float, bool, bool, dict[str, Any]]:
        if self._slip and self.np_random.random() < self._slip:
            action = self.np_random.integers(self._actions)
        gate, pair = divmod(int(action), len(self._pairs))
        self.signals = self.signals.copy()
        self._lay(self._basis[gate], *self._pairs[pair])
        before, self.best = self.best, self._agreement()
        solved = self.best == 1.0
        reward = float(solved) - self._cost + (self.best - before if self._progress else 0.0)
        return self._observation(), reward, solved or self.filled == len(self.signals), False, {}

    def hint(self, rng: np.random.Generator) -> int:
        """A gate of a shortest formula that is not laid yet, or any action where the basis has it not."""
        laid = {_number(signal): index for index, signal in enumerate(self.signals[: self.filled])}
        for gate, a, b in formula(_number(self.target)):
            if gate_value(gate, a, b) in laid:
                continue
            if a in laid and b in laid:
                i, j = laid[a], laid[b]
                if i > j:
                    i, j, gate = j, i, _swapped(gate)
                if gate in self._basis:
                    return self._basis.index(gate) * len(self._pairs) + j * (j + 1) // 2 + i
            break
        return int(rng.integers(self._actions))

    def _member(self) -> Bits:
        order = self.np_random.permutation(INPUTS)
        negated = self.np_random.integers(2, size=INPUTS, dtype=np.int8)
        output = self.np_random.integers(2, dtype=np.int8)
        rows = ((_INPUT_BITS ^ negated[:, None]) * (1 << order)[:, None]).sum(axis=0)
        member: Bits = self._function[rows] ^ output
        return member

    def _lay(self, gate: int, i: int, j: int) -> None:
        values = (gate >> (2 * self.signals[i] + self.signals[j]) & 1).astype(np.int8)
        if self._fault:
            values ^= self.np_random.random(ROWS) < self._fault
        self.signals[self.filled] = values
        self.filled += 1

    def _agreement(self) -> float:
        right = (self.signals[: self.filled] == self.target) & self.known
        return float(right.sum(axis=1).max()) / self._known_rows

    def _observation(self) -> Bits:
        signals = self.signals
        if self._sensor_noise:
            signals = signals ^ (self.np_random.random(signals.shape) < self._sensor_noise)
        return np.concatenate((signals, np.where(self.known, self.target, np.int8(2))[None]))


# ------------------------------------------------------------------ shortest formulas


def _bits(table: int) -> Bits:
    return np.array([table >> row & 1 for row in range(ROWS)], dtype=np.int8)


def _number(signal: Bits) -> int:
    return int(np.packbits(signal, bitorder="little").view("<u2")[0])


_INPUT_BITS = np.array([[row >> i & 1 for row in range(ROWS)] for i in range(INPUTS)], dtype=np.int8)
_ALL = (1 << ROWS) - 1


def gate_value(gate: int, a: int, b: int) -> int:
    """The gate's truth table, of those of its operands."""
    parts = ((gate >> 3 & 1, a & b), (gate >> 2 & 1, a & ~b), (gate >> 1 & 1, ~a & b), (gate & 1, ~a & ~b))
    return sum(term & _ALL for has, term in parts if has)


def _swapped(gate: int) -> int:
    return gate & 0b1001 | (gate & 0b0100) >> 1 | (gate & 0b0010) << 1


def formula(table: int) -> list[tuple[int, int, int]]:
    """Gates (gate, operand, operand) that compute a function, operands first; functions are truth tables."""
    if table & 1:  # a function that is 1 where all inputs are 0 is the complement of one that is not
        *others, (gate, a, b) = formula(_ALL ^ table) or [(OR, table ^ _ALL, table ^ _ALL)]
        return [*others, (~gate & 0b1111, a, b)]
    gates: list[tuple[int, int, int]] = []
    _collect(table, gates)
    return gates


def _collect(table: int, gates: list[tuple[int, int, int]]) -> None:
    made = _shortest().get(table)
    if made and made not in gates:
        for operand in made[1:]:
            _collect(operand, gates)
        gates.append(made)


@cache
def _shortest() -> dict[int, tuple[int, int, int]]:
    """The last gate of a shortest formula, of every function that is 0 where all inputs are 0 (Knuth's algorithm L)."""
    levels = [np.array([_number(bits) for bits in _INPUT_BITS])]
    known = np.zeros(1 << ROWS, dtype=np.bool_)
    known[levels[0]] = known[0] = True
    last: dict[int, tuple[int, int, int]] = {}
    while not known[::2].all():
        found: list[int] = []
        for one, other in ((k, len(levels) - 1 - k) for k in range((len(levels) + 1) // 2)):
            for a in levels[one].tolist():
                for gate in (AND, A_NOT_B, B_NOT_A, OR, XOR):
                    made = _gate_values(gate, a, levels[other])
                    new, where = np.unique(made, return_index=True)
                    fresh = ~known[new]
                    for table, b in zip(new[fresh].tolist(), levels[other][where[fresh]].tolist(), strict=True):
                        last[table] = (gate, a, b)
                        found.append(table)
                    known[new] = True
        levels.append(np.array(sorted(found)))
    return last


def _gate_values(gate: int, a: int, b: NDArray[np.int64]) -> NDArray[np.int64]:
    match gate:
        case 0b1000:
            return a & b
        case 0b0100:
            return a & ~b & _ALL
        case 0b0010:
            return ~a & b & _ALL
        case 0b1110:
            return a | b
        case _:
            return a ^ b
