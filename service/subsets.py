"""Subsets: immutable, digest-addressed lists of specs, chosen by a query, given as refs, or spanned by a parameter
grid."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Select, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from env_registry import RefProblem, Spec
from service import catalogue, db, search
from service.api import schemas
from service.errors import Invalid, NotFound
from service.ids import new_id, read, show
from service.keys import Caller
from service.models import Environment, Subset, SubsetEnvironment

DEPTHS = {"random": 0, "stratified": 3, "diverse": 4}
"""Over how many of a candidate's strata each strategy is even."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A spec that a subset may take, with the strata it lies in, coarse to fine."""

    ref: str
    digest: bytes
    strata: tuple[str, ...]

    @property
    def domain(self) -> str:
        return self.strata[0]


async def create(session: AsyncSession, caller: Caller, request: schemas.SubsetCreate) -> Subset:
    """
    Raises
    ------
    Invalid
        A ref does not resolve, the grid is wrong, or nothing matches; names the field.
    """
    cell_id = caller.require_cell()
    # seconds of work for as many as the whole catalogue: not on the event loop
    if request.where is not None:
        matching = await _matching(session, request)
        chosen = await asyncio.to_thread(_pick, matching, request.strategy, request.size)
    else:
        chosen = await asyncio.to_thread(_named, request)
    subset = Subset(
        id=new_id(),
        cell_id=cell_id,
        digest=digest(chosen),
        size=len(chosen),
        domains=dict(sorted(Counter(c.domain for c in chosen).items())),
        name=request.name,
        source=request.model_dump(mode="json", exclude_none=True),
    )
    session.add(subset)
    await session.flush()
    rows = ({"subset_id": subset.id, "ordinal": i, "ref": c.ref, "digest": c.digest} for i, c in enumerate(chosen))
    await db.copy(session, SubsetEnvironment.__table__, rows)
    await session.refresh(subset)
    return subset


def digest(chosen: Sequence[Candidate]) -> str:
    """SHA-256 over the specs' digests in their order, hex."""
    return hashlib.sha256(b"".join(c.digest for c in chosen)).hexdigest()


def owned(caller: Caller) -> Select[Subset]:
    query = select(Subset)
    return query.where(Subset.cell_id == caller.cell_id) if caller.cell_id else query


async def get(session: AsyncSession, caller: Caller, subset_id: str) -> Subset:
    found = (await session.execute(owned(caller).where(Subset.id == read("sub", subset_id)))).scalar_one_or_none()
    if found is None:
        raise NotFound(f"there is no subset {subset_id}")
    return found


async def specs(session: AsyncSession, subset: Subset) -> list[tuple[str, str]]:
    """(ref, digest) in the subset's order."""
    query = (
        select(SubsetEnvironment.ref, SubsetEnvironment.digest)
        .where(SubsetEnvironment.subset_id == subset.id)
        .order_by(SubsetEnvironment.ordinal)
    )
    return [(ref, digest.hex()) for ref, digest in (await session.execute(query))]


def show_subset(subset: Subset) -> schemas.Subset:
    return schemas.Subset(
        id=show("sub", subset.id),
        digest=subset.digest,
        size=subset.size,
        domains=subset.domains,
        name=subset.name,
        source=subset.source,
        created_at=subset.created_at,
    )


# --- choose


async def _matching(session: AsyncSession, request: schemas.SubsetCreate) -> Sequence[Any]:
    assert request.where is not None
    # every strategy starts from one seeded shuffle that is the same on every machine
    shuffled = func.sha256(Environment.digest.concat(func.int8send(cast(request.seed, BigInteger))))
    query = search.matching(request.where, field="body.where.parameters").with_only_columns(
        Environment.ref,
        Environment.digest,
        Environment.domain,
        Environment.family,
        Environment.base_task,
        func.array_to_string(Environment.modifiers, ",").label("modifiers"),  # reading arrays took half of the query
    )
    rows = (await session.execute(query.order_by(shuffled))).all()
    if not rows:
        raise Invalid(
            "no catalogued environment matches", errors=[("body.where", "matches nothing; see GET /v1/environments")]
        )
    if request.size is not None and request.size > len(rows):
        raise Invalid("too few match", errors=[("body.size", f"{request.size} asked, {len(rows)} match")])
    return rows


def _pick(rows: Sequence[Any], strategy: str, size: int | None) -> list[Candidate]:
    candidates = [
        Candidate(ref, digest, (domain, family, base_task, _change(ref, modifiers)))
        for ref, digest, domain, family, base_task, modifiers in rows
    ]
    return list(itertools.islice(_even(candidates, depth=DEPTHS[strategy]), size))


def _change(ref: str, modifiers: str) -> str:
    """Which axes and modifiers make this spec differ from its base task."""
    axes = [part.split("=")[0] for part in ref.split(":")[0].split(";")[1:]]
    return ",".join([*axes, modifiers])


def _even(candidates: Sequence[Candidate], *, depth: int, level: int = 0) -> Iterator[Candidate]:
    """The candidates in such an order that every beginning of it is even over the strata, coarse ones first."""
    if level == depth:
        yield from candidates
        return
    strata: defaultdict[str, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        strata[candidate.strata[level]].append(candidate)
    turns = [_even(members, depth=depth, level=level + 1) for members in strata.values()]
    while turns:
        going = []
        for turn in turns:
            for candidate in itertools.islice(turn, 1):
                yield candidate
                going.append(turn)
        turns = going


def _named(request: schemas.SubsetCreate) -> list[Candidate]:
    if request.refs is not None:
        return _candidates(catalogue.resolve_all(request.refs, field="body.refs"))
    assert request.grid is not None
    return _candidates(_span(request.grid))


def _candidates(found: Sequence[Spec]) -> list[Candidate]:
    """Once each, in the order given."""
    unique = {spec.digest: spec for spec in reversed(found)}
    ordered = [unique.pop(spec.digest) for spec in found if spec.digest in unique]
    return [Candidate(s.ref, bytes.fromhex(s.digest), (str(s.source.domain),)) for s in ordered]


def _span(grid: schemas.Grid) -> list[Spec]:
    """Every combination of the grid's values and modifier alternatives, last parameter fastest."""
    if any(not values for values in grid.parameters.values()):
        empty = next(name for name, values in grid.parameters.items() if not values)
        raise Invalid("the grid is empty", errors=[(f"body.grid.parameters.{empty}", "give at least one value")])
    size = math.prod(len(values) for values in grid.parameters.values()) * len(grid.modifiers)
    if size > schemas.MAX_SUBSET:
        raise Invalid("the grid is too large", errors=[("body.grid", f"{size} specs; at most {schemas.MAX_SUBSET}")])
    found = []
    for modifiers in grid.modifiers:
        for values in itertools.product(*grid.parameters.values()):
            found.append(_grid_point(grid.family, dict(zip(grid.parameters, values, strict=True)), modifiers))
    return found


def _grid_point(family: str, values: dict[str, Any], modifiers: list[str]) -> Spec:
    try:
        point = Spec.of(family, values)
        return catalogue.parse(":".join([point.ref, *modifiers]))
    except RefProblem as problem:
        raise Invalid(
            "the grid names no environment", errors=[(f"body.grid.{problem.field}", problem.reason)]
        ) from None
