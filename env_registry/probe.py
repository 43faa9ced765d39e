"""Probes: what a simulator does under random actions, as a digest, as costs, and across save and load.

Owns the random policy of probes, whose actions do not depend on the environment's seed: whatever differs between two
seeds is then the environment's doing.
"""

from __future__ import annotations

import hashlib
import resource
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from env_registry.make import make
from env_registry.packing import pack
from env_registry.seeding import episode_seeds
from env_registry.simulator import SINGLE_AGENT, Agent, Kind, Simulator
from env_registry.spaces import space_json
from env_registry.spec import Spec

STEPS = 100
"""Steps of each of a fingerprint's two seeds."""
_TIMED_S = 0.5


@dataclass(frozen=True)
class Findings:
    """What one process finds out about a spec; see `Card` for units."""

    agents: list[Agent]
    observation_spaces: dict[Agent, dict[str, Any]]
    action_spaces: dict[Agent, dict[str, Any]]
    fingerprint: str
    seed_sensitive: bool
    exact: bool
    make_ms: float
    step_us: float
    observation_bytes: int
    episode_steps: float | None
    memory_mb: int

    json = asdict


def look(spec: Spec) -> Findings:
    """Probe a spec in this process, which should be fresh: its peak memory is part of the findings."""
    first = make(spec)  # imports the engine, which is no part of make_ms
    times = [_make_ms(spec) for _ in range(3)]
    fingerprints = [fingerprint(first, spec, run_seed) for run_seed in (0, 1)]
    step_us, observation_bytes, episode_steps = _costs(first, spec)
    return Findings(
        agents=list(first.agents),
        observation_spaces={agent: space_json(space) for agent, space in first.observation_spaces.items()},
        action_spaces={agent: space_json(space) for agent, space in first.action_spaces.items()},
        fingerprint=hashlib.sha256("".join(fingerprints).encode()).hexdigest(),
        seed_sensitive=fingerprints[0] != fingerprints[1],
        exact=restores_exactly(first, spec),
        make_ms=median(times),
        step_us=step_us,
        observation_bytes=observation_bytes,
        episode_steps=episode_steps,
        memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )


def random_action(simulator: Simulator, rng: np.random.Generator) -> Any:
    """A legal action, or one for each actor."""
    if simulator.kind is Kind.SINGLE:
        return _random(simulator, SINGLE_AGENT, rng)
    return {agent: _random(simulator, agent, rng) for agent in simulator.actors}


def steps(simulator: Simulator, spec: Spec, run_seed: int, count: int) -> Iterator[tuple[Any, ...]]:
    """What `count` steps of as many episodes as they fill give: `(observation,)` at a reset, else what `step` answers
    without its info.

    Raises
    ------
    RuntimeError
        An episode is over before its first action.
    """
    rng = np.random.Generator(np.random.PCG64(0))
    episode = 0
    for _ in range(count):
        if episode == 0 or not simulator.actors:
            yield (simulator.reset(episode_seeds(run_seed, spec.digest, 0, episode, 1)[0]),)
            episode += 1
            if not simulator.actors:
                raise RuntimeError(f"{spec.ref}: an episode is over before its first action")
        yield simulator.step(random_action(simulator, rng))[:4]


def fingerprint(simulator: Simulator, spec: Spec, run_seed: int) -> str:
    """SHA-256 over all that 100 steps give."""
    digest = hashlib.sha256()
    for answer in steps(simulator, spec, run_seed, STEPS):
        digest.update(pack(answer))
    return digest.hexdigest()


def restores_exactly(simulator: Simulator, spec: Spec) -> bool:
    """Whether the simulator saves its state; then it is checked that a fresh one continues from it with the same bits.

    Raises
    ------
    RuntimeError
        It saves a state, but continues otherwise.
    """
    for _ in steps(simulator, spec, 0, 10):
        pass
    state = simulator.save()
    if state is None:
        return False
    other = make(spec)
    other.reset(episode_seeds(1, spec.digest, 0, 0, 1)[0])
    other.load(state)
    if _rest(simulator) != _rest(other):
        raise RuntimeError(f"{spec.ref} does not continue from its saved state with the same bits")
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


def _random(simulator: Simulator, agent: Agent, rng: np.random.Generator) -> Any:
    space: Any = simulator.action_spaces[agent]
    mask = simulator.action_mask(agent)
    if mask is not None:
        return int(space.start) + int(rng.choice(np.flatnonzero(mask)))
    if hasattr(space, "n"):
        return int(space.start) + int(rng.integers(space.n))
    return rng.uniform(space.low, space.high).astype(space.dtype)


def _make_ms(spec: Spec) -> float:
    start = perf_counter()
    simulator = make(spec)
    elapsed = perf_counter() - start
    simulator.close()
    return elapsed * 1e3


def _costs(simulator: Simulator, spec: Spec) -> tuple[float, int, float | None]:
    """Microseconds a step, resets included; bytes observed a step; mean steps of the episodes that ended."""
    rng = np.random.Generator(np.random.PCG64(0))
    spent, taken, seen = 0.0, 0, 0
    ended: list[int] = []
    while spent < _TIMED_S or taken < STEPS:
        seeds = episode_seeds(0, spec.digest, 1, len(ended), 1)[0]
        start = perf_counter()
        simulator.reset(seeds)
        spent += perf_counter() - start
        elapsed = 0
        while simulator.actors and (spent < _TIMED_S or taken < STEPS):
            action = random_action(simulator, rng)
            start = perf_counter()
            observation = simulator.step(action)[0]
            spent += perf_counter() - start
            seen += _bytes(observation)
            taken += 1
            elapsed += 1
        if not simulator.actors:
            ended.append(elapsed)
    return spent / taken * 1e6, round(seen / taken), float(np.mean(ended)) if ended else None


def _bytes(observation: Any) -> int:
    if isinstance(observation, dict):
        return sum(map(_bytes, observation.values()))
    if isinstance(observation, (tuple, list)):
        return sum(map(_bytes, observation))
    if isinstance(observation, str):
        return len(observation.encode())
    return int(np.asarray(observation).nbytes)
