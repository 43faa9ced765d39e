"""Boolean networks: published ones that an agent steers to a cell's fate, and random ones.

Owns which networks and goals count as different tasks and what else may vary; the published rules are in
`biological_networks`, the dynamics in `boolean_network_env`.
"""

from __future__ import annotations

from env_registry.axes import Axis
from env_registry.shorthand import number, probability, task
from env_registry.symbolic.formal.biological_networks import FATES
from env_registry.symbolic.formal.shorthand import SLIP, choice, count, family

TIME_LIMIT = 200  # steps

ENSEMBLES = ("k2", "k1", "k3", "k4", "k4_biased", "scale_free", "canalising", "threshold", "linear", "lattice")
"""Ordered (k1, k4_biased, canalising), critical (k2, scale_free) and chaotic (k3, k4) dynamics, and special ones."""

_COMMON: tuple[Axis, ...] = (
    choice(
        "update", ("synchronous", "sequential", "one_node"), "which nodes take part in an update, and in which order"
    ),
    count("updates_per_step", 1, 1, 16, (2, 4), "updates", "updates of the network between two actions"),
    probability("noise", (0.005, 0.02, 0.1), "probability that a node flips by chance, after each update"),
    choice("effect", ("flip", "activate", "inhibit"), "what a perturbation does to a node"),
    number("action_cost", 0.0, 0.0, 10.0, (0.1, 0.5), "what a perturbation costs", "reward units"),
    count("hold_steps", 0, 0, 100, (1, 3), "steps", "the episode ends after so many steps at the goal; 0 for never"),
    count("transient", 0, 0, 100, (10,), "updates", "updates before the episode starts"),
    count("knockouts", 0, 0, 4, (1, 3), "nodes", "nodes, drawn at the start, that are always 0"),
    probability("sensor_noise", (0.02, 0.1), "probability that the agent sees a node inverted"),
    SLIP,
)
_CONTROL = choice("control", ("all", "not_markers"), "which nodes the agent can perturb", shapes=True)

FAMILIES = (
    family(
        "biological_network",
        "boolean_network_env:BiologicalNetworkEnv",
        (task("fate", FATES, "a published network and the fate of the cell that is wanted"), _CONTROL, *_COMMON),
        state=("state", "goal", "alive", "held"),
        time_limit=TIME_LIMIT,
        description="Steer a published Boolean model of a cell to a fate by perturbing genes.",
        source="each model's own publication, in env_registry/symbolic/formal/biological_networks.py",
        tags=("boolean-network", "control", "biology"),
    ),
    family(
        "random_network",
        "boolean_network_env:RandomNetworkEnv",
        (
            task("ensemble", ENSEMBLES, "how functions and inputs are drawn"),
            count("nodes", 16, 5, 128, (8, 32, 64), "nodes", "size of the network", shapes=True),
            count("network", 0, 0, 9999, (1, 2), "", "number of the network in its ensemble"),
            *_COMMON,
        ),
        state=("state", "goal", "alive", "held"),
        time_limit=TIME_LIMIT,
        description="Steer a random Boolean network to a state of one of its attractors by perturbing nodes.",
        source="https://doi.org/10.1016/0022-5193(69)90015-0",
        tags=("boolean-network", "control"),
    ),
)
