"""Rows by COPY: all or none, and what goes wrong looks like any other error of the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from service import db
from service.ids import new_id
from service.models import Cell

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def cells(*names: str) -> Iterator[dict[str, Any]]:
    for name in names:
        yield {"id": new_id(), "name": name, "created_at": NOW}


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[db.Sessions]:
    engine = db.create_engine(url)
    try:
        yield db.sessions(engine)
    finally:
        await engine.dispose()


async def names(sessions: db.Sessions) -> list[str]:
    async with sessions() as session:
        return list(await session.scalars(select(Cell.name).order_by(Cell.name)))


def test_a_connection_that_the_server_ended_is_replaced_before_its_next_use(database_url: str) -> None:
    async def run() -> None:
        reads = db.create_reads(database_url)
        async with reads.connect() as connection:
            first = await connection.scalar(select(func.pg_backend_pid()))
        async with await psycopg.AsyncConnection.connect(db.driver_url(database_url), autocommit=True) as other:
            ended = await other.execute("SELECT pg_terminate_backend(%s, 10000)", (first,))  # waits for its end
            assert await ended.fetchone() == (True,)
        async with reads.connect() as connection:
            assert await connection.scalar(select(func.pg_backend_pid())) != first
        await reads.dispose()

    asyncio.run(run())


def test_a_connection_lost_in_the_middle_of_a_fetch_is_reported_as_lost_and_replaced(database_url: str) -> None:
    async def run() -> None:
        reads = db.create_reads(database_url)
        async with reads.connect() as connection:
            with pytest.raises(DBAPIError) as caught:
                await db.fetch(connection, "SELECT pg_terminate_backend(pg_backend_pid())", {})
            assert caught.value.connection_invalidated
        async with reads.connect() as connection:
            assert await db.fetch(connection, "SELECT %(x)s::int", {"x": 1}) == [(1,)]
        await reads.dispose()

    asyncio.run(run())


def test_a_fetch_that_is_given_up_leaves_its_connection_fit_for_the_next(database_url: str) -> None:
    async def run() -> None:
        reads = db.create_reads(database_url)
        async with reads.connect() as connection:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await db.fetch(connection, "SELECT pg_sleep(60)", {})
        async with reads.connect() as connection:
            assert await db.fetch(connection, "SELECT %(x)s::int", {"x": 1}) == [(1,)]
        await reads.dispose()

    asyncio.run(run())


def test_copied_rows_are_what_was_given(database_url: str) -> None:
    async def run() -> None:
        async with connected(database_url) as sessions:
            given = sorted(cells("tab\there", "back\\slash", "ünï"), key=lambda cell: cell["id"])
            async with sessions.begin() as session:
                await db.copy(session, Cell.__table__, given)
            async with sessions() as session:
                found = await session.scalars(select(Cell).order_by(Cell.id))
                assert [{"id": c.id, "name": c.name, "created_at": c.created_at} for c in found] == given

    asyncio.run(run())


@pytest.mark.parametrize("wrong", ["a", "nul\0"])
def test_a_row_that_cannot_be_leaves_none(database_url: str, wrong: str) -> None:
    async def run() -> None:
        async with connected(database_url) as sessions:
            with pytest.raises(DBAPIError) as caught:
                async with sessions.begin() as session:
                    await db.copy(session, Cell.__table__, cells("a", wrong))
            assert isinstance(caught.value.orig, psycopg.DataError | psycopg.IntegrityError)
            assert not caught.value.connection_invalidated
            assert await names(sessions) == []

    asyncio.run(run())


def test_a_connection_lost_meanwhile_is_reported_as_lost_and_leaves_nothing(database_url: str) -> None:
    async def run() -> None:
        async with connected(database_url) as sessions:
            with pytest.raises(DBAPIError) as caught:
                await lose(sessions)
            assert caught.value.connection_invalidated
            assert await names(sessions) == []

    async def lose(sessions: db.Sessions) -> None:
        async with sessions.begin() as session:
            backend = await session.scalar(select(func.pg_backend_pid()))
            await db.copy(session, Cell.__table__, dying(backend))

    def dying(backend: int | None) -> Iterator[dict[str, Any]]:
        yield from cells("a")
        with psycopg.connect(db.driver_url(database_url)) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])  # returns when it is gone
        yield from cells("b")

    asyncio.run(run())
