"""Simulators around PettingZoo's two interfaces: parallel environments and turn-based (AEC) ones.

Owns the translation of their semantics into `Simulator`'s. Knows no particular environment. States are not saved:
copies of PettingZoo environments fail or lie, so only replay is exact.

`close` lets go of the environment without calling its `close`, which would shut pygame down for the whole process and
so for every other environment in it; what the engines hold is plain memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import Agent, Kind, Simulator
from env_registry.social.actions import checked


class ParallelSimulator(Simulator):
    """A PettingZoo `ParallelEnv`: all live agents act at once; some may leave before the others.

    `carries_state` says that the environment's reset leaves something of the last episode behind; it is then built anew
    for every episode.
    """

    kind = Kind.PARALLEL

    def __init__(self, build: Callable[[], Any], *, carries_state: bool = False) -> None:
        self._build = build
        self._carries_state = carries_state
        self._env = build()
        self._used = False
        self.agents = tuple(self._env.possible_agents)
        self.observation_spaces = {agent: self._env.observation_space(agent) for agent in self.agents}
        self.action_spaces = {agent: self._env.action_space(agent) for agent in self.agents}
        self.actors = ()

    def reset(self, seeds: EpisodeSeeds) -> dict[Agent, Any]:
        if self._used and self._carries_state:
            self._env = self._build()
        self._used = True
        observations, _ = self._env.reset(seed=seeds.environment)
        self.actors = tuple(self._env.agents)
        return {agent: observations[agent] for agent in self.actors}

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        live = self.actors
        observations, rewards, terminations, truncations, infos = self._env.step(checked(self, action))
        self.actors = tuple(self._env.agents)
        return (
            {agent: observations[agent] for agent in live},
            {agent: float(rewards[agent]) for agent in live},
            {agent: bool(terminations[agent]) for agent in live},
            {agent: bool(truncations[agent]) for agent in live},
            {agent: infos[agent] for agent in live},
        )

    def close(self) -> None:
        self._env = None


class Cycle:
    """An AEC environment of whose agents each acts once in a cycle, as a parallel one; agents leave together.

    Steps as PettingZoo's `aec_to_parallel` does, but without wrappers, and looking at agents once a cycle: what each of
    them would see before its turn is given to nobody there, and costs half of a step in mpe2.
    """

    def __init__(self, env: Any) -> None:
        self.unwrapped = env
        self.possible_agents = env.possible_agents
        self.observation_space, self.action_space = env.observation_space, env.action_space

    @property
    def agents(self) -> list[Agent]:
        agents: list[Agent] = self.unwrapped.agents
        return agents

    def reset(self, *, seed: int) -> tuple[dict[Agent, Any], dict[Agent, Any]]:
        env = self.unwrapped
        env.reset(seed=seed)
        return {agent: env.observe(agent) for agent in env.agents}, dict(env.infos)

    def step(self, actions: dict[Agent, Any]) -> tuple[dict[Agent, Any], ...]:
        env = self.unwrapped
        rewards: dict[Agent, Any] = dict.fromkeys(env.agents, 0)
        for agent in env.agents:
            env.step(actions[agent])
            for other in env.agents:
                rewards[other] += env.rewards[other]
        observations = {agent: env.observe(agent) for agent in env.agents}
        answer = observations, rewards, dict(env.terminations), dict(env.truncations), dict(env.infos)
        while env.agents and (env.terminations[env.agent_selection] or env.truncations[env.agent_selection]):
            env.step(None)
        return answer


class TurnSimulator(Simulator):
    """A PettingZoo `AECEnv` whose observations are dicts of `observation` and `action_mask`: one agent acts at a time.

    Rewards are those of the step, not what has gathered since the agent's last action.
    """

    kind = Kind.TURN

    def __init__(self, env: Any) -> None:
        self._env = env
        self.agents = tuple(env.possible_agents)
        self.observation_spaces = {agent: env.observation_space(agent)["observation"] for agent in self.agents}
        self.action_spaces = {agent: env.action_space(agent) for agent in self.agents}
        self.actors = ()

    def reset(self, seeds: EpisodeSeeds) -> dict[Agent, Any]:
        self._env.reset(seed=seeds.environment)
        self.actors = (self._env.agent_selection,)
        return {agent: self._observe(agent) for agent in self.actors}

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        env = self._env
        live = tuple(env.agents)
        (chosen,) = checked(self, action).values()
        env.step(chosen)
        rewards = {agent: float(env.rewards[agent]) for agent in live}
        terminations = {agent: bool(env.terminations[agent]) for agent in live}
        truncations = {agent: bool(env.truncations[agent]) for agent in live}
        infos = {agent: env.infos[agent] for agent in live}
        observations = {agent: self._observe(agent) for agent in live if terminations[agent] or truncations[agent]}
        self._dismiss_the_dead()
        self.actors = (env.agent_selection,) if env.agents else ()
        observations |= {agent: self._observe(agent) for agent in self.actors}
        return observations, rewards, terminations, truncations, infos

    def action_mask(self, agent: Agent) -> NDArray[np.int8]:
        return np.asarray(self._env.observe(agent)["action_mask"], dtype=np.int8)

    def close(self) -> None:
        self._env = None

    def _observe(self, agent: Agent) -> Any:
        return self._env.observe(agent)["observation"]

    def _dismiss_the_dead(self) -> None:
        env = self._env
        while env.agents and (env.terminations[env.agent_selection] or env.truncations[env.agent_selection]):
            env.step(None)
