"""Bare loops: what a user of the library itself would write, against which the pool is held bit for bit.

Nothing here imports env_registry. `physics` and `symbolic` hold single-agent environments by family name, each made by
the library's own constructor with its own argument names and its registered time limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any, Protocol

import numpy as np

_ROOMS = {
    "mujoco": "physics",
    "classic": "physics",
    "dm_control": "dm_control",
    "metaworld": "metaworld",
    "robotics": "robotics",
    "dm_manipulation": "dm_control",
    "box2d": "box2d",
    "cable": "cable",
    "openspiel": "openspiel",
    "babyai": "babyai",
    "popgym": "popgym",
    "minigrid": "symbolic",
    "toytext": "symbolic",
    "rules": "symbolic",
    "society": "society",
    "formal": "formal",
    "puzzles": "puzzles",
    "reasoning_gym": "reasoning_gym",
}


class BareEnvironment(Protocol):
    """What a bare loop needs of a single-agent environment."""

    def reset(self, *, seed: int, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]: ...

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]: ...


def bare_make(family: str, **arguments: Any) -> BareEnvironment:
    """The family's environment, made without the pool; `arguments` are the library's own."""
    room = import_module(f"tests.bare.{_ROOMS[family.split('/')[0]]}")
    factory: Callable[..., BareEnvironment] = room.BARE[family]
    return factory(**arguments)


def bare_episode(
    family: str,
    seed: int,
    actions: Iterable[Any],
    *,
    options: dict[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One episode of the given actions; it ends with the last of them or when the environment says so.

    Returns `observations`, a dict of arrays by leaf (T + 1 rows, the last of which is final; a bare observation's leaf
    is ""), and `rewards` (float64), `terminations` and `truncations` of T rows.
    """
    env = bare_make(family, **(arguments or {}))
    return record(
        lambda: env.reset(seed=seed, options=options)[0],
        env.step,
        actions,
    )


def record(reset: Callable[[], Any], step: Callable[[Any], tuple[Any, ...]], actions: Iterable[Any]) -> dict[str, Any]:
    """The recording part of `bare_episode`, for anything that resets to an observation and steps to a 5-tuple."""
    rows = [leaves(reset())]
    rewards, terminations, truncations = [], [], []
    for action in actions:
        observation, reward, terminated, truncated, _ = step(action)
        rows.append(leaves(observation))
        rewards.append(float(reward))
        terminations.append(bool(terminated))
        truncations.append(bool(truncated))
        if terminated or truncated:
            break
    return {
        "observations": {name: np.array([row[name] for row in rows]) for name in rows[0]},
        "rewards": np.array(rewards, dtype=np.float64),
        "terminations": np.array(terminations),
        "truncations": np.array(truncations),
    }


def leaves(observation: Any, name: str = "") -> dict[str, Any]:
    """The arrays, numbers and texts of an observation by their place in it; arrays are copied."""
    if isinstance(observation, dict):
        parts: Iterable[tuple[Any, Any]] = observation.items()
    elif isinstance(observation, tuple):
        parts = enumerate(observation)
    else:
        return {name: np.array(observation)}
    return {path: leaf for key, part in parts for path, leaf in leaves(part, f"{name}.{key}".lstrip(".")).items()}
