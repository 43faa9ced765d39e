"""Logic circuits: an agent lays gates until one of them computes a wanted function of four inputs.

Owns which functions count as different tasks and what else may vary; the dynamics are in `circuit_env`.
"""

from __future__ import annotations

from env_registry.shorthand import number, probability, task
from env_registry.symbolic.formal.shorthand import SLIP, choice, count, family, hinted

_HEX = """
    0001 0003 0006 0007 000f 0016 0017 0018 0019 001b 001e 001f 003c 003d 003f 0069 006b 006f 007e 007f 0116
    0117 0118 0119 011a 011b 011e 011f 012c 012d 012f 013c 013d 013e 013f 0168 0169 016a 016b 016e 016f 017e
    017f 0180 0181 0182 0183 0186 0187 0189 018b 018f 0196 0197 0198 0199 019a 019b 019e 019f 01a8 01a9 01aa
    01ab 01ac 01ad 01ae 01af 01bc 01bd 01be 01bf 01e8 01e9 01ea 01eb 01ee 01ef 01fe 033c 033d 033f 0356 0357
    0358 0359 035a 035b 035e 035f 0368 0369 036a 036b 036c 036d 036e 036f 037c 037d 037e 03c0 03c1 03c3 03c5
    03c6 03c7 03cf 03d4 03d5 03d6 03d7 03d8 03d9 03db 03dc 03dd 03de 03fc 0660 0661 0662 0663 0666 0667 0669
    066b 066f 0672 0673 0676 0678 0679 067a 067b 067e 0690 0691 0693 0696 0697 069f 06b0 06b1 06b2 06b3 06b4
    06b5 06b6 06b7 06b9 06bd 06f0 06f1 06f2 06f6 06f9 0776 0778 0779 077a 077e 07b0 07b1 07b4 07b5 07b6 07bc
    07e0 07e1 07e2 07e3 07e6 07e9 07f0 07f1 07f2 07f8 0ff0 1668 1669 166a 166b 166e 167e 1681 1683 1686 1687
    1689 168b 168e 1696 1697 1698 1699 169a 169b 169e 16a9 16ac 16ad 16bc 16e9 177e 178e 1796 1798 179a 17ac
    17e8 18e7 19e1 19e3 19e6 1bd8 1be4 1ee1 3cc3 6996
"""

CLASSES = tuple(_HEX.split())
"""Truth tables (bit r for inputs r, in hexadecimal) of the smallest member of each class of functions that are the same
up to permuting inputs and negating inputs and output: 222 classes, less the constant and the projection, which need no
gate."""

MOST_GATES = 40

_AXES = (
    task("function", CLASSES, "class of the wanted function, by its smallest truth table"),
    choice(
        "basis",
        ("full", "nand", "nor", "and_xor", "and_inverter", "implication"),
        "gates to choose from; full has all ten that depend on both inputs",
        shapes=True,
    ),
    count(
        "gates",
        8,
        1,
        MOST_GATES,
        (5, 12, 18),
        "gates",
        "gates that may be laid; every function needs 7 at most",
        shapes=True,
    ),
    choice("reward", ("progress", "goal"), "whether a better approximation pays"),
    number("gate_cost", 0.0, 0.0, 10.0, (0.05, 0.2), "what a gate costs", "reward units"),
    count("known_rows", 16, 1, 16, (8, 12), "rows", "rows of the truth table that matter, drawn at the start"),
    probability("fault", (0.02, 0.1), "probability, for every row, that a new gate is wrong there"),
    choice("member", ("any", "smallest"), "which function of the class is wanted"),
    count("distractors", 0, 0, 12, (2, 6), "gates", "arbitrary gates that are there at the start", shapes=True),
    probability("sensor_noise", (0.02, 0.1), "probability that the agent sees a signal inverted, for every row"),
    SLIP,
)

FAMILIES = (
    family(
        "logic_circuit",
        "circuit_env:CircuitEnv",
        _AXES,
        state=("signals", "filled", "target", "known", "best"),
        time_limit=MOST_GATES,
        horizon=lambda values: int(values["gates"]),
        witness=hinted,
        description="Build a circuit of two-input gates that computes a function of four inputs.",
        source="Knuth, The Art of Computer Programming 4A, section 7.1.2; classes: https://oeis.org/A000370",
        tags=("logic", "synthesis"),
    ),
)
