"""Tables that a cell uploads: joint samples from which specs draw parameters. Content-addressed, never changed.

A ref names a table by digest and may be resolved without it. Where a run is submitted the two meet: the cell must have
the table and all its rows must fit. Another cell's table is as if it were not there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from env_registry import Distribution, DistributionKind, RefProblem, Spec, Table, TableProblem
from env_registry.randomisation import drawn_columns
from env_registry.tables import DIGEST
from service import catalogue
from service.api import schemas
from service.errors import Invalid, NotFound
from service.keys import Caller
from service.models import ParameterTable

MAX_OF_A_RUN = 8
"""Tables that the specs of one run name: an item's claim carries them."""


async def create(session: AsyncSession, caller: Caller, request: schemas.TableCreate) -> ParameterTable:
    """The cell's table of this content, which may have been there.

    Raises
    ------
    Invalid
        The content is no table; names the field.
    """
    cell_id = caller.require_cell()
    try:
        table = await asyncio.to_thread(Table.of, request.columns, request.weights)
    except TableProblem as problem:
        raise Invalid("the table cannot be used", errors=[(f"body.{problem.field}", problem.reason)]) from None
    row = {
        "cell_id": cell_id,
        "digest": table.digest,
        "rows": table.rows,
        "columns": sorted(table.columns),
        "weighted": table.weights is not None,
        "bytes": len(table.content),
        "content": table.content.decode(),
    }
    await session.execute(insert(ParameterTable).values(row).on_conflict_do_nothing())
    return await get(session, caller, table.digest)


def owned(caller: Caller) -> Select[ParameterTable]:
    """Tables that the caller may see: its cell's; an operator sees all."""
    query = select(ParameterTable)
    return query.where(ParameterTable.cell_id == caller.cell_id) if caller.cell_id else query


async def get(session: AsyncSession, caller: Caller, digest: str) -> ParameterTable:
    """With its content."""
    found = None
    if DIGEST.fullmatch(digest):
        query = owned(caller).where(ParameterTable.digest == digest).options(undefer(ParameterTable.content)).limit(1)
        found = (await session.execute(query)).scalar_one_or_none()
    if found is None:
        raise NotFound(f"there is no table {digest[:200]!r}; tables are named by their digest, 64 hexadecimal digits")
    return found


def show(table: ParameterTable) -> schemas.Table:
    return schemas.Table.model_validate(table)


async def check(session: AsyncSession, caller: Caller, refs: Iterable[str], *, field: str) -> dict[str, Spec]:
    """That the cell has the tables which these refs name, and that they fit. Answers, by ref, the specs that draw from
    them with each table's column as a choice of its values: no less than what they may be.

    Raises
    ------
    Invalid
        Names the ref, the parameter and, of a table that does not fit, the row, column and value.
    """
    specs = _drawing(refs)
    digests = frozenset[str]().union(*(spec.tables for spec in specs))
    if len(digests) > MAX_OF_A_RUN:
        reason = f"names {len(digests)} tables; one run draws from at most {MAX_OF_A_RUN}"
        raise Invalid("too many tables", errors=[(field, reason)])
    query = owned(caller).where(ParameterTable.digest.in_(digests)).options(undefer(ParameterTable.content))
    contents = {row.digest: row.content for row in await session.scalars(query)} if digests else {}
    missing = digests - contents.keys()
    if missing:
        reason = f"draws from the table {min(missing)}, which is not here; upload it (POST /v1/tables)"
        raise Invalid("a table is missing", errors=[(field, reason)])
    return await asyncio.to_thread(_fitted, specs, contents.values(), field)


def _fitted(specs: Sequence[Spec], contents: Iterable[str], field: str) -> dict[str, Spec]:
    tables = {table.digest: table for table in map(Table.read, contents)}
    known: dict[tuple[Any, ...], dict[str, Distribution]] = {}
    fitted = {}
    for spec in specs:
        drawing = (spec.family, spec.version, spec.from_tables)
        if drawing not in known:
            try:
                columns = drawn_columns(spec.source, dict(spec.parameters), tables)
            except RefProblem as problem:
                raise Invalid("a table does not fit", errors=[(field, f"{spec.ref[:200]}: {problem}")]) from None
            known[drawing] = {
                name: Distribution(DistributionKind.CHOICE, tuple(sorted(set(column))))
                for name, column in columns.items()
            }
        fitted[spec.ref] = replace(spec, parameters=tuple((dict(spec.parameters) | known[drawing]).items()))
    return fitted


async def contents(session: AsyncSession, refs: Iterable[str]) -> list[str]:
    """The tables that these refs, of a run that was checked, name; as canonical JSON, sorted by digest."""
    digests = frozenset[str]().union(*(spec.tables for spec in _drawing(refs)))
    if not digests:
        return []
    rows = select(ParameterTable.digest, ParameterTable.content).where(ParameterTable.digest.in_(digests)).distinct()
    return [content for _, content in sorted((await session.execute(rows)).all())]


def _drawing(refs: Iterable[str]) -> list[Spec]:
    """Those that draw from a table: few of very many, which are not even parsed."""
    return [catalogue.parse(ref) for ref in refs if "=table(" in ref]
