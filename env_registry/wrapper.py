"""Wrappers: simulators that stand around another simulator.

Owns plain delegation; what a wrapper changes it says itself. Knows nothing of specs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env_registry.axes import Scalar
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import Agent, Simulator


class Wrapper(Simulator):
    """Passes everything on to `inner`. Subclasses put their own part of the state into `own_state` and take it back."""

    def __init__(self, inner: Simulator) -> None:
        self.inner = inner
        self.kind = inner.kind
        self.agents = inner.agents
        self.observation_spaces = inner.observation_spaces
        self.action_spaces = inner.action_spaces

    @property
    def actors(self) -> Sequence[Agent]:  # type: ignore[override]  # read through, never copied
        return self.inner.actors

    @property
    def drawn(self) -> Mapping[str, Scalar]:  # type: ignore[override]
        return self.inner.drawn

    @property
    def step_ms(self) -> float | None:  # type: ignore[override]
        return self.inner.step_ms

    def render(self) -> NDArray[np.uint8]:
        return self.inner.render()

    def inform(self, wanted: bool) -> None:
        self.inner.inform(wanted)

    def reset(self, seeds: EpisodeSeeds) -> Any:
        return self.inner.reset(seeds)

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        return self.inner.step(action)

    def action_mask(self, agent: Agent) -> Any | None:
        return self.inner.action_mask(agent)

    def save(self) -> dict[str, Any] | None:
        inner = self.inner.save()
        return None if inner is None else {"own": self.own_state(), "inner": inner}

    def load(self, state: dict[str, Any]) -> None:
        self.inner.load(state["inner"])
        self.take_own_state(state["own"])

    def own_state(self) -> dict[str, Any]:
        return {}

    def take_own_state(self, state: dict[str, Any]) -> None:
        """Continue from what `own_state` returned."""

    def close(self) -> None:
        self.inner.close()
