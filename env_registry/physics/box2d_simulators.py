"""Gymnasium's Box2D environments behind the simulator interface.

Their observation spaces have no bounds here: the library's hold for its own constants at most. Episodes are restored by
replay, because a Box2D world cannot be copied.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import Box2D
import gymnasium
import numpy as np

from env_registry.gymnasium_adapter import GymnasiumSimulator
from env_registry.seeding import EpisodeSeeds


class Box2dSimulator(GymnasiumSimulator):
    """An environment that makes a new world for every episode, as the lander does."""

    def __init__(self, env: gymnasium.Env[Any, Any], *, time_limit: int) -> None:
        assert env.observation_space.shape is not None
        env.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, env.observation_space.shape, np.float32)
        super().__init__(env, time_limit=time_limit)


class WalkerSimulator(Box2dSimulator):
    """The walker of a module whose fixtures it may change."""

    env: Any

    def __init__(
        self,
        module: ModuleType,
        *,
        hardcore: bool,
        gravity: float,
        hull_density: float,
        leg_density: float,
        time_limit: int,
    ) -> None:
        self._gravity = (0.0, -gravity)
        self._densities = {module.HULL_FD: hull_density, module.LEG_FD: leg_density, module.LOWER_FD: leg_density}
        super().__init__(module.BipedalWalker(hardcore=hardcore), time_limit=time_limit)

    def reset(self, seeds: EpisodeSeeds) -> Any:
        """In a new world, as bodies that were removed may leave their order behind."""
        for fixture, density in self._densities.items():
            fixture.density = density
        self.env._destroy()
        self.env.world = Box2D.b2World(gravity=self._gravity)
        return super().reset(seeds)
