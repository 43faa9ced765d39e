"""Policies whose actions are given beforehand: a constant one, the neutral one, and open-loop plans."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from env_registry.spaces import neutral_value, value_of
from workers.policies.base import BLOCK, OpenLoopPlayer, Player, Policy, PolicyProblem

if TYPE_CHECKING:
    import gymnasium


class Constant(Policy):
    """The same action at each step.

    Raises
    ------
    PolicyProblem
        The action is none of the space.
    """

    def __init__(self, space: gymnasium.Space[Any], action: Any) -> None:
        try:
            self._action = value_of(space, action)
        except (TypeError, ValueError, KeyError) as error:
            raise PolicyProblem(f"the constant action does not fit {space}: {error}") from None

    def player(self, generator: np.random.Generator, episode: int) -> Player:
        return _ConstantPlayer(self._action)


class _ConstantPlayer(Player):
    def __init__(self, action: Any) -> None:
        self._action = action

    def act(self, observation: Any, mask: NDArray[np.int8] | None) -> Any:
        return self._action


class Still(Policy):
    """Zero, or the value nearest to it, of a Box; the first legal action of a discrete space; the shortest text.

    Raises
    ------
    PolicyProblem
        The space has no such action.
    """

    def __init__(self, space: gymnasium.Space[Any]) -> None:
        try:
            neutral_value(space)
        except (AttributeError, TypeError):
            raise PolicyProblem(f"the policy `still` has no action for {type(space).__name__}") from None
        self._space = space

    def player(self, generator: np.random.Generator, episode: int) -> Player:
        return _StillPlayer(self._space)


class _StillPlayer(Player):
    def __init__(self, space: gymnasium.Space[Any]) -> None:
        self._space = space

    def act(self, observation: Any, mask: NDArray[np.int8] | None) -> Any:
        return neutral_value(self._space, mask)


class Plan(Policy):
    """Actions of an uploaded array (NPY): plans x steps x action shape. Episode i follows plan i modulo their number,
    and is truncated where the plan ends.

    Raises
    ------
    PolicyProblem
        The array is not one of such actions.
    """

    def __init__(self, space: gymnasium.Space[Any], path: Path) -> None:
        plans = np.load(path, mmap_mode="r", allow_pickle=False)
        shape, dtype = space.shape or (), space.dtype
        if dtype is None or plans.shape[2:] != shape or not np.can_cast(plans.dtype, dtype, "same_kind"):
            raise PolicyProblem(f"actions of shape {plans.shape[2:]} and dtype {plans.dtype} do not fit {space}")
        self._plans = np.ascontiguousarray(plans, dtype)
        if not all(space.contains(action) for action in self._plans.reshape(-1, *shape)):
            raise PolicyProblem(f"some actions are outside of {space}")
        self.horizon = plans.shape[1]

    def player(self, generator: np.random.Generator, episode: int) -> Player:
        return _PlanPlayer(self._plans[episode % len(self._plans)])


class _PlanPlayer(OpenLoopPlayer):
    def __init__(self, plan: NDArray[Any]) -> None:
        self._plan = plan
        self._used = 0

    def block(self) -> NDArray[Any]:
        self._used += BLOCK
        return self._plan[self._used - BLOCK : self._used]

    def act(self, observation: Any, mask: NDArray[np.int8] | None) -> Any:
        self._used += 1
        action = self._plan[self._used - 1]
        return action if action.shape else action.item()
