"""Gymnasium's own Box2D environments, as registered."""

from __future__ import annotations

from functools import partial

import gymnasium

_IDS = {
    "box2d/bipedal_walker": "BipedalWalker-v3",
    "box2d/lunar_lander": "LunarLander-v3",
    "box2d/lunar_lander_continuous": "LunarLanderContinuous-v3",
}

BARE = {family: partial(gymnasium.make, id, disable_env_checker=True) for family, id in _IDS.items()}
