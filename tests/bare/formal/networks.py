"""Boolean networks, node by node."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.bare.formal.reference import Reference

FISSION_YEAST = ["Start", "SK", "Cdc2", "Cdc2*", "Ste9", "Rum1", "Slp1", "Cdc25", "Wee1", "PP"]
_INFLUENCES = {  # the threshold network of Davidich and Bornholdt 2008, figure 1
    "SK": {"Start": 1, "SK": -1},
    "Start": {"Start": -1},
    "Cdc2": {"Ste9": -1, "Rum1": -1, "Slp1": -1},
    "Cdc2*": {"Ste9": -1, "Rum1": -1, "Slp1": -1, "Wee1": -1, "Cdc25": 1},
    "Ste9": {"SK": -1, "Cdc2": -1, "Cdc2*": -1, "PP": 1},
    "Rum1": {"SK": -1, "Cdc2": -1, "Cdc2*": -1, "PP": 1},
    "Slp1": {"Cdc2*": 1, "Slp1": -1},
    "Cdc25": {"Cdc2": 1, "PP": -1},
    "Wee1": {"PP": 1, "Cdc2": -1},
    "PP": {"Slp1": 1, "PP": -1},
}
_THRESHOLDS = {"Cdc2": -0.5, "Cdc2*": 0.5}


def fission_yeast(state: list[int], node: int) -> int:
    """The next value of a node: on above its threshold, off below it, as before at it."""
    name = FISSION_YEAST[node]
    values = dict(zip(FISSION_YEAST, state, strict=True))
    balance = sum(weight * values[other] for other, weight in _INFLUENCES[name].items()) - _THRESHOLDS.get(name, 0)
    if name in ("Start", "SK", "Slp1", "PP"):  # these decay: their own weight stands for it
        return int(sum(w * values[other] for other, w in _INFLUENCES[name].items() if other != name) > 0)
    return state[node] if balance == 0 else int(balance > 0)


class BooleanNetwork(Reference):
    def __init__(self, nodes: int, markers: dict[int, int] | None, **values: Any) -> None:
        super().__init__(values.pop("slip", 0.0))
        self.nodes, self.markers = nodes, markers
        self.values = {
            "update": "synchronous",
            "updates_per_step": 1,
            "noise": 0.0,
            "effect": "flip",
            "control": "all",
            "action_cost": 0.0,
            "hold_steps": 0,
            "transient": 0,
            "knockouts": 0,
            "sensor_noise": 0.0,
        } | values
        marked = self.markers or {}
        self.controlled = [n for n in range(nodes) if self.values["control"] == "all" or n not in marked]
        self.actions = 1 + len(self.controlled)

    def becomes(self, state: list[int], node: int) -> int:
        raise NotImplementedError

    def begin(self) -> Any:
        self.dead = set(self.rng.permutation(self.nodes)[: self.values["knockouts"]].tolist())
        self.state = self.random_state()
        for _ in range(self.values["transient"]):
            self.update()
        self.goal = dict(self.markers or {})
        if self.markers is None:
            state = self.random_state()
            for _ in range(200):
                state = self.without_dead([self.becomes(state, node) for node in range(self.nodes)])
            self.goal = dict(enumerate(state))
        self.held = 0
        return self.seen()

    def random_state(self) -> list[int]:
        return self.without_dead(self.rng.integers(2, size=self.nodes, dtype=np.int8).tolist())

    def without_dead(self, state: list[int]) -> list[int]:
        return [0 if node in self.dead else value for node, value in enumerate(state)]

    def update(self) -> None:
        if self.values["update"] == "synchronous":
            state = [self.becomes(self.state, node) for node in range(self.nodes)]
        else:
            state = list(self.state)
            order = self.rng.permutation(self.nodes).tolist()
            for node in order if self.values["update"] == "sequential" else order[:1]:
                state[node] = self.becomes(state, node)
        if self.values["noise"]:
            state = [
                value ^ int(p < self.values["noise"])
                for value, p in zip(state, self.rng.random(self.nodes), strict=True)
            ]
        self.state = self.without_dead(state)

    def play(self, action: int) -> tuple[Any, float, bool]:
        if action:
            node = self.controlled[action - 1]
            effect = {"flip": 1 - self.state[node], "activate": 1, "inhibit": 0}[self.values["effect"]]
            self.state[node] = effect
            self.state = self.without_dead(self.state)
        for _ in range(self.values["updates_per_step"]):
            self.update()
        right = [self.state[node] == value for node, value in self.goal.items()]
        self.held = self.held + 1 if all(right) else 0
        over = 0 < self.values["hold_steps"] <= self.held
        reward = sum(right) / len(right) - (self.values["action_cost"] if action else 0.0)
        return self.seen(), reward + (self.values["hold_steps"] if over else 0), over

    def seen(self) -> Any:
        state = self.state
        if self.values["sensor_noise"]:
            wrong = self.rng.random(self.nodes) < self.values["sensor_noise"]
            state = [value ^ int(w) for value, w in zip(state, wrong, strict=True)]
        return np.array([state] if self.markers is not None else [state, list(self.goal.values())], dtype=np.int8)


class FissionYeast(BooleanNetwork):
    def __init__(self, **values: Any) -> None:
        wanted = {"Cdc2": 0, "Cdc2*": 0, "Ste9": 1, "Rum1": 1, "Slp1": 0}
        super().__init__(10, {FISSION_YEAST.index(name): value for name, value in wanted.items()}, **values)

    def becomes(self, state: list[int], node: int) -> int:
        return fission_yeast(state, node)


class RandomNetwork(BooleanNetwork):
    """Kauffman's networks of k inputs."""

    def __init__(self, k: int = 2, nodes: int = 16, network: int = 0, **values: Any) -> None:
        super().__init__(nodes, None, **values)
        rng = np.random.default_rng([network, nodes])
        self.inputs = [rng.permutation(nodes)[:k].tolist() for _ in range(nodes)]
        self.functions = [(rng.random(2**k) < 0.5).astype(int).tolist() for _ in range(nodes)]

    def becomes(self, state: list[int], node: int) -> int:
        column = sum(state[source] * 2**k for k, source in enumerate(self.inputs[node]))
        return self.functions[node][column]
