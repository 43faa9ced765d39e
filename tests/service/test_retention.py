"""What is left behind is collected, and nothing that anybody may still want."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from service import leases, sites
from service.clock import now
from service.models import IdempotencyKey, Site
from service.retention import BATCH, IDEMPOTENCY_AGE, Retention
from service.scheduler import loop
from tests.service.api.test_runs import HandWorker, submit
from tests.service.conftest import Pool

T = TypeVar("T")
DAY = timedelta(days=1)
REF = "classic/cartpole@1"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    path.mkdir()
    return path


@pytest.fixture
def worker(pool: Pool, store: Path) -> Iterator[HandWorker]:
    """At a site that is there for a month."""
    of_site = {"store_url": store.as_uri(), "created_at": func.now() - 30 * DAY}
    transact(pool, lambda session: session.execute(update(Site).values(of_site)))
    found = HandWorker(pool, store)
    yield found
    found.call(f"workers/{found.id}/leave", {})


def transact(pool: Pool, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    async def transaction() -> T:
        async with pool.parts.sessions.begin() as session:
            return await work(session)

    return pool.runner.run(transaction())


def sweep(pool: Pool) -> None:
    pool.runner.run(Retention(pool.parts.sessions, DAY).sweep())


def aged(path: Path, age: timedelta = 2 * DAY) -> Path:
    """The object, made if need be, as if it had been written so long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    written = path.stat().st_mtime - age.total_seconds()
    os.utime(path, (written, written))
    return path


def wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not until():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def attempt_of_nobody(store: Path) -> Path:
    return store / leases.object_key(uuid4(), uuid4(), 1)


def test_only_the_object_of_a_live_lease_or_a_chunk_stays(pool: Pool, worker: HandWorker) -> None:
    run = submit(pool)
    mine, other = worker.grants()
    live = aged(worker.write(item := worker.claim(mine)))
    chunk = aged(worker.finish(other, worker.claim(other)))
    earlier = aged(live.with_name(live.name.replace("-1.", "-0.")))
    sweep(pool)
    assert (live.exists(), chunk.exists(), earlier.exists()) == (True, True, False)
    worker.lose(mine)
    sweep(pool)
    assert (live.exists(), chunk.exists()) == (False, True)
    again = next(grant for grant in worker.grants() if grant["fence"] == 2)
    assert worker.claim(again)["item_id"] == item["item_id"]
    pool.post(f"/v1/runs/{run['id']}:cancel")


def test_objects_of_leases_that_nobody_released_are_collected(pool: Pool, worker: HandWorker) -> None:
    run = submit(pool)
    objects = [aged(worker.write(worker.claim(grant))) for grant in worker.grants()]
    pool.post(f"/v1/runs/{run['id']}:cancel")
    sweep(pool)
    assert [path.exists() for path in objects] == [False, False]


def test_what_a_deleted_run_left_is_collected(pool: Pool, worker: HandWorker) -> None:
    run = submit(pool)
    first, _ = worker.grants()
    left = aged(worker.write(worker.claim(first)))
    worker.lose(first)
    pool.post(f"/v1/runs/{run['id']}:cancel")
    assert pool.request(pool.cell, "DELETE", f"/v1/runs/{run['id']}").status_code == 204
    assert left.exists()
    sweep(pool)
    assert not left.exists()


def test_a_young_object_one_older_than_the_site_and_one_of_another_name_stay(
    pool: Pool, worker: HandWorker, store: Path
) -> None:
    stay = [
        aged(attempt_of_nobody(store), DAY / 2),
        aged(attempt_of_nobody(store), 31 * DAY),
        aged(attempt_of_nobody(store).with_suffix(".txt")),
        aged(store / "runs" / "mine" / f"{uuid4().hex}-1.chunk"),
        aged(store / "elsewhere" / attempt_of_nobody(store).relative_to(store)),
    ]
    stay.append(aged(stay[0].with_suffix(".chunk.copy")))
    goes = aged(attempt_of_nobody(store))
    sweep(pool)
    assert [path.exists() for path in stay] == [True] * len(stay)
    assert not goes.exists()


def test_a_store_of_many_objects_is_collected_in_batches(pool: Pool, worker: HandWorker, store: Path) -> None:
    orphans = [aged(attempt_of_nobody(store)) for _ in range(2 * BATCH + 1)]
    sweep(pool)
    assert not any(path.exists() for path in orphans)


def test_a_store_that_cannot_be_listed_is_logged_once_and_the_next_one_collected(
    pool: Pool, worker: HandWorker, store: Path, tmp_path: Path
) -> None:
    no_folder = tmp_path / "file"
    no_folder.touch()
    broken = {"name": "a-broken-one", "redis_url": "redis://localhost:1", "store_url": no_folder.as_uri()}
    transact(pool, lambda session: sites.create(session, **broken))
    retention = Retention(pool.parts.sessions, DAY)
    with capture_logs() as logs:
        for _ in range(2):
            orphan = aged(attempt_of_nobody(store))
            pool.runner.run(retention.sweep())
            assert not orphan.exists()
    assert [log["site"] for log in logs if log["event"] == "orphans.not_collected"] == ["a-broken-one"]


def test_idempotency_keys_are_forgotten_after_their_time_in_batches(pool: Pool, worker: HandWorker) -> None:
    def create() -> str:
        answer = pool.post("/v1/subsets", json={"refs": [REF]}, headers={"Idempotency-Key": "mine"})
        created: str = answer.json()["id"]
        return created

    async def age(session: AsyncSession) -> None:
        past = await now(session) - IDEMPOTENCY_AGE
        await session.execute(update(IdempotencyKey).values(created_at=past))
        rows = [{"owner": uuid4(), "key": "k", "request_sha256": b"", "created_at": past} for _ in range(2 * BATCH)]
        await session.execute(insert(IdempotencyKey), rows)

    first = create()
    sweep(pool)
    assert create() == first
    transact(pool, age)
    sweep(pool)
    assert transact(pool, lambda session: session.scalar(select(func.count()).select_from(IdempotencyKey))) == 0
    assert create() != first


def test_the_scheduler_collects_and_goes_on_where_it_cannot(pool: Pool, worker: HandWorker, store: Path) -> None:
    orphan = aged(attempt_of_nobody(store))

    async def lead(until: Callable[[], bool]) -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(loop.run(pool.parts.settings, stop))
        await asyncio.to_thread(wait, until)
        assert not running.done()
        stop.set()
        await running

    pool.runner.run(lead(lambda: not orphan.exists()))
    transact(pool, lambda session: session.execute(text("ALTER TABLE idempotency_key RENAME TO away")))
    with capture_logs() as logs:
        pool.runner.run(lead(lambda: any(log["event"] == "retention.failed" for log in logs)))
    transact(pool, lambda session: session.execute(text("ALTER TABLE away RENAME TO idempotency_key")))
