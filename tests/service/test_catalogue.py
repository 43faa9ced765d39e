"""The catalogue's table is replaced as a whole, pages go on over it, and ranges are found by steps."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

import env_registry
from env_registry import Spec
from service import catalogue, db, search
from service.api.schemas import Where
from service.models import Environment

WHERE = Where(family="classic/*")


def listing(monkeypatch: pytest.MonkeyPatch, specs: Sequence[Spec]) -> None:
    """The registry enumerates these, in the order given, and its files are others than before."""
    monkeypatch.setattr(env_registry, "enumerate_specs", lambda: iter(specs))
    monkeypatch.setattr(catalogue, "source_sha256", lambda: str(hash(tuple(specs))))


async def load(engine: AsyncEngine) -> None:
    async with db.sessions(engine).begin() as session:
        await catalogue.load(session)


async def turn(engine: AsyncEngine, cursor: str | None) -> tuple[list[str], str | None]:
    async with db.reads(engine).connect() as reader:
        shown, following = await search.turn(reader, WHERE, field="query.param", cursor=cursor, limit=20)
    return [text.partition('"digest":"')[2][:64] for text in shown], following


def test_pages_go_on_over_a_reload_without_a_gap_or_a_double(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = [spec for spec in env_registry.enumerate_specs() if spec.family.startswith("classic/")][:120]
    before, after = specs[:90], [*specs[100:], *specs[20:90]]  # some are gone, some are new, all stand elsewhere

    async def walk() -> list[str]:
        engine = db.create_engine(database_url)
        listing(monkeypatch, before)
        await load(engine)
        seen, cursor = await turn(engine, None)
        listing(monkeypatch, after)
        await load(engine)
        while cursor is not None:
            page, cursor = await turn(engine, cursor)
            seen += page
        await engine.dispose()
        return seen

    seen = asyncio.run(walk())
    assert len(set(seen)) == len(seen)
    lasting = {spec.digest for spec in before} & {spec.digest for spec in after}
    assert len(lasting) == 70
    assert lasting <= set(seen)
    last_before = sorted(seen)[19]
    assert {spec.digest for spec in after if spec.digest > last_before} <= set(seen)


def test_readers_see_the_catalogue_before_until_the_new_one_is_whole(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = [spec for spec in env_registry.enumerate_specs() if spec.family.startswith("classic/")]

    async def counts() -> list[int]:
        engine = db.create_engine(database_url)
        listing(monkeypatch, specs[:30])
        await load(engine)
        found = []
        async with db.reads(engine).connect() as reader:
            listing(monkeypatch, specs[20:70])
            async with db.sessions(engine).begin() as session:
                await catalogue.load(session)
                for query in (Where(), WHERE):
                    found.append((await search.facets(reader, query, field="query.param")).specs)
            found.append((await catalogue.counts(reader)).specs)
            found.append(await reader.scalar(select(func.count()).select_from(Environment)) or 0)
        await engine.dispose()
        return found

    assert asyncio.run(counts()) == [30, 30, 50, 50]


numbers = st.floats(allow_nan=False) | st.integers(-(2**63), 2**63)


@given(numbers, numbers)
def test_steps_never_fall_where_numbers_rise(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    assert search.step(low) <= search.step(high)


def test_steps_tell_levels_apart_and_end_somewhere() -> None:
    assert len({search.step(level) for level in (-1, 0, 0.25, 0.3535, 0.5, 1, 1.4143, 2)}) == 8
    assert search.step(math.inf) == search.step(2**32) == -search.step(-math.inf) < 300
