"""Writing a program for a register machine while it runs on examples, as a Gymnasium environment.

Dynamics. Some registers hold whole numbers from 0 to `greatest_value`, once for each example. Inputs are drawn for
every example and stand in the first registers; the others are 0. Each step executes one instruction on all examples
(Shepherdson and Sturgis, Computability of recursive functions, 1963): `inc d`, `dec d`, `clr d`, `hlf d` (half, rounded
down), `mov d s`, `add d s`, `sub d s`, `mul d s`. What would fall below 0 is 0; what would exceed the greatest value is
that, or is taken modulo one more. With probability `fault` an instruction does nothing.

Random draws: at the start the inputs, then garbage; in a step whether the action slips and to which; then the fault;
then what the sensors get wrong, and what they show instead.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from env_registry.symbolic.formal.machines import FUNCTIONS

Values = NDArray[np.int32]

UNARY, BINARY = ("inc", "dec", "clr", "hlf"), ("mov", "add", "sub", "mul")
INSTRUCTIONS = {
    "all": (*UNARY, *BINARY),
    "additive": ("inc", "dec", "clr", "hlf", "mov", "add", "sub"),
    "counting": ("inc", "dec", "clr", "mov"),
}


def instructions(kinds: str, registers: int) -> list[tuple[str, int, int]]:
    """Name, destination and source, in the order of the actions; a `mov` to itself would do nothing and is left out."""
    found = []
    for name in INSTRUCTIONS[kinds]:
        for target in range(registers):
            sources = [target] if name in UNARY else [s for s in range(registers) if name != "mov" or s != target]
            found += [(name, target, source) for source in sources]
    return found


class MachineEnv(gymnasium.Env[Values, np.int64]):
    """Rewards: 1 when the outputs are right on all examples, which ends the episode, less `instruction_cost`; with
    `reward="progress"` also the increase in the share of examples that are right.

    Observation (examples x columns): the registers, then, unless secret, the wanted values of the first ones.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  # as Gymnasium declares it

    def __init__(
        self,
        *,
        function: str = "sum",
        examples: int = 4,
        greatest_input: int = 9,
        registers: int = 4,
        instructions: str = "all",
        overflow: str = "saturate",
        greatest_value: int = 255,
        reward: str = "progress",
        instruction_cost: float = 0.0,
        fault: float = 0.0,
        garbage: bool = False,
        secret: bool = False,
        sensor_noise: float = 0.0,
        slip: float = 0.0,
    ) -> None:
        self.instructions = _listed(instructions, registers)
        self._function = FUNCTIONS[function]
        outputs = len(self._function.wanted(*[0] * self._function.arity))
        self.observation_space = spaces.Box(
            0, greatest_value, (examples, registers + (0 if secret else outputs)), np.int32
        )
        self.action_space = spaces.Discrete(len(self.instructions))
        self.values: Values = np.zeros((examples, registers), dtype=np.int32)
        self.wanted: Values = np.zeros((examples, outputs), dtype=np.int32)
        self.right = 0
        self.line = 0  # of the known program
        self._greatest_input, self._wrap, self._greatest = (
            min(greatest_input, greatest_value),
            overflow == "wrap",
            greatest_value,
        )
        self._progress, self._cost, self._fault, self._slip = reward == "progress", instruction_cost, fault, slip
        self._garbage, self._secret, self._sensor_noise = garbage, secret, sensor_noise

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Values, dict[str, Any]]:
        super().reset(seed=seed)
        examples, registers = self.values.shape
        inputs = self.np_random.integers(
            self._greatest_input + 1, size=(examples, self._function.arity), dtype=np.int32
        )
        self.values = np.zeros((examples, registers), dtype=np.int32)
        if self._garbage:
            self.values = self.np_random.integers(self._greatest_input + 1, size=self.values.shape, dtype=np.int32)
        self.values[:, : self._function.arity] = inputs
        wanted = np.array([self._function.wanted(*row) for row in inputs.tolist()], dtype=np.int64)
        self.wanted = self._bounded(wanted)
        self.right = self._count_right()
        self.line = 0
        return self._observation(), {}

    def step(self, action: np.int64) -> tuple[Values, float, bool, bool, dict[str, Any]]:
        if self._slip and self.np_random.random() < self._slip:
            action = self.np_random.integers(len(self.instructions))
        if not (self._fault and self.np_random.random() < self._fault):
            self._execute(*self.instructions[int(action)])
        before, self.right = self.right, self._count_right()
        over = self.right == len(self.values)
        reward = float(over) - self._cost
        if self._progress:
            reward += (self.right - before) / len(self.values)
        return self._observation(), reward, over, False, {}

    def hint(self, rng: np.random.Generator) -> int:
        """The next instruction of the known program, or any after it and where it is not to be had."""
        lines = self._function.program.split("; ")
        self.line += 1
        if self.line <= len(lines):
            name, *registers = lines[self.line - 1].split()
            instruction = (name, int(registers[0]), int(registers[-1]))
            if instruction in self.instructions:
                return self.instructions.index(instruction)
        return int(rng.integers(len(self.instructions)))

    def _execute(self, name: str, target: int, source: int) -> None:
        values = self.values.astype(np.int64)
        own, other = values[:, target], values[:, source]
        match name:
            case "inc":
                own = own + 1
            case "dec":
                own = own - 1
            case "clr":
                own = own * 0
            case "hlf":
                own = own // 2
            case "mov":
                own = other
            case "add":
                own = own + other
            case "sub":
                own = own - other
            case _:
                own = own * other
        values[:, target] = self._bounded(own)
        self.values = values.astype(np.int32)

    def _bounded(self, values: NDArray[np.int64]) -> Values:
        values = np.maximum(values, 0)
        values = values % (self._greatest + 1) if self._wrap else np.minimum(values, self._greatest)
        return values.astype(np.int32)

    def _count_right(self) -> int:
        return int((self.values[:, : self.wanted.shape[1]] == self.wanted).all(axis=1).sum())

    def _observation(self) -> Values:
        seen = self.values
        if self._sensor_noise:
            wrong = self.np_random.random(seen.shape) < self._sensor_noise
            drawn = self.np_random.integers(self._greatest_input + 1, size=seen.shape, dtype=np.int32)
            seen = np.where(wrong, drawn, seen)
        return seen.copy() if self._secret else np.concatenate((seen, self.wanted), axis=1)


_listed = instructions
