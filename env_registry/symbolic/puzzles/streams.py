"""Tasks on streams of symbols: to remember, to compute and to predict them.

Owns the families and what may vary in each; what is shown and asked is in `stream_tasks`, the dynamics in `stream_env`.
"""

from __future__ import annotations

from env_registry.axes import Axis, IntAxis
from env_registry.family import Family
from env_registry.shorthand import number, probability, task
from env_registry.symbolic.puzzles.shorthand import COMMON, count, family, switch

# Names only, so that listing families does not import numpy's generators; a test holds them against `stream_tasks`.
MEMORY = (
    "copy",
    "reverse",
    "sort",
    "cued_order",
    "selective_copy",
    "repeat_previous",
    "n_back",
    "delayed_match",
    "recall_first",
    "recall_indexed",
    "associative_recall",
    "changing_values",
    "successor",
    "which_first",
    "recognition",
    "missing",
    "duplicate",
    "mode",
    "count",
    "simon",
)
TRANSDUCTIONS = (
    "sum",
    "product",
    "alternating_sum",
    "difference",
    "second_difference",
    "sum_since_zero",
    "time_since_zero",
    "maximum",
    "spread",
    "window_sum",
    "window_majority",
    "median",
    "run_length",
    "different_so_far",
    "rank",
    "times_seen",
    "steps_since_seen",
    "bracket_depth",
    "stack_top",
    "queue_front",
    "addition",
    "subtraction",
    "tripling",
    "remainder",
    "comparison",
    "permutation",
    "leaky_average",
)
SERIES = (
    "arithmetic",
    "affine",
    "squaring",
    "quadratic",
    "cubic",
    "fibonacci",
    "lagged_fibonacci",
    "lag_difference",
    "product_recurrence",
    "linear_recurrence",
    "periodic",
    "interleaved",
    "repeats",
    "palindromes",
    "echo",
    "digit_sums",
    "ruler",
    "champernowne",
    "wave",
    "rotation",
    "logistic_map",
    "collatz",
    "shift_register",
    "markov",
    "turning_walk",
    "rule_30",
)

_ALIKE: tuple[Axis, ...] = (
    probability("pauses", (0.2, 0.5), "probability of an empty item before each"),
    switch("feedback", "whether the right answer is shown after each question"),
    switch("strict", "whether a wrong answer ends the episode"),
    number("error_cost", 0.0, 0.0, 10.0, (0.05, 0.2), "what a wrong answer costs", "reward units"),
    *COMMON,
)


def _length(default: int, levels: tuple[int, ...], high: int) -> IntAxis:
    return count("length", default, 2, high, levels, "items", "how much is shown")


def _symbols(default: int, levels: tuple[int, ...]) -> IntAxis:
    return count("symbols", default, 2, 16, levels, "symbols", "number of different symbols", shapes=True)


def _family(name: str, tasks: tuple[str, ...], axes: tuple[Axis, ...], description: str, source: str) -> Family:
    return family(
        name,
        "stream_env:StreamEnv",
        (task("task", tasks, "what is to be answered"), *axes, *_ALIKE),
        time_limit=300,
        description=description,
        source=source,
        tags=("sequence", "memory"),
        fixed={"kind": name},
    )


FAMILIES = (
    _family(
        "memory",
        MEMORY,
        (
            _length(8, (3, 12), 16),
            _symbols(4, (2, 8)),
            count("delay", 2, 1, 16, (1, 5, 10), "steps", "how long something is to be kept in mind"),
        ),
        "Answer from memory what was shown before.",
        "Graves et al. 2014, https://arxiv.org/abs/1410.5401; Kirchner 1958, https://doi.org/10.1037/h0043688",
    ),
    _family(
        "transduction",
        TRANSDUCTIONS,
        (
            _length(40, (15, 80), 150),
            _symbols(4, (2, 6, 12)),
            count("window", 2, 1, 16, (4, 8), "symbols", "how far back the answer looks, in tasks with a window"),
        ),
        "Answer each symbol with a function of all symbols so far.",
        "https://en.wikipedia.org/wiki/Finite-state_transducer",
    ),
    _family(
        "series",
        SERIES,
        (
            _length(40, (15, 80), 150),
            _symbols(6, (3, 10)),
            count("span", 2, 1, 8, (1, 4), "terms", "how far back the law of the series reaches, where it can vary"),
        ),
        "Predict the next term of a series of symbols whose law is drawn anew in every episode.",
        "https://oeis.org; https://en.wikipedia.org/wiki/Recurrence_relation",
    ),
)
