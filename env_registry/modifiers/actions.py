"""Modifiers of what an agent does: late, stuck, noisy, weak or strong actuators."""

from __future__ import annotations

from typing import Any

import numpy as np

from env_registry.axes import ChoiceAxis, FloatAxis, IntAxis
from env_registry.family import Actions
from env_registry.modifiers.modifier import ActionModifier, Arguments, Modifier, needs
from env_registry.simulator import Agent, Kind, Simulator
from env_registry.spaces import neutral_value

_NO_TURNS = (Kind.SINGLE, Kind.PARALLEL)
_NO_MASK = (Actions.CONTINUOUS, Actions.DISCRETE)  # what was legal when it was chosen may not be when it is executed


def _own(action: Any) -> Any:
    """The action as it is now: callers may reuse their array."""
    return action.copy() if isinstance(action, np.ndarray) else action


class _Delayed(ActionModifier):
    remembers = ("waiting",)
    waiting: dict[Agent, list[Any]]

    def __init__(self, inner: Simulator, arguments: Arguments, position: int) -> None:
        super().__init__(inner, arguments, position)
        self._steps: int = arguments["steps"]
        self._neutral = {agent: neutral_value(space) for agent, space in inner.action_spaces.items()}

    def forget(self) -> None:
        self.waiting = {agent: [neutral] * self._steps for agent, neutral in self._neutral.items()}

    def act(self, agent: Agent, action: Any) -> Any:
        waiting = self.waiting[agent]
        waiting.append(_own(action))
        return waiting.pop(0)


delay = Modifier(
    name="delay",
    axes=(IntAxis(name="steps", default=2, levels=(1, 4), low=1, high=100, unit="steps", description="how late"),),
    fits=needs(kinds=_NO_TURNS, actions=_NO_MASK),
    wrap=_Delayed,
    description="Each action takes effect `steps` steps late; before the first one arrives the action is zero "
    "(or the value of the range nearest to it), or the first of a discrete set.",
    source="https://doi.org/10.1109/TAC.2003.809799",
)


class _Late(_Delayed):
    def __init__(self, inner: Simulator, arguments: Arguments, position: int) -> None:
        assert inner.step_ms is not None
        steps = max(round(arguments["ms"] / inner.step_ms), 1)
        super().__init__(inner, {"steps": steps}, position)


latency = Modifier(
    name="latency",
    axes=(
        FloatAxis(
            name="ms", default=50.0, levels=(100.0, 200.0), low=0.1, high=10_000, unit="ms", description="how late"
        ),
    ),
    fits=needs(kinds=_NO_TURNS, actions=_NO_MASK, timed=True),
    wrap=_Late,
    description="As `delay`, in milliseconds of simulated time, rounded to whole steps and at least one: the same "
    "latency for environments whose steps differ in length.",
    source="https://doi.org/10.1109/TAC.2003.809799",
)


class _Sticky(ActionModifier):
    remembers = ("previous",)
    random = True
    previous: dict[Agent, Any]

    def __init__(self, inner: Simulator, arguments: Arguments, position: int) -> None:
        super().__init__(inner, arguments, position)
        self._p: float = arguments["p"]

    def forget(self) -> None:
        self.previous = {}

    def act(self, agent: Agent, action: Any) -> Any:
        if agent in self.previous and self.rng.random() < self._p:
            return self.previous[agent]
        self.previous[agent] = _own(action)
        return action


sticky = Modifier(
    name="sticky",
    axes=(
        FloatAxis(
            name="p",
            default=0.25,
            levels=(0.1, 0.5),
            low=0.01,
            high=0.99,
            unit="probability",
            description="of repeating",
        ),
    ),
    fits=needs(kinds=_NO_TURNS, actions=_NO_MASK),
    wrap=_Sticky,
    description="With probability `p` the action executed before is executed again instead of the new one.",
    source="Machado et al. 2018, https://arxiv.org/abs/1709.06009",
)


class _Noisy(ActionModifier):
    random = True

    def __init__(self, inner: Simulator, arguments: Arguments, position: int) -> None:
        super().__init__(inner, arguments, position)
        self._scale = {
            agent: arguments["sd"] * (space.high.astype(np.float64) - space.low)  # type: ignore[attr-defined]
            for agent, space in inner.action_spaces.items()
        }

    def act(self, agent: Agent, action: Any) -> Any:
        space: Any = self.action_spaces[agent]
        noisy = action + self.rng.standard_normal(space.shape) * self._scale[agent]
        return np.clip(noisy, space.low, space.high).astype(space.dtype)


noise = Modifier(
    name="noise",
    axes=(
        FloatAxis(
            name="sd",
            default=0.05,
            levels=(0.1, 0.2),
            low=0.001,
            high=1,
            unit="of `of`",
            description="standard deviation",
        ),
        ChoiceAxis(name="of", default="range", choices=("range",), description="what `sd` is a fraction of"),
    ),
    fits=needs(kinds=_NO_TURNS, actions=(Actions.CONTINUOUS,)),
    wrap=_Noisy,
    description="Independent normal noise on every action; `sd` is a fraction of the action's range, to which the sum "
    "is clipped.",
    source="https://arxiv.org/abs/1710.06537",
)


class _Biased(ActionModifier):
    def __init__(self, inner: Simulator, arguments: Arguments, position: int) -> None:
        super().__init__(inner, arguments, position)
        self._shift = {
            agent: arguments["share"] * (space.high.astype(np.float64) - space.low)  # type: ignore[attr-defined]
            for agent, space in inner.action_spaces.items()
        }

    def act(self, agent: Agent, action: Any) -> Any:
        space: Any = self.action_spaces[agent]
        return np.clip(action + self._shift[agent], space.low, space.high).astype(space.dtype)


action_bias = Modifier(
    name="action_bias",
    axes=(
        FloatAxis(
            name="share",
            default=0.1,
            levels=(-0.1, 0.25),
            low=-1,
            high=1,
            unit="of the range",
            description="constant offset",
        ),
    ),
    fits=needs(kinds=_NO_TURNS, actions=(Actions.CONTINUOUS,)),
    wrap=_Biased,
    description="Every action is shifted by a constant share of its range and clipped: miscalibrated actuators.",
    source="https://arxiv.org/abs/1710.06537",
)


class _Scaled(ActionModifier):
    def __init__(self, inner: Simulator, arguments: Arguments, position: int) -> None:
        super().__init__(inner, arguments, position)
        self._gain: float = arguments["gain"]

    def act(self, agent: Agent, action: Any) -> Any:
        space: Any = self.action_spaces[agent]
        return np.clip(action * self._gain, space.low, space.high).astype(space.dtype)


action_scale = Modifier(
    name="action_scale",
    axes=(
        FloatAxis(
            name="gain", default=0.5, levels=(0.7, 1.5, 2), low=0.05, high=20, description="factor on every action"
        ),
    ),
    fits=needs(kinds=_NO_TURNS, actions=(Actions.CONTINUOUS,)),
    wrap=_Scaled,
    description="Every action is multiplied by `gain` and clipped to its range: weak or saturating actuators.",
    source="https://arxiv.org/abs/1710.06537",
)
