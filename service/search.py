"""Searching the catalogue: which specs fit, page by page, and how many of each kind. See docs/decisions/0012-search.md.

Knows the tables of environments and postings; what a condition means is `conditions`' business, and what a row holds
`catalogue`'s.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import ARRAY, BigInteger, ColumnElement, LargeBinary, Select, any_, case, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

import env_registry
from service import db, pages, postings
from service.api import schemas
from service.conditions import NONE, Term, conditions
from service.models import CatalogueState, Environment

GROUPED = ("family", "modifiers", "agents", "observations", "actions", "seed_sensitive", "snapshot")
"""Columns that facets count. Whatever else they count follows from the family."""

MOST_LOOKED_UP = 5000
"""Rows up to which an index is faster than a scan of all."""

_POSTINGS = """
SELECT version, last, first, place, specs, numbers, "values"
FROM (
    SELECT
        version,
        (SELECT max(number) FROM environment) AS last,
        (SELECT number FROM environment WHERE digest > %(after)s ORDER BY digest LIMIT 1) AS first
    FROM catalogue_state
) AS catalogue
LEFT JOIN (
    SELECT place, specs, numbers, CASE WHEN step IN (low, high) THEN "values" END AS "values"
    FROM unnest(%(names)s::text[], %(lows)s::int[], %(highs)s::int[]) WITH ORDINALITY AS asked (name, low, high, place)
    JOIN posting ON posting.name = asked.name AND step BETWEEN low AND high
    UNION ALL
    SELECT place, specs, numbers, NULL
    FROM unnest(%(names)s::text[]) WITH ORDINALITY AS asked (name, place)
    JOIN holdout ON 'split=' || kind = name
    JOIN split_in_force USING (split_id)
) AS found ON true
"""
"""Who has what is asked, term by term; beside it the catalogue's version, the number of its last spec, and that of the
first after a digest. One row without a term where nobody has any."""

_ROWS = """
SELECT version, digest, shown
FROM catalogue_state LEFT JOIN environment ON number = ANY(%(numbers)s::bigint[])
ORDER BY number
"""
"""The catalogue's version, and rows in the order of pages. One row without an environment where none is asked for."""


@dataclass(frozen=True)
class Matching:
    """The specs that fit a search in one version of the catalogue; None: there is no catalogue."""

    version: str | None
    mask: postings.Mask

    @property
    def rows(self) -> ColumnElement[bool]:
        """Holds for the rows of these specs, as long as the table holds this version."""
        numbers = np.flatnonzero(self.mask)
        if len(numbers) <= MOST_LOOKED_UP:
            return Environment.number == any_(cast(numbers.tolist(), ARRAY(BigInteger)))
        picked = func.get_bit(cast(postings.bits(self.mask), LargeBinary), Environment.number) == 1
        return case((Environment.number < len(self.mask), picked), else_=False)


async def turn(
    reader: AsyncConnection, where: schemas.Where, *, field: str, cursor: str | None, limit: int
) -> tuple[list[str], str | None]:
    """A page of the specs for which all conditions hold, as JSON of `schemas.Environment`, and the next cursor.

    Raises
    ------
    Invalid
        As `conditions`; or the cursor is not one of ours.
    """
    after = b"" if cursor is None else pages.decode(cursor, bytes)
    while True:
        found = await matching(reader, where, field=field, after=after)
        if found.version is None:
            return [], None
        numbers = postings.head(found.mask, limit + 1)
        rows = await db.fetch(reader, _ROWS, {"numbers": f"{{{','.join(map(str, numbers[:limit]))}}}"})
        if rows and rows[0][0] == found.version:  # else the catalogue was replaced between the two statements
            more = len(numbers) > limit
            return [shown for _, _, shown in rows if shown], pages.encode(rows[-1][1]) if more else None


async def matching(reader: db.Reader, where: schemas.Where, *, field: str, after: bytes = b"") -> Matching:
    """The specs for which all conditions hold, of those with a digest above `after`.

    Raises
    ------
    Invalid
        As `conditions`.
    """
    asked = conditions(where, field=field)
    terms = [term for condition in asked for term in condition.terms]
    parameters = {
        "after": after,
        "names": [term.name for term in terms],
        "lows": [postings.step(term.low) for term in terms],
        "highs": [postings.step(term.high) for term in terms],
    }
    rows = await db.fetch(reader, _POSTINGS, parameters)
    if not rows:
        return Matching(None, np.zeros(0, np.bool_))
    version, last, first, *_ = rows[0]
    if first is None:
        return Matching(version, np.zeros(0, np.bool_))
    mask = np.ones(last + 1, np.bool_)
    mask[:first] = False
    found: defaultdict[Term, list[Any]] = defaultdict(list)
    for _, _, _, place, *posting in rows:
        if place is not None:
            found[terms[place - 1]].append(posting)
    for condition in asked:
        having = np.zeros_like(mask)
        for term in condition.terms:
            for specs, numbers, values in found[term]:
                postings.mark(having, specs, numbers, values, term.low, term.high)
        mask &= having if condition.having else ~having
    return Matching(version, mask)


async def facets(reader: AsyncConnection, where: schemas.Where, *, field: str) -> schemas.Facets:
    """How many of the specs for which all conditions hold have each value.

    Raises
    ------
    Invalid
        As `conditions`.
    """
    if where == schemas.Where():
        counted = await reader.scalar(select(CatalogueState.counts["facets"]))
        return schemas.Facets.model_validate(counted or _facets([]))
    while True:
        found = await matching(reader, where, field=field)
        counted = await tally(reader, select(Environment).where(found.rows))
        if await reader.scalar(select(CatalogueState.version)) == found.version:  # as in `turn`
            return counted


async def tally(reader: db.Reader, matching: Select[Environment]) -> schemas.Facets:
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
