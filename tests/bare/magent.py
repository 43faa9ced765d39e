"""MAgent2 through its own constructors and parallel interface, on the maps that are the families' defaults."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from tests.bare.social import Episode, JointActions, _parallel


def _magent(name: str, own_size: int, seed: int, actions: JointActions, **arguments: Any) -> Episode:
    module = import_module(f"magent2.environments.{name}")
    return _parallel(module.parallel_env(**{"map_size": own_size, "max_cycles": 100, **arguments}), seed, actions)


BARE: dict[str, Any] = {
    "magent/adversarial_pursuit": partial(_magent, "adversarial_pursuit_v4", 20),
    "magent/battle": partial(_magent, "battle_v4", 16),
    "magent/battlefield": partial(_magent, "battlefield_v5", 46),
    "magent/combined_arms": partial(_magent, "combined_arms_v6", 16),
    "magent/tiger_deer": partial(_magent, "tiger_deer_v4", 15),
}
