"""Level-based foraging through its own constructor, seeding and stepping; observations and rewards are lists."""

from __future__ import annotations

from typing import Any

from lbforaging.foraging.environment import ForagingEnv

from tests.bare.social import Episode, JointActions

_FORAGING = {
    "players": 2,
    "min_player_level": 1,
    "max_player_level": 2,
    "min_food_level": 1,
    "max_food_level": None,
    "field_size": (8, 8),
    "max_num_food": 2,
    "sight": 8,
    "max_episode_steps": 50,
    "force_coop": False,
}


def _foraging(seed: int, actions: JointActions, **arguments: Any) -> Episode:
    env = ForagingEnv(**_FORAGING | arguments)
    names = [f"agent_{number}" for number in range(env.n_agents)]
    episode = Episode(names)
    seen, _ = env.reset(seed=seed)
    episode.see(dict(zip(names, seen, strict=True)))
    for joint in actions:
        episode.order.append(tuple(names))
        seen, rewards, over, truncated, _ = env.step([joint[name] for name in names])
        episode.see(dict(zip(names, seen, strict=True)))
        for name, reward in zip(names, rewards, strict=True):
            episode.get(name, reward, over, truncated)
        if over:
            break
    return episode


BARE: dict[str, Any] = {"lbforaging/foraging": _foraging}
