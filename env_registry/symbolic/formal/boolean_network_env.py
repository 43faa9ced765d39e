"""Steering a Boolean network by perturbing its nodes, as a Gymnasium environment.

Dynamics. Every node is 0 or 1 and has a Boolean function of some nodes (Kauffman, Metabolic stability and epigenesis in
randomly constructed genetic nets, 1969). In a step the agent perturbs one node or none; then, `updates_per_step`
times, nodes take the value of their function: all at once, or one node drawn at random, or all nodes one after the
other in random order. After each update every node flips with probability `noise`; nodes that are knocked out are 0.

Random draws: at the start a network if it is random, the knocked-out nodes, the state, then what the transient and the
goal need; in a step whether the action slips and to which; then for each update the order, then the noise; then what
the sensors get wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from env_registry.symbolic.formal.biological_networks import NETWORKS

Bits = NDArray[np.int8]

GOAL_AGE = 200
"""Updates after which a random network's state counts as one of an attractor."""


@dataclass(frozen=True)
class Network:
    """Node i is `tables[i, sum_k inputs[i, k] * 2**k]`: nodes x most inputs, and nodes x 2**most inputs."""

    inputs: NDArray[np.int64]
    tables: Bits

    def next_state(self, state: Bits) -> Bits:
        weights = 1 << np.arange(self.inputs.shape[1])
        following: Bits = self.tables[np.arange(len(state)), state[self.inputs] @ weights]
        return following

    def next_node(self, state: Bits, node: int) -> int:
        weights = 1 << np.arange(self.inputs.shape[1])
        return int(self.tables[node, state[self.inputs[node]] @ weights])


class BooleanNetworkEnv(gymnasium.Env[Bits, np.int64]):
    """The reward is the share of marker nodes with the wanted value, less `action_cost` for a perturbation; with
    `hold_steps` the episode ends, and pays `hold_steps` more, once all were right for so many steps in a row.

    Actions: 0 does nothing, i perturbs the i-th node of those that `control` allows.
    Observation (layers x nodes): the state; where the goal is another in every episode, below it the wanted state.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  # as Gymnasium declares it

    network: Network

    def __init__(
        self,
        nodes: int,
        markers: list[int],
        *,
        layers: int,
        update: str = "synchronous",
        updates_per_step: int = 1,
        noise: float = 0.0,
        effect: str = "flip",
        control: str = "all",
        action_cost: float = 0.0,
        hold_steps: int = 0,
        transient: int = 0,
        knockouts: int = 0,
        sensor_noise: float = 0.0,
        slip: float = 0.0,
    ) -> None:
        self.markers = np.array(markers)
        self._controlled = [node for node in range(nodes) if control == "all" or node not in markers]
        self.observation_space = spaces.Box(0, 1, (layers, nodes), np.int8)
        self.action_space = spaces.Discrete(1 + len(self._controlled))
        self.state: Bits = np.zeros(nodes, dtype=np.int8)
        self.goal: Bits = np.zeros(nodes, dtype=np.int8)
        self.alive: Bits = np.ones(nodes, dtype=np.int8)
        self.held = 0
        self._layers, self._update_rule, self._updates, self._noise = layers, update, updates_per_step, noise
        self._effect, self._cost, self._hold, self._transient = effect, action_cost, hold_steps, transient
        self._knockouts, self._sensor_noise, self._slip = knockouts, sensor_noise, slip

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Bits, dict[str, Any]]:
        super().reset(seed=seed)
        self.alive = np.ones_like(self.alive)
        self.alive[self.np_random.permutation(len(self.alive))[: self._knockouts]] = 0
        self.state = self._random_state()
        for _ in range(self._transient):
            self._update()
        self.goal = self._new_goal()
        self.held = 0
        return self._observation(), {}

    def step(self, action: np.int64) -> tuple[Bits, float, bool, bool, dict[str, Any]]:
        if self._slip and self.np_random.random() < self._slip:
            action = self.np_random.integers(1 + len(self._controlled))
        if action:
            self._perturb(self._controlled[int(action) - 1])
        for _ in range(self._updates):
            self._update()
        right = int((self.state == self.goal)[self.markers].sum())
        self.held = self.held + 1 if right == len(self.markers) else 0
        over = bool(self._hold) and self.held >= self._hold
        reward = right / len(self.markers) - (self._cost if action else 0.0) + (self._hold if over else 0)
        return self._observation(), reward, over, False, {}

    def _new_goal(self) -> Bits:
        """The state of which the markers are wanted."""
        raise NotImplementedError

    def _random_state(self) -> Bits:
        state: Bits = self.np_random.integers(2, size=len(self.state), dtype=np.int8) * self.alive
        return state

    def _perturb(self, node: int) -> None:
        self.state = self.state.copy()
        flipped = 1 - self.state[node] if self._effect == "flip" else int(self._effect == "activate")
        self.state[node] = flipped * self.alive[node]

    def _update(self) -> None:
        state = self.state
        if self._update_rule == "synchronous":
            state = self.network.next_state(state)
        else:
            state = state.copy()
            order = self.np_random.permutation(len(state))
            for node in order.tolist() if self._update_rule == "sequential" else [int(order[0])]:
                state[node] = self.network.next_node(state, node)
        if self._noise:
            state = state ^ (self.np_random.random(len(state)) < self._noise)
        self.state = state * self.alive

    def _observation(self) -> Bits:
        seen = self.state
        if self._sensor_noise:
            seen = seen ^ (self.np_random.random(len(seen)) < self._sensor_noise)
        return np.stack((seen, self.goal)) if self._layers == 2 else seen[None].copy()


# ------------------------------------------------------------------ published networks


class BiologicalNetworkEnv(BooleanNetworkEnv):
    """A published network; `fate` is `network.fate` of `biological_networks`."""

    def __init__(self, *, fate: str = "fission_yeast.g1", **others: Any) -> None:
        name, _, wanted = fate.partition(".")
        names, self.network = published(name)
        signs = {marker.lstrip("!"): int(marker[0] != "!") for marker in NETWORKS[name].fates[wanted].split()}
        super().__init__(len(names), [names.index(marker) for marker in signs], layers=1, **others)
        self._wanted = np.array([signs.get(name, 0) for name in names], dtype=np.int8)

    def _new_goal(self) -> Bits:
        return self._wanted


@cache
def published(name: str) -> tuple[tuple[str, ...], Network]:
    """The nodes' names in the order of their rules, and the network."""
    lines = re.sub(r"\n\s*\|", " |", NETWORKS[name].rules).split("\n")
    rules = dict(line.strip().split(" = ") for line in lines if line.strip())
    names = tuple(rules)
    used = [sorted(set(re.findall(r"\w+", rule)), key=names.index) for rule in rules.values()]
    most = max(map(len, used))
    inputs = np.zeros((len(names), most), dtype=np.int64)
    tables = np.zeros((len(names), 1 << most), dtype=np.int8)
    for node, (rule, inputs_of_node) in enumerate(zip(rules.values(), used, strict=True)):
        inputs[node, : len(inputs_of_node)] = [names.index(name) for name in inputs_of_node]
        columns = np.arange(1 << most)
        values = {name: (columns >> k & 1).astype(np.bool_) for k, name in enumerate(inputs_of_node)}
        tables[node] = _evaluate(rule, values)
    return names, Network(inputs, tables)


def _evaluate(rule: str, values: dict[str, NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """A rule in disjunctive form."""
    terms = [[literal.strip() for literal in term.split("&")] for term in rule.split("|")]
    parts = [[~values[one[1:]] if one[0] == "!" else values[one] for one in term] for term in terms]
    anything: NDArray[np.bool_] = np.logical_or.reduce([np.logical_and.reduce(part) for part in parts])
    return anything


# ------------------------------------------------------------------ random networks


class RandomNetworkEnv(BooleanNetworkEnv):
    """A network drawn from an ensemble, the same in every episode; the goal is a state of an attractor of it."""

    def __init__(self, *, ensemble: str = "k2", nodes: int = 16, network: int = 0, **others: Any) -> None:
        super().__init__(nodes, list(range(nodes)), layers=2, **others)
        self.network = draw_network(ensemble, nodes, network)

    def _new_goal(self) -> Bits:
        state = self._random_state()
        for _ in range(GOAL_AGE):
            state = self.network.next_state(state) * self.alive
        return state


def draw_network(ensemble: str, nodes: int, number: int) -> Network:
    """The number-th network of an ensemble.

    - k1 to k4: each node has so many inputs and a function drawn uniformly (Kauffman 1969);
    - k4_biased: four inputs, functions that are 1 with probability 0.9 for each value of the inputs;
    - scale_free: numbers of inputs with probability proportional to k**-2 (Aldana 2003);
    - canalising: three inputs, nested canalising functions (Kauffman et al. 2003);
    - threshold: three inputs of weight 1 or -1, as before at a sum of 0 (Li et al. 2004);
    - linear: three inputs, their sum modulo 2;
    - lattice: each node and its two neighbours on a ring, a function drawn uniformly.
    """
    rng = np.random.default_rng([number, nodes])
    degrees = {"k1": 1, "k2": 2, "k4": 4, "k4_biased": 4}.get(ensemble, 3)
    most = min(nodes, 8 if ensemble == "scale_free" else 4 if ensemble == "threshold" else degrees)
    inputs = np.array([rng.permutation(nodes)[:most] for _ in range(nodes)])
    columns = np.arange(1 << most)
    bits = columns[:, None] >> np.arange(most) & 1
    tables = np.zeros((nodes, 1 << most), dtype=np.int8)
    for node in range(nodes):
        if ensemble == "lattice":
            inputs[node] = (node + np.arange(-1, 2)) % nodes
        match ensemble:
            case "canalising":
                tables[node] = _canalising(bits, rng)
            case "threshold":
                inputs[node, 3] = node
                balance = bits[:, :3] @ (2 * rng.integers(2, size=3) - 1)
                tables[node] = np.where(balance == 0, bits[:, 3], balance > 0)
            case "linear":
                tables[node] = bits.sum(axis=1) % 2
            case "scale_free":
                chances = np.arange(1, most + 1, dtype=np.float64) ** -2
                used = 1 + int(rng.choice(most, p=chances / chances.sum()))
                tables[node] = rng.integers(2, size=1 << most)[columns % (1 << used)]
            case _:
                tables[node] = rng.random(1 << most) < (0.9 if ensemble == "k4_biased" else 0.5)
    return Network(inputs, tables)


def _canalising(bits: NDArray[np.int64], rng: np.random.Generator) -> Bits:
    """The first input that has its canalising value decides; without one the last value is inverted."""
    values, outputs = rng.integers(2, size=(2, bits.shape[1]), dtype=np.int8)
    table = np.full(len(bits), 1 - outputs[-1], dtype=np.int8)
    for k in reversed(range(bits.shape[1])):
        table[bits[:, k] == values[k]] = outputs[k]
    return table
