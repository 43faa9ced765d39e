"""The catalogue: which points of the space are listed one by one. Any other valid ref can still be made.

Owns the enumeration and its cap. Order and content depend on the declared families and modifiers alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations, product
from typing import Any, NamedTuple

from env_registry.axes import Axis, format_value
from env_registry.family import Family, families
from env_registry.modifiers import Modifier, modifiers
from env_registry.spec import Spec

CAP = 300
"""Most specs of one base task: beyond it growth is combinations of combinations, and tasks no longer weigh alike."""

_SHORTEST = 4
"""Parameters such as sizes may shorten episodes, of the levels declared by less than this factor."""


class _Point(NamedTuple):
    """What a spec has beyond its base task: levels of axes, and at most one modifier."""

    levels: tuple[tuple[str, Any], ...] = ()
    modifiers: tuple[tuple[str, dict[str, Any]], ...] = ()


def enumerate_specs() -> Iterator[Spec]:
    """Every catalogued spec once, family by family, base task by base task; lazily and always in the same order."""
    for family in families().values():
        for task in _tasks(family):
            for point in _spread(_tiers(family), CAP):
                yield Spec.of(family.name, task | dict(point.levels), point.modifiers)


def base_tasks() -> Iterator[Spec]:
    """Every base task as the spec that has nothing else."""
    for family in families().values():
        for task in _tasks(family):
            yield Spec.of(family.name, task)


def base_spec(spec: Spec) -> Spec:
    """The base task of a spec: its family and task choices without other parameters or modifiers."""
    choices = {axis.name: spec.values[axis.name] for axis in spec.source.axes if axis.task}
    return Spec.of(spec.family, choices, version=spec.version)


def base_task(spec: Spec) -> str:
    """The name of a spec's base task, such as `openspiel/goofspiel[num_cards=4]`."""
    choices = sorted(f"{axis.name}={format_value(spec.values[axis.name])}" for axis in spec.source.axes if axis.task)
    return f"{spec.family}[{','.join(choices)}]" if choices else spec.family


def _tasks(family: Family) -> Iterator[dict[str, Any]]:
    axes = [axis for axis in family.axes if axis.task]
    for values in product(*((axis.default, *_levels(axis)) for axis in axes)):
        yield dict(zip((axis.name for axis in axes), values, strict=True))


def _levels(axis: Axis) -> tuple[Any, ...]:
    return tuple(level for level in axis.levels if level != axis.default)


def _tiers(family: Family) -> Iterator[list[_Point]]:
    """Points in groups, the plainest first; no point stands in two groups."""
    axes = [axis for axis in family.axes if not axis.task]
    singles = [((axis.name, level),) for axis in axes for level in _levels(axis)]
    uses = [(use,) for use in _uses(family, family.horizon // _SHORTEST)]
    pairs = [
        ((a.name, one), (b.name, other)) for a, b in combinations(axes, 2) for one in _levels(a) for other in _levels(b)
    ]
    yield [_Point()]
    yield [_Point(levels) for levels in singles]
    yield [_Point(modifiers=(use,)) for use in _uses(family, family.horizon)]
    yield [_Point(levels) for levels in pairs]
    yield [_Point(levels, use) for levels in singles for use in uses]
    yield [_Point(levels, use) for levels in pairs for use in uses]


def _uses(family: Family, horizon: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each fitting modifier with its defaults and with each level of one of its axes, if it tells within `horizon`."""
    for modifier in _newest_modifiers():
        if modifier.fits(family.traits):
            continue
        defaults = {axis.name: axis.default for axis in modifier.axes}
        levels = ({axis.name: level} for axis in modifier.axes for level in _levels(axis))
        for arguments in ({}, *levels):
            if not modifier.inert(defaults | arguments, horizon):
                yield f"{modifier.name}@{modifier.version}", arguments


def _newest_modifiers() -> Iterable[Modifier]:
    return {modifier.name: modifier for _, modifier in sorted(modifiers().items())}.values()


def _spread(tiers: Iterable[list[_Point]], room: int) -> Iterator[_Point]:
    """Whole groups while there is room, then points spread evenly over the first group that is too large."""
    for tier in tiers:
        take = min(len(tier), room)
        yield from (tier[i * len(tier) // take] for i in range(take))
        room -= take
        if room == 0:
            return
