"""Effect sizes: how much a level of an axis, or a modifier, changes a base task.

Owns the measure and its threshold. Both specs get the same seeds and, as far as their action spaces agree, the same
actions; the effect is the largest of three medians over seeds, of random actions or of the family's witness:

- observations: root mean square over the common steps and over those dimensions that vary or differ; the difference of
  a number is divided by its spread in the base task and cut at 5, that of anything else is 0 or 1;
- rewards: mean absolute difference a step, divided by their spread in the base task (or their size, where they do not
  vary), cut at 5;
- lengths: difference of the episodes' lengths, divided by the base task's; 1 where only one has ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env_registry.probe import STEPS, Probe
from env_registry.probe import values as values_of
from env_registry.simulator import Kind
from env_registry.spec import Spec

THRESHOLD = 0.05
"""Less than this is no effect."""
SEEDS = range(5)
_CUT = 5.0

Array = NDArray[Any]


@dataclass(frozen=True)
class Trace:
    """One episode, cut at the probe's steps. `numbers` and `signs` of a step are of all agents that observe then."""

    numbers: list[Array]  # float64, of each step
    signs: list[Array]  # int64: what is no real number
    rewards: Array  # steps x agents
    over: bool


def traces(spec: Spec, reach: int = 0) -> list[list[Trace]]:
    """One episode of each seed, for each actor of the spec, of `reach` steps or a hundred."""
    probe = Probe(spec)
    found = [
        [_trace(probe, probe.answers(make_actor(), seed, max(STEPS, reach), episodes=1)) for seed in SEEDS]
        for make_actor in probe.actors()
    ]
    probe.close()
    return found


def reach_of(spec: Spec) -> int:
    return max((use.modifier.reach(dict(use.arguments)) for use in spec.modifiers), default=0)


def effect(base: Sequence[Sequence[Trace]], other: Sequence[Sequence[Trace]]) -> float:
    """The effect size between the traces of a base task and of a spec of it."""
    return max(_effect(*pair) for pair in zip(base, other, strict=True))


def _effect(base: Sequence[Trace], other: Sequence[Trace]) -> float:
    spread = _spread([numbers for trace in base for numbers in trace.numbers])
    every_reward = np.concatenate([trace.rewards.ravel() for trace in base])
    unit = float(every_reward.std()) or float(np.abs(every_reward).max(initial=0.0))
    pairs = list(zip(base, other, strict=True))
    return max(
        median(_observed(one, two, spread) for one, two in pairs),
        median(_paid(one, two, unit) for one, two in pairs),
        median(_lasted(one, two) for one, two in pairs),
    )


def _observed(one: Trace, two: Trace, spread: Array) -> float:
    squares = np.array(
        [_square(*step, spread) for step in zip(one.numbers, two.numbers, one.signs, two.signs, strict=False)]
    )
    return float(np.sqrt(squares.mean()))


def _square(numbers: Array, other: Array, signs: Array, other_signs: Array, spread: Array) -> float:
    """Mean square difference of one step; 1 where even the number of values differs."""
    if numbers.shape != other.shape or signs.shape != other_signs.shape:
        return 1.0
    unit = spread if spread.shape == numbers.shape else np.full(numbers.shape, spread.mean() if spread.size else 0.0)
    difference = np.nan_to_num(np.abs(numbers - other), nan=0.0, posinf=np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.where(unit > 0, np.minimum(difference / unit, _CUT), difference > 0)
    alive = (unit > 0) | (difference > 0)
    unequal = signs != other_signs
    values = alive.sum() + len(signs)
    return float((np.square(scaled[alive]).sum() + unequal.sum()) / values) if values else 0.0


def _lasted(one: Trace, two: Trace) -> float:
    if one.over != two.over:
        return 1.0
    return abs(len(one.rewards) - len(two.rewards)) / len(one.rewards)


def _paid(one: Trace, two: Trace, unit: float) -> float:
    steps = min(len(one.rewards), len(two.rewards))
    if one.rewards.shape[1] != two.rewards.shape[1]:
        return 1.0
    difference = np.abs(one.rewards[:steps] - two.rewards[:steps])
    if not unit:
        return float(difference.any())
    return float(np.minimum(np.nan_to_num(difference) / unit, _CUT).mean())


def _spread(rows: Sequence[Array]) -> Array:
    """Standard deviation of each number, over the rows of the usual length."""
    usual = max({len(row) for row in rows}, key=[len(row) for row in rows].count)
    with np.errstate(invalid="ignore", over="ignore"):
        spread: Array = np.nan_to_num(np.std([row for row in rows if len(row) == usual], axis=0))
    return spread


def _trace(probe: Probe, answers: Iterator[tuple[Any, ...]]) -> Trace:
    simulator = probe.simulator
    numbers, signs, rewards = [], [], []
    for observation, *rest in answers:
        values = list(values_of(observation))
        numbers.append(_joined([value for value in values if value.dtype.kind == "f"], np.float64))
        signs.append(_joined([value for value in values if value.dtype.kind != "f"], np.int64))
        if rest:
            rewards.append(
                rest[0] if simulator.kind is Kind.SINGLE else [rest[0].get(a, 0.0) for a in simulator.agents]
            )
    paid = np.array(rewards, np.float64).reshape(len(rewards), -1)
    return Trace(numbers, signs, paid, not simulator.actors)


def _joined(parts: Sequence[Array], dtype: type) -> Array:
    return np.concatenate(parts).astype(dtype) if parts else np.empty(0, dtype)
