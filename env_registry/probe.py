"""Probes: what a spec does under actions and seeds that do not depend on the spec, as digests, traces and costs.

Owns the seeds and the random policy of probes. All specs get the same seeds and, where their action spaces agree, the
same actions: whatever differs between two specs is then the environments' doing, and a parameter without effect shows.
"""

from __future__ import annotations

import hashlib
import resource
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from env_registry.family import Actor
from env_registry.make import make
from env_registry.packing import pack
from env_registry.seeding import EpisodeSeeds, episode_seeds
from env_registry.simulator import SINGLE_AGENT, Kind, Simulator
from env_registry.spaces import random_value, space_json
from env_registry.spec import Spec
from env_registry.wrapper import Wrapper

STEPS = 100
"""Steps of each seed of a fingerprint."""
PORTABLE_STEPS = 20
_SEEDS = (0, 1)
_DIGITS = 4
_ORIGIN = hashlib.sha256(b"probe").hexdigest()
_COSTED_STEPS = 1000
_STATUS = Path("/proc/self/status")

Answer = tuple[Any, ...]
"""`(observation,)` at a reset, else what `step` answers without its info."""


@dataclass(frozen=True)
class Findings:
    """What one look at a spec finds out; see `Card` for units."""

    fingerprint: str
    seed_sensitive: bool
    exact: bool
    make_ms: float
    step_us: float
    observation_bytes: int
    episode_steps: float | None
    random_return: float | None
    reward_low: float
    reward_high: float
    memory_mb: int

    json = asdict


class Probe:
    """A simulator of a spec at which actors act; `seen` is the last observation that its base environment gave."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._seen = _Seen(make(Spec(spec.family, spec.version, spec.parameters)))
        self.simulator: Simulator = self._seen
        for position, use in enumerate(spec.modifiers):
            self.simulator = use.modifier.wrap(self.simulator, dict(use.arguments), position)
        self._spent_s = 0.0
        self._taken = 0

    @property
    def step_us(self) -> float:
        """Microseconds a step, resets included, of all steps so far."""
        return 1e6 * self._spent_s / max(self._taken, 1)

    def actors(self) -> list[Callable[[], Actor]]:
        """Random actions, and the family's witness where it has one."""
        witness = self.spec.source.witness
        chosen: list[Callable[[], Actor]] = [lambda: self.random]
        return [*chosen, lambda: witness(self._seen.inner)] if witness else chosen

    def answers(self, actor: Actor, seed: int, count: int, *, episodes: int | None = None) -> Iterator[Answer]:
        """What `count` steps of as many episodes as they fill give, or of at most so many `episodes`.

        Raises
        ------
        RuntimeError
            An episode is over before its first action.
        """
        rng = np.random.Generator(np.random.PCG64(seed))
        begun = 0
        for _ in range(count):
            if begun == 0 or not self.simulator.actors:
                if begun == episodes:
                    return
                started = perf_counter()
                observation = self.simulator.reset(seeds(seed, begun))
                self._spent_s += perf_counter() - started
                yield (observation,)
                begun += 1
                if not self.simulator.actors:
                    raise RuntimeError(f"{self.spec.ref}: an episode is over before its first action")
            action = actor(self._seen.seen, rng)
            started = perf_counter()
            answer = self.simulator.step(action)
            self._spent_s += perf_counter() - started
            self._taken += 1
            yield answer[:4]

    def close(self) -> None:
        self.simulator.close()

    def random(self, _: Any, rng: np.random.Generator) -> Any:
        """An actor: legal actions at random."""
        return random_action(self.simulator, rng)


class _Seen(Wrapper):
    seen: Any = None

    def reset(self, seeds: EpisodeSeeds) -> Any:
        self.seen = self.inner.reset(seeds)
        return self.seen

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        answer = self.inner.step(action)
        self.seen = answer[0]
        return answer


def seeds(seed: int, episode: int) -> EpisodeSeeds:
    """An episode's seeds in a probe: the same for every spec."""
    return episode_seeds(seed, _ORIGIN, 0, episode, 1)[0]


def random_action(simulator: Simulator, rng: np.random.Generator) -> Any:
    """A legal action, or one for each actor."""
    if simulator.kind is Kind.SINGLE:
        return random_value(simulator.action_spaces[SINGLE_AGENT], simulator.action_mask(SINGLE_AGENT), rng)
    return {
        agent: random_value(simulator.action_spaces[agent], simulator.action_mask(agent), rng)
        for agent in simulator.actors
    }


class Print(NamedTuple):
    """What a spec does, in short.

    `fingerprint` is 32 hexadecimal digits over every bit of 2 seeds x 100 steps of each actor; a modifier that shows
    later gets as many steps as it needs (`Modifier.reach`). `portable` is 16 digits over the rounded beginning, for
    comparison with another class of processors, whose last bits may differ: floats keep 4 significant digits, of 20
    steps. `behaviour` is of random actions; see `BEHAVIOUR`.
    """

    fingerprint: str
    portable: str
    behaviour: list[float]


BEHAVIOUR = (
    "reward_mean",
    "reward_sd",
    "rewarded",  # share of steps with another reward than 0
    "episodes",  # ended, a step
    "observed_mean",  # of all values observed, signs and numbers alike
    "observed_sd",
    "observed_change",  # mean absolute, from step to step
    "observed_moving",  # share of values that change in a step
)
"""What the numbers of `Print.behaviour` are, each as sign(x) log(1 + |x|)."""


def fingerprint(probe: Probe) -> Print:
    """The print of a spec, from 2 seeds of each of its actors."""
    exact, rounded = hashlib.sha256(), hashlib.sha256()
    first: list[Answer] = []
    reach = max((use.modifier.reach(dict(use.arguments)) for use in probe.spec.modifiers), default=0)
    for make_actor in probe.actors():
        for seed in _SEEDS:
            count = STEPS if seed else max(STEPS, reach)
            for at, answer in enumerate(probe.answers(make_actor(), seed, count)):
                exact.update(pack(answer))
                if at < PORTABLE_STEPS:
                    rounded.update(pack(_rounded(answer)))
                if len(first) < STEPS:
                    first.append(answer)
    return Print(exact.hexdigest()[:32], rounded.hexdigest()[:16], _behaviour(first))


def values(observation: Any) -> Iterator[NDArray[Any]]:
    """The parts of an observation as flat arrays, in a fixed order; text as a number that stands for it."""
    if isinstance(observation, dict):
        for key in sorted(observation):
            yield from values(observation[key])
    elif isinstance(observation, (tuple, list)):
        for part in observation:
            yield from values(part)
    elif isinstance(observation, str):
        yield np.array([zlib.crc32(observation.encode())])
    else:
        yield np.asarray(observation).ravel()


def _behaviour(answers: Sequence[Answer]) -> list[float]:
    seen = [np.concatenate([*values(answer[0]), np.empty(0)]) for answer in answers]
    steps = [(a, b) for a, b in pairwise(seen) if a.shape == b.shape]
    rewards = np.array([_total(answer[1]) for answer in answers if len(answer) > 1])
    every = np.concatenate(seen)
    moved = np.concatenate([b - a for a, b in steps] or [np.empty(0)])
    resets = sum(len(answer) == 1 for answer in answers)
    with np.errstate(all="ignore"):
        found = np.array(
            [
                *(rewards.mean(), rewards.std(), (rewards != 0).mean(), (resets - 1) / len(rewards)),
                *(every.mean(), every.std(), np.abs(moved).mean(), (moved != 0).mean()),
            ]
        )
        scaled = np.sign(found) * np.log1p(np.abs(found))
    return [float(f"{value:.4g}") for value in np.nan_to_num(scaled)]


def _total(reward: Any) -> float:
    """Of several agents the sum of absolute rewards: a zero-sum game pays, too."""
    return float(sum(map(abs, reward.values()))) if isinstance(reward, dict) else float(reward)


def look(spec: Spec) -> Findings:
    """Probe a spec. Its memory is this process' peak so far: no less than what the spec takes.

    Raises
    ------
    Exception
        Whatever the environment raises.
    """
    Probe(spec).close()  # imports the engine, which is no part of make_ms
    started = perf_counter()
    probe = Probe(spec)
    make_ms = 1e3 * (perf_counter() - started)
    found = fingerprint(probe)
    costs = _costs(probe)
    return Findings(
        fingerprint=found.fingerprint,
        seed_sensitive=_seed_sensitive(probe),
        exact=restores_exactly(probe),
        make_ms=make_ms,
        memory_mb=_peak_mb(),
        **costs,
    )


def _peak_mb() -> int:
    """Most memory that this process ever held. On Linux `getrusage` begins with what its parent held: a sweep with its
    journal holds 1 GB."""
    if _STATUS.exists():
        return (
            next(int(line.split()[1]) for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM")) // 1024
        )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def spaces(simulator: Simulator) -> dict[str, Any]:
    """Agents, and the spaces of each as JSON."""
    return {
        "agents": list(simulator.agents),
        "observation_spaces": {agent: space_json(simulator.observation_spaces[agent]) for agent in simulator.agents},
        "action_spaces": {agent: space_json(simulator.action_spaces[agent]) for agent in simulator.agents},
    }


def restores_exactly(probe: Probe) -> bool:
    """Whether the simulator saves its state; then it is checked that a fresh one continues from it with the same bits.

    Raises
    ------
    RuntimeError
        It saves a state, but continues otherwise.
    """
    simulator = probe.simulator
    for _ in probe.answers(probe.random, 0, 10):
        pass
    state = simulator.save()
    if state is None:
        return False
    other = Probe(probe.spec)
    other.simulator.reset(seeds(1, 0))
    other.simulator.load(state)
    if _rest(simulator) != _rest(other.simulator):
        raise RuntimeError(f"{probe.spec.ref} does not continue from its saved state with the same bits")
    other.close()
    return True


def _rest(simulator: Simulator) -> list[bytes]:
    """The next steps of the present episode."""
    rng = np.random.Generator(np.random.PCG64(1))
    answers = []
    for _ in range(STEPS):
        if not simulator.actors:
            break
        answers.append(pack(simulator.step(random_action(simulator, rng))[:4]))
    return answers


def _seed_sensitive(probe: Probe) -> bool:
    """Whether another seed gives other bits under the same actions."""

    def bits(seed: int) -> list[bytes]:
        rng = np.random.Generator(np.random.PCG64(0))
        found = [pack(probe.simulator.reset(seeds(seed, 0)))]
        while probe.simulator.actors and len(found) <= STEPS:
            found.append(pack(probe.simulator.step(random_action(probe.simulator, rng))[:4]))
        return found

    return bits(0) != bits(1)


def _costs(probe: Probe) -> dict[str, Any]:
    """Microseconds a step, resets included; bytes observed a step; what random episodes pay and how long they are.

    Over 1000 steps. Returns and rewards are those of the first agent; a return counts episodes that ended.
    """
    simulator = probe.simulator
    rng = np.random.Generator(np.random.PCG64(0))
    first = simulator.agents[0]
    spent, seen, steps, paid = 0.0, 0, 0, 0.0
    over = True
    rewards: list[float] = []
    ended: list[tuple[int, float]] = []
    for _ in range(_COSTED_STEPS):
        started = perf_counter()
        if over:
            simulator.reset(seeds(2, len(ended)))
            steps, paid = 0, 0.0
        spent += perf_counter() - started
        action = random_action(simulator, rng)
        started = perf_counter()
        observation, reward, *_ = simulator.step(action)
        spent += perf_counter() - started
        seen += _bytes(observation)
        rewards.append(float(reward if simulator.kind is Kind.SINGLE else reward.get(first, 0.0)))
        steps, paid = steps + 1, paid + rewards[-1]
        over = not simulator.actors
        if over:
            ended.append((steps, paid))
    return {
        "step_us": spent / _COSTED_STEPS * 1e6,
        "observation_bytes": round(seen / _COSTED_STEPS),
        "episode_steps": float(np.mean([steps for steps, _ in ended])) if ended else None,
        "random_return": float(np.mean([paid for _, paid in ended])) if ended else None,
        "reward_low": min(rewards),
        "reward_high": max(rewards),
    }


def _rounded(value: Any) -> Any:
    """The same data with floats of 4 significant digits, and no negative zero."""
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return [_rounded(part) for part in value]
    if isinstance(value, (float, np.floating)) or (isinstance(value, np.ndarray) and value.dtype.kind == "f"):
        array = np.asarray(value, np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = 10.0 ** (_DIGITS - 1 - np.floor(np.log10(np.abs(array))))
            kept = np.round(array * scale) / scale
        return (np.where(np.isfinite(kept) & (np.abs(array) > 1e-9), kept, 0.0) + 0.0).astype(np.float32)
    return value


def _bytes(observation: Any) -> int:
    if isinstance(observation, dict):
        return sum(map(_bytes, observation.values()))
    if isinstance(observation, (tuple, list)):
        return sum(map(_bytes, observation))
    if isinstance(observation, str):
        return len(observation.encode())
    return int(np.asarray(observation).nbytes)
