"""Markov decision processes as tables: those that the literature knows by name, and random ones.

Owns which processes count as different tasks and what else may vary; their tables are in `process_tables`, the dynamics
in `process_env`.
"""

from __future__ import annotations

from env_registry.axes import Axis
from env_registry.shorthand import number, probability, task
from env_registry.symbolic.formal.shorthand import SLIP, choice, count, family, hinted, switch

TIME_LIMIT = 200  # steps

NAMED = (
    "river_swim",
    "six_arms",
    "chain",
    "loop",
    "double_loop",
    "deep_sea",
    "combination_lock",
    "random_walk",
    "gambler",
    "machine_replacement",
    "bus_engine",
    "inventory",
    "forest",
    "queue_admission",
    "queue_service",
    "mountain_table",
    "river_crossing",
    "secretary",
    "foraging",
    "car_park",
    "hydro_dam",
    "fishery",
    "two_armed_patches",
)

REGIMES = (
    "garnet",
    "deterministic",
    "sparse",
    "layered",
    "clustered",
    "local",
    "periodic",
    "absorbing",
    "reversible",
    "tree",
)

_COMMON: tuple[Axis, ...] = (
    probability("restart", (0.02, 0.1), "probability that a step leads to a start state instead"),
    probability("dwell", (0.3, 0.6), "probability that an action has no effect but its reward"),
    number("reward_noise", 0.0, 0.0, 10.0, (0.1, 0.5), "standard deviation of noise on rewards", "reward units"),
    count("aliasing", 1, 1, 64, (2, 4), "states", "neighbouring states that look alike"),
    probability("sensor_noise", (0.05, 0.2), "probability that the agent sees an arbitrary state"),
    switch("shuffle", "whether states get other numbers in every episode"),
    switch("scramble", "whether actions mean something else in every state, the same in every episode"),
    choice("start", ("usual", "anywhere"), "where episodes start"),
    SLIP,
)
_STATE = ("state", "names")


FAMILIES = (
    family(
        "named_process",
        "process_env:NamedProcessEnv",
        (
            task("process", NAMED, "which process"),
            count("size", 10, 5, 60, (5, 20, 40), "", "number of states along the process' dimension", shapes=True),
            *_COMMON,
        ),
        state=_STATE,
        time_limit=TIME_LIMIT,
        witness=hinted,
        description="Collect rewards in a small Markov decision process that the literature knows by name.",
        source="each process' own, in env_registry/symbolic/formal/process_tables.py",
        tags=("tabular", "exploration"),
    ),
    family(
        "garnet",
        "process_env:GarnetEnv",
        (
            task("regime", REGIMES, "how transitions and rewards are drawn"),
            count("states", 30, 8, 256, (12, 60, 120), "states", "number of states", shapes=True),
            count("actions", 4, 2, 16, (2, 8), "actions", "number of actions", shapes=True),
            count("branching", 3, 1, 16, (1, 8), "states", "states that an action may lead to"),
            count("structure", 0, 0, 9999, (1, 2), "", "number of the process among those that are drawn"),
            *_COMMON,
        ),
        state=_STATE,
        time_limit=TIME_LIMIT,
        witness=hinted,
        description="Collect rewards in a Markov decision process whose transitions and rewards are drawn at random.",
        source="https://doi.org/10.1057/jors.1995.50",
        tags=("tabular", "random-structure"),
    ),
)
