"""Loops that a user would write with the libraries alone: one process, preallocated numpy, an explicit seed an episode.

`python -m tests.bench.bare_loop WAY ID SECONDS` prints `{"steps", "wall_s", "cpu_s"}`. Ways: `gymnasium`, `mpe2` and
`open_spiel` record the columns that the pool records; `async` is Gymnasium's AsyncVectorEnv with two environments and
`envpool` EnvPool with 64 on two threads, both with their own seeds and resets. Imports nothing of ours.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

BLOCK = 4096
"""Steps of one action array and of one recording."""
Loop = Callable[[float], int]
"""Runs random episodes for so many seconds, recorded block after block; answers the number of steps."""


def main(way: str, id: str, seconds: float) -> None:
    loop = WAYS[way](id)
    loop(1.0)  # warm
    wall, cpu = time.perf_counter(), _cpu_s()
    steps = loop(seconds)
    print(json.dumps({"steps": steps, "wall_s": time.perf_counter() - wall, "cpu_s": _cpu_s() - cpu}))


def _cpu_s() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


class Columns:
    """What every loop records of a step, beside what agents saw, did and got."""

    def __init__(self) -> None:
        self.is_first = np.empty(BLOCK + 1, bool)
        self.episode, self.t = np.empty(BLOCK + 1, np.int64), np.empty(BLOCK + 1, np.int32)


# --- Gymnasium


class Recording(Columns):
    """Arrays of BLOCK rows; a dict observation has one for each numeric leaf and a list for text."""

    def __init__(self, env: Any) -> None:
        super().__init__()
        space = env.observation_space
        leaves = space.spaces if hasattr(space, "spaces") else {"": space}
        self.text = [name for name, leaf in leaves.items() if leaf.dtype is None or leaf.dtype == str]
        self.numeric = [name for name in leaves if name not in self.text]
        self.observations = {
            name: np.empty((BLOCK + 1, *(leaves[name].shape or ())), leaves[name].dtype) for name in self.numeric
        }
        self.texts: dict[str, list[Any]] = {name: [None] * (BLOCK + 1) for name in self.text}
        self.rewards = np.empty(BLOCK + 1)
        self.terminations, self.truncations = np.empty(BLOCK + 1, bool), np.empty(BLOCK + 1, bool)


def gymnasium_loop(id: str) -> Loop:
    import gymnasium

    if id.startswith("MiniGrid"):
        import minigrid  # noqa: F401  (registers its environments)
    env = gymnasium.make(id, disable_env_checker=True)
    record = Recording(env)
    rng = np.random.default_rng(0)

    def loop(seconds: float) -> int:
        end = time.perf_counter() + seconds
        steps = episode = 0
        observations = record.observations.get("")
        rewards, terminations, truncations = record.rewards, record.terminations, record.truncations
        is_first, episodes, ts = record.is_first, record.episode, record.t
        while time.perf_counter() < end:
            actions = _actions(env.action_space, rng, ())
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

    return loop


def async_loop(id: str) -> Loop:
    """Two environments in two processes, stepped together. The step after an episode only resets: it does not count."""
    import gymnasium

    if id.startswith("MiniGrid"):
        import minigrid  # noqa: F401
    shared = not id.startswith("MiniGrid")  # whose missions have no place in shared memory
    envs = gymnasium.make_vec(id, num_envs=2, vectorization_mode="async", vector_kwargs={"shared_memory": shared})
    rng = np.random.default_rng(0)
    space = envs.single_observation_space
    leaves = space.spaces if hasattr(space, "spaces") else {"": space}
    seen = {
        name: np.empty((BLOCK, 2, *leaf.shape), leaf.dtype) for name, leaf in leaves.items() if leaf.shape is not None
    }
    rewards, over, over_before = np.empty((BLOCK, 2)), np.zeros((BLOCK, 2), bool), np.zeros(2, bool)
    observations, _ = envs.reset(seed=0)

    def loop(seconds: float) -> int:
        nonlocal observations, over_before
        end = time.perf_counter() + seconds
        steps = 0
        while time.perf_counter() < end:
            actions = _actions(envs.single_action_space, rng, (2,))
            for i in range(BLOCK):
                for name, column in seen.items():
                    column[i] = observations[name] if name else observations
                steps += 2 - int(over_before.sum())
                observations, rewards[i], terminated, truncated, _ = envs.step(actions[i])
                over[i] = over_before = terminated | truncated
                if not i % 64 and time.perf_counter() > end:
                    break
        return steps

    return loop


def _actions(space: Any, rng: np.random.Generator, batch: tuple[int, ...]) -> Any:
    if hasattr(space, "n"):
        return rng.integers(space.n, size=(BLOCK, *batch))
    return rng.uniform(space.low, space.high, (BLOCK, *batch, *space.shape)).astype(space.dtype)


# --- EnvPool


def envpool_loop(id: str) -> Loop:
    """64 environments on two threads, stepped together. The step after an episode only resets: it does not count."""
    import envpool

    envs, rows = 64, BLOCK // 64
    env = envpool.make(id, env_type="gymnasium", num_envs=envs, num_threads=2, seed=0)
    rng = np.random.default_rng(0)
    observations = np.empty((rows, envs, *env.observation_space.shape), env.observation_space.dtype)
    rewards, over, over_before = np.empty((rows, envs)), np.empty((rows, envs), bool), np.zeros(envs, bool)
    observation, _ = env.reset()

    def loop(seconds: float) -> int:
        nonlocal observation, over_before
        end = time.perf_counter() + seconds
        steps = 0
        while time.perf_counter() < end:
            actions = _actions(env.action_space, rng, (envs,))
            for i in range(rows):
                observations[i] = observation
                steps += envs - int(over_before.sum())
                observation, rewards[i], terminated, truncated, _ = env.step(actions[i])
                over[i] = over_before = terminated | truncated
        return steps

    return loop


# --- several agents


def mpe2_loop(id: str) -> Loop:
    env = import_module(f"mpe2.{id}").parallel_env()
    agents = env.possible_agents
    size = env.observation_space(agents[0]).shape[0]
    choices = [env.action_space(agent).n for agent in agents]
    shape = (BLOCK, len(agents))
    observations, rewards = np.empty((*shape, size), np.float32), np.empty(shape)
    terminations, truncations = np.empty(shape, bool), np.empty(shape, bool)
    record = Columns()
    rng = np.random.default_rng(0)

    def loop(seconds: float) -> int:
        end = time.perf_counter() + seconds
        steps = episode = 0
        while time.perf_counter() < end:
            actions = rng.integers(choices, size=shape)
            i = 0
            while i < BLOCK:
                episode += 1
                seen, _ = env.reset(seed=episode)
                t = 0
                while env.agents and i < BLOCK:
                    for k, agent in enumerate(agents):
                        observations[i, k] = seen[agent]
                    seen, paid, terminated, truncated, _ = env.step(dict(zip(agents, actions[i], strict=True)))
                    for k, agent in enumerate(agents):
                        rewards[i, k], terminations[i, k] = paid[agent], terminated[agent]
                        truncations[i, k] = truncated[agent]
                    record.is_first[i], record.episode[i], record.t[i] = t == 0, episode, t
                    t += 1
                    i += 1
            steps += BLOCK
        return steps

    return loop


def open_spiel_loop(id: str) -> Loop:
    """OpenSpiel's own environment, with random legal actions."""
    from open_spiel.python import rl_environment

    chance = rl_environment.ChanceEventSampler(0)
    env = rl_environment.Environment(id, chance_event_sampler=chance)
    (size,) = env.observation_spec()["info_state"]
    players = env.num_players
    observations, final = np.empty((BLOCK, size), np.float32), np.empty((players, size), np.float32)
    rewards, over = np.empty((BLOCK, players)), np.empty(BLOCK, bool)
    actions, who = np.empty(BLOCK, np.int64), np.empty(BLOCK, np.int32)
    record = Columns()
    rng = np.random.default_rng(0)

    def loop(seconds: float) -> int:
        end = time.perf_counter() + seconds
        steps = episode = 0
        while time.perf_counter() < end:
            draws = rng.random(BLOCK).tolist()
            i = 0
            while i < BLOCK:
                episode += 1
                chance.seed(episode)
                step = env.reset()
                t = 0
                while not step.last() and i < BLOCK:
                    player = step.observations["current_player"]
                    legal = step.observations["legal_actions"][player]
                    observations[i] = step.observations["info_state"][player]
                    action = legal[int(draws[i] * len(legal))]
                    step = env.step([action])
                    rewards[i], actions[i], who[i], over[i] = step.rewards, action, player, step.last()
                    record.is_first[i], record.episode[i], record.t[i] = t == 0, episode, t
                    t += 1
                    i += 1
                final[:] = step.observations["info_state"]
            steps += BLOCK
        return steps

    return loop


WAYS: dict[str, Callable[[str], Loop]] = {
    "gymnasium": gymnasium_loop,
    "async": async_loop,
    "envpool": envpool_loop,
    "mpe2": mpe2_loop,
    "open_spiel": open_spiel_loop,
}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
