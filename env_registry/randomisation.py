"""Domain randomisation: parameters drawn anew at every reset.

Owns when values are drawn and that the simulator has them. The distributions themselves belong to `axes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from env_registry.axes import Distribution, Scalar, Value
from env_registry.family import Family
from env_registry.seeding import EpisodeSeeds
from env_registry.wrapper import Wrapper


class Randomised(Wrapper):
    """A family's simulator whose distributions are drawn from the stream `randomisation`, sorted by name.

    The simulator is made again when the values differ from the last ones. Randomisable axes change neither spaces nor
    agents, so those are the same in every episode.
    """

    drawn: Mapping[str, Scalar] = {}

    def __init__(self, family: Family, values: Mapping[str, Value]) -> None:
        self._family = family
        self._fixed = {name: value for name, value in values.items() if not isinstance(value, Distribution)}
        self._distributions = {
            axis: value
            for axis in sorted(family.axes, key=lambda axis: axis.name)
            if isinstance(value := values[axis.name], Distribution)
        }
        self._made_with = {axis.name: axis.default for axis in self._distributions}
        super().__init__(family.make(self._fixed | self._made_with))

    def reset(self, seeds: EpisodeSeeds) -> Any:
        rng = seeds.generator("randomisation")
        self._take({axis.name: axis.draw(distribution, rng) for axis, distribution in self._distributions.items()})
        return self.inner.reset(seeds)

    def load(self, state: dict[str, Any]) -> None:
        self._take(dict(state["own"]["drawn"]))
        super().load(state)

    def own_state(self) -> dict[str, Any]:
        return {"drawn": dict(self.drawn)}

    def _take(self, drawn: dict[str, Scalar]) -> None:
        if drawn != self._made_with:
            values = self._fixed | drawn
            if not self._family.retune(self.inner, values):
                self.inner.close()
                self.inner = self._family.make(values)
            self._made_with = drawn
        self.drawn = drawn
