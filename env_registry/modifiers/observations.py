"""Modifiers of what an agent sees: noisy, late or lost sensor readings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from env_registry.axes import FloatAxis, IntAxis
from env_registry.family import Observations, Traits
from env_registry.modifiers.modifier import Arguments, Modifier, ObservationModifier, needs
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import Agent, Kind, Simulator

if TYPE_CHECKING:
    from env_registry.cards import Card


class _Noisy(ObservationModifier):
    random = True

    def __init__(self, inner: Simulator, arguments: Arguments, position: int) -> None:
        from gymnasium.spaces import Box

        super().__init__(inner, arguments, position)
        self._sd: float = arguments["sd"]
        self.observation_spaces = {
            agent: Box(-np.inf, np.inf, space.shape, space.dtype)  # type: ignore[arg-type]
            for agent, space in inner.observation_spaces.items()
        }

    def see(self, agent: Agent, observation: Any) -> Any:
        noise = self.rng.standard_normal(observation.shape) * self._sd
        return observation + noise.astype(observation.dtype)


def _unbounded(card: Card, arguments: Arguments) -> Card:
    if card.observation_spaces is None:
        return card
    spaces = {agent: {**space, "low": "-inf", "high": "inf"} for agent, space in card.observation_spaces.items()}
    return replace(card, observation_spaces=spaces)


obs_noise = Modifier(
    name="obs_noise",
    axes=(
        FloatAxis(
            name="sd",
            default=0.1,
            levels=(0.01, 0.3),
            low=1e-6,
            high=1000,
            unit="observation units",
            description="standard deviation",
        ),
    ),
    fits=needs(observations=(Observations.VECTOR,)),
    wrap=_Noisy,
    card=_unbounded,
    description="Independent normal noise on every number observed; the observation space becomes unbounded.",
    source="https://arxiv.org/abs/1710.06537",
)


class _Delayed(ObservationModifier):
    remembers = ("recent",)
    recent: dict[Agent, list[Any]]

    def __init__(self, inner: Simulator, arguments: Arguments, position: int) -> None:
        super().__init__(inner, arguments, position)
        self._steps: int = arguments["steps"]

    def forget(self) -> None:
        self.recent = {agent: [] for agent in self.agents}

    def see(self, agent: Agent, observation: Any) -> Any:
        recent = self.recent[agent]
        recent.append(observation)
        return recent.pop(0) if len(recent) > self._steps else recent[0]


obs_delay = Modifier(
    name="obs_delay",
    axes=(IntAxis(name="steps", default=1, levels=(2, 4), low=1, high=100, unit="steps", description="how late"),),
    fits=needs(),
    wrap=_Delayed,
    description="Each agent sees what it would have seen `steps` of its own observations before; at the start of an "
    "episode the first observation stays.",
    source="https://doi.org/10.1109/TAC.2003.809799",
)


class _Masked(ObservationModifier):
    remembers = ("hidden",)
    random = True
    hidden: dict[Agent, Any]

    def __init__(self, inner: Simulator, arguments: Arguments, position: int) -> None:
        from gymnasium.spaces import Box

        super().__init__(inner, arguments, position)
        self._share: float = arguments["share"]
        self.observation_spaces = {  # with 0, which the bounds may exclude
            agent: Box(np.minimum(space.low, 0), np.maximum(space.high, 0), dtype=space.dtype)  # type: ignore[attr-defined,arg-type]
            for agent, space in inner.observation_spaces.items()
        }

    def reset(self, seeds: EpisodeSeeds) -> Any:
        self.rng = seeds.generator("modifiers", self._position)
        self.hidden = {agent: self._choice(agent) for agent in self.agents}
        return self._seen(self.inner.reset(seeds))

    def see(self, agent: Agent, observation: Any) -> Any:
        return np.where(self.hidden[agent], observation.dtype.type(0), observation)

    def _choice(self, agent: Agent) -> Any:
        shape = self.observation_spaces[agent].shape
        assert shape is not None
        return self.rng.random(shape) < self._share


def _with_zero(card: Card, arguments: Arguments) -> Card:
    return replace(card, observation_spaces=None)


obs_mask = Modifier(
    name="obs_mask",
    axes=(
        FloatAxis(
            name="share",
            default=0.25,
            levels=(0.1, 0.5),
            low=0.01,
            high=1,
            unit="of the numbers",
            description="expected share that is hidden",
        ),
    ),
    fits=needs(observations=(Observations.VECTOR,)),
    wrap=_Masked,
    card=_with_zero,
    description="Each number observed is hidden, and reads 0, for the whole episode with probability `share`.",
    source="https://arxiv.org/abs/2110.05038",
)


def _box(space: Any, bound: Callable[[Any], Any]) -> Any:
    """A Box whose two bounds are functions of those of another one."""
    from gymnasium.spaces import Box

    return Box(bound(space.low), bound(space.high), dtype=space.dtype)


class _Stacked(ObservationModifier):
    remembers = ("recent",)
    recent: dict[Agent, list[Any]]

    def __init__(self, inner: Simulator, arguments: Arguments, position: int) -> None:
        super().__init__(inner, arguments, position)
        self._k: int = arguments["k"]
        self.observation_spaces = {
            agent: _box(space, lambda bound: np.stack([bound] * self._k))
            for agent, space in inner.observation_spaces.items()
        }

    def forget(self) -> None:
        self.recent = {}

    def see(self, agent: Agent, observation: Any) -> Any:
        recent = self.recent.setdefault(agent, [observation] * self._k)
        recent.append(observation)
        del recent[0]
        return np.stack(recent)


def _no_spaces(card: Card, arguments: Arguments) -> Card:
    bytes_seen = card.observation_bytes * int(arguments.get("k", 1))
    return replace(card, observation_spaces=None, observation_bytes=bytes_seen)


frame_stack = Modifier(
    name="frame_stack",
    axes=(IntAxis(name="k", default=4, levels=(2,), low=2, high=16, unit="observations", description="how many"),),
    fits=needs(observations=(Observations.VECTOR, Observations.IMAGE)),
    wrap=_Stacked,
    card=_no_spaces,
    description="Each agent sees its last `k` observations, oldest first along a new first axis; at the start the "
    "first one fills all places.",
    source="https://doi.org/10.1038/nature14236",
)


class _Drawn(ObservationModifier):
    SIDE = 64

    def __init__(self, inner: Simulator, arguments: Arguments, position: int) -> None:
        from gymnasium.spaces import Box

        super().__init__(inner, arguments, position)
        space = Box(0, 255, (self.SIDE, self.SIDE, 3), np.uint8)
        self.observation_spaces = dict.fromkeys(inner.observation_spaces, space)

    def see(self, agent: Agent, observation: Any) -> Any:
        return shrunk(self.inner.render(), self.SIDE)


def shrunk(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A picture (height x width x 3) as `side` x `side` x 3: means over nearly equal areas, rounded down."""
    rows, columns = (np.arange(side) * length // side for length in picture.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(picture.astype(np.uint32), rows, axis=0), columns, axis=1)
    heights, widths = np.diff(rows, append=picture.shape[0]), np.diff(columns, append=picture.shape[1])
    return (sums // np.outer(heights, widths)[..., None].astype(np.uint32)).astype(np.uint8)


def _pictures(traits: Traits) -> Traits:
    return replace(traits, observations=Observations.IMAGE)


def _picture_card(card: Card, arguments: Arguments) -> Card:
    return replace(card, observation_spaces=None, observation_bytes=3 * _Drawn.SIDE**2, step_us=card.step_us + 5000)


pixels = Modifier(
    name="pixels",
    fits=needs(kinds=(Kind.SINGLE,), renders=True),
    traits=_pictures,
    wrap=_Drawn,
    card=_picture_card,
    description="The agent sees the environment's picture instead of its state: 64 x 64 pixels, RGB.",
    source="https://arxiv.org/abs/1801.00690",
)


class _Dropped(ObservationModifier):
    remembers = ("previous",)
    random = True
    previous: dict[Agent, Any]

    def __init__(self, inner: Simulator, arguments: Arguments, position: int) -> None:
        super().__init__(inner, arguments, position)
        self._p: float = arguments["p"]

    def forget(self) -> None:
        self.previous = {}

    def see(self, agent: Agent, observation: Any) -> Any:
        if agent in self.previous and self.rng.random() < self._p:
            return self.previous[agent]
        self.previous[agent] = observation
        return observation


obs_drop = Modifier(
    name="obs_drop",
    axes=(
        FloatAxis(
            name="p", default=0.25, levels=(0.1, 0.5), low=0.01, high=0.99, unit="probability", description="of a loss"
        ),
    ),
    fits=needs(),
    wrap=_Dropped,
    description="With probability `p` an observation is lost and the agent sees its last one again.",
    source="https://arxiv.org/abs/1904.12901",
)
