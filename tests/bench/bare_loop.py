"""The loop that a user would write: one process, preallocated numpy, the same columns, an explicit seed an episode.

`python -m tests.bench.bare_loop ID SECONDS` prints `{"steps", "wall_s", "cpu_s"}`. Imports nothing of ours.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import gymnasium
import numpy as np

BLOCK = 4096
"""Steps of one action array and of one recording."""


def main(id: str, seconds: float) -> None:
    if id.startswith("MiniGrid"):
        import minigrid  # noqa: F401  (registers its environments)
    env = gymnasium.make(id, disable_env_checker=True)
    record = Recording(env)
    loop(env, record, 1.0)  # warm
    wall, cpu = time.perf_counter(), time.process_time()
    steps = loop(env, record, seconds)
    print(json.dumps({"steps": steps, "wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}))


class Recording:
    """Arrays of BLOCK rows; a dict observation has one for each numeric leaf and a list for text."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        space = env.observation_space
        leaves = space.spaces if isinstance(space, gymnasium.spaces.Dict) else {"": space}
        self.text = [name for name, leaf in leaves.items() if leaf.dtype is None or leaf.dtype == str]
        self.numeric = [name for name in leaves if name not in self.text]
        self.plain = "" in leaves
        self.observations = {
            name: np.empty((BLOCK + 1, *(leaves[name].shape or ())), leaves[name].dtype) for name in self.numeric
        }
        self.texts: dict[str, list[Any]] = {name: [None] * (BLOCK + 1) for name in self.text}
        self.rewards = np.empty(BLOCK + 1)
        self.terminations, self.truncations, self.is_first = (np.empty(BLOCK + 1, bool) for _ in range(3))
        self.episode, self.t = np.empty(BLOCK + 1, np.int64), np.empty(BLOCK + 1, np.int32)


def loop(env: gymnasium.Env[Any, Any], record: Recording, seconds: float) -> int:
    """Random episodes, recorded block after block, until the time is over; the number of steps."""
    rng = np.random.default_rng(0)
    end = time.perf_counter() + seconds
    steps = episode = 0
    observations = record.observations.get("")
    rewards, terminations, truncations = record.rewards, record.terminations, record.truncations
    is_first, episodes, ts = record.is_first, record.episode, record.t
    while time.perf_counter() < end:
        actions = _actions(env, rng)
        i = 0
        while i < BLOCK:
            episode += 1
            observation, _ = env.reset(seed=episode)
            t, over = 0, False
            while not over and i < BLOCK:
                if observations is not None:
                    observations[i] = observation
                else:
                    for name in record.numeric:
                        record.observations[name][i] = observation[name]
                    for name in record.text:
                        record.texts[name][i] = observation[name]
                observation, reward, terminated, truncated, _ = env.step(actions[i])
                rewards[i] = reward
                terminations[i] = terminated
                truncations[i] = truncated
                is_first[i] = t == 0
                episodes[i] = episode
                ts[i] = t
                over = terminated or truncated
                t += 1
                i += 1
        steps += BLOCK
    return steps


def _actions(env: gymnasium.Env[Any, Any], rng: np.random.Generator) -> Any:
    space = env.action_space
    if isinstance(space, gymnasium.spaces.Discrete):
        return rng.integers(space.n, size=BLOCK)
    assert isinstance(space, gymnasium.spaces.Box)
    return rng.uniform(space.low, space.high, (BLOCK, *space.shape)).astype(space.dtype)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
