"""Packing and scheduling, decided item by item.

Owns problems; the dynamics are in `packing_env` and `scheduling_env`.
"""

from __future__ import annotations

from env_registry.shorthand import number, probability, task
from env_registry.symbolic.puzzles.shorthand import COMMON, ILLEGAL_COST, choice, count, family

PACKINGS = (
    "knapsack",
    "two_resources",
    "bin_packing",
    "next_fit",
    "covering",
    "balance",
    "unrelated",
    "classes",
    "leases",
    "stacking",
)
"""See `packing_env`."""

SCHEDULES = (
    "weighted_completion",
    "tardiness",
    "late_jobs",
    "worst_lateness",
    "early_and_tardy",
    "setups",
    "releases",
    "deterioration",
    "decaying_values",
    "flow_shop",
)
"""See `scheduling_env`."""

FAMILIES = (
    family(
        "packing",
        "packing_env:PackingEnv",
        (
            task("problem", PACKINGS, "what bins may hold and what pays"),
            count("items", 30, 5, 80, (15, 60), "items", "number of items"),
            count("bins", 4, 1, 12, (2, 8), "bins", "number of bins", shapes=True),
            count("capacity", 30, 10, 100, (20, 60), "units", "what a bin holds"),
            count("largest", 10, 2, 40, (5, 20), "units", "sizes are drawn from 1 to here, and cut to the capacity"),
            count("foresight", 1, 0, 8, (0, 4), "items", "how many coming items are seen", shapes=True),
            choice("values", ("drawn", "sizes", "ones"), "what items are worth, where that matters"),
            probability("jam", (0.1, 0.3), "probability that an item is lost"),
            ILLEGAL_COST,
            *COMMON,
        ),
        time_limit=80,
        description="Put items into bins as they come, or turn them away.",
        source="https://en.wikipedia.org/wiki/Bin_packing_problem; https://en.wikipedia.org/wiki/Knapsack_problem",
        tags=("combinatorial-optimisation", "online"),
    ),
    family(
        "scheduling",
        "scheduling_env:SchedulingEnv",
        (
            task("problem", SCHEDULES, "what a sequence of jobs costs"),
            count("jobs", 10, 3, 40, (5, 20), "jobs", "number of jobs", shapes=True),
            count("longest", 9, 2, 30, (4, 20), "units", "times are drawn from 1 to here"),
            number("tightness", 0.6, 0.1, 1.5, (0.3, 1.0), "share of all times within which due times are drawn"),
            choice("weights", ("drawn", "ones"), "whether jobs weigh 1 to 9 or 1 each"),
            choice(
                "seen", ("all", "times", "nothing"), "what of the open jobs is seen; all: also weights and due times"
            ),
            probability("delays", (0.1, 0.3), "probability that a job takes twice its time"),
            probability("jam", (0.1, 0.3), "probability that a choice does nothing"),
            ILLEGAL_COST,
            *COMMON,
        ),
        time_limit=80,
        description="Choose the order of jobs on a machine so that it costs little.",
        source="Graham et al. 1979, https://doi.org/10.1016/S0167-5060(08)70356-X",
        tags=("combinatorial-optimisation", "scheduling"),
    ),
)
