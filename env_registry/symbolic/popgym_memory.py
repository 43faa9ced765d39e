"""POPGym: tasks that ask for memory, most of them with cards.

Owns which tasks there are, their sizes, and what of each is its state. Boards are addressed by one number, row by row.
The labyrinths are left out: they want another package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from env_registry.axes import Axis, IntAxis, Scalar
from env_registry.family import Actions, Actor, Domain, Family, Observations, Traits
from env_registry.shorthand import choice, number, size
from env_registry.simulator import SINGLE_AGENT, Kind, Simulator

_CARDS = 52  # of a deck
_FLEETS = {"2-3-3-4": [2, 3, 3, 4], "2-2-3": [2, 2, 3], "5-5": [5, 5], "1-1-1-1": [1, 1, 1, 1]}
_MINES = {"easy": 14, "medium": 30, "hard": 54}  # free cells, after so many clicks it is over
_DECK = ("deck.idx", "deck.hands", "deck.deck_len")


# ------------------------------------------------------------------ axes


_choice = partial(choice, randomisable=False)


def _decks(high: int, levels: tuple[int, ...]) -> IntAxis:
    return size("num_decks", 1, 1, high, levels, "packs of 52 cards", "packs")


_LENGTH = size("max_episode_length", 200, 10, 1000, (40, 80), "steps after which the episode is truncated", "steps")
_NOISE = number("noise_sigma", 0.1, 0.0, 1.0, (0.02, 0.2, 0.4), "standard deviation of the noise on what is seen", "")
_CARTPOLE = (
    number("gravity", 9.8, 0.0, 30.0, (2.45, 4.9, 14.7, 19.6), "gravitational acceleration", "m/s^2"),
    number("masscart", 1.0, 0.1, 10.0, (0.25, 0.5, 2.0, 4.0), "mass of the cart", "kg"),
    number("masspole", 0.1, 0.01, 5.0, (0.05, 0.2, 0.5, 1.0), "mass of the pole", "kg"),
    number("length", 0.5, 0.05, 5.0, (0.25, 1.0, 2.0), "half of the pole's length", "m"),
    number("force_mag", 10.0, 1.0, 50.0, (5.0, 15.0, 25.0), "force of a push", "N"),
    number("tau", 0.02, 0.001, 0.1, (0.01, 0.04), "time between two actions", "s"),
    _LENGTH,
)
_PENDULUM = (
    number("g", 10.0, 0.0, 30.0, (2.5, 5.0, 15.0), "gravitational acceleration", "m/s^2"),
    number("m", 1.0, 0.1, 10.0, (0.5, 2.0, 4.0), "mass of the rod", "kg"),
    number("l", 1.0, 0.2, 5.0, (0.5, 1.5, 2.5), "length of the rod", "m"),
    number("dt", 0.05, 0.005, 0.2, (0.025, 0.1), "time between two actions", "s"),
    _LENGTH,
)
_ARGUMENTS_OF_CONTROL = ("max_episode_length", "noise_sigma")


# ------------------------------------------------------------------ model construction


def _plain(cls: Any, values: Mapping[str, Any]) -> Any:
    return cls(**values)


def _battleship(cls: Any, values: Mapping[str, Any]) -> Any:
    return cls(board_size=values["board_size"], ship_sizes=_FLEETS[values["fleet"]])


def _control(cls: Any, values: Mapping[str, Any]) -> Any:
    """Gymnasium's environments are beneath: their constants are attributes."""
    env = cls(**{name: value for name, value in values.items() if name in _ARGUMENTS_OF_CONTROL})
    for name, value in values.items():
        if name not in _ARGUMENTS_OF_CONTROL:
            assert hasattr(env, name)
            setattr(env, name, value)
    if "masspole" in values:
        env.total_mass = env.masspole + env.masscart
        env.polemass_length = env.masspole * env.length
    return env


# ------------------------------------------------------------------ witness


def _balance(simulator: Simulator) -> Actor:
    """Pushes the cart to where the pole falls, which it tells from the whole state."""
    env: Any = simulator.env  # type: ignore[attr-defined]

    def act(_: Any, rng: np.random.Generator) -> int:
        _, speed, angle, turn = env.state
        return int(angle + 0.3 * turn + 0.02 * speed > 0)

    return act


# ------------------------------------------------------------------ tasks


@dataclass(frozen=True, kw_only=True)
class _Task:
    """`state` names the attributes that make up the state, besides the generator; dots lead into parts."""

    module: str
    made_by: str
    axes: tuple[Axis, ...] = ()
    build: Callable[[Any, Mapping[str, Any]], Any] = _plain
    state: tuple[str, ...]
    horizon: Callable[[Mapping[str, Any]], int]
    observations: Observations = Observations.DISCRETE
    actions: Actions = Actions.DISCRETE
    domain: Domain = Domain.SYMBOLIC
    timed_by: str | None = None  # the attribute that holds the seconds of a step
    witness: Callable[[Simulator], Actor] | None = None
    description: str
    tags: tuple[str, ...]


def _all_cards(values: Mapping[str, Any]) -> int:
    return _CARDS * int(values["num_decks"])


def _given_length(values: Mapping[str, Any]) -> int:
    return int(values["max_episode_length"])


def _cartpole(module: str, made_by: str, *axes: Axis, description: str) -> _Task:
    return _Task(
        module=module,
        made_by=made_by,
        axes=(*_CARTPOLE, *axes),
        build=_control,
        state=("state", "num_steps", "steps_beyond_terminated"),
        horizon=_given_length,
        observations=Observations.VECTOR,
        domain=Domain.PHYSICS,
        timed_by="tau",
        witness=_balance,
        description=description,
        tags=("classic-control",),
    )


def _pendulum(module: str, made_by: str, *axes: Axis, description: str) -> _Task:
    return _Task(
        module=module,
        made_by=made_by,
        axes=(*_PENDULUM, *axes),
        build=_control,
        state=("state", "num_steps", "last_u"),
        horizon=_given_length,
        observations=Observations.VECTOR,
        actions=Actions.CONTINUOUS,
        domain=Domain.PHYSICS,
        timed_by="dt",
        description=description,
        tags=("classic-control",),
    )


_TASKS = {
    "autoencode": _Task(
        module="autoencode",
        made_by="Autoencode",
        axes=(_decks(4, (2, 3)),),
        state=(*_DECK, "mode"),
        horizon=lambda values: 2 * _all_cards(values),
        observations=Observations.MIXED,
        description="Watch all cards of a pack, then name their suits in reverse order.",
        tags=("cards",),
    ),
    "repeat_first": _Task(
        module="repeat_first",
        made_by="RepeatFirst",
        axes=(_decks(16, (2, 8)),),
        state=(*_DECK, "card", "dealt_cards"),
        horizon=_all_cards,
        description="Name the suit of the first card again and again while others are dealt.",
        tags=("cards",),
    ),
    "repeat_previous": _Task(
        module="repeat_previous",
        made_by="RepeatPrevious",
        axes=(_decks(4, (2, 3)), size("k", 4, 1, 48, (1, 8, 16, 32), "how many cards back", "cards")),
        state=(*_DECK, "dealt_cards"),
        horizon=_all_cards,
        description="Name the suit of the card that was dealt some steps ago.",
        tags=("cards",),
    ),
    "count_recall": _Task(
        module="count_recall",
        made_by="CountRecall",
        axes=(_decks(4, (2, 4)), _choice("deck_type", ("colors", "suits", "ranks"), "what of the cards is counted")),
        state=(
            *(f"{deck}_{part}" for deck in ("value", "query") for part in _DECK),
            *("counts", "query_counts", "value", "query", "prev_query", "last_obs"),
        ),
        horizon=_all_cards,
        description="Tell how often a card was seen that is asked for only now.",
        tags=("cards",),
    ),
    "higher_lower": _Task(
        module="higher_lower",
        made_by="HigherLower",
        axes=(_decks(4, (2, 3)),),
        state=(*_DECK, "state"),
        horizon=_all_cards,
        description="Guess whether the next card is higher, by what is still in the pack.",
        tags=("cards",),
    ),
    "concentration": _Task(
        module="concentration",
        made_by="Concentration",
        axes=(_decks(2, (2,)), _choice("deck_type", ("ranks", "colors"), "what of two cards must be the same")),
        state=(*_DECK, "obs", "state", "curr_step", "last_in_play_idx"),
        horizon=lambda values: 2 * _all_cards(values),
        description="Turn up two cards at a time and find all pairs.",
        tags=("cards", "board"),
    ),
    "battleship": _Task(
        module="battleship",
        made_by="Battleship",
        axes=(
            size("board_size", 10, 6, 20, (6, 8, 14), "width and height of the sea", "cells"),
            _choice("fleet", tuple(_FLEETS), "lengths of the ships, in cells"),
        ),
        build=_battleship,
        state=("board", "guesses", "hits", "num_steps", "last_obs", "needed_hits"),
        horizon=lambda values: int(values["board_size"]) ** 2,
        description="Find hidden ships by shots of which one hears only whether they hit something new.",
        tags=("board",),
    ),
    "mine_sweeper": _Task(
        module="minesweeper",
        made_by="MineSweeper",
        axes=(_choice("difficulty", tuple(_MINES), "4 x 4 cells and 2 mines, 6 x 6 and 6, or 8 x 8 and 10"),),
        state=("hidden_grid", "neighbor_grid", "timestep"),
        horizon=lambda values: _MINES[str(values["difficulty"])],
        description="Open all cells without mines; only the number beside the last one opened is seen.",
        tags=("board",),
    ),
    "multiarmed_bandit": _Task(
        module="multiarmed_bandit",
        made_by="MultiarmedBandit",
        axes=(
            size("num_bandits", 10, 2, 100, (2, 5, 20, 40), "bandits", "bandits"),
            size("episode_length", 200, 10, 1000, (40, 80), "pulls of an episode", "steps"),
        ),
        state=("bandits", "info", "num_steps"),
        horizon=lambda values: int(values["episode_length"]),
        description="Find out which of several bandits pays best.",
        tags=("bandit",),
    ),
    "position_only_cartpole": _cartpole(
        "position_only_cartpole",
        "PositionOnlyCartPole",
        description="Balance a pole on a cart of which the places are seen, but not the speeds.",
    ),
    "velocity_only_cartpole": _cartpole(
        "velocity_only_cartpole",
        "VelocityOnlyCartPole",
        description="Balance a pole on a cart of which the speeds are seen, but not the places.",
    ),
    "noisy_position_only_cartpole": _cartpole(
        "noisy_position_only_cartpole",
        "NoisyPositionOnlyCartPole",
        _NOISE,
        description="Balance a pole on a cart of which the places are seen through noise, and the speeds are not.",
    ),
    "position_only_pendulum": _pendulum(
        "position_only_pendulum",
        "PositionOnlyPendulum",
        description="Swing a pendulum up whose angle is seen, but not its speed.",
    ),
    "noisy_position_only_pendulum": _pendulum(
        "noisy_position_only_pendulum",
        "NoisyPositionOnlyPendulum",
        _NOISE,
        description="Swing a pendulum up whose angle is seen through noise, and whose speed is not.",
    ),
}


def _make(task: _Task, values: Mapping[str, Scalar]) -> Simulator:
    from gymnasium.spaces import Box

    from env_registry.symbolic.popgym_simulator import MemorySimulator

    env = task.build(getattr(import_module(f"popgym.envs.{task.module}"), task.made_by), values)
    simulator = MemorySimulator(env, task.state)
    if task.timed_by:
        simulator.step_ms = 1e3 * getattr(env, task.timed_by)
    if task.timed_by == "tau":  # with other constants a pole falls further in its last step than POPGym's space holds
        simulator.observation_spaces = {SINGLE_AGENT: Box(-np.inf, np.inf, (2,), np.float32)}
    return simulator


FAMILIES: tuple[Family, ...] = tuple(
    Family(
        name=f"popgym/{name}",
        domain=task.domain,
        traits=Traits(
            kind=Kind.SINGLE, actions=task.actions, observations=task.observations, timed=task.timed_by is not None
        ),
        axes=task.axes,
        make=partial(_make, task),
        horizon=task.horizon,
        description=task.description,
        source="https://openreview.net/forum?id=chDrutUTs0K",
        licence="MIT",
        distribution="popgym",
        tags=("memory", *task.tags),
        witness=task.witness,
    )
    for name, task in _TASKS.items()
)
