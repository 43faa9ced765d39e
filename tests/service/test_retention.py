"""What is left behind is collected, and nothing that anybody may still want."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from service import ids, leases, sites
from service.clock import now
from service.models import IdempotencyKey, Run, Site
from service.retention import BATCH, IDEMPOTENCY_AGE, Retention
from service.scheduler import loop
from tests.service.api.test_runs import HandWorker, frames, submit
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


# --- chunks of runs that say how long they stay


def expire(pool: Pool) -> None:
    pool.runner.run(Retention(pool.parts.sessions, DAY).expire())


def submitted(pool: Pool, worker: HandWorker, **body: Any) -> tuple[dict[str, Any], list[Path]]:
    """A finished run and its objects, in order of seq."""
    run = submit(pool, **body)
    objects = []
    while grants := worker.grants():
        objects += [worker.finish(grant, worker.claim(grant)) for grant in grants]
    assert len(objects) >= 6
    return shown(pool, run), objects


def shown(pool: Pool, run: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = pool.get(f"/v1/runs/{run['id']}").json()
    return found


def read(pool: Pool, run: dict[str, Any], seqs: list[int], group: str = "learners") -> None:
    """Get the run's chunks as a consumer of a group, and acknowledge some."""
    path = f"/v1/runs/{run['id']}"
    params = {"group": group, "consumer": "one", "until": "given"}
    assert pool.get(f"{path}/stream", params=params).status_code == 200
    assert pool.post(f"{path}/groups/{group}:ack", json={"seqs": seqs}).status_code == 200


def ended(pool: Pool, run: dict[str, Any], ago: timedelta) -> None:
    """As if the run had ended so long ago."""
    values = {"finished_at": func.clock_timestamp() - ago}
    here = Run.id == ids.read("run", run["id"])
    transact(pool, lambda session: session.execute(update(Run).where(here).values(values)))


@pytest.mark.parametrize(
    ("retention", "field"),
    [
        ("acknowledged", "body"),
        ("forget", "body.retention"),
        ({"after_end_s": -1}, "body.retention"),
        ({"after_end_s": 1, "and": 2}, "body.retention"),
        (3600, "body.retention"),
    ],
)
def test_a_retention_that_means_nothing_is_refused(pool: Pool, retention: Any, field: str) -> None:
    answer = pool.post("/v1/runs", json={"refs": [REF], "episodes": 1, "retention": retention})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith(field)


def test_a_run_keeps_its_chunks_unless_it_says_otherwise(pool: Pool, worker: HandWorker) -> None:
    run, objects = submitted(pool, worker, groups=["learners"])
    read(pool, run, list(range(1, run["chunks"] + 1)))
    ended(pool, run, 365 * DAY)
    expire(pool)
    assert shown(pool, run)["chunks_deleted"] == 0
    assert all(path.exists() for path in objects)


def test_chunks_go_when_all_groups_have_acknowledged_them_and_those_before(pool: Pool, worker: HandWorker) -> None:
    run, objects = submitted(pool, worker, groups=["learners", "watchers"], retention="acknowledged")
    assert run["retention"] == "acknowledged"
    read(pool, run, [1, 2, 3, 5])
    expire(pool)
    assert shown(pool, run)["chunks_deleted"] == 0
    read(pool, run, [1, 2, 4, 5], "watchers")
    expire(pool)
    assert shown(pool, run)["chunks_deleted"] == 2
    assert [path.exists() for path in objects] == [False] * 2 + [True] * (len(objects) - 2)
    read(pool, run, [4], "learners")
    read(pool, run, [3], "watchers")
    expire(pool)
    assert shown(pool, run)["chunks_deleted"] == 5
    assert pool.request(pool.cell, "DELETE", f"/v1/runs/{run['id']}").status_code == 204
    assert not any(path.exists() for path in objects)


def test_chunks_go_so_long_after_the_end(pool: Pool, worker: HandWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.retention.BATCH", 2)
    run, objects = submitted(pool, worker, retention={"after_end_s": 3600})
    assert run["retention"] == {"after_end_s": 3600}
    ended(pool, run, timedelta(minutes=59))
    expire(pool)
    assert all(path.exists() for path in objects)
    ended(pool, run, timedelta(minutes=61))
    expire(pool)
    assert shown(pool, run)["chunks_deleted"] == run["chunks"]
    assert not any(path.exists() for path in objects)


def test_a_run_that_goes_on_has_no_end_to_count_from(pool: Pool, worker: HandWorker) -> None:
    run = submit(pool, retention={"after_end_s": 0})
    (path, *_) = [worker.finish(grant, worker.claim(grant)) for grant in worker.grants()]
    expire(pool)
    assert path.exists()
    pool.post(f"/v1/runs/{run['id']}:cancel")
    expire(pool)
    assert not path.exists()


def test_who_asks_for_deleted_chunks_is_told_and_the_figures_stay(pool: Pool, worker: HandWorker) -> None:
    run, _ = submitted(pool, worker, groups=["learners"], retention="acknowledged")
    path, last = f"/v1/runs/{run['id']}", run["chunks"]
    summary = pool.get(f"{path}/summary").json()
    report = pool.get(f"{path}/report").json()
    read(pool, run, [1, 2])
    expire(pool)
    for asked in ("chunks/1", "stream", "stream?after=1", "scores", "stream?group=new&consumer=one"):
        answer = pool.get(f"{path}/{asked}")
        assert answer.status_code == 410, asked
        assert answer.json()["type"] == "urn:worldpool:problem:gone"
        assert "chunks 1 to 2" in answer.json()["detail"]
    assert [group["name"] for group in pool.get(f"{path}/groups").json()["items"]] == ["learners"]
    assert pool.get(f"{path}/chunks/3").status_code == 200
    assert [chunk["seq"] for chunk in pool.get(f"{path}/chunks").json()["items"]] == list(range(3, last + 1))
    for asked in ("stream?after=2", "stream?group=new&consumer=one&after=2&until=given"):
        seqs = [header["seq"] for header, _ in frames(pool.get(f"{path}/{asked}").content) if "seq" in header]
        assert seqs == list(range(3, last + 1))
    events = pool.get(f"{path}/stream", headers={"Accept": "text/event-stream"})
    assert events.text.rpartition("event: ")[2].startswith("end")
    assert pool.get(f"{path}/summary").json() == summary
    assert pool.get(f"{path}/report").json() == report


def test_a_group_that_was_slower_than_the_retention_is_told(pool: Pool, worker: HandWorker) -> None:
    run, _ = submitted(pool, worker, groups=["learners", "never-there"], retention={"after_end_s": 0})
    read(pool, run, [1])
    expire(pool)
    for group in ("learners", "never-there"):
        asked = f"/v1/runs/{run['id']}/stream?group={group}&consumer=one"
        assert pool.get(asked).status_code == 410
    read_by = {group["name"]: group for group in pool.get(f"/v1/runs/{run['id']}/groups").json()["items"]}
    assert read_by["never-there"]["given"] == 0


def test_an_expired_object_that_could_not_be_deleted_is_an_orphan(pool: Pool, worker: HandWorker) -> None:
    run, objects = submitted(pool, worker, groups=["learners"], retention="acknowledged")
    read(pool, run, [1])
    expire(pool)
    for path in objects[:2]:
        aged(path)
    sweep(pool)
    assert [path.exists() for path in objects[:2]] == [False, True]


def test_no_run_is_reused_whose_chunks_go(pool: Pool, worker: HandWorker) -> None:
    body = {"refs": [REF], "steps_per_env": 300_000, "seed": 99}
    gone = submit(pool, **body, retention={"after_end_s": 10**6})
    kept = submit(pool, **body)
    assert submit(pool, **body, reuse=True)["id"] == kept["id"] != gone["id"]
    for run in (gone, kept):
        pool.post(f"/v1/runs/{run['id']}:cancel")


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
