"""Families: base environments with named parameter axes, and where they are found.

A family module declares data at import and imports its engine only inside `make`, so that listing costs nothing.
Third-party packages add families through the entry-point group `worldpool.families`: each entry point loads to
an iterable of `Family`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import numpy as np

from env_registry.axes import Axis, Distribution, Scalar
from env_registry.simulator import Kind, Simulator

Actor = Callable[[Any, np.random.Generator], Any]


def made_anew(simulator: Any, values: Mapping[str, Scalar]) -> bool:
    """The `retune` of families without one."""
    return False


ENTRY_POINT_GROUP = "worldpool.families"
SINGLE_TURN = "single_turn"
"""The tag of all families with that trait, by which searches find them or leave them out."""

# Every module here has a tuple FAMILIES. A new family is a new entry in one of them, or a new line here.
_MODULES = (
    "env_registry.physics.gymnasium_mujoco",
    "env_registry.physics.classic_control",
    "env_registry.physics.cable_handling",
    "env_registry.physics.gymnasium_robotics",
    "env_registry.physics.metaworld_sawyer",
    "env_registry.physics.dm_control_suite",
    "env_registry.physics.dm_control_manipulation",
    "env_registry.physics.box2d",
    "env_registry.social.mpe",
    "env_registry.social.ma_mujoco",
    "env_registry.social.pettingzoo_games",
    "env_registry.social.openspiel",
    "env_registry.social.openspiel.chess_games",
    "env_registry.social.openspiel.strategy_games",
    "env_registry.social.openspiel.card_games",
    "env_registry.social.level_based_foraging",
    "env_registry.social.magent",
    "env_registry.social.dynamics",
    "env_registry.symbolic.minigrid_worlds",
    "env_registry.symbolic.babyai_levels",
    "env_registry.symbolic.popgym_memory",
    "env_registry.symbolic.openspiel_puzzles",
    "env_registry.symbolic.toy_text",
    "env_registry.symbolic.cellular_automata",
    "env_registry.symbolic.formal",
    "env_registry.symbolic.puzzles",
    "env_registry.symbolic.reasoning_tasks",
)


class Domain(StrEnum):
    PHYSICS = "physics"
    SOCIAL = "social"
    SYMBOLIC = "symbolic"


class Actions(StrEnum):
    """What an agent's action is."""

    CONTINUOUS = "continuous"  # Box
    DISCRETE = "discrete"  # Discrete, all actions legal at all times
    MASKED = "masked"  # Discrete, some actions illegal at times
    TEXT = "text"  # Text


class Observations(StrEnum):
    """What an agent sees."""

    VECTOR = "vector"  # Box of floats
    IMAGE = "image"  # Box of uint8
    DISCRETE = "discrete"  # Discrete or MultiDiscrete, or integers without an order
    TEXT = "text"  # Text
    MIXED = "mixed"  # Dict or Tuple of the above, text included


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What a modifier must know to tell whether it fits.

    `timed` environments have physical time (`Simulator.step_ms`); `renders` says that `Simulator.render` draws them.
    `single_turn` tasks end with their first step: a question and an answer. They are counted apart and have a tag.
    """

    kind: Kind
    actions: Actions
    observations: Observations
    timed: bool = False
    renders: bool = False
    single_turn: bool = False


@dataclass(frozen=True, kw_only=True)
class Family:
    """A base environment.

    `make` takes a value for every axis (never a distribution) and returns a fresh simulator. `horizon` is the most
    steps an episode can take, in steps (of all agents together for turn-based games), or a function of the values that
    tells it; what runs in the pool ends. `distribution` names the Python package that holds the engine; its version is
    part of the runtime. `reference_return` is the return of an episode with default parameters that the source calls
    solved, or the most that can be had.

    `retune` gives a simulator that `make` returned other values of randomisable axes in place, so that from its next
    reset on each bit is that of one made with them; or it answers False and leaves the simulator as it is.

    `witness` makes an actor for a simulator just made: the actor is called before every step with the observation (a
    dict by agent, unless the simulator is single-agent) and a random generator, and returns an action as `step` takes
    it. It goes where random actions do not, such as to goals and other rewards, so that axes which matter only there
    are seen to matter.
    """

    name: str
    version: int = 1
    domain: Domain
    traits: Traits
    axes: tuple[Axis, ...] = ()
    make: Callable[[Mapping[str, Scalar]], Simulator]
    horizon: int | Callable[[Mapping[str, Scalar]], int]
    description: str
    source: str  # citation or address of the description of the dynamics
    licence: str
    distribution: str
    tags: tuple[str, ...] = field(default=())
    reference_return: float | None = None
    retune: Callable[[Any, Mapping[str, Scalar]], bool] = made_anew
    witness: Callable[[Simulator], Actor] | None = None

    def __post_init__(self) -> None:
        if self.traits.single_turn and SINGLE_TURN not in self.tags:
            object.__setattr__(self, "tags", (*self.tags, SINGLE_TURN))

    def horizon_of(self, values: Mapping[str, Any]) -> int:
        """Most steps of an episode with these values; a distribution counts as its axis' default."""
        if isinstance(self.horizon, int):
            return self.horizon
        defaults = {axis.name: axis.default for axis in self.axes}
        fixed = {name: value for name, value in values.items() if not isinstance(value, Distribution)}
        return self.horizon(defaults | fixed)

    def axis(self, name: str) -> Axis | None:
        return next((axis for axis in self.axes if axis.name == name), None)


@cache
def families() -> Mapping[str, Family]:
    """Newest version of every family by name, sorted by name. Imports no engine."""
    found: dict[str, Family] = {}
    for family in _declared():
        known = found.get(family.name)
        if known is None or known.version < family.version:
            found[family.name] = family
    return dict(sorted(found.items()))


@cache
def family_versions() -> Mapping[tuple[str, int], Family]:
    """Every family by (name, version)."""
    return {(family.name, family.version): family for family in _declared()}


def _declared() -> Iterable[Family]:
    for module in _MODULES:
        yield from import_module(module).FAMILIES
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        yield from entry_point.load()
