"""The catalogue is replaced as a whole, and pages go on over it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

import env_registry
from env_registry import Spec
from service import catalogue, conditions, db, search
from service.api.schemas import CatalogueCounts, Facets, Where
from service.models import CatalogueState, Environment

WHERE = Where(family="classic/*")


def listing(monkeypatch: pytest.MonkeyPatch, specs: Sequence[Spec]) -> None:
    """The registry enumerates these, in the order given, and its files are others than before."""
    monkeypatch.setattr(env_registry, "enumerate_specs", lambda: iter(specs))
    monkeypatch.setattr(catalogue, "source_sha256", lambda: str(hash(tuple(specs))))


async def load(engine: AsyncEngine) -> None:
    async with db.sessions(engine).begin() as session:
        await catalogue.load(session)


async def turn(engine: AsyncEngine, cursor: str | None) -> tuple[list[str], str | None]:
    async with engine.connect() as reader:
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
        engine, reads = db.create_engine(database_url), db.create_reads(database_url)
        listing(monkeypatch, specs[:30])
        await load(engine)
        found = []
        async with reads.connect() as reader:
            listing(monkeypatch, specs[20:70])
            async with db.sessions(engine).begin() as session:
                await catalogue.load(session)
                for query in (Where(), WHERE):
                    found.append((await search.facets(reader, query, field="query.param")).specs)
            found.append((await catalogue.counts(reader)).specs)
            found.append(await reader.scalar(select(func.count()).select_from(Environment)) or 0)
        await engine.dispose()
        await reads.dispose()
        return found

    assert asyncio.run(counts()) == [30, 30, 50, 50]


def test_tasks_of_a_single_turn_are_counted_apart_and_found_or_left_out(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pendulum = env_registry.families()["classic/pendulum"]
    specs = [spec for spec in env_registry.enumerate_specs() if spec.family in ("classic/cartpole", pendulum.name)]
    asking = replace(pendulum, traits=replace(pendulum.traits, single_turn=True))
    monkeypatch.setitem(env_registry.families(), pendulum.name, asking)  # type: ignore[arg-type]
    monkeypatch.setitem(env_registry.family_versions(), (pendulum.name, 1), asking)  # type: ignore[arg-type]
    monkeypatch.setattr(conditions, "_names_of_family", conditions._names_of_family.__wrapped__)
    apart = sum(spec.family == pendulum.name for spec in specs)

    async def counts() -> tuple[CatalogueCounts, list[Facets]]:
        engine, reads = db.create_engine(database_url), db.create_reads(database_url)
        listing(monkeypatch, specs)
        async with db.sessions(engine).begin() as session:
            assert len(await catalogue.load(session)) == len(specs)
            assert await catalogue.load(session) == []
        async with reads.connect() as reader:
            wheres = (Where(), Where(single_turn=True), Where(single_turn=False), Where(tag="single_turn"))
            found = [await search.facets(reader, where, field="query.param") for where in wheres]
            counted = await catalogue.counts(reader)
        await reads.dispose()
        await engine.dispose()
        return counted, found

    counted, (every, asked, others, tagged) = asyncio.run(counts())
    assert (counted.specs, counted.families, counted.base_tasks, counted.single_turn) == (
        len(specs) - apart,
        1,
        1,
        apart,
    )
    assert counted.domains == {"physics": len(specs) - apart}
    assert (every.specs, asked.specs, others.specs) == (len(specs), apart, len(specs) - apart)
    assert set(asked.family) == {pendulum.name}
    assert tagged == asked
    assert others.family == {"classic/cartpole": len(specs) - apart}


def test_pages_hold_only_what_fits_while_the_catalogue_is_replaced_again_and_again(database_url: str) -> None:
    specs = list(env_registry.enumerate_specs())
    classic = [spec for spec in specs if spec.family.startswith("classic/")]
    lasting, more, others = (
        classic[:60],
        classic[60:200],
        [spec for spec in specs if spec.family.startswith("openspiel/")][:140],
    )
    catalogues = [
        [catalogue.entry(spec, b"") for spec in sorted(lasting + some, key=lambda spec: spec.digest)]
        for some in (more, others)
    ]

    async def replace(engine: AsyncEngine, entries: Sequence[catalogue.Entry]) -> None:
        async with db.sessions(engine).begin() as session:
            version = await catalogue.write(session, entries)
            session.add(CatalogueState(id=1, source_sha256=version, version=version, counts={}))

    async def walk() -> list[list[str]]:
        engine = db.create_engine(database_url)
        await replace(engine, catalogues[0])
        walks: list[list[str]] = []

        async def go_on() -> None:
            for entries in itertools.cycle(reversed(catalogues)):
                if len(walks) == 20:
                    return
                await replace(engine, entries)

        replacing = asyncio.create_task(go_on())
        while len(walks) < 20:
            seen, cursor = await turn(engine, None)
            while cursor is not None:
                page, cursor = await turn(engine, cursor)
                seen += page
            walks.append(seen)
        await replacing
        await engine.dispose()
        return walks

    for seen in asyncio.run(walk()):
        assert seen == sorted(set(seen))
        assert {spec.digest for spec in lasting} <= set(seen) <= {spec.digest for spec in lasting + more}
