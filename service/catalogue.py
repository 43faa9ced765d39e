"""The catalogue: enumerated specs for search, and any valid ref on demand. Asks env_registry; imports no engine."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Select, Text, and_, cast, delete, func, or_, select, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONPATH
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

import env_registry
from env_registry import Axis, Card, Distribution, RefProblem, Scalar, Spec, metric
from env_registry.axes import FloatAxis, IntAxis, ValueProblem, format_value
from env_registry.problems import unknown
from service import db, splits
from service.api import schemas
from service.errors import Invalid, NotFound, UnknownEnvironment
from service.models import CatalogueState, Environment
from service.pages import page
from service.segments import Cost

DEFAULT_STEP_US = 200.0
DEFAULT_MAKE_MS = 50.0
DEFAULT_STEP_BYTES = 1024
DEFAULT_MEMORY_MB = 1024
"""Assumed of families that no card was measured of (third-party ones)."""

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

COPIED = (*EQUAL, "ref", "family", "agents", "tags", "step_us", "make_ms", "memory_mb", "effect")
"""Columns that hold what is shown as it is."""

GROUPED = ("family", "modifiers", "agents", "observations", "actions", "seed_sensitive", "snapshot")
"""Columns that facets count. Whatever else they count follows from the family."""

log = structlog.get_logger()


def prepare() -> None:
    """Read what is measured: 0.2 s that the first request of a process would take longer."""
    for spec in itertools.islice(env_registry.enumerate_specs(), 1):
        env_registry.card_of(spec)


# --- resolve


@lru_cache(maxsize=10_000)
def parse(ref: str) -> Spec:
    return env_registry.parse(ref)


def resolve(ref: str) -> Spec:
    """The spec that a ref in a URL names, catalogued or not.

    Raises
    ------
    UnknownEnvironment
        The ref does not resolve; names the part and the reason.
    """
    try:
        return parse(ref)
    except RefProblem as problem:
        raise UnknownEnvironment(f"no such environment: {problem}", errors=[(problem.field, problem.reason)]) from None


def resolve_all(refs: Sequence[str], *, field: str) -> list[Spec]:
    """
    Raises
    ------
    Invalid
        Some refs do not resolve; names the first of them.
    """
    specs, errors = [], []
    for index, ref in enumerate(refs):
        try:
            specs.append(parse(ref))
        except RefProblem as problem:
            errors.append((f"{field}[{index}]", f"{ref[:200]}: {problem}"))
    if errors:
        raise Invalid(f"{len(errors)} of {len(refs)} refs do not resolve", errors=errors)
    return specs


async def find(reader: AsyncConnection, ref_or_digest: str) -> Spec:
    """By ref, or by the digest of a catalogued spec."""
    if re.fullmatch(r"[0-9a-f]{64}", ref_or_digest):
        query = select(Environment.ref).where(Environment.digest == bytes.fromhex(ref_or_digest))
        ref = await reader.scalar(query)
        if ref is None:
            raise NotFound(f"no catalogued environment has the digest {ref_or_digest}; ask by ref")
        return parse(ref)
    return resolve(ref_or_digest)


@lru_cache(maxsize=100_000)  # more than the catalogue: a scan of more than fits never finds what the last one left
def cost(ref: str, digest: str) -> Cost:
    """What the spec takes, by its card."""
    spec = env_registry.parse(ref)
    card = env_registry.card_of(spec)
    return Cost(
        ref=ref,
        digest=digest,
        step_us=_step_us(card),
        make_ms=card.make_ms if card else DEFAULT_MAKE_MS,
        memory_mb=max(int(card.memory_mb), DEFAULT_MEMORY_MB) if card else DEFAULT_MEMORY_MB,
        step_bytes=card.observation_bytes if card else DEFAULT_STEP_BYTES,
        horizon=_horizon(spec, card),
    )


def _step_us(card: Card | None) -> float:
    return card.step_us if card else DEFAULT_STEP_US


def _horizon(spec: Spec, card: Card | None) -> int:
    """Most steps of an episode."""
    return card.horizon if card else spec.source.horizon_of(spec.values)


def place(ref: str) -> dict[str, str]:
    """Where a spec belongs."""
    source = parse(ref).source
    return {"domain": str(source.domain), "family": source.name}


# --- show


def show(spec: Spec, *, catalogued: bool) -> schemas.Environment:
    return schemas.Environment(**_facts(spec, env_registry.card_of(spec)), catalogued=catalogued)


async def detail(reader: AsyncConnection, spec: Spec) -> schemas.EnvironmentDetail:
    card = env_registry.card_of(spec)
    return schemas.EnvironmentDetail(
        **_facts(spec, card),
        catalogued=card is not None and card.fingerprint is not None,
        card=vars(card) if card else None,
        split=await splits.standing(reader, spec),
    )


def _facts(spec: Spec, card: Card | None) -> dict[str, Any]:
    source, document, traits = spec.source, spec.json(), spec.traits
    return {
        "ref": spec.ref,
        "digest": spec.digest,
        "domain": str(source.domain),
        "family": source.name,
        "base_task": env_registry.base_task(spec),
        "kind": str(traits.kind),
        "tags": list(source.tags),
        "parameters": document["parameters"],
        "modifiers": document["modifiers"],
        "agents": len(card.agents) if card and card.agents else None,
        "observations": str(traits.observations),
        "actions": str(traits.actions),
        "engine": source.distribution,
        "horizon": _horizon(spec, card),
        "step_us": _step_us(card),
        "make_ms": card.make_ms if card else DEFAULT_MAKE_MS,
        "memory_mb": card.memory_mb if card else DEFAULT_MEMORY_MB,
        "seed_sensitive": card.seed_sensitive if card else None,
        "snapshot": card.snapshot if card else None,
        "effect": card.effect if card else None,
    }


async def catalogued(session: AsyncSession, digests: Sequence[bytes]) -> set[bytes]:
    """Those of the digests that the catalogue enumerates."""
    return set((await session.scalars(select(Environment.digest).where(Environment.digest.in_(digests)))).all())


async def counts(reader: AsyncConnection) -> schemas.CatalogueCounts:
    found = (await reader.execute(select(CatalogueState.version, CatalogueState.counts))).one_or_none()
    if found is None:
        return schemas.CatalogueCounts(version=None, specs=0, families=0, base_tasks=0, modifiers=0, domains={})
    shown = {name: found.counts[name] for name in schemas.CatalogueCounts.model_fields if name != "version"}
    return schemas.CatalogueCounts(version=found.version, **shown)


async def families(reader: AsyncConnection) -> list[schemas.FamilyOut]:
    specs = (await facets(reader, schemas.Where(), field="")).family
    return [
        schemas.FamilyOut(
            name=family.name,
            version=family.version,
            domain=family.domain,
            kind=family.traits.kind,
            description=family.description,
            source=family.source,
            licence=family.licence,
            engine=family.distribution,
            horizon=family.horizon_of({}),
            tags=list(family.tags),
            axes=[axis.schema() for axis in family.axes],
            specs=specs.get(family.name, 0),
        )
        for family in env_registry.families().values()
    ]


def modifiers() -> list[schemas.ModifierOut]:
    return [
        schemas.ModifierOut(
            name=modifier.name,
            version=modifier.version,
            description=modifier.description,
            source=modifier.source,
            arguments=[axis.schema() for axis in modifier.axes],
        )
        for modifier in env_registry.modifiers().values()
    ]


# --- search


async def search(
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
    return _facets(await _groups(reader, matching(where, field=field)))


async def _groups(reader: AsyncSession | AsyncConnection, matching: Select[Environment]) -> Sequence[Any]:
    columns = [getattr(Environment, name) for name in GROUPED]
    query = matching.with_only_columns(*columns, func.count().label("specs")).group_by(*columns)
    return (await reader.execute(query)).all()


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
        yield Environment.words.op("@@")(func.plainto_tsquery("simple", _words(where.text)))
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


def _words(text: str) -> str:
    return re.sub(r"[^\w.]+|_", " ", text.lower())


# --- load


async def load(session: AsyncSession) -> int:
    """Bring the environment table up to what env_registry enumerates; answers how many specs it holds.

    All in the caller's transaction: until it commits, readers see the catalogue before, whole.
    The catalogue's version is a digest of all that queries and strategies read, row by row.
    """
    source = source_sha256()
    state = await session.get(CatalogueState, 1)
    if state is not None and state.source_sha256 == source:
        return int(state.counts["specs"])
    await session.execute(delete(Environment))
    await session.execute(delete(CatalogueState))
    specs = list(env_registry.enumerate_specs())
    vectors = metric.vectors(specs, metric.measured())
    version = hashlib.sha256()

    def rows() -> Iterator[dict[str, Any]]:  # on disk as pages read them
        for spec, vector in sorted(zip(specs, vectors, strict=True), key=lambda pair: pair[0].digest):
            row = row_of(spec) | {"vector": vector.tobytes()}
            version.update(json.dumps(row, sort_keys=True, default=bytes.hex).encode())
            yield row

    await db.copy(session, Environment.__table__, rows())
    await session.execute(text("ANALYZE environment"))  # the planner must know at the first search already
    found = _facets(await _groups(session, select(Environment)))
    counts = {
        "specs": found.specs,
        "families": len(found.family),
        "base_tasks": len({env_registry.base_task(spec) for spec in specs}),
        "modifiers": len(env_registry.modifiers()),
        "domains": dict(sorted(found.domain.items())),
        "facets": found.model_dump(),
    }
    session.add(CatalogueState(id=1, source_sha256=source, version=version.hexdigest(), counts=counts))
    await session.flush()
    log.info("catalogue.loaded", specs=found.specs)
    return found.specs


def source_sha256() -> str:
    """Identity of what the table holds: the registry's own files, and those here that say what a row is."""
    root = Path(env_registry.__file__).parent
    digest = hashlib.sha256()
    shown = (Path(__file__), Path(schemas.__file__))
    for path in (*sorted(path for path in root.rglob("*") if path.suffix in {".py", ".parquet"}), *shown):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def row_of(spec: Spec) -> dict[str, Any]:
    environment = show(spec, catalogued=True)
    return {
        **{name: getattr(environment, name) for name in COPIED},
        "digest": bytes.fromhex(spec.digest),
        "modifiers": [use.name for use in spec.modifiers],
        "parameters": json.dumps(environment.parameters),
        "levels": [level(name, value) for name, value in spec.values.items()],
        "words": _words(f"{spec.ref} {' '.join(environment.tags)} {spec.source.description}"),
        "shown": environment.model_dump_json(),
    }
