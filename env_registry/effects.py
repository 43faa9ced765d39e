"""Effect sizes: how much a level of an axis, or a modifier, changes a base task.

Owns the measure and its threshold. Both specs get the same seeds and, as far as their action spaces agree, the same
actions; the effect of one seed is the largest of

- observations: root mean square over the common steps and over those dimensions that vary or differ; the difference of
  a number is divided by its spread in the base task and cut at 5, that of anything else is 0 or 1;
- rewards: mean absolute difference a step, divided by their spread in the base task (or their size, where they do not
  vary), cut at 5;
- lengths: difference of the episodes' lengths, divided by the base task's; 1 where only one has ended.

The effect of a spec is the median over five seeds of random actions or, where that is below the threshold, of the
family's witness. Seeds are no longer asked when three of them agree on which side of the threshold the median is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median_high
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env_registry.family import Actor
from env_registry.probe import STEPS, Probe, values
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


class Reference:
    """A base task, as its specs are compared with it: one episode of each seed, for each actor, of `reach` steps or a
    hundred, and the units of what was seen and paid in them."""

    def __init__(self, task: Spec, reach: int = 0) -> None:
        self.steps = max(STEPS, reach)
        probe = Probe(task)
        self.traces = [[trace(probe, actor, seed, self.steps) for seed in SEEDS] for actor in probe.actors()]
        probe.close()
        self.units = [Units.of(found) for found in self.traces]


@dataclass(frozen=True)
class Units:
    """`spread` of each number observed, in observations of the usual length; `reward` of what a step pays."""

    spread: Array
    reward: float

    @classmethod
    def of(cls, found: Sequence[Trace]) -> Units:
        rows = [numbers for trace in found for numbers in trace.numbers]
        usual = Counter(map(len, rows)).most_common(1)[0][0]
        with np.errstate(invalid="ignore", over="ignore"):
            spread = np.nan_to_num(np.std([row for row in rows if len(row) == usual], axis=0))
        paid = np.concatenate([trace.rewards.ravel() for trace in found])
        return cls(spread, float(paid.std()) or float(np.abs(paid).max(initial=0.0)))


def reach_of(spec: Spec) -> int:
    """Steps after which all modifiers of a spec show; 0 where a hundred are enough."""
    return max((use.modifier.reach(dict(use.arguments)) for use in spec.modifiers), default=0)


def effect(reference: Reference, spec: Spec) -> float:
    """The effect size of a spec on its base task, whose reference must reach as far as the spec's modifiers."""
    probe = Probe(spec)
    strongest = 0.0
    for actor, base, units in zip(probe.actors(), reference.traces, reference.units, strict=True):
        sizes: list[float] = []
        for seed, one in zip(SEEDS, base, strict=True):
            sizes.append(size(one, trace(probe, actor, seed, reference.steps), units))
            over = sum(each >= THRESHOLD for each in sizes)
            if max(over, len(sizes) - over) > len(SEEDS) // 2:
                break
        strongest = max(strongest, median_high(sizes))
        if strongest >= THRESHOLD:
            break
    probe.close()
    return strongest


def trace(probe: Probe, make_actor: Callable[[], Actor], seed: int, steps: int) -> Trace:
    """One episode of at most so many steps."""
    simulator = probe.simulator
    numbers, signs, rewards = [], [], []
    for observation, *rest in probe.answers(make_actor(), seed, steps, episodes=1):
        parts = list(values(observation))
        numbers.append(_joined([part for part in parts if part.dtype.kind == "f"], np.float64))
        signs.append(_joined([part for part in parts if part.dtype.kind != "f"], np.int64))
        if rest:
            single = simulator.kind is Kind.SINGLE
            rewards.append(rest[0] if single else [rest[0].get(agent, 0.0) for agent in simulator.agents])
    paid = np.array(rewards, np.float64).reshape(len(rewards), -1)
    return Trace(numbers, signs, paid, not simulator.actors)


def size(one: Trace, two: Trace, units: Units) -> float:
    """The effect size between two traces of one seed."""
    return max(_observed(one, two, units.spread), _paid(one, two, units.reward), _lasted(one, two))


def _observed(one: Trace, two: Trace, spread: Array) -> float:
    """Steps of which even the number of values differs count 1."""
    steps = list(zip(one.numbers, two.numbers, one.signs, two.signs, strict=False))
    alike: dict[tuple[int, int], list[tuple[Array, ...]]] = {}
    squares = 0.0
    for step in steps:
        if len(step[0]) == len(step[1]) and len(step[2]) == len(step[3]):
            alike.setdefault((len(step[0]), len(step[2])), []).append(step)
        else:
            squares += 1.0
    for group in alike.values():
        numbers, other, signs, other_signs = (np.array(part) for part in zip(*group, strict=True))
        squares += float(_squares(numbers, other, signs, other_signs, spread).sum())
    return float(np.sqrt(squares / len(steps)))


def _squares(numbers: Array, other: Array, signs: Array, other_signs: Array, spread: Array) -> Array:
    """Mean square difference of each row."""
    width = numbers.shape[1]
    unit = spread if len(spread) == width else np.full(width, spread.mean() if len(spread) else 0.0)
    difference = np.nan_to_num(np.abs(numbers - other), nan=0.0, posinf=np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.where(unit > 0, np.minimum(difference / unit, _CUT), difference > 0)
    alive = (unit > 0) | (difference > 0)
    sums = np.square(scaled, where=alive, out=np.zeros_like(difference)).sum(axis=1) + (signs != other_signs).sum(
        axis=1
    )
    return np.asarray(sums / np.maximum(alive.sum(axis=1) + signs.shape[1], 1))


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


def _joined(parts: Sequence[Array], dtype: type) -> Array:
    return np.concatenate(parts).astype(dtype) if parts else np.empty(0, dtype)
