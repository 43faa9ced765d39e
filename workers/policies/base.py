"""What every policy is made of: players, who act for one agent in one episode. Knows nothing of items or chunks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 256
"""Steps of which an open-loop policy gives the actions at once."""
NO_LIMIT = 2**62


Extras = tuple[tuple[str, str, tuple[int, ...] | None], ...]
"""Names, dtypes and shapes, None for plain numbers."""


class PolicyProblem(ValueError):
    """The policy does not exist, or cannot act in this space."""


class Player(ABC):
    """A policy at the controls of one agent in one episode."""

    extras: Mapping[str, Any] | None = None
    """What the policy computed beside the last action, by name; see `Policy.extras`."""

    def ask(self, observation: Any, mask: NDArray[np.int8] | None) -> None:
        """What `answer` shall answer; the arguments are those of `act`."""
        self._asked = observation, mask

    def answer(self) -> Any:
        """The action for what was asked. Before it, whoever asked several seats of a batch runs the batch."""
        return self.act(*self._asked)

    @abstractmethod
    def act(self, observation: Any, mask: NDArray[np.int8] | None) -> Any:
        """The next action. `mask` (one per action, nonzero where legal) is None where all actions are legal."""


class OpenLoopPlayer(Player):
    """Needs no observations: knows its actions a block ahead, as long as all of them are legal."""

    @abstractmethod
    def block(self) -> NDArray[Any]:
        """The next BLOCK actions, BLOCK x action shape. Use either `act` or `block` in an episode."""


class Policy(ABC):
    """Makes players; one object for each action space, used for many episodes."""

    horizon: int = NO_LIMIT
    """Steps after which the policy has no more actions: an episode is truncated there."""
    extras: Extras = ()
    """What its players compute beside actions, recorded as columns `policy.NAME`."""

    @abstractmethod
    def player(self, generator: np.random.Generator, episode: int) -> Player:
        """A player for one episode, all of whose randomness comes from `generator`."""
