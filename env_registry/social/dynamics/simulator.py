"""Social dynamics as simulators: their state is plain data, so snapshots are exact."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from env_registry.social.dynamics.environment import SocialDynamics
from env_registry.social.pettingzoo_simulators import ParallelSimulator


class DynamicsSimulator(ParallelSimulator):
    _env: SocialDynamics

    def __init__(self, env: SocialDynamics) -> None:
        super().__init__(lambda: env)

    def save(self) -> dict[str, Any]:
        env = self._env
        return {
            "round": env.round,
            "rng": env.rng.bit_generator.state,
            "acting": bool(self.actors),
            "game": {name: deepcopy(getattr(env, name)) for name in env.remembers},
        }

    def load(self, state: dict[str, Any]) -> None:
        env = self._env
        env.round = state["round"]
        env.rng.bit_generator.state = state["rng"]
        env.agents = list(env.possible_agents) if state["acting"] else []
        for name, value in state["game"].items():
            setattr(env, name, deepcopy(value))
        self.actors = tuple(env.agents)
