"""The catalogue: which points of the space are listed one by one. Any other valid ref can still be made.

Owns the committed files and their reading, base tasks, and which points of a task are candidates. `sweep` measures the
candidates and writes the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from itertools import combinations, product
from pathlib import Path
from typing import Any, NamedTuple

from env_registry.axes import Axis, format_value
from env_registry.family import Domain, Family, families
from env_registry.modifiers import Modifier, modifiers
from env_registry.problems import RefProblem
from env_registry.spec import Spec, parse

SPECS = Path(__file__).with_name("catalogue.parquet")
COSTS = Path(__file__).with_name("costs.parquet")
REJECTED = Path(__file__).with_name("rejected.parquet")

CAP: Mapping[Domain, int] = {Domain.PHYSICS: 190, Domain.SOCIAL: 60, Domain.SYMBOLIC: 40}
"""Most candidates of one base task: beyond it growth is combinations of combinations, and tasks no longer weigh alike.

At most 300; less where there are more tasks, so that domains weigh alike, too."""

SLOW: Mapping[str, int] = {"cable/": 60, "dm_manipulation/": 60, "metaworld/": 60}
"""Most candidates, and most singles that are measured, of a base task of families whose steps take milliseconds: at the
common cap half of the sweep's time would go into a tenth of the catalogue."""

Use = tuple[str, Mapping[str, Any]]
"""A modifier's name, with its version where that is not 1, and its arguments other than the defaults."""


class Point(NamedTuple):
    """What a spec has beyond its base task: levels of axes, and at most two modifiers."""

    levels: tuple[tuple[str, Any], ...] = ()
    modifiers: tuple[Use, ...] = ()

    def of(self, task: Spec) -> Spec:
        return Spec.of(task.family, dict(task.parameters) | dict(self.levels), self.modifiers, version=task.version)


# --- what is listed


def enumerate_specs() -> Iterator[Spec]:
    """Every catalogued spec once, family by family, base task by base task, in the order of the committed file."""
    for ref in refs():
        yield parse(ref)


@cache
def refs() -> Sequence[str]:
    """Every catalogued ref, in the order of the file; nothing where there is no file."""
    if not SPECS.exists():
        return ()
    found: list[str] = columns(SPECS, ["ref"])["ref"].to_pylist()
    return found


def columns(path: Path, names: list[str] | None = None) -> Any:
    """A table of those columns of a committed file, or of all.

    Not by `pyarrow.parquet.read_table`, which loads pandas: 0.7 s and 60 MB for every process that shows cards.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return file.read(names)


# --- base tasks


def base_tasks() -> Iterator[Spec]:
    """Every declared base task as the spec that has nothing else."""
    for family in families().values():
        for task in _tasks(family):
            yield Spec.of(family.name, task)


def base_spec(spec: Spec) -> Spec:
    """The base task of a spec: its family and task choices without other parameters or modifiers."""
    choices = tuple((axis.name, spec.values[axis.name]) for axis in spec.source.axes if axis.task)
    return _task_spec(spec.family, spec.version, choices)


@lru_cache(maxsize=10_000)
def _task_spec(family: str, version: int, choices: tuple[tuple[str, Any], ...]) -> Spec:
    return Spec.of(family, dict(choices), version=version)


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


# --- candidates


def singles(task: Spec) -> Iterator[Point]:
    """A base task with one level of one axis, or with one modifier at its defaults or one level of one of its axes."""
    levels = [
        Point(levels=((axis.name, level),)) for axis in task.source.axes if not axis.task for level in _levels(axis)
    ]
    uses = [
        Point(modifiers=((f"{modifier.name}@{modifier.version}", given),))
        for modifier in _newest_modifiers()
        if modifier.fits(task.source.traits) is None
        for given in ({}, *({axis.name: level} for axis in modifier.axes for level in _levels(axis)))
    ]
    yield from _spread([levels, uses], _slow_cap(task) or len(levels) + len(uses))


def single_specs(task: Spec) -> Iterator[Spec]:
    return (point.of(task) for point in singles(task))


def candidates(task: Spec, kept: Sequence[Point]) -> Iterator[Spec]:
    """The base task, its kept singles and combinations of two or three of them, plainest first, up to the cap."""
    levels = [point for point in kept if point.levels]
    uses = [point for point in kept if point.modifiers]
    pairs = [Point(a.levels + b.levels) for a, b in combinations(levels, 2) if a.levels[0][0] != b.levels[0][0]]
    layers = [
        Point(modifiers=inner.modifiers + outer.modifiers)
        for inner, outer in combinations(uses, 2)
        if inner.modifiers[0][0] != outer.modifiers[0][0]
    ]
    tiers: list[list[Point]] = [
        [Point()],
        levels,
        uses,
        pairs,
        [Point(level.levels, use.modifiers) for level in levels for use in uses],
        layers,
        [Point(pair.levels, use.modifiers) for pair in pairs for use in uses],
        [Point(level.levels, layer.modifiers) for level in levels for layer in layers],
    ]
    for point in _spread(tiers, cap(task)):
        with suppress(RefProblem):  # modifiers that fit alone may not fit together
            yield point.of(task)


def cap(task: Spec) -> int:
    """Most candidates of a base task."""
    return _slow_cap(task) or CAP[task.source.domain]


def _slow_cap(task: Spec) -> int | None:
    return next((most for prefix, most in SLOW.items() if task.family.startswith(prefix)), None)


def _newest_modifiers() -> Iterable[Modifier]:
    return {modifier.name: modifier for _, modifier in sorted(modifiers().items())}.values()


def _spread(tiers: Iterable[list[Point]], room: int) -> Iterator[Point]:
    """Whole groups while there is room, then points spread evenly over the first group that is too large."""
    for tier in tiers:
        take = min(len(tier), room)
        yield from (tier[i * len(tier) // take] for i in range(take))
        room -= take
        if room == 0:
            return
