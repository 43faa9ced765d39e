"""Cellular automata on a ring beyond Wolfram's elementary ones: totalistic with three colours, and reversible.

Owns which rules count as different tasks and what else may vary; the dynamics are in `ring_env`.
"""

from __future__ import annotations

from env_registry.axes import Axis
from env_registry.shorthand import number, probability, task
from env_registry.symbolic.formal.shorthand import SLIP, choice, count, family

TIME_LIMIT = 200  # steps


def argument_complement(rule: int) -> int:
    """The elementary rule that does with inverted cells what `rule` does with the cells."""
    return sum((rule >> (7 - n) & 1) << n for n in range(8))


def mirror(rule: int) -> int:
    """The elementary rule that does the same with left and right exchanged."""
    return sum((rule >> n & 1) << ((n & 1) << 2 | n & 2 | n >> 2) for n in range(8))


REVERSIBLE_RULES = tuple(
    rule
    for rule in range(1, 255)
    if rule == min(rule, mirror(rule), argument_complement(rule), mirror(argument_complement(rule)))
)
"""The smallest of their class: second-order automata are the same under exchange of left and right, and of zeros and
ones in both their rows. Without 0 and 255, which ignore the cells."""

TOTALISTIC_CODES = (
    777,
    177,
    237,
    357,
    420,
    600,
    870,
    912,
    948,
    966,
    1002,
    1020,
    1041,
    1074,
    1083,
    1110,
    1329,
    1380,
    1386,
    1443,
    1599,
    1659,
    1749,
    1884,
    1893,
    2007,
    2049,
)
"""Codes that leave zeros alone and under which what an agent does is not forgotten; none is another's inversion."""

_COMMON: tuple[Axis, ...] = (
    count("size", 31, 5, 255, (15, 63, 127), "cells", "length of the ring", shapes=True),
    probability("initial_density", (0.05, 0.2, 0.8), "probability that a cell is not 0 at the start", 0.5),
    probability("noise", (0.002, 0.01, 0.05), "probability that a cell is drawn anew, after each update"),
    count("updates_per_step", 1, 1, 16, (2, 4), "updates", "updates of the automaton between two actions"),
    count("brush", 1, 1, 15, (3, 7), "cells", "length of the row of cells that the agent paints"),
    count("stride", 1, 1, 32, (2, 5), "cells", "length of a move"),
    number("paint_cost", 0.0, 0.0, 10.0, (0.1, 0.5), "what painting costs", "reward units"),
    count("view_radius", 0, 0, 64, (2, 6), "cells", "how far the agent sees; 0 is the whole ring", shapes=True),
    probability("sensor_noise", (0.02, 0.1), "probability that the agent sees an arbitrary value of a cell"),
    probability(
        "target", (0.0, 0.25, 0.75, 1.0), "mean of the cells that is the goal, the highest colour being 1", 0.5
    ),
    choice("edge", ("ring", "wall"), "whether the ring is cut by a cell that is always 0"),
    SLIP,
)
_TOTALISTIC = "https://doi.org/10.1103/RevModPhys.55.601"
_SECOND_ORDER = "https://doi.org/10.1016/0167-2789(84)90252-5"


FAMILIES = (
    family(
        "reversible_automaton",
        "ring_env:ReversibleRingEnv",
        (task("rule", tuple(f"{rule}r" for rule in REVERSIBLE_RULES), "Wolfram's number of the rule"), *_COMMON),
        state=("cells", "previous", "place"),
        time_limit=TIME_LIMIT,
        description="Hold the mean of a reversible (second-order) automaton's cells at a target by painting cells.",
        source=_SECOND_ORDER,
        tags=("cellular-automaton", "control", "reversible"),
    ),
    family(
        "totalistic_automaton",
        "ring_env:TotalisticRingEnv",
        (task("code", tuple(map(str, TOTALISTIC_CODES)), "Wolfram's code of the rule"), *_COMMON),
        state=("cells", "previous", "place"),
        time_limit=TIME_LIMIT,
        description="Hold the mean of a three-coloured totalistic automaton's cells at a target by painting cells.",
        source=_TOTALISTIC,
        tags=("cellular-automaton", "control"),
    ),
)
