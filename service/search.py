"""Searching the catalogue: conditions as SQL, pages, and facets. See docs/decisions/0012-search.md.

Knows the environment table and what the registry declares of families; what a row holds is `catalogue`'s business.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, cast, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONPATH
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

import env_registry
from env_registry import Axis, Distribution, RefProblem, Scalar
from env_registry.axes import FloatAxis, IntAxis, ValueProblem, format_value
from env_registry.problems import unknown
from service import splits
from service.api import schemas
from service.errors import Invalid
from service.models import CatalogueState, Environment
from service.pages import page

NONE = "none"
"""In a search, the modifier of specs without any."""

EQUAL = ("domain", "kind", "base_task", "observations", "actions", "engine", "seed_sensitive", "snapshot")
AT_MOST: Mapping[str, InstrumentedAttribute[Any]] = {
    "max_agents": Environment.agents,
    "max_step_us": Environment.step_us,
    "max_make_ms": Environment.make_ms,
    "max_memory_mb": Environment.memory_mb,
}
AT_LEAST: Mapping[str, InstrumentedAttribute[Any]] = {
    "min_agents": Environment.agents,
    "min_effect": Environment.effect,
}
"""Conditions of `schemas.Where` on single columns."""

MANY_STEPS = 64
"""A range over more `step`s than these is no longer found by them: an index helps little there."""

GROUPED = ("family", "modifiers", "agents", "observations", "actions", "seed_sensitive", "snapshot")
"""Columns that facets count. Whatever else they count follows from the family."""


async def turn(
    reader: AsyncConnection, where: schemas.Where, *, field: str, cursor: str | None, limit: int
) -> tuple[list[str], str | None]:
    """A page of the specs for which all conditions hold, as JSON of `schemas.Environment`, and the next cursor.

    Raises
    ------
    Invalid
        As `matching`; or the cursor is not one of ours.
    """
    query = matching(where, field=field).with_only_columns(Environment.digest, Environment.shown)
    rows, following = await page(reader, query, Environment.digest, cursor=cursor, limit=limit)
    return [shown for _, shown in rows], following


async def facets(reader: AsyncConnection, where: schemas.Where, *, field: str) -> schemas.Facets:
    """How many of the specs for which all conditions hold have each value.

    Raises
    ------
    Invalid
        As `matching`.
    """
    if where == schemas.Where():
        counted = await reader.scalar(select(CatalogueState.counts["facets"]))
        return schemas.Facets.model_validate(counted or _facets([]))
    return await tally(reader, matching(where, field=field))


async def tally(reader: AsyncSession | AsyncConnection, matching: Select[Environment]) -> schemas.Facets:
    """How many of these have each value, counted now."""
    columns = [getattr(Environment, name) for name in GROUPED]
    query = matching.with_only_columns(*columns, func.count().label("specs")).group_by(*columns)
    return _facets((await reader.execute(query)).all())


def _facets(groups: Iterable[Any]) -> schemas.Facets:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for group in groups:
        family = env_registry.families()[group.family]
        for facet, values in (
            ("domain", [family.domain]),
            ("family", [family.name]),
            ("kind", [family.traits.kind]),
            ("observations", [group.observations]),
            ("actions", [group.actions]),
            ("agents", [group.agents]),
            ("engine", [family.distribution]),
            ("tag", family.tags),
            ("modifier", set(group.modifiers) or [NONE]),
            ("seed_sensitive", [str(group.seed_sensitive).lower()]),
            ("snapshot", [group.snapshot]),
        ):
            for value in values:
                counts[facet][str(value)] += group.specs
    named = {name: dict(counts[name].most_common()) for name in schemas.Facets.model_fields if name != "specs"}
    return schemas.Facets(specs=counts["domain"].total(), **named)


def matching(where: schemas.Where, *, field: str) -> Select[Environment]:
    """The catalogued specs for which all conditions hold.

    Raises
    ------
    Invalid
        There is no such parameter or modifier, or the parameter never has the value; `field` is where the caller gave
        parameters.
    """
    query = select(Environment)
    for condition in _conditions(where, field):
        query = query.where(condition)
    return query


def _conditions(where: schemas.Where, field: str) -> Iterable[ColumnElement[bool]]:
    for name in EQUAL:
        value = getattr(where, name)
        if value is not None:
            yield getattr(Environment, name) == value
    for name, column in AT_MOST.items():
        value = getattr(where, name)
        if value is not None:
            yield column <= value
    for name, column in AT_LEAST.items():
        value = getattr(where, name)
        if value is not None:
            yield column >= value
    if where.family is not None:
        yield _of_family(where.family)
    if where.tag is not None:
        yield Environment.tags.contains([where.tag])
    if where.modifier is not None:
        yield _modified(where.modifier, field)
    if where.text is not None:
        yield Environment.words.op("@@")(func.plainto_tsquery("simple", words(where.text)))
    if where.split not in (None, "any"):
        yield splits.among(where.split)
    for name, wanted in where.parameters.items():
        yield _has(name, wanted, f"{field}.{name}")


def _of_family(name: str) -> ColumnElement[bool]:
    """`name` may be a prefix ending in *. A list of names, not a pattern, so that any collation has its index."""
    prefix = name.removesuffix("*")
    if prefix == name:
        return Environment.family == name
    return Environment.family.in_([known for known in env_registry.families() if known.startswith(prefix)])


def _modified(names: Sequence[str], field: str) -> ColumnElement[bool]:
    place = field.rpartition(".")[0] + ".modifier"
    if names == [NONE]:
        return Environment.modifiers == cast([], ARRAY(Text))
    known = {name for name, _ in env_registry.modifiers()}
    for name in names:
        if name == NONE:
            raise Invalid("no spec can be that", errors=[(place, "none goes alone")])
        if name not in known:
            raise _refused("a modifier is unknown", unknown(place, "modifier", name, sorted(known)))
    return Environment.modifiers.contains(names)


def _has(name: str, wanted: schemas.Range, field: str) -> ColumnElement[bool]:
    """True for specs whose parameter of that name lies in the range or has the value."""
    axes = _axes().get(name)
    if axes is None:
        raise _refused("a parameter is unknown", unknown(field, "parameter", name, _axes()))
    having = Environment.family.in_(_families_with(name))
    if wanted.equals is not None:
        values = _meant(axes, wanted.equals, field)
        near, exactly = [level(name, value) for value in values], [_equals(name, value) for value in values]
        return and_(having, Environment.levels.overlap(near), or_(*exactly))
    return and_(having, *_in_range(name, wanted))


def _in_range(name: str, wanted: schemas.Range) -> Iterable[ColumnElement[bool]]:
    if wanted.min is None and wanted.max is None:
        return
    bounds = [(axis.low, axis.high) for axis in _axes()[name] if isinstance(axis, FloatAxis | IntAxis)]
    low = min((low for low, _ in bounds), default=0.0) if wanted.min is None else wanted.min
    high = max((high for _, high in bounds), default=0.0) if wanted.max is None else wanted.max
    steps = range(step(low), step(high) + 1)
    if len(steps) <= MANY_STEPS:
        yield Environment.levels.overlap([f"{name}={number}" for number in steps])
    path = f'$."{name}" ? (@ >= {low!r} && @ <= {high!r})'
    yield Environment.parameters.bool_op("@?")(cast(path, JSONPATH))


def _equals(name: str, value: Scalar) -> ColumnElement[bool]:
    return Environment.parameters.contains({name: value})


def level(name: str, value: Scalar | Distribution) -> str:
    """A parameter with about what value it has: what an index over all parameters of all families can hold."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        return f"{name}={step(value)}"
    return f"{name}={format_value(value)}"


def step(number: float) -> int:
    """Its place on a scale of both signs with four steps to each power of two, from 2^-16 to 2^32; ends take all
    beyond. Never falls where numbers rise."""
    if abs(number) < 2**-16:
        return 0
    steps = math.floor(4 * math.log2(min(abs(number), 2**32))) + 65
    return steps if number > 0 else -steps


def _meant(axes: Sequence[Axis], value: Scalar, field: str) -> list[Any]:
    """What a value means on axes of one name and maybe several types: text may be a number, a truth value or a name."""
    found: dict[tuple[bool, Any], Any] = {}
    reason = ""
    for axis in axes:
        try:
            meant = axis.parse(value) if isinstance(value, str) else axis.check(value)
        except ValueProblem as problem:
            reason = problem.reason
            continue
        if not isinstance(meant, Distribution):
            found[isinstance(meant, bool), meant] = meant
    if not found:
        raise Invalid("a parameter never has that value", errors=[(field, reason[:300] or "give one value")])
    return list(found.values())


def _refused(detail: str, problem: RefProblem) -> Invalid:
    return Invalid(detail, errors=[(problem.field, problem.reason)])


@cache
def _families_with(name: str) -> Sequence[str]:
    return [family.name for family in env_registry.families().values() if family.axis(name)]


@cache
def _axes() -> Mapping[str, Sequence[Axis]]:
    """The axes of all families by name."""
    found: defaultdict[str, list[Axis]] = defaultdict(list)
    for family in env_registry.families().values():
        for axis in family.axes:
            found[axis.name].append(axis)
    return found


def words(text: str) -> str:
    """Text as words, those of a search and those of a row alike."""
    return re.sub(r"[^\w.]+|_", " ", text.lower())
