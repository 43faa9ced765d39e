"""Register machines: an agent writes a straight-line program, instruction by instruction, and sees it run.

Owns which functions count as different tasks and what else may vary; the dynamics are in `machine_env`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import comb, gcd

from env_registry.shorthand import number, probability, task
from env_registry.symbolic.formal.shorthand import SLIP, choice, count, family, hinted, switch

TIME_LIMIT = 100  # steps


@dataclass(frozen=True)
class Function:
    """What the first registers are to hold, of the inputs in the first registers, and a program that does it."""

    arity: int
    wanted: Callable[..., tuple[int, ...]]
    program: str


def _of(arity: int, wanted: Callable[..., int], program: str) -> Function:
    return Function(arity, lambda *inputs: (wanted(*inputs),), program)


_MAX = "mov 2 1; sub 2 0; add 0 2"  # of registers 0 and 1, into 0

FUNCTIONS: Mapping[str, Function] = {
    "sum": _of(2, lambda a, b: a + b, "add 0 1"),
    "double": _of(1, lambda a: 2 * a, "add 0 0"),
    "successor": _of(1, lambda a: a + 3, "inc 0; inc 0; inc 0"),
    "constant": _of(1, lambda a: 5, "clr 0; inc 0; inc 0; inc 0; inc 0; inc 0"),
    "difference": _of(2, lambda a, b: max(a - b, 0), "sub 0 1"),
    "distance": _of(2, lambda a, b: abs(a - b), "mov 2 0; sub 0 1; sub 1 2; add 0 1"),
    "maximum": _of(2, max, _MAX),
    "minimum": _of(2, min, "mov 2 0; sub 2 1; sub 0 2"),
    "product": _of(2, lambda a, b: a * b, "mul 0 1"),
    "square": _of(1, lambda a: a * a, "mul 0 0"),
    "cube": _of(1, lambda a: a**3, "mov 1 0; mul 0 0; mul 0 1"),
    "fourth_power": _of(1, lambda a: a**4, "mul 0 0; mul 0 0"),
    "half": _of(1, lambda a: a // 2, "hlf 0"),
    "quarter": _of(1, lambda a: a // 4, "hlf 0; hlf 0"),
    "parity": _of(1, lambda a: a % 2, "mov 1 0; hlf 1; add 1 1; sub 0 1"),
    "mod_four": _of(1, lambda a: a % 4, "mov 1 0; hlf 1; hlf 1; add 1 1; add 1 1; sub 0 1"),
    "to_even": _of(1, lambda a: a - a % 2, "hlf 0; add 0 0"),
    "less": _of(2, lambda a, b: int(a < b), "sub 1 0; clr 2; inc 2; mov 0 2; sub 2 1; sub 0 2"),
    "equal": _of(2, lambda a, b: int(a == b), "mov 2 0; sub 0 1; sub 1 2; add 1 0; clr 0; inc 0; sub 0 1"),
    "average": _of(2, lambda a, b: (a + b) // 2, "add 0 1; hlf 0"),
    "weighted_sum": _of(2, lambda a, b: 2 * a + 3 * b, "add 0 0; add 0 1; add 0 1; add 0 1"),
    "perimeter": _of(2, lambda a, b: 2 * (a + b), "add 0 1; add 0 0"),
    "sum_of_squares": _of(2, lambda a, b: a * a + b * b, "mul 0 0; mul 1 1; add 0 1"),
    "square_of_sum": _of(2, lambda a, b: (a + b) ** 2, "add 0 1; mul 0 0"),
    "difference_of_squares": _of(2, lambda a, b: max(a * a - b * b, 0), "mul 0 0; mul 1 1; sub 0 1"),
    "triangular": _of(1, lambda a: a * (a + 1) // 2, "mov 1 0; inc 1; mul 0 1; hlf 0"),
    "pairs": _of(1, lambda a: comb(a, 2), "mov 1 0; dec 1; mul 0 1; hlf 0"),
    "oblong": _of(1, lambda a: a * (a + 1), "mov 1 0; inc 1; mul 0 1"),
    "polynomial": _of(1, lambda a: a * a + 2 * a + 3, "mov 1 0; mul 0 0; add 0 1; add 0 1; inc 0; inc 0; inc 0"),
    "multiple_of_seven": _of(1, lambda a: 7 * a, "mov 1 0; add 1 0; add 1 0; add 0 0; add 0 0; add 0 1"),
    "maximum_of_three": _of(3, max, "mov 3 1; sub 3 0; add 0 3; mov 3 2; sub 3 0; add 0 3"),
    "minimum_of_three": _of(3, min, "mov 3 0; sub 3 1; sub 0 3; mov 3 0; sub 3 2; sub 0 3"),
    "sum_of_three": _of(3, lambda a, b, c: a + b + c, "add 0 1; add 0 2"),
    "product_of_three": _of(3, lambda a, b, c: a * b * c, "mul 0 1; mul 0 2"),
    "multiply_add": _of(3, lambda a, b, c: a * b + c, "mul 0 1; add 0 2"),
    "scaled_sum": _of(3, lambda a, b, c: (a + b) * c, "add 0 1; mul 0 2"),
    "capped_sum": _of(3, lambda a, b, c: min(a + b, c), "add 0 1; mov 3 0; sub 3 2; sub 0 3"),
    "select": _of(
        3,
        lambda a, b, c: c if a % 2 else b,
        "mov 3 0; hlf 3; add 3 3; sub 0 3; mul 2 0; clr 3; inc 3; sub 3 0; mul 1 3; mov 0 1; add 0 2",
    ),
    "swap": Function(2, lambda a, b: (b, a), "mov 2 0; mov 0 1; mov 1 2"),
    "rotation": Function(3, lambda a, b, c: (b, c, a), "mov 3 0; mov 0 1; mov 1 2; mov 2 3"),
    "ordered_pair": Function(2, lambda a, b: (min(a, b), max(a, b)), "mov 2 0; sub 2 1; sub 0 2; add 1 2"),
    "sum_and_difference": Function(2, lambda a, b: (a + b, max(a - b, 0)), "mov 2 0; sub 2 1; add 0 1; mov 1 2"),
    "quotient_and_rest_of_two": Function(1, lambda a: (a // 2, a % 2), "mov 1 0; hlf 0; sub 1 0; sub 1 0"),
    "fibonacci_step": Function(2, lambda a, b: (b, a + b), "mov 2 0; mov 0 1; add 1 2"),
    "euclid_step": Function(
        2,
        lambda a, b: (abs(a - b), min(a, b)),
        "mov 2 0; sub 2 1; mov 3 1; sub 3 0; mov 1 0; sub 1 2; mov 0 2; add 0 3",
    ),
    "greatest_common_divisor": _of(
        2,
        gcd,
        "; ".join(["mov 2 0; sub 2 1; mov 3 1; sub 3 0; mov 1 0; sub 1 2; mov 0 2; add 0 3"] * 10 + ["add 0 1"]),
    ),
}

_AXES = (
    task("function", tuple(FUNCTIONS), "which function is to be computed"),
    count("examples", 4, 1, 64, (1, 2, 16), "inputs", "inputs on which the program runs at once", shapes=True),
    count("greatest_input", 9, 1, 99, (3, 15), "", "inputs are drawn from 0 to here"),
    count("registers", 4, 4, 8, (6, 8), "registers", "number of registers", shapes=True),
    choice(
        "instructions",
        ("all", "additive", "counting"),
        "which there are: counting has only inc, dec, clr and mov; additive also add, sub and hlf",
        shapes=True,
    ),
    choice("overflow", ("saturate", "wrap"), "what becomes of values above the greatest"),
    count("greatest_value", 255, 7, 999_999, (15, 63), "", "greatest value of a register", shapes=True),
    choice("reward", ("progress", "goal"), "whether getting more examples right pays"),
    number("instruction_cost", 0.0, 0.0, 10.0, (0.02, 0.1), "what an instruction costs", "reward units"),
    probability("fault", (0.1, 0.3), "probability that an instruction does nothing"),
    switch("garbage", "whether registers that hold no input are arbitrary at the start, not 0"),
    switch("secret", "whether the wanted values are not shown", shapes=True),
    probability("sensor_noise", (0.05, 0.2), "probability that the agent sees an arbitrary value"),
    SLIP,
)

FAMILIES = (
    family(
        "register_machine",
        "machine_env:MachineEnv",
        _AXES,
        state=("values", "wanted", "right", "line"),
        time_limit=TIME_LIMIT,
        witness=hinted,
        description="Write a straight-line program for a register machine that computes a function on all examples.",
        source="https://doi.org/10.1145/321160.321170",
        tags=("program-synthesis", "arithmetic"),
    ),
)
