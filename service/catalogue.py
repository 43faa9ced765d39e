"""The catalogue: enumerated specs for search, and any valid ref on demand. Asks env_registry; imports no engine."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Select, cast, delete, func, select
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH
from sqlalchemy.ext.asyncio import AsyncSession

import env_registry
from env_registry import Card, RefProblem, Spec, metric
from env_registry.problems import unknown
from service import db
from service.api import schemas
from service.errors import Invalid, NotFound, UnknownEnvironment
from service.models import CatalogueState, Environment
from service.segments import Cost

DEFAULT_STEP_US = 200.0
DEFAULT_MAKE_MS = 50.0
DEFAULT_STEP_BYTES = 1024
DEFAULT_MEMORY_MB = 1024
"""Assumed of families that no card was measured of (third-party ones)."""

log = structlog.get_logger()


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


async def find(session: AsyncSession, ref_or_digest: str) -> Spec:
    """By ref, or by the digest of a catalogued spec."""
    if re.fullmatch(r"[0-9a-f]{64}", ref_or_digest):
        query = select(Environment.ref).where(Environment.digest == bytes.fromhex(ref_or_digest))
        ref = await session.scalar(query)
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
    source = spec.source
    card = env_registry.card_of(spec)
    document = spec.json()
    return schemas.Environment(
        ref=spec.ref,
        digest=spec.digest,
        domain=source.domain,
        family=source.name,
        base_task=env_registry.base_task(spec),
        kind=source.traits.kind,
        tags=list(source.tags),
        parameters=document["parameters"],
        modifiers=document["modifiers"],
        catalogued=catalogued,
        horizon=_horizon(spec, card),
        step_us=_step_us(card),
        make_ms=card.make_ms if card else DEFAULT_MAKE_MS,
    )


async def detail(session: AsyncSession, spec: Spec) -> schemas.EnvironmentDetail:
    known = await catalogued(session, [bytes.fromhex(spec.digest)])
    card = env_registry.card_of(spec)
    return schemas.EnvironmentDetail(
        **show(spec, catalogued=bool(known)).model_dump(), card=asdict(card) if card else None
    )


async def catalogued(session: AsyncSession, digests: Sequence[bytes]) -> set[bytes]:
    """Those of the digests that the catalogue enumerates."""
    return set((await session.scalars(select(Environment.digest).where(Environment.digest.in_(digests)))).all())


async def counts(session: AsyncSession) -> schemas.CatalogueCounts:
    state = await session.get(CatalogueState, 1)
    if state is None:
        return schemas.CatalogueCounts(version=None, specs=0, families=0, base_tasks=0, modifiers=0, domains={})
    shown = {name: state.counts[name] for name in schemas.CatalogueCounts.model_fields if name != "version"}
    return schemas.CatalogueCounts(version=state.version, **shown)


async def families(session: AsyncSession) -> list[schemas.FamilyOut]:
    state = await session.get(CatalogueState, 1)
    by_family = state.counts["by_family"] if state else {}
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
            specs=by_family.get(family.name, 0),
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


def matching(where: schemas.Where, *, field: str) -> Select[Environment]:
    """The catalogued specs for which all conditions hold.

    Raises
    ------
    Invalid
        No family has a parameter of that name; `field` is where the caller gave its range.
    """
    _check_parameters(where.parameters, field)
    query = select(Environment)
    for condition in _conditions(where):
        query = query.where(condition)
    return query


def _conditions(where: schemas.Where) -> Iterable[ColumnElement[bool]]:
    for column, value in (
        (Environment.domain, where.domain),
        (Environment.kind, where.kind),
        (Environment.base_task, where.base_task),
    ):
        if value is not None:
            yield column == value
    if where.family is not None:
        prefix = where.family.removesuffix("*")
        yield (
            Environment.family.startswith(prefix, autoescape=True)
            if prefix != where.family
            else Environment.family == prefix
        )
    if where.tag is not None:
        yield Environment.tags.contains([where.tag])
    if where.modifier is not None:
        none = where.modifier == "none"
        yield func.cardinality(Environment.modifiers) == 0 if none else Environment.modifiers.contains([where.modifier])
    if where.max_step_us is not None:
        yield Environment.step_us <= where.max_step_us
    if where.text is not None:
        yield Environment.words.op("@@")(func.plainto_tsquery("simple", _words(where.text)))
    for name, bounds in where.parameters.items():
        yield _in_range(name, bounds)


def _check_parameters(names: Iterable[str], field: str) -> None:
    known = _parameters()
    wrong = [unknown(f"{field}.{name}", "parameter", name, known) for name in names if name not in known]
    if wrong:
        raise Invalid("a parameter is unknown", errors=[(problem.field, problem.reason) for problem in wrong])


@cache
def _parameters() -> frozenset[str]:
    """Names of the parameters of all families."""
    return frozenset(axis.name for family in env_registry.families().values() for axis in family.axes)


def _in_range(name: str, bounds: schemas.Range) -> ColumnElement[bool]:
    """True for numbers in the range; false for specs without the parameter or with another type of value."""
    checks = [
        f"@ {sign} ${key}"
        for sign, key, bound in ((">=", "min", bounds.min), ("<=", "max", bounds.max))
        if bound is not None
    ]
    path = f'$."{name}" ? ({" && ".join(checks)})' if checks else f'$."{name}"'
    variables = bounds.model_dump(exclude_none=True)
    return func.jsonb_path_exists(Environment.parameters, cast(path, JSONPATH), cast(variables, JSONB))


def _words(text: str) -> str:
    return re.sub(r"[^\w.]+|_", " ", text.lower())


# --- load


async def load(session: AsyncSession) -> int:
    """Bring the environment table up to what env_registry enumerates; answers how many specs it holds.

    The catalogue's version is a digest of all that queries and strategies read, row by row.
    """
    source = source_sha256()
    state = await session.get(CatalogueState, 1)
    if state is not None and state.source_sha256 == source:
        return int(state.counts["specs"])
    await session.execute(delete(Environment))
    await session.execute(delete(CatalogueState))
    by_family: Counter[str] = Counter()
    domains: Counter[str] = Counter()
    tasks: set[str] = set()
    version = hashlib.sha256()

    def rows() -> Iterator[dict[str, Any]]:
        specs = list(env_registry.enumerate_specs())
        vectors = metric.vectors(specs, metric.measured())
        for ordinal, (spec, vector) in enumerate(zip(specs, vectors, strict=True)):
            row = _row(ordinal, spec) | {"vector": vector.tobytes()}
            version.update(json.dumps(row, sort_keys=True, default=bytes.hex).encode())
            by_family[row["family"]] += 1
            domains[row["domain"]] += 1
            tasks.add(row["base_task"])
            yield row

    await db.copy(session, Environment.__table__, rows())
    total = by_family.total()
    counts = {
        "specs": total,
        "families": len(by_family),
        "base_tasks": len(tasks),
        "modifiers": len(env_registry.modifiers()),
        "domains": dict(sorted(domains.items())),
        "by_family": dict(by_family),
    }
    session.add(CatalogueState(id=1, source_sha256=source, version=version.hexdigest(), counts=counts))
    await session.flush()
    log.info("catalogue.loaded", specs=total)
    return total


def source_sha256() -> str:
    """Identity of what is enumerated: the registry's own files."""
    root = Path(env_registry.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.suffix in {".py", ".parquet"}:
            digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _row(ordinal: int, spec: Spec) -> dict[str, Any]:
    source = spec.source
    return {
        "digest": bytes.fromhex(spec.digest),
        "ordinal": ordinal,
        "ref": spec.ref,
        "domain": str(source.domain),
        "family": source.name,
        "base_task": env_registry.base_task(spec),
        "kind": str(source.traits.kind),
        "tags": list(source.tags),
        "modifiers": [use.name for use in spec.modifiers],
        "parameters": json.dumps(spec.json()["parameters"]),
        "step_us": _step_us(env_registry.card_of(spec)),
        "words": _words(f"{spec.ref} {' '.join(source.tags)} {source.description}"),
    }
