"""MiniGrid's and Gymnasium's own environments, as registered, and a second, independent cellular automaton."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium
import minigrid  # noqa: F401  # registers its ids
import numpy as np

_IDS = {
    "minigrid/blocked_unlock_pickup": "MiniGrid-BlockedUnlockPickup-v0",
    "minigrid/dist_shift": "MiniGrid-DistShift1-v0",
    "minigrid/door_key": "MiniGrid-DoorKey-8x8-v0",
    "minigrid/dynamic_obstacles": "MiniGrid-Dynamic-Obstacles-8x8-v0",
    "minigrid/empty": "MiniGrid-Empty-8x8-v0",
    "minigrid/fetch": "MiniGrid-Fetch-8x8-N3-v0",
    "minigrid/four_rooms": "MiniGrid-FourRooms-v0",
    "minigrid/go_to_door": "MiniGrid-GoToDoor-5x5-v0",
    "minigrid/go_to_object": "MiniGrid-GoToObject-6x6-N2-v0",
    "minigrid/key_corridor": "MiniGrid-KeyCorridorS6R3-v0",
    "minigrid/lava_crossing": "MiniGrid-LavaCrossingS9N1-v0",
    "minigrid/lava_gap": "MiniGrid-LavaGapS7-v0",
    "minigrid/locked_room": "MiniGrid-LockedRoom-v0",
    "minigrid/memory": "MiniGrid-MemoryS13-v0",
    "minigrid/multi_room": "MiniGrid-MultiRoom-N6-v0",
    "minigrid/obstructed_maze": "MiniGrid-ObstructedMaze-1Dlhb-v0",
    "minigrid/obstructed_maze_full": "MiniGrid-ObstructedMaze-Full-v1",
    "minigrid/put_near": "MiniGrid-PutNear-6x6-N2-v0",
    "minigrid/red_blue_doors": "MiniGrid-RedBlueDoors-8x8-v0",
    "minigrid/simple_crossing": "MiniGrid-SimpleCrossingS9N1-v0",
    "minigrid/unlock": "MiniGrid-Unlock-v0",
    "minigrid/unlock_pickup": "MiniGrid-UnlockPickup-v0",
    "toytext/blackjack": "Blackjack-v1",
    "toytext/cliff_walking": "CliffWalking-v1",
    "toytext/frozen_lake": "FrozenLake-v1",
    "toytext/taxi": "Taxi-v4",
}

# Gymnasium registers no time limit for the cliff, and what runs in the pool ends.
_TIME_LIMITS = {"toytext/cliff_walking": {"max_episode_steps": 1000}}


class ReferenceAutomaton:
    """Wolfram's elementary automaton, one cell at a time, with the agent as a place on a ring that stays put."""

    TIME_LIMIT = 200

    def __init__(
        self,
        *,
        majority: bool = False,
        rule: int = 110,
        size: int = 31,
        target: float = 0.5,
        start: float = 0.5,
        updates: int = 1,
        noise: float = 0.0,
    ) -> None:
        self.by_pattern = dict(
            zip(["111", "110", "101", "100", "011", "010", "001", "000"], f"{rule:08b}", strict=True)
        )
        self.majority, self.size, self.target = majority, size, target
        self.start, self.updates, self.noise = start, updates, noise

    def reset(self, *, seed: int, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.rng = np.random.default_rng(seed)
        self.ring = ["1" if chance < self.start else "0" for chance in self.rng.random(self.size)]
        self.goal = "1" if self.ring.count("1") > self.ring.count("0") else "0"
        self.place = self.steps = 0
        return self._seen(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if action == 3:
            self.ring[self.place] = "0" if self.ring[self.place] == "1" else "1"
        else:
            self.place = (self.place + {0: 0, 1: -1, 2: 1}[int(action)]) % self.size
        for _ in range(self.updates):
            patterns = [self.ring[i - 1] + self.ring[i] + self.ring[(i + 1) % self.size] for i in range(self.size)]
            self.ring = [self.by_pattern[pattern] for pattern in patterns]
            if self.noise:
                for ahead, chance in enumerate(self.rng.random(self.size)):
                    if chance < self.noise:
                        i = (self.place + ahead) % self.size
                        self.ring[i] = "0" if self.ring[i] == "1" else "1"
        self.steps += 1
        return self._seen(), self._reward(), False, self.steps >= self.TIME_LIMIT, {}

    def _seen(self) -> Any:
        return np.array([int(self.ring[(self.place + ahead) % self.size]) for ahead in range(self.size)], dtype=np.int8)

    def _reward(self) -> float:
        ones = self.ring.count("1") / self.size
        if not self.majority:
            return 1.0 - abs(ones - self.target)
        return ones if self.goal == "1" else 1.0 - ones


BARE: dict[str, Any] = {
    family: partial(gymnasium.make, id, disable_env_checker=True, **_TIME_LIMITS.get(family, {}))
    for family, id in _IDS.items()
}
BARE["rules/cellular_automaton"] = ReferenceAutomaton
BARE["rules/cellular_majority"] = partial(ReferenceAutomaton, majority=True)
