"""Partners for repeated matrix games: fixed strategies with a memory of one round, and learners.

A partner is a pair of functions over a state that is a list of numbers. `choose(state, game, rng)` is its action;
`learn(state, game, own, other)` changes the state after a round. `game[own][other]` are its payoffs, of which
learners see each one as a share of their range, 0 for the least and 1 for the most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp, fsum
from typing import NamedTuple

from numpy.random import Generator

from env_registry.social.dynamics.environment import pick
from env_registry.social.dynamics.strategies import MEMORY_ONE

Game = Sequence[Sequence[float]]
State = list[float]


class Partner(NamedTuple):
    begin: Callable[[int], State]  # of the number of actions
    choose: Callable[[State, Game, Generator], int]
    learn: Callable[[State, Game, int, int], None]  # own action, the other's as it is perceived


# ------------------------------------------------------------------ strategies with a memory of one round


def _memory_one(first: float, *after: float) -> Partner:
    """Cooperates, which is action 0, with a probability that depends on the last round: CC, CD, DC, DD, own first."""

    def choose(state: State, game: Game, rng: Generator) -> int:
        cooperates = after[int(2 * state[0] + state[1])] if state else first
        return int(rng.random() >= cooperates)

    return Partner(_nothing, choose, _remember)


def _nothing(actions: int) -> State:
    return []


def _remember(state: State, game: Game, own: int, other: int) -> None:
    state[:] = [float(own), float(other)]


# ------------------------------------------------------------------ learners


def _reinforced(state: State, game: Game, rng: Generator) -> int:
    """Roth and Erev: in proportion to the propensities."""
    return _drawn(state, rng)


def _reinforce(state: State, game: Game, own: int, other: int) -> None:
    state[:] = [0.9 * propensity for propensity in state]
    state[own] += game[own][other]


def _expected(state: State, game: Game) -> list[float]:
    """Expected payoffs against the other's actions, as often as they were counted."""
    total = fsum(state)
    return [fsum(payoff * times for payoff, times in zip(row, state, strict=True)) / total for row in game]


def _fictitious(state: State, game: Game, rng: Generator) -> int:
    return _best(_expected(state, game))


def _smooth(state: State, game: Game, rng: Generator) -> int:
    """A logit response at temperature 0.2."""
    return _drawn([exp(payoff / 0.2) for payoff in _expected(state, game)], rng)


def _tally(state: State, game: Game, own: int, other: int) -> None:
    state[other] += 1.0


def _greedy(state: State, game: Game, rng: Generator) -> int:
    """Explores with probability 0.1."""
    compared, random = rng.random(2).tolist()
    return pick(random, len(state)) if compared < 0.1 else _best(state)


def _average(state: State, game: Game, own: int, other: int) -> None:
    state[own] += 0.2 * (game[own][other] - state[own])


def _reply(state: State, game: Game, rng: Generator) -> int:
    if not state:
        return pick(rng.random(), len(game))
    return _best([row[int(state[1])] for row in game])


def _satisficing(state: State, game: Game, rng: Generator) -> int:
    """Stays after a payoff in the upper half of the range, else goes on to the next action."""
    if not state:
        return pick(rng.random(), len(game))
    own, other = int(state[0]), int(state[1])
    return own if game[own][other] >= 0.5 else (own + 1) % len(game)


def _drawn(weights: Sequence[float], rng: Generator) -> int:
    left = rng.random() * fsum(weights)
    for action, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return action
    return len(weights) - 1


def _best(values: Sequence[float]) -> int:
    """The first of the best."""
    return max(range(len(values)), key=values.__getitem__)


def _ones(actions: int) -> State:
    return [1.0] * actions


def _halves(actions: int) -> State:
    return [0.5] * actions


PARTNERS: dict[str, Partner] = {
    **{name: _memory_one(*chances) for name, chances in MEMORY_ONE.items()},
    "reinforcement": Partner(_ones, _reinforced, _reinforce),
    "fictitious_play": Partner(_ones, _fictitious, _tally),
    "smooth_fictitious_play": Partner(_ones, _smooth, _tally),
    "q_learning": Partner(_halves, _greedy, _average),
    "best_reply": Partner(_nothing, _reply, _remember),
    "satisficing": Partner(_nothing, _satisficing, _remember),
}


def shares_of_range(game: Game) -> Game:
    """The payoffs, 0 for the least and 1 for the most."""
    low = min(min(row) for row in game)
    high = max(max(row) for row in game)
    return [[(payoff - low) / (high - low) for payoff in row] for row in game]
