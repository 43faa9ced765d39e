"""Making the simulator that a spec describes."""

from __future__ import annotations

from collections.abc import Iterable

from env_registry.axes import Distribution
from env_registry.randomisation import Randomised
from env_registry.simulator import Simulator
from env_registry.spec import Spec, parse
from env_registry.tables import Table


def make(spec: Spec | str, *, tables: Iterable[Table] = ()) -> Simulator:
    """A fresh simulator of a spec or ref, to be `reset` before its first step and closed after its last.

    `tables` are those that its parameters are drawn from; more do no harm.

    Raises
    ------
    RefProblem
        The ref names nothing, or a table that is not given or does not fit.
    """
    if isinstance(spec, str):
        spec = parse(spec)
    simulator = _base(spec, tables)
    for position, use in enumerate(spec.modifiers):
        simulator = use.modifier.wrap(simulator, dict(use.arguments), position)
    return simulator


def _base(spec: Spec, tables: Iterable[Table]) -> Simulator:
    if any(isinstance(value, Distribution) for value in spec.values.values()):
        return Randomised(spec.source, spec.values, tables)
    return spec.source.make(spec.values)  # type: ignore[arg-type]  # scalars only, as just seen
