"""The conformance kit: whether a family keeps what the pool promises. `python -m env_registry check FAMILY_OR_REF`.

Owns the checks, which are the same for our families and for third parties'. Each yields verdicts that say what was
looked at and what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from env_registry import effects
from env_registry.axes import Axis, FloatAxis, IntAxis
from env_registry.catalogue import base_spec, base_tasks
from env_registry.family import Family, families
from env_registry.make import make
from env_registry.packing import pack
from env_registry.probe import STEPS, Probe, random_action, restores_exactly, seeds
from env_registry.simulator import SINGLE_AGENT, Kind, Simulator
from env_registry.spec import Spec, parse
from env_registry.sweep import MeasuringProcess

TASKS = 3
"""Base tasks of a family that are looked at, spread over all; an axis that is idle there is tried on the others."""


class Verdict(NamedTuple):
    check: str
    subject: str
    problem: str | None  # None: it holds


def check(family_or_ref: str) -> Iterator[Verdict]:
    """All verdicts on a family, or on the one base task of a ref, as they are found.

    Raises
    ------
    RefProblem
        There is no such family or ref.
    """
    if family_or_ref in families():
        family = families()[family_or_ref]
        every = [task for task in base_tasks() if task.family == family.name]
        chosen = every[:: -(-len(every) // TASKS)]
    else:
        chosen = every = [base_spec(parse(family_or_ref))]
        family = chosen[0].source
    yield from _documents(family)
    for task in chosen:
        for name, look in _CHECKS.items():
            yield Verdict(name, task.ref, _problem(look, task))
    for axis in family.axes:
        yield Verdict("corners run", axis.name, _problem(_corners, chosen[0], axis))
        if not axis.task and axis.levels:
            yield Verdict("axis acts", axis.name, _problem(_acts, [*chosen, *every], axis))


def _problem(look: Callable[..., str | None], *subject: Any) -> str | None:
    try:
        return look(*subject)
    except Exception as error:  # whatever it raises is the verdict
        return f"{type(error).__name__}: {error}"


def _documents(family: Family) -> Iterator[Verdict]:
    for name in ("description", "source", "licence", "distribution"):
        yield Verdict("documented", f"family's {name}", None if getattr(family, name) else "is empty")
    for axis in family.axes:
        yield Verdict("documented", f"axis {axis.name}", None if axis.description else "has no description")


def _spaces(task: Spec) -> str | None:
    """Observations lie in their spaces, rewards are numbers, episodes end in time."""
    probe = Probe(task)
    horizon = task.source.horizon_of(task.values)
    steps = 0
    for answer in probe.answers(probe.random, 0, horizon + 1, episodes=1):
        observed = {SINGLE_AGENT: answer[0]} if probe.simulator.kind is Kind.SINGLE else answer[0]
        for agent, observation in observed.items():
            if not probe.simulator.observation_spaces[agent].contains(observation):
                return f"an observation of {agent} is not in {probe.simulator.observation_spaces[agent]}: {observation}"
        if len(answer) > 1:
            steps += 1
            rewards = [answer[1]] if probe.simulator.kind is Kind.SINGLE else answer[1].values()
            if not np.isfinite([float(reward) for reward in rewards]).all():
                return f"a reward is not finite: {answer[1]}"
    return f"an episode is not over after {horizon} steps" if probe.simulator.actors or steps > horizon else None


def _episode(simulator: Simulator, seed: int) -> list[bytes]:
    rng = np.random.Generator(np.random.PCG64(0))
    found = [pack(simulator.reset(seeds(seed, 0)))]
    while simulator.actors and len(found) <= STEPS:
        found.append(pack(simulator.step(random_action(simulator, rng))[:4]))
    return found


def _same_seed(task: Spec) -> str | None:
    used, fresh = make(task), make(task)
    _episode(used, 1)
    return None if _episode(used, 0) == _episode(fresh, 0) else "a used and a fresh simulator differ after a reset"


def _two_processes(task: Spec) -> str | None:
    prints = []
    for hash_seed in ("1", "2"):
        process = MeasuringProcess(hash_seed)
        answer = process.ask({"ask": "print", "ref": task.ref})
        process.close()
        if "error" in answer:
            return str(answer["error"])
        prints.append(answer["fingerprint"])
    return None if prints[0] == prints[1] else "two processes with different hash seeds give different bits"


def _snapshot(task: Spec) -> str | None:
    restores_exactly(Probe(task))
    return None


def _corners(task: Spec, axis: Axis) -> str | None:
    ends = (axis.low, axis.high) if isinstance(axis, (FloatAxis, IntAxis)) else ()
    for value in (*ends, *axis.levels):
        probe = Probe(Spec.of(task.family, {**dict(task.parameters), axis.name: value}, version=task.version))
        for _ in probe.answers(probe.random, 0, 20):
            pass
        probe.close()
    return None


def _acts(tasks: list[Spec], axis: Axis) -> str | None:
    """On some task, some level does something."""
    strongest = 0.0
    for task in tasks:
        reference = effects.Reference(task)
        for level in axis.levels:
            if level != axis.default:
                spec = Spec.of(task.family, {**dict(task.parameters), axis.name: level}, version=task.version)
                strongest = max(strongest, effects.effect(reference, spec))
                if strongest >= effects.THRESHOLD:
                    return None
    return f"no level has an effect above {strongest:.3f}; wanted {effects.THRESHOLD}, on one task at least"


_CHECKS: dict[str, Callable[[Spec], str | None]] = {
    "in its spaces": _spaces,
    "same seed, same bits": _same_seed,
    "same in two processes": _two_processes,
    "snapshot exact or none": _snapshot,
}
