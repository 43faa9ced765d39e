"""POPGym by the library's own constructors; cells of boards are numbered row by row."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from gymnasium.spaces import MultiDiscrete


class _Numbered:
    """A board whose cells are addressed by one number."""

    def __init__(self, env: Any) -> None:
        self._env, self._columns = env, env.action_space.nvec[1]

    def reset(self, **arguments: Any) -> Any:
        return self._env.reset(**arguments)

    def step(self, action: Any) -> Any:
        return self._env.step(divmod(int(action), int(self._columns)))


def _bare(module: str, made_by: str, *, constants: dict[str, float] | None = None, **arguments: Any) -> Any:
    """`constants` are attributes of Gymnasium's environments beneath."""
    env = getattr(import_module(f"popgym.envs.{module}"), made_by)(**arguments)
    for name, value in (constants or {}).items():
        setattr(env, name, value)
    return _Numbered(env) if isinstance(env.action_space, MultiDiscrete) else env


_CLASSES = {
    "autoencode": ("autoencode", "Autoencode"),
    "battleship": ("battleship", "Battleship"),
    "concentration": ("concentration", "Concentration"),
    "count_recall": ("count_recall", "CountRecall"),
    "higher_lower": ("higher_lower", "HigherLower"),
    "mine_sweeper": ("minesweeper", "MineSweeper"),
    "multiarmed_bandit": ("multiarmed_bandit", "MultiarmedBandit"),
    "noisy_position_only_cartpole": ("noisy_position_only_cartpole", "NoisyPositionOnlyCartPole"),
    "noisy_position_only_pendulum": ("noisy_position_only_pendulum", "NoisyPositionOnlyPendulum"),
    "position_only_cartpole": ("position_only_cartpole", "PositionOnlyCartPole"),
    "position_only_pendulum": ("position_only_pendulum", "PositionOnlyPendulum"),
    "repeat_first": ("repeat_first", "RepeatFirst"),
    "repeat_previous": ("repeat_previous", "RepeatPrevious"),
    "velocity_only_cartpole": ("velocity_only_cartpole", "VelocityOnlyCartPole"),
}

BARE: dict[str, Any] = {f"popgym/{name}": partial(_bare, *made) for name, made in _CLASSES.items()}
