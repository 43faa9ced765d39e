"""Making the simulator that a spec describes."""

from __future__ import annotations

from env_registry.axes import Distribution
from env_registry.randomisation import Randomised
from env_registry.simulator import Simulator
from env_registry.spec import Spec, parse


def make(spec: Spec | str) -> Simulator:
    """A fresh simulator of a spec or ref, to be `reset` before its first step and closed after its last.

    Raises
    ------
    RefProblem
        The ref names nothing.
    """
    if isinstance(spec, str):
        spec = parse(spec)
    simulator = _base(spec)
    for position, use in enumerate(spec.modifiers):
        simulator = use.modifier.wrap(simulator, dict(use.arguments), position)
    return simulator


def _base(spec: Spec) -> Simulator:
    if any(isinstance(value, Distribution) for value in spec.values.values()):
        return Randomised(spec.source, spec.values)
    return spec.source.make(spec.values)  # type: ignore[arg-type]  # scalars only, as just seen
