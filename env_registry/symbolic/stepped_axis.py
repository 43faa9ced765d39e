"""Integers of which only every n-th is allowed, such as odd sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from env_registry.axes import Distribution, DistributionKind, IntAxis, Scalar, ValueProblem


@dataclass(frozen=True, kw_only=True)
class SteppedIntAxis(IntAxis):
    """An integer in [low, high], a whole number of steps above low. `uniform` draws such integers only."""

    step: int

    def draw(self, distribution: Distribution, rng: np.random.Generator) -> Scalar:
        if distribution.kind is DistributionKind.UNIFORM:
            low, high = distribution.arguments
            return int(low + self.step * rng.integers((high - low) // self.step + 1))
        return super().draw(distribution, rng)

    def _check_scalar(self, value: Any) -> int:
        value = super()._check_scalar(value)
        if (value - self.low) % self.step:
            raise ValueProblem(self.name, f"must be {self.low} plus a multiple of {self.step}")
        return int(value)

    def _range_json(self) -> Mapping[str, Any]:
        return {**super()._range_json(), "step": self.step}
