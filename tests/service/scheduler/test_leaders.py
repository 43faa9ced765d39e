"""Two schedulers at once, and one that is paused and goes on when another leads: no item is granted twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from service import capacity, clock, db, leases
from service.embedded.redis import EmbeddedRedis
from service.errors import Gone
from service.models import Lease, Site
from service.scheduler import loop, rounds, snapshot
from tests.embedded.processes import eventually
from tests.service.scheduler import struck
from tests.service.scheduler.scene import Scene
from workers import contract

ITEMS = 20
GRANTED_BY = "ALTER TABLE lease ADD COLUMN granted_by text DEFAULT current_setting('application_name')"
LOCKS = """
    SELECT application_name, granted, pid FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND datname = current_database()
"""


@asynccontextmanager
async def founded(url: str, broker: EmbeddedRedis) -> AsyncIterator[Scene]:
    """A scene whose leases say by whom they were granted."""
    engine = db.create_engine(url)
    try:
        scene = await Scene.found(db.sessions(engine), broker, items=ITEMS)
        scene.forget()
        await ask(scene, GRANTED_BY)
        yield scene
    finally:
        await engine.dispose()


@contextmanager
def leading(url: str, name: str, blow: struck.Blow | None = None, *, key: int = loop.LEADER) -> Iterator[BaseProcess]:
    """A scheduler in a process, whose connections have a name."""
    process = struck.start(struck.lead, f"{url}&application_name={name}", blow, key=key)
    try:
        yield process
    finally:
        process.kill()
        process.join()


async def ask(scene: Scene, statement: str, **values: object) -> list[tuple[object, ...]]:
    async with scene.sessions.begin() as session:
        found = await session.execute(text(statement), values)
        return [tuple(row) for row in found] if found.returns_rows else []


async def granted_by(scene: Scene) -> set[object]:
    return {name for (name,) in await ask(scene, "SELECT DISTINCT granted_by FROM lease")}


async def locks(scene: Scene) -> dict[object, object]:
    """Whether each scheduler that is connected has the leader's lock, or waits for it."""
    return {name: granted for name, granted, _ in await ask(scene, LOCKS)}


async def serve(scene: Scene, until_granted_by: str | None = None) -> None:
    """Work as the workers would until all is done, or somebody has granted; what must hold is checked again and
    again."""
    async with asyncio.timeout(120):
        while until_granted_by not in await granted_by(scene) if until_granted_by else not await scene.is_finished():
            for message in await scene.messages():
                await scene.claim(message)
            if running := await scene.running():
                await scene.release(running[:2])
            await scene.check()


def test_two_that_lead_at_once_grant_no_item_twice(database_url: str, broker: EmbeddedRedis) -> None:
    """Each has a lock of its own, as if there were none."""

    async def history() -> None:
        async with founded(database_url, broker) as scene:
            with leading(database_url, "first", key=1), leading(database_url, "second", key=2):
                while await granted_by(scene) != {"first", "second"}:
                    await serve(scene)
                    await scene.submit("a", ITEMS)
                await serve(scene)
            await scene.finish()

    asyncio.run(history())


def test_a_second_waits_and_leads_when_the_first_is_killed(database_url: str, broker: EmbeddedRedis) -> None:
    async def history() -> None:
        async with founded(database_url, broker) as scene:
            with leading(database_url, "first") as first:
                await wait_for(scene, {"first": True})
                with leading(database_url, "second"):
                    await wait_for(scene, {"first": True, "second": False})
                    assert first.pid
                    os.kill(first.pid, signal.SIGKILL)
                    await serve(scene)
                    assert "second" in await granted_by(scene)
            await scene.finish()

    asyncio.run(history())


@pytest.mark.parametrize(("at_once", "again"), [(3, True), (4, False)])
def test_a_round_that_fills_the_pool_asks_for_no_other(
    database_url: str, broker: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch, at_once: int, again: bool
) -> None:
    """Of its four slots; it has granted as many as it may at once."""
    monkeypatch.setattr(snapshot, "MOST_GRANTS", at_once)

    async def round() -> rounds.Round:
        async with founded(database_url, broker) as scene, scene.sessions.begin() as session:
            await capacity.lock_root(session)
            return await rounds.play(session, now=await clock.now(session))

    assert asyncio.run(round()) == rounds.Round(granted=at_once, promised=at_once, again=again)


async def wait_for(scene: Scene, expected: dict[object, object]) -> None:
    async with asyncio.timeout(60):
        while await locks(scene) != expected:
            pass  # asking takes its time


@pytest.mark.parametrize("cut", ["everything", "its lock"])
@pytest.mark.parametrize("where", ["UPDATE quota_node n", "INSERT INTO outbox", "DELETE FROM outbox"])
def test_one_that_was_paused_and_goes_on_when_another_leads_grants_no_item_twice(
    database_url: str, broker: EmbeddedRedis, where: str, cut: str
) -> None:
    """Before a statement it is stopped; its connections are cut, or only the one that holds the lock."""

    async def history() -> None:
        async with founded(database_url, broker) as scene:
            with leading(database_url, "first", struck.Blow(signal.SIGSTOP, at=1, where=where)) as first:
                await asyncio.to_thread(eventually, lambda: stopped(first), "the first stops")
                with leading(database_url, "second"):
                    await wait_for(scene, {"first": True, "second": False})
                    await ask(scene, CUT[cut])
                    await wait_for(scene, {"second": True})
                    if cut == "everything":
                        await serve(scene, until_granted_by="second")
                    assert first.pid
                    os.kill(first.pid, signal.SIGCONT)
                    await serve(scene)
                    await asyncio.to_thread(first.join, 60)
                    assert first.exitcode == 1
                    assert "second" in await granted_by(scene)
            await scene.finish()

    asyncio.run(history())


CUT = {
    "everything": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'first'",
    "its lock": "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted",
}


def stopped(process: BaseProcess) -> bool:
    return Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


def test_a_lease_that_was_seen_before_it_ended_is_not_claimed(database_url: str, broker: EmbeddedRedis) -> None:
    """What the session knows of it is older than the lock."""

    async def history() -> None:
        async with founded(database_url, broker) as scene:
            await loop.step(scene.sessions)
            async with scene.sessions() as session:
                lease = (await session.scalars(select(Lease).limit(1))).one()
                site = (await session.scalars(select(Site))).one()
                now = await clock.now(session)
                async with scene.sessions.begin() as other:
                    ending = leases.Ending(lease_id=lease.id, outcome=leases.Outcome.UNCLAIMED)
                    assert await leases.end(other, [ending], now=now) == [True]
                claim = contract.Claim(worker_id=lease.worker_id, fence=lease.fence, attempt=uuid4())
                with pytest.raises(Gone):
                    await leases.claim(session, lease.id, claim, site_id=site.id, now=now)
            await scene.check(dropped=[lease.id])

    asyncio.run(history())
