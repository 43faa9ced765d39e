"""The one interface behind which every engine stands: single-agent, simultaneous and turn-based environments alike.

Owns the shape of reset, step, snapshot and restore. Knows nothing of specs' text, cells, HTTP or queues.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import gymnasium

    from env_registry.seeding import EpisodeSeeds

Agent = str
SINGLE_AGENT: Agent = "agent"


class Kind(StrEnum):
    """How agents take their turns."""

    SINGLE = "single"
    PARALLEL = "parallel"
    TURN = "turn"


StepBlock = Callable[[NDArray[Any], NDArray[Any], NDArray[np.float64]], tuple[int, bool, bool]]
"""step_block(actions, observations, rewards) -> (count, terminated, truncated): takes the actions, one a row, until the
episode ends or none is left, and writes what each step gave into its row. The flags are those of the last step."""


class Simulator(ABC):
    """A running environment.

    For `Kind.SINGLE` observations, actions, rewards and flags are bare values, as in Gymnasium:
    `reset -> observation`, `step(action) -> (observation, reward, terminated, truncated, info)`.
    For the other kinds each of them is a dict by agent. `step` takes the actions of `actors`, which are all live agents
    (`PARALLEL`) or those whose move it is (`TURN`), and answers

    - observations: of every agent that acts next, and of every agent whose episode just ended (its last observation);
    - rewards: of every agent that was live before the step (0.0 where nothing was paid; `TURN` may leave zeros out);
    - terminations, truncations: of every agent that was live before the step (`TURN` may leave False out).

    The episode is over when `actors` is empty. Nothing carries over from one episode to the next: after `reset` with
    the same seeds a used simulator and a fresh one give the same bits.
    """

    kind: Kind
    agents: Sequence[Agent]  # every agent that may appear, in a fixed order; (SINGLE_AGENT,) for Kind.SINGLE
    observation_spaces: Mapping[Agent, gymnasium.Space[Any]]
    action_spaces: Mapping[Agent, gymnasium.Space[Any]]
    actors: Sequence[Agent]  # who acts next; empty between episodes
    step_ms: float | None = None  # simulated milliseconds of a step, where the environment has physical time
    drawn: Mapping[str, float | int | bool | str] = {}  # values of distributions drawn for this episode
    step_block: StepBlock | None = None  # as if by `step`, where that is faster and observations are arrays of one Box

    @abstractmethod
    def reset(self, seeds: EpisodeSeeds) -> Any:
        """Start an episode; the observation(s) before the first action."""

    @abstractmethod
    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        """One step; see the class for shapes."""

    def inform(self, wanted: bool) -> None:  # noqa: B027  # most engines always do
        """Whether steps shall give the environment's infos where that takes time; otherwise they do not."""

    def action_mask(self, agent: Agent) -> Any | None:
        """Legal actions of the agent that acts next (int8, one per action), or None where all are legal."""
        return None

    def render(self) -> NDArray[np.uint8]:
        """The present state as a picture, height x width x 3 (RGB)."""
        raise NotImplementedError(f"{type(self).__name__} draws nothing")

    def save(self) -> dict[str, Any] | None:
        """The complete state as plain data, or None: then only replay is exact.

        Plain data are dicts, lists, tuples, numbers, text, bytes and numpy arrays.
        """
        return None

    def load(self, state: dict[str, Any]) -> None:
        """Continue from what `save` returned, bit for bit."""
        raise NotImplementedError(f"{type(self).__name__} restores by replay only")

    def close(self) -> None:  # noqa: B027  # most engines hold nothing
        """Free what the engine holds."""
