"""The catalogue: enumerated specs for search, and any valid ref on demand. Asks env_registry; imports no engine."""

from __future__ import annotations

import hashlib
import inspect
import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import structlog
from pydantic_core import to_json
from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

import env_registry
from env_registry import Card, RefProblem, Spec, metric
from service import conditions, db, postings, search, splits
from service.api import schemas
from service.errors import Invalid, NotFound, UnknownEnvironment
from service.models import CatalogueState, Environment, Posting
from service.segments import Cost

DEFAULT_STEP_US = 200.0
DEFAULT_MAKE_MS = 50.0
DEFAULT_STEP_BYTES = 1024
DEFAULT_MEMORY_MB = 1024
"""Assumed of families that no card was measured of (third-party ones)."""

COPIED = (
    *("ref", "domain", "family", "base_task"),
    *("agents", "observations", "actions", "seed_sensitive", "snapshot"),
)
"""Columns that hold what is shown as it is."""

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


async def find(reads: AsyncEngine, ref_or_digest: str) -> Spec:
    """By ref, or by the digest of a catalogued spec."""
    if re.fullmatch(r"[0-9a-f]{64}", ref_or_digest):
        query = select(Environment.ref).where(Environment.digest == bytes.fromhex(ref_or_digest))
        async with reads.connect() as reader:
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


@lru_cache(maxsize=10_000)
def detail(ref: str, split: splits.Known | None) -> str:
    """JSON of `schemas.EnvironmentDetail`."""
    spec = parse(ref)
    card = env_registry.card_of(spec)
    found = schemas.EnvironmentDetail(
        **_facts(spec, card),
        catalogued=card is not None and card.fingerprint is not None,
        card=vars(card) if card else None,
        split=split.standing(spec) if split else None,
    )
    return found.model_dump_json()


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
        nothing = dict.fromkeys(("specs", "families", "base_tasks", "modifiers", "single_turn"), 0)
        return schemas.CatalogueCounts(version=None, domains={}, **nothing)
    shown = {name: found.counts[name] for name in schemas.CatalogueCounts.model_fields if name != "version"}
    return schemas.CatalogueCounts(version=found.version, **shown)


async def families(reader: AsyncConnection) -> list[schemas.FamilyOut]:
    specs = (await search.facets(reader, schemas.Where(), field="")).family
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


# --- load


async def load(session: AsyncSession) -> Sequence[Spec]:
    """Bring the tables up to what env_registry enumerates; answers the specs in the order of their numbers, none where
    the tables held them already.

    All in the caller's transaction: until it commits, readers see the catalogue before, whole.
    """
    source = source_sha256()
    state = await session.get(CatalogueState, 1)
    if state is not None and state.source_sha256 == source:
        return []
    specs = list(env_registry.enumerate_specs())
    vectors = metric.vectors(specs, metric.measured(specs))
    placed = sorted(zip(specs, vectors, strict=True), key=lambda pair: pair[0].digest)
    version = await write(session, (entry(spec, vector.tobytes()) for spec, vector in placed))
    found = await search.tally(session, select(Environment))
    counted = [spec for spec in specs if not spec.traits.single_turn]
    counts = {
        "specs": len(counted),
        "families": len({spec.family for spec in counted}),
        "base_tasks": len({env_registry.base_task(spec) for spec in counted}),
        "modifiers": len(env_registry.modifiers()),
        "domains": dict(sorted(Counter(str(spec.source.domain) for spec in counted).items())),
        "single_turn": len(specs) - len(counted),
        "facets": found.model_dump(),
    }
    session.add(CatalogueState(id=1, source_sha256=source, version=version, counts=counts))
    await session.flush()
    log.info("catalogue.loaded", specs=found.specs)
    return [spec for spec, _ in placed]


def source_sha256() -> str:
    """Identity of what the tables hold: the registry's own files, and those here that say what a row and a posting
    are."""
    root = Path(env_registry.__file__).parent
    digest = hashlib.sha256()
    shown = map(Path, (__file__, *(inspect.getfile(module) for module in (conditions, postings, schemas))))
    for path in (*sorted(path for path in root.rglob("*") if path.suffix in {".py", ".parquet"}), *shown):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Entry:
    """A spec as the tables hold it: its row of `environment` but for the number, and what a search can ask of it."""

    row: dict[str, Any]
    names: Collection[str]
    amounts: Mapping[str, float]


def entry(spec: Spec, vector: bytes) -> Entry:
    """What it shows is not read into `schemas.Environment`, which would check 100,000 times what one function made; a
    test holds it against what a lookup shows."""
    shown = _facts(spec, env_registry.card_of(spec)) | {"catalogued": True}
    row = {name: shown[name] for name in COPIED}
    row |= {
        "digest": bytes.fromhex(spec.digest),
        "modifiers": [use.name for use in spec.modifiers],
        "shown": to_json(shown).decode(),
        "vector": vector,
    }
    return Entry(row, conditions.names(spec, shown), conditions.amounts(spec, shown))


async def write(session: AsyncSession, entries: Iterable[Entry]) -> str:
    """Replace what the tables hold by these, which come in the order of their digests; answers the catalogue's version:
    a digest of all that is shown, asked for and compared."""
    for table in (Environment, Posting, CatalogueState):
        await session.execute(delete(table))
    collector = postings.Collector()
    version = hashlib.sha256()

    def rows() -> Iterator[dict[str, Any]]:
        for entry in entries:
            version.update(entry.row["shown"].encode() + entry.row["vector"])
            yield entry.row | {"number": collector.add(entry.names, entry.amounts)}

    def found() -> Iterator[dict[str, Any]]:
        for posting in collector.rows():
            version.update(f"{posting['name']}~{posting['step']}".encode() + posting["numbers"])
            yield posting

    await db.copy(session, Environment.__table__, rows())
    await db.copy(session, Posting.__table__, found())
    await session.execute(text("ANALYZE environment"))  # the planner must know at the first search already
    return version.hexdigest()
