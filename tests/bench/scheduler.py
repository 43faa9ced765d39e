"""The scheduler on real PostgreSQL with durable commits: cycles a second, latency of a grant, growth with the queue.

`admissions_per_s`: at least 50,000 items wait in 1,000 cells of a three-level tree, 512 slots are busy, and each ends
its lease and goes on with its next item; the baseline commits each cycle by itself. `grant_latency_p99`: from POST
/v1/runs on an idle pool to the claim by a real worker, against how long POST itself takes. `growth`: the
time of 128 cycles with 100,000 items queued, against 1,000. `machine`: the state machine of the tests,
BENCH_STEPS steps long.
"""

from __future__ import annotations

import asyncio
import gc
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import numpy as np
import psycopg
import worldpool
from alembic import command
from alembic.config import Config
from rich.console import Console

from service import db
from service.embedded import parts
from service.embedded.pool import EmbeddedPool
from service.embedded.postgres import EmbeddedPostgres
from service.embedded.process import Running
from service.embedded.redis import EmbeddedRedis
from service.settings import Settings
from tests.bench.crowd import CELLS, Crowd
from tests.bench.measurement import Measurement, compared
from tests.conftest import ROOT, create_database
from tests.service.scheduler import test_leases_machine

QUEUED = 50_000
MOST_PER_S = 5_000
"""So many more are queued for each second that `QUEUED` still wait at the end."""
SECONDS = float(os.environ.get("BENCH_SECONDS", "60"))
STEPS = int(os.environ.get("BENCH_STEPS", "50000"))
REPEATS = 5
RUNS = 300
"""One after the other, for the latency."""
BATCH = 128
BATCHES = 20

progress = Console(stderr=True)


def measure(wanted: Callable[[str], bool]) -> list[Measurement]:
    found: list[Measurement] = []
    if wanted("scheduler/admissions_per_s") or wanted("scheduler/growth"):
        with _databases() as (postgres, template), _broker() as broker:
            for name, part in (("admissions_per_s", _admissions), ("growth", _growth)):
                if wanted(f"scheduler/{name}"):
                    url = postgres.url_of(create_database(postgres, template))
                    found.append(asyncio.run(part(url, broker)))
    if wanted("scheduler/grant_latency_p99"):
        found.append(_latency())
    if wanted("scheduler/machine"):
        with _databases() as (postgres, template):
            found.append(_machine(postgres, template))
    return found


@contextmanager
def _databases() -> Iterator[tuple[EmbeddedPostgres, str]]:
    """PostgreSQL as `up` starts it, with durable commits, and an empty database of it that has the schema."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as postgres:
        with psycopg.connect(db.driver_url(postgres.url)) as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                assert connection.execute(f"SHOW {setting}".encode()).fetchone() == ("on",)
        template = create_database(postgres, "template1")
        config = Config(toml_file=ROOT / "pyproject.toml")
        config.attributes["database_url"] = postgres.url_of(template)
        command.upgrade(config, "head")
        yield postgres, template


@contextmanager
def _broker() -> Iterator[EmbeddedRedis]:
    with tempfile.TemporaryDirectory() as folder, EmbeddedRedis(Path(folder)) as broker:
        yield broker


@asynccontextmanager
async def _crowd(url: str, broker: EmbeddedRedis) -> AsyncIterator[Crowd]:
    gc.collect()
    gc.freeze()  # as the API does
    engine = db.create_engine(url, pool_size=8)
    try:
        crowd = Crowd(db.sessions(engine), broker)
        await crowd.found(broker)
        yield crowd
    finally:
        await engine.dispose()


# --- cycles a second


async def _admissions(url: str, broker: EmbeddedRedis) -> Measurement:
    """Beside the scheduler's own process, which fills idle slots and keeps deadlines."""
    seconds = SECONDS / REPEATS / 2
    pairs = []
    async with _crowd(url, broker) as crowd:
        scheduler = Running.start(parts.scheduler(Settings(database_url=url)))
        try:
            for repeat in range(REPEATS):
                await crowd.fill(int(QUEUED + MOST_PER_S * seconds))
                ours = await _rate(crowd, seconds)
                assert await crowd.queued() >= QUEUED
                pairs.append((ours, await _one_by_one(crowd, seconds)))
                progress.print(f"admissions {repeat + 1}/{REPEATS}: {ours:,.0f} against {pairs[-1][1]:,.1f} a second")
        finally:
            scheduler.stop()
    return compared("scheduler/admissions_per_s", "cycles/s", pairs)


async def _rate(crowd: Crowd, seconds: float) -> float:
    """From when each slot has gone on a few times."""
    async with crowd.working():
        await crowd.wake()
        await crowd.warm.wait()
        before, began = crowd.cycles, time.perf_counter()
        await asyncio.sleep(seconds)
        return (crowd.cycles - before) / (time.perf_counter() - began)


async def _one_by_one(crowd: Crowd, seconds: float) -> float:
    """Each cycle in a transaction of its own."""
    held, cycles = await crowd.hold(1), 0
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        held = await crowd.cycle(held)
        cycles += 1
    return cycles / (time.perf_counter() - began)


# --- growth with the queue


async def _growth(url: str, broker: EmbeddedRedis) -> Measurement:
    """Milliseconds of a transaction of 128 cycles; after each as many are queued as it took."""
    took: dict[int, list[float]] = {1_000: [], 100_000: []}
    async with _crowd(url, broker) as crowd:
        for queued, times in took.items():
            await crowd.fill(queued + CELLS)
            held = await crowd.hold(BATCH)
            for _ in range(BATCHES + 2):
                await crowd.fill(queued)
                began = time.perf_counter()
                held = await crowd.cycle(held)
                times.append(1e3 * (time.perf_counter() - began))
                assert len(held) == BATCH
            progress.print(f"growth: {np.median(times[2:]):.1f} ms with {queued:,} queued")
    return compared("scheduler/growth", "ms", list(zip(took[100_000][2:], took[1_000][2:], strict=True)))


# --- latency


def _latency() -> Measurement:
    """Runs of one item, one after the other. All processes and the database have one clock here."""
    waits, posts = [], []
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPool(Path(folder)) as pool,
        worldpool.connect(url=pool.url, api_key=pool.cell_key) as client,
        psycopg.connect(db.driver_url(pool.database_url), autocommit=True) as connection,
    ):
        for repeat in range(RUNS + 10):
            began = time.time()
            run = client.runs.create(refs=["classic/cartpole@1"], steps_per_env=10, seed=repeat)
            posted = time.time()
            run.wait()
            row = connection.execute(_CLAIMED, [run.id.removeprefix("run_")]).fetchone()
            assert row is not None
            if repeat >= 10:  # by then the runners have their engine
                waits.append(1e3 * (row[0].timestamp() - began))
                posts.append(1e3 * (posted - began))
    p99, posted = float(np.percentile(waits, 99)), float(np.percentile(posts, 99))
    progress.print(f"latency: median {np.median(waits):.1f} ms, p99 {p99:.1f} ms; of POST itself {posted:.1f} ms")
    return compared("scheduler/grant_latency_p99", "ms", [(p99, posted)])


_CLAIMED = """
    SELECT min(claimed_at) FROM lease JOIN work_item ON work_item.id = lease.item_id
    WHERE work_item.run_id = CAST(%s AS uuid)
"""


# --- the state machine


def _machine(postgres: EmbeddedPostgres, template: str) -> Measurement:
    """Steps without a broken invariant, against those asked for."""

    class Machine(test_leases_machine.Leases):
        pass

    Machine.postgres, Machine.template = postgres, template
    test_leases_machine.run(Machine, STEPS)
    return compared("scheduler/machine", "steps", [(Machine.steps, STEPS)])
