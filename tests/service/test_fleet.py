"""Heartbeats may come twice, late and in any order: capacity follows from the last state of each incarnation."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from service import bootstrap, capacity, clock, db, departures, fleet, sites
from service.errors import Gone
from service.models import LIVE, Site, Worker
from workers import contract

HISTORIES = 25
Sent = tuple[Worker, contract.Heartbeat]


async def register(session: AsyncSession, site: Site, name: str, contributes_mc: int) -> Worker:
    request = contract.Registration(
        name=name, incarnation=uuid4(), slots=1, contributes_mc=contributes_mc, memory_mb=1, runtime="r"
    )
    return await fleet.register(session, site, request, now=await clock.now(session))


def beats(worker: Worker, luck: random.Random) -> list[Sent]:
    """What a worker sends: that it is there, and at last perhaps that it drains."""
    states = [False] * luck.randint(departures.DWELL_HEARTBEATS, 4) + [True] * luck.randint(0, 2)
    return [(worker, contract.Heartbeat(incarnation=worker.incarnation, draining=draining)) for draining in states]


async def deliver(session: AsyncSession, site: Site, messages: Sequence[Sent]) -> None:
    for worker, message in messages:
        try:
            await fleet.heartbeat(session, site, worker.id, message, now=await clock.now(session))
        except Gone:
            assert worker.state not in LIVE


async def history(session: AsyncSession, luck: random.Random) -> tuple[int, int]:
    """Capacity after messages came in any order, some of them several times; and what the last ones say it is."""
    await bootstrap.plant(session)
    site = await sites.create(session, name="site", redis_url="redis://x", store_url="file:///x")
    workers = [await register(session, site, f"w{luck.randint(0, 2)}", 10**i) for i in range(5)]
    sent = [beats(worker, luck) for worker in workers]
    messages = [message for own in sent for message in own]
    messages += luck.choices(messages, k=luck.randint(0, 10))
    luck.shuffle(messages)
    await deliver(session, site, messages)
    newest = {worker.name: (worker, own[-1][1]) for worker, own in zip(workers, sent, strict=True)}
    expected = sum(worker.contributes_mc for worker, last in newest.values() if not last.draining)
    return (await capacity.commitment(session)).capacity_mc, expected


def test_capacity_follows_from_the_last_state_however_heartbeats_come(database_url: str) -> None:
    async def work() -> None:
        engine = db.create_engine(database_url)
        for seed in range(HISTORIES):
            async with db.sessions(engine)() as session:  # never committed
                found, expected = await history(session, random.Random(seed))
                assert found == expected, f"history {seed}"
        await engine.dispose()

    asyncio.run(work())
