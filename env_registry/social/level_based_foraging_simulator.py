"""The simulator around lbforaging's environment, whose observations and rewards are lists by player.

Owns the state of an episode. The field, the players and the generator are all of it: which moves are valid follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from env_registry.axes import Scalar
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import Agent, Kind, Simulator
from env_registry.social.actions import checked


class ForagingSimulator(Simulator):
    """Level-based foraging; agents are `agent_0`, `agent_1`, … and live as long as the episode.

    Observations are float32: row, column and level of each piece of food, then of each agent, oneself first, relative
    to what one sees.
    """

    kind = Kind.PARALLEL

    def __init__(self, values: Mapping[str, Scalar]) -> None:
        library = import_module("lbforaging.foraging.environment")
        size = values["field_size"]
        own = {name: value for name, value in values.items() if name != "field_size"}
        self.env: Any = library.ForagingEnv(
            **own | {"max_food_level": values["max_food_level"] or None},
            min_player_level=1,
            min_food_level=1,
            field_size=(size, size),
        )
        self.agents = tuple(f"agent_{number}" for number in range(self.env.n_agents))
        self.observation_spaces = dict(zip(self.agents, self.env.observation_space, strict=True))
        self.action_spaces = dict(zip(self.agents, self.env.action_space, strict=True))
        self.actors = ()

    def reset(self, seeds: EpisodeSeeds) -> dict[Agent, Any]:
        for player in self.env.players:
            player.position = None  # else the places of the last episode stay taken while players are put down
        observations, _ = self.env.reset(seed=seeds.environment)
        self.actors = self.agents
        return dict(zip(self.agents, observations, strict=True))

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        observations, rewards, over, _, _ = self.env.step(list(checked(self, action).values()))
        over = bool(over)
        if over:
            self.actors = ()
        return (
            dict(zip(self.agents, observations, strict=True)),
            {agent: float(reward) for agent, reward in zip(self.agents, rewards, strict=True)},
            dict.fromkeys(self.agents, over),
            dict.fromkeys(self.agents, False),
            {agent: {} for agent in self.agents},
        )

    def save(self) -> dict[str, Any] | None:
        env = self.env
        return {
            "field": env.field.copy(),
            "players": [
                [int(player.position[0]), int(player.position[1]), int(player.level)] for player in env.players
            ],
            "step": env.current_step,
            "spawned": int(env._food_spawned),
            "rng": env.np_random.bit_generator.state,
            "acting": bool(self.actors),
        }

    def load(self, state: dict[str, Any]) -> None:
        env = self.env
        env.field = np.array(state["field"])
        for player, (row, column, level) in zip(env.players, state["players"], strict=True):
            player.setup((row, column), level, env.field_size)
            player.reward = 0
        env.current_step = state["step"]
        env._food_spawned = state["spawned"]
        env._game_over = not state["acting"]
        env.np_random.bit_generator.state = state["rng"]
        env._gen_valid_moves()
        self.actors = self.agents if state["acting"] else ()
