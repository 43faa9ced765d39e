"""SIGKILL between any two SQL statements of a grant, a release and a sweep: counters stay the leases, no item is lost
or done twice."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text

from service import db, leases
from service.db import Sessions
from service.embedded.postgres import EmbeddedPostgres
from service.embedded.redis import EmbeddedRedis
from service.models import Lease
from service.scheduler import loop
from service.scheduler.publish import Publisher
from tests.conftest import create_database
from tests.service.scheduler import struck
from tests.service.scheduler.scene import Scene, ending

MOST_POINTS = 200


@asynccontextmanager
async def opened(postgres: EmbeddedPostgres, name: str) -> AsyncIterator[Sessions]:
    engine = db.create_engine(postgres.url_of(name), pool_size=2)
    try:
        yield db.sessions(engine)
    finally:
        await engine.dispose()


@pytest.fixture(scope="module")
def queued(postgres: EmbeddedPostgres, migrated: str, broker: EmbeddedRedis) -> str:
    """A database in which nothing runs yet; nobody stays connected to it."""
    name = create_database(postgres, migrated)

    async def found() -> None:
        async with opened(postgres, name) as sessions:
            await Scene.found(sessions, broker, items=3)

    asyncio.run(found())
    return name


@pytest.fixture(scope="module")
def running(postgres: EmbeddedPostgres, queued: str, broker: EmbeddedRedis) -> str:
    """A database in which all slots run."""
    name = create_database(postgres, queued)

    async def begin() -> None:
        async with opened(postgres, name) as sessions:
            scene = Scene(sessions, broker)
            await loop._act(sessions, Publisher(sessions))
            for message in await scene.messages():
                assert await scene.claim(message)
            assert len(await scene.running()) == 4

    asyncio.run(begin())
    return name


@pytest.fixture(scope="module")
def late(postgres: EmbeddedPostgres, running: str) -> str:
    """A database in which a worker has fallen silent, a lease was not claimed in time, and the slots are to be divided
    anew."""
    name = create_database(postgres, running)

    async def age() -> None:
        async with opened(postgres, name) as sessions, sessions.begin() as session:
            for statement in LATE:
                await session.execute(text(statement))

    asyncio.run(age())
    return name


LATE = (
    "UPDATE worker SET seen_at = seen_at + (CASE name WHEN 'there' THEN '-1 hour' ELSE '1 hour' END)::interval",
    "UPDATE lease SET seen_at = seen_at + interval '1 hour'",
    "UPDATE lease SET state = 'granted', granted_at = granted_at - interval '1 hour' WHERE id = ("
    "SELECT lease.id FROM lease JOIN worker ON worker.id = worker_id WHERE worker.name = 'here' LIMIT 1)",
    "UPDATE commitment SET rotated_at = rotated_at - interval '1 hour'",
    "INSERT INTO heartbeat_clock VALUES (1, now() - interval '1 hour', now() + interval '1 hour')",
)


@pytest.mark.parametrize("operation", ["grant", "release", "release_and_go_on", "sweep"])
def test_a_process_killed_between_any_two_statements_loses_nothing(
    postgres: EmbeddedPostgres, broker: EmbeddedRedis, request: pytest.FixtureRequest, operation: str
) -> None:
    template = request.getfixturevalue({"grant": "queued", "sweep": "late"}.get(operation, "running"))
    for point in range(1, MOST_POINTS):
        killed = asyncio.run(strike(postgres, broker, create_database(postgres, template), operation, point))
        if not killed:
            break
    points = point - 1
    print(f"{operation}: {points} failpoints")  # noqa: T201
    assert points > {"grant": 15, "release": 15, "release_and_go_on": 25, "sweep": 30}[operation]


async def strike(postgres: EmbeddedPostgres, broker: EmbeddedRedis, database: str, operation: str, point: int) -> bool:
    """Kill the operation at a point, and go on; false if it ended before it came to the point."""
    async with opened(postgres, database) as sessions:
        scene = Scene(sessions, broker)
        scene.forget()
        argument, dropped = arguments(operation, await scene.running()), await granted(sessions)
        blow = struck.Blow(signal.SIGKILL, at=point)
        process = struck.start(struck.operate, operation, postgres.url_of(database), argument, blow)
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        await scene.check(dropped=dropped)
        if operation == "release_and_go_on":
            await repeat(scene, argument)
        await scene.finish()
        return process.exitcode != 0


def arguments(operation: str, held: Sequence[Lease]) -> Any:
    """What a worker sends; each item is done, but one attempt that was lost."""
    outcomes = [leases.Outcome.LOST, leases.Outcome.DONE, leases.Outcome.DONE]
    endings = [ending(lease, outcome) for lease, outcome in zip(held, outcomes, strict=False)]
    if operation == "release":
        return endings
    return [(each, uuid4()) for each in endings] if operation == "release_and_go_on" else None


async def repeat(scene: Scene, takes: list[tuple[leases.Ending, UUID]]) -> None:
    """The worker got no answer and sends its releases again: they are accepted, and no slot gets two items."""
    answers = await struck.release_and_go_on(scene.sessions, takes)
    assert all(answer.accepted for answer in answers)
    assert await struck.release_and_go_on(scene.sessions, takes) == answers
    assert {answer.next.lease_id for answer in answers if answer.next} <= {each.id for each in await scene.running()}
    await scene.check()


async def granted(sessions: Sessions) -> list[UUID]:
    async with sessions() as session:
        return list(await session.scalars(select(Lease.id).where(Lease.state == "granted")))
