"""Subsets: immutable, digest-addressed lists of specs, chosen by a query, given as refs, spanned by a grid of
parameters, or made of other subsets."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import math
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from sqlalchemy import ARRAY, BigInteger, Select, Uuid, cast, exists, func, literal, select
from sqlalchemy.dialects.postgresql import aggregate_order_by, distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

import env_registry
from env_registry import RefProblem, Spec, metric
from service import catalogue, db, search, splits, strategies
from service.api import schemas
from service.errors import Conflict, Invalid, NotFound, Unavailable
from service.ids import new_id, read, show
from service.keys import Caller
from service.models import CatalogueState, Environment, Subset, SubsetEnvironment

MOST_CHOICES = 4
"""Requests at a time that choose: each holds a connection, and all but one wait for the thread."""
RETRY_S = 2

_thread = ThreadPoolExecutor(1, "choose")
"""Chooses, one subset after another; numpy lets go of the interpreter while it computes, so that requests go on."""
_room = threading.BoundedSemaphore(MOST_CHOICES)


class Member(NamedTuple):
    ref: str
    digest: bytes

    @property
    def domain(self) -> str:
        return str(env_registry.families()[self.ref.partition("@")[0]].domain)


class _Matching(NamedTuple):
    """The specs that match, in a seeded order: 32 bytes of digest, a vector, and of each text a line."""

    catalogue: str
    total: int
    digests: bytes
    vectors: bytes
    refs: str
    domains: str
    families: str
    base_tasks: str
    modifiers: str


@dataclass(frozen=True)
class _Chosen:
    """The list that a request asks for. `catalogue`, `coverage` and `split` are None where no query chose it;
    `left_out` is how many more match and are held out of training."""

    members: Sequence[Member]
    digest: str
    domains: dict[str, int]
    catalogue: str | None
    coverage: dict[str, Any] | None
    split: str | None = None
    left_out: int = 0


async def create(session: AsyncSession, caller: Caller, request: schemas.SubsetCreate) -> Subset:
    """A new subset; the one that is there where the cell has one of this name and list.

    Raises
    ------
    Invalid
        A ref does not resolve, the grid is wrong, nothing is left, or too much would be compared; names the field.
    Conflict
        The name is taken by another list, or the catalogue has another version than asked for.
    Unavailable
        As many subsets as may be are being chosen already.
    """
    cell_id = caller.require_cell()
    chosen = await _chosen(session, caller, request)
    new = insert(Subset).values(
        id=new_id(),
        cell_id=cell_id,
        digest=chosen.digest,
        size=len(chosen.members),
        domains=chosen.domains,
        name=request.name,
        source=request.model_dump(mode="json", exclude_none=True),
        split=chosen.split,
        left_out=chosen.left_out,
        catalogue=chosen.catalogue,
        coverage=chosen.coverage,
    )
    # waits while another request makes one of the same name
    subset: Subset | None = await session.scalar(
        new.on_conflict_do_nothing(index_elements=["cell_id", "name"]).returning(Subset)
    )
    if subset is None:
        return await _same_named(session, cell_id, request.name, chosen.digest)
    rows = (
        {"subset_id": subset.id, "ordinal": i, "ref": m.ref, "digest": m.digest} for i, m in enumerate(chosen.members)
    )
    await db.copy(session, SubsetEnvironment.__table__, rows)
    return subset


async def _same_named(session: AsyncSession, cell_id: UUID, name: str | None, digest: str) -> Subset:
    query = select(Subset).where(Subset.cell_id == cell_id, Subset.name == name)
    subset = (await session.execute(query)).scalar_one()
    if subset.digest != digest:
        reason = f"names another list: {show('sub', subset.id)}"
        raise Conflict(f"there is a subset named {name}", errors=[("body.name", reason)])
    return subset


def owned(caller: Caller) -> Select[Subset]:
    query = select(Subset)
    return query.where(Subset.cell_id == caller.cell_id) if caller.cell_id else query


async def get(session: AsyncSession, caller: Caller, name: str) -> Subset:
    """By id, by digest (of equal lists the first), or by name in the caller's cell.

    Raises
    ------
    NotFound
        The caller has no such subset.
    """
    missing = NotFound(f"there is no subset {name[:100]!r}; ask by its id (sub_…), its digest or its name")
    if name.startswith("sub_"):
        query = owned(caller).where(Subset.id == read("sub", name))
    elif re.fullmatch(schemas.SHA256, name):
        query = owned(caller).where(Subset.digest == name).order_by(Subset.id).limit(1)
    elif re.fullmatch(schemas.NAME, name):
        query = select(Subset).where(Subset.cell_id == caller.cell_id, Subset.name == name)
    else:
        raise missing
    found = (await session.execute(query)).scalar_one_or_none()
    if found is None:
        raise missing
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
        split=subset.split,
        left_out=subset.left_out,
        catalogue=subset.catalogue,
        coverage=schemas.Coverage(**subset.coverage) if subset.coverage else None,
        created_at=subset.created_at,
    )


async def _chosen(session: AsyncSession, caller: Caller, request: schemas.SubsetCreate) -> _Chosen:
    if request.where is not None:
        split, left_out = await _held_to(session, request.where)
        with _one_of_few():
            matching = await _matching(session, request)
            _check(request, matching, held=f"all {left_out} that match are held out by {split}" if left_out else "")
            chosen = await asyncio.get_running_loop().run_in_executor(_thread, _choose, matching, request)
        return replace(chosen, split=split, left_out=left_out)
    if request.refs is not None or request.grid is not None:
        return await asyncio.to_thread(lambda: _listed(_named(request)))
    members = await _combined(session, caller, request)
    return await asyncio.to_thread(_listed, members)


def _listed(members: Sequence[Member], catalogue: str | None = None, coverage: dict[str, Any] | None = None) -> _Chosen:
    """Takes a while for as many as the whole catalogue: not for the event loop."""
    digest = hashlib.sha256(b"".join(member.digest for member in members)).hexdigest()
    domains = Counter(member.domain for member in members)
    return _Chosen(members, digest, dict(sorted(domains.items())), catalogue, coverage)


# --- by a query


@contextmanager
def _one_of_few() -> Iterator[None]:
    if not _room.acquire(blocking=False):
        raise Unavailable("the pool is choosing other subsets; try again", retry_after_s=RETRY_S)
    try:
        yield
    finally:
        _room.release()


async def _held_to(session: AsyncSession, where: schemas.Where) -> tuple[str | None, int]:
    """The split in force, and how many that match it leaves out of a subset for training."""
    split = await splits.in_force(session)
    if split is None or where.split not in (None, "train"):
        return splits.ref(split) if split else None, 0
    where = where.model_copy(update={"split": "heldout"})
    found = await search.matching(session, where, field="body.where.parameters")
    held = select(func.count()).select_from(Environment).where(found.rows)
    return splits.ref(split), await session.scalar(held) or 0


async def _matching(session: AsyncSession, request: schemas.SubsetCreate) -> _Matching:
    """All that match in a seeded order, from which every strategy starts: the same on every machine.

    One row, however many match: reading them one by one would keep other requests waiting.
    """
    assert request.where is not None
    seeded = func.sha256(Environment.digest.concat(func.int8send(cast(request.seed, BigInteger))))
    where = request.where.model_copy(update={"split": request.where.split or "train"})
    found = await search.matching(session, where, field="body.where.parameters")
    modifiers = func.array_to_string(Environment.modifiers, ",")
    texts = (Environment.ref, Environment.domain, Environment.family, Environment.base_task, modifiers)
    of = select(Environment.digest, Environment.vector, *texts, seeded).where(found.rows).subquery()
    *columns, order = of.c
    between = [b"", b"", *["\n"] * len(texts)]
    row = await session.execute(
        select(
            select(CatalogueState.version).scalar_subquery(),
            func.count(),
            *(
                func.string_agg(column, aggregate_order_by(literal(separator), order))
                for column, separator in zip(columns, between, strict=True)
            ),
        ).select_from(of)
    )
    matching = _Matching(*row.one())
    # the catalogue may have been replaced between the two statements
    return matching if matching.catalogue == found.version else await _matching(session, request)


def _check(request: schemas.SubsetCreate, matching: _Matching, *, held: str) -> None:
    if request.catalogue not in (None, matching.catalogue):
        reason = f"this pool has {matching.catalogue}"
        raise Conflict("the catalogue has another version", errors=[("body.catalogue", reason)])
    total = matching.total
    if not total:
        raise Invalid(
            "no catalogued environment matches",
            errors=[("body.where", held or "matches nothing; see GET /v1/environments")],
        )
    size = request.size or total
    if size > total:
        raise Invalid("too few match", errors=[("body.size", f"{size} asked, {total} match")])
    if request.strategy == "diverse" and size * total > strategies.MOST_PAIRS:
        reason = f"{size} of {total}; diverse takes at most {strategies.MOST_PAIRS // total} of so many"
        raise Invalid("too much to compare", errors=[("body.size", reason)])


def _choose(matching: _Matching, request: schemas.SubsetCreate) -> _Chosen:
    # flat lists of text: with an object for each spec, the collection of garbage would stop all threads for long
    candidates = strategies.Candidates(
        strata=[text.split("\n") for text in (matching.domains, matching.families, matching.base_tasks)],
        modifiers=matching.modifiers.split("\n"),
        vectors=np.frombuffer(matching.vectors, metric.VECTOR).reshape(matching.total, -1),
    )
    taken = strategies.take(candidates, request.strategy, request.size or matching.total)
    refs = matching.refs.split("\n")
    members = [Member(refs[i], matching.digests[32 * i : 32 * i + 32]) for i in taken.tolist()]
    return _listed(members, matching.catalogue, strategies.coverage(candidates, taken))


# --- by name


def _named(request: schemas.SubsetCreate) -> list[Member]:
    if request.refs is not None:
        return _members(catalogue.resolve_all(request.refs, field="body.refs"))
    assert request.grid is not None
    return _members(_span(request.grid))


def _members(found: Sequence[Spec]) -> list[Member]:
    """Once each, in the order given."""
    return list(dict.fromkeys(Member(spec.ref, bytes.fromhex(spec.digest)) for spec in found))


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


# --- of other subsets


async def _combined(session: AsyncSession, caller: Caller, request: schemas.SubsetCreate) -> list[Member]:
    """Each spec once, in the order of the first subset that has it."""
    how, names = request.combination
    ids = [(await _source(session, caller, name, f"body.{how}[{i}]")).id for i, name in enumerate(names)]
    rows = await session.execute(_union(ids) if how == "union" else _kept(ids, shared=how == "intersection"))
    members = [Member(ref, digest) for ref, digest in rows]
    if not members:
        raise Invalid("nothing is left", errors=[(f"body.{how}", "has no environment; a subset has one or more")])
    if len(members) > schemas.MAX_SUBSET:
        reason = f"more than {schemas.MAX_SUBSET} environments"
        raise Invalid("the subset is too large", errors=[(f"body.{how}", reason)])
    return members


async def _source(session: AsyncSession, caller: Caller, name: str, field: str) -> Subset:
    try:
        return await get(session, caller, name)
    except NotFound as problem:
        raise Invalid(problem.detail, errors=[(field, problem.detail)]) from None


def _union(ids: Sequence[UUID]) -> Select[str, bytes]:
    member = SubsetEnvironment
    place = func.array_position(cast(ids, ARRAY(Uuid)), member.subset_id).label("place")
    each = (
        select(member.ref, member.digest, place, member.ordinal)
        .where(member.subset_id.in_(ids))
        .ext(distinct_on(member.digest))
        .order_by(member.digest, place, member.ordinal)
        .subquery()
    )
    return select(each.c.ref, each.c.digest).order_by(each.c.place, each.c.ordinal).limit(schemas.MAX_SUBSET + 1)


def _kept(ids: Sequence[UUID], *, shared: bool) -> Select[str, bytes]:
    """Of the first subset what all others have, or what none has."""
    member = SubsetEnvironment
    query = select(member.ref, member.digest).where(member.subset_id == ids[0]).order_by(member.ordinal)
    for id in ids[1:]:
        other = aliased(SubsetEnvironment)
        there = exists().where(other.subset_id == id, other.digest == member.digest)
        query = query.where(there if shared else ~there)
    return query
