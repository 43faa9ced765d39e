"""Connections to PostgreSQL: sessions, and wake-ups by NOTIFY. Knows no table."""

from __future__ import annotations

import asyncio
import json
import select
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import structlog
from psycopg import sql
from sqlalchemy import ARRAY, CollectionAggregate, FromClause, Uuid, any_, literal, text
from sqlalchemy.engine import make_url
from sqlalchemy.event import listen
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

SCHEDULE = "worldpool_schedule"
"""Channel: something changed that may let an item start; with the payload SWEEP also what deadlines there are."""
SWEEP = "sweep"
RUN = "worldpool_run"
"""Channel: a run got a chunk or changed its state; the payload is the run's id."""
WEBHOOK = "worldpool_webhook"
"""Channel: an event waits to be told to webhooks."""

log = structlog.get_logger()
Sessions = async_sessionmaker[AsyncSession]
Reader = AsyncSession | AsyncConnection
"""What a statement can be asked of."""


def create_engine(url: str, *, pool_size: int = 10) -> AsyncEngine:
    return _engine(url, pool_size)


def create_reads(url: str, *, pool_size: int = 10) -> AsyncEngine:
    """Connections for statements that only read, each for itself: nothing is begun, committed or reset.

    What they ask has one best plan, whatever its values: to plan it each time took longer than to carry it out.
    """
    generic = {"options": "-c plan_cache_mode=force_generic_plan"}
    return _engine(url, pool_size, isolation_level="AUTOCOMMIT", pool_reset_on_return=None, connect_args=generic)


def _engine(url: str, pool_size: int, **options: Any) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=pool_size, max_overflow=pool_size, hide_parameters=True, **options)
    listen(engine.sync_engine, "checkout", _refuse_dead)
    return engine


def _refuse_dead(adapted: Any, record: object, proxy: object) -> None:
    """A connection from the pool whose server has gone is replaced. An idle server says nothing unless it goes, so that
    something to read is enough to know; asking it, as `pool_pre_ping` does, takes 90 us of every request."""
    driver = adapted.driver_connection
    if driver.closed:
        raise DisconnectionError
    poll = select.poll()
    poll.register(driver.fileno(), select.POLLIN)
    if poll.poll(0):
        raise DisconnectionError


def sessions(engine: AsyncEngine) -> Sessions:
    return async_sessionmaker(engine, expire_on_commit=False)


async def notify(session: AsyncSession, channel: str, *payloads: str) -> None:
    """Wake the listeners of `channel` when this transaction commits, for each payload."""
    told = text("SELECT pg_notify(:channel, payload) FROM unnest(CAST(:payloads AS text[])) payload")
    await session.execute(told, {"channel": channel, "payloads": list(payloads) or [""]})


async def fetch(reader: Reader, statement: LiteralString, parameters: Mapping[str, Any]) -> list[Any]:
    """Rows of a statement in psycopg's own words (`%(name)s`): what many requests ask takes a third of the time so."""
    async with _driver(reader, statement) as driver:
        cursor = await driver.execute(statement, parameters, prepare=True, binary=True)
        return await cursor.fetchall()


def any_of(ids: Iterable[UUID]) -> CollectionAggregate[bool]:
    """To compare a column with, by `==`: as one parameter. The text of IN differs with their number, and each is parsed
    anew."""
    return any_(literal(list(ids), ARRAY(Uuid())))


async def insert(session: AsyncSession, table: FromClause, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append rows, all with the same columns, by one statement; where there are hundreds, a statement for each costs
    most of the transaction."""
    names = ", ".join(rows[0])
    record = f"json_populate_recordset(CAST(NULL AS {table.description}), CAST(:rows AS json))"
    statement = text(f"INSERT INTO {table.description} ({names}) SELECT {names} FROM {record}")
    await session.execute(statement, {"rows": rows_json(rows)})


def rows_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """What `json_populate_recordset` reads as rows of a table: one parameter, however many they are."""
    return json.dumps(rows, default=str)


async def copy(session: AsyncSession, table: FromClause, rows: Iterable[Mapping[str, Any]]) -> None:
    """Append rows that have every column of `table`, by COPY: six times as fast as INSERT where there are thousands.

    Values are of PostgreSQL's types or their text (JSON is text). `rows` is read on while the database works.
    """
    columns = [column.name for column in table.columns]
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table.description), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    async with (
        _driver(session, "COPY") as driver,
        driver.cursor() as cursor,
        cursor.copy(statement) as copying,
    ):
        for row in rows:
            await copying.write_row([row[name] for name in columns])


@asynccontextmanager
async def _driver(reader: Reader, statement: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """psycopg's connection. What goes wrong looks as SQLAlchemy would report it."""
    connection = await reader.connection() if isinstance(reader, AsyncSession) else reader
    driver = (await connection.get_raw_connection()).driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    try:
        yield driver
    except psycopg.Error as error:
        raise DBAPIError(statement, None, error, connection_invalidated=driver.broken) from error


def driver_url(url: str) -> str:
    """The same address for psycopg itself."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@asynccontextmanager
async def listening(url: str, channel: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection of its own that listens on `channel`."""
    async with await psycopg.AsyncConnection.connect(driver_url(url), autocommit=True) as connection:
        await connection.execute(f"LISTEN {channel}".encode())
        yield connection


class Wakeups:
    """Wakes coroutines of this process when a key is notified on a channel. Reconnects, and then wakes everyone."""

    def __init__(self, url: str, channel: str) -> None:
        self._url = url
        self._channel = channel
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def subscribe(self, key: str) -> Iterator[asyncio.Event]:
        """An event that is set at each notification of `key`; the reader clears it before it looks."""
        event = asyncio.Event()
        self._waiting[key].add(event)
        try:
            yield event
        finally:
            self._waiting[key].discard(event)
            if not self._waiting[key]:
                del self._waiting[key]

    async def listen(self) -> None:
        """Runs until cancelled."""
        while True:
            try:
                async with listening(self._url, self._channel) as connection:
                    self._wake(*self._waiting)  # whatever was missed while not connected
                    async for notification in connection.notifies():
                        self._wake(notification.payload)
            except psycopg.OperationalError as error:
                log.warning("wakeups.disconnected", channel=self._channel, error=str(error).splitlines()[0])
                await asyncio.sleep(0.5)

    def _wake(self, *keys: str) -> None:
        for key in keys:
            for event in self._waiting.get(key, ()):
                event.set()
