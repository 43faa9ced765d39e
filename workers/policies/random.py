"""The random policy: how it draws its actions, exactly, so that anyone with numpy can draw them again.

`random@1`, for one agent and one episode. `generator` is `seeds.generator("policy")` of a single agent, and
`seeds.generator("policy", i)` of the i-th of several agents, in the order of the simulator's `agents`. Actions are
drawn in blocks of 256 of the agent's own steps, `shape` = (256, *space.shape), whenever it acts and has none left:

- `Discrete`: `generator.random(256)` gives u, one number for each step. The action is `start + floor(u * n)`, or, where
  some actions are illegal, number `floor(u * count)` of the legal ones in ascending order. One number a step in both
  cases, because an environment may forbid actions at some steps only.
- `MultiDiscrete`: `generator.integers(start, start + nvec, shape)`.
- `MultiBinary`: `generator.integers(0, 2, shape, int8)`.
- `Box` of integers: `generator.integers(low, high, shape, dtype, endpoint=True)`.
- `Box` of floats: `generator.uniform(low, high, shape)` in float64, then cast. If any dimension lacks a bound:
  `generator.random(shape)` gives u and then `generator.standard_normal(shape)` z; bounded dimensions are
  `low + u * (high - low)`, the others z, clipped to the bound that they have.

Of `Text` an action is drawn when it is wanted, not a block: `env_registry.spaces.random_text(space, generator)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from env_registry.spaces import random_text
from workers.policies.base import BLOCK, OpenLoopPlayer, Player, Policy, PolicyProblem

if TYPE_CHECKING:
    import gymnasium


class _RandomBlocks(Policy):
    """Random actions in spaces where every action is always legal."""

    def __init__(self, draw: Callable[[np.random.Generator], NDArray[Any]]) -> None:
        self._draw = draw

    def player(self, generator: np.random.Generator, episode: int) -> Player:
        return _BlockPlayer(self._draw, generator)


class _BlockPlayer(OpenLoopPlayer):
    def __init__(self, draw: Callable[[np.random.Generator], NDArray[Any]], generator: np.random.Generator) -> None:
        self._draw = draw
        self._generator = generator
        self._used = BLOCK

    def block(self) -> NDArray[Any]:
        return self._draw(self._generator)

    def act(self, observation: Any, mask: NDArray[np.int8] | None) -> Any:
        if self._used == BLOCK:
            self._actions = self.block()
            self._used = 0
        self._used += 1
        return self._actions[self._used - 1]


class _RandomDiscrete(Policy):
    def __init__(self, n: int, start: int) -> None:
        self._n = n
        self._start = start

    def player(self, generator: np.random.Generator, episode: int) -> Player:
        return _DiscretePlayer(self._n, self._start, generator)


class _DiscretePlayer(OpenLoopPlayer):
    def __init__(self, n: int, start: int, generator: np.random.Generator) -> None:
        self._n = n
        self._start = start
        self._generator = generator
        self._used = BLOCK

    def block(self) -> NDArray[np.int64]:
        drawn = (self._generator.random(BLOCK) * self._n).astype(np.int64)
        return drawn + self._start if self._start else drawn

    def act(self, observation: Any, mask: NDArray[np.int8] | None) -> int:
        if self._used == BLOCK:
            self._numbers = self._generator.random(BLOCK).tolist()
            self._used = 0
        u = self._numbers[self._used]
        self._used += 1
        if mask is None:
            return self._start + int(u * self._n)
        (legal,) = mask.nonzero()
        return self._start + int(legal[int(u * len(legal))])


class _RandomText(Policy):
    def __init__(self, space: gymnasium.spaces.Text) -> None:
        self._space = space

    def player(self, generator: np.random.Generator, episode: int) -> Player:
        return _TextPlayer(self._space, generator)


class _TextPlayer(Player):
    def __init__(self, space: gymnasium.spaces.Text, generator: np.random.Generator) -> None:
        self._space = space
        self._generator = generator

    def act(self, observation: Any, mask: NDArray[np.int8] | None) -> str:
        return random_text(self._space, self._generator)


def random_policy(space: gymnasium.Space[Any]) -> Policy:
    """
    Raises
    ------
    PolicyProblem
        There are no random actions for this space.
    """
    from gymnasium import spaces

    match space:
        case spaces.Discrete():
            return _RandomDiscrete(int(space.n), int(space.start))
        case spaces.MultiDiscrete():
            low, high = space.start, space.start + space.nvec
            return _RandomBlocks(lambda generator: generator.integers(low, high, (BLOCK, *space.shape)))
        case spaces.MultiBinary():
            return _RandomBlocks(lambda generator: generator.integers(0, 2, (BLOCK, *space.shape), np.int8))
        case spaces.Box():
            return _RandomBlocks(_random_box(space))
        case spaces.Text():
            return _RandomText(space)
        case _:
            raise PolicyProblem(f"the random policy has no actions for {type(space).__name__}")


def _random_box(space: gymnasium.spaces.Box) -> Callable[[np.random.Generator], NDArray[Any]]:
    dtype = np.dtype(space.dtype)
    shape = (BLOCK, *space.shape)
    if dtype.kind in "iu":
        low, high = space.low.astype(np.int64), space.high.astype(np.int64)
        integers: Any = dtype.type
        return lambda generator: generator.integers(low, high, shape, integers, endpoint=True)
    low, high = space.low.astype(np.float64), space.high.astype(np.float64)
    bounded = np.isfinite(low) & np.isfinite(high)
    if bounded.all():
        return lambda generator: generator.uniform(low, high, shape).astype(dtype)

    def draw(generator: np.random.Generator) -> NDArray[Any]:
        u = generator.random(shape)
        normal = np.clip(generator.standard_normal(shape), low, high)
        inside = np.where(bounded, low, 0.0) + u * np.where(bounded, high - low, 0.0)
        return np.where(bounded, inside, normal).astype(dtype)

    return draw
