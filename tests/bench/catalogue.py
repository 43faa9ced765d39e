"""The catalogue: loading it, searching it over HTTP with 8 clients, and resolving refs; with up to 1,000,000 specs.

Latencies stand beside those of a route that does nothing (`/healthz`) under the same clients, right before; those at
1,000,000 rows beside those at 100,000. Rows beyond the committed catalogue are synthetic: valid specs with other
parameters.
"""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlencode, urlsplit

import psycopg
from rich.console import Console
from sqlalchemy import delete, select
from sqlalchemy.engine import make_url

import env_registry
from env_registry import Spec, metric
from env_registry.axes import FloatAxis
from service import catalogue, conditions, db
from service.embedded.parts import get
from service.embedded.pool import EmbeddedPool
from service.models import CatalogueState, Holdout
from service.settings import ROOT, environment
from tests.bench.measurement import Measurement, compared

CLIENTS = 8
SECONDS = float(os.environ.get("BENCH_SECONDS", "60")) / 20
"""Of one kind of request in one repeat."""
REPEATS = 5
ROWS = 100_000
MANY_ROWS = 1_000_000
FLOOR = ["/healthz"]
FILTERS: Sequence[dict[str, Any]] = (
    {},
    {"domain": "physics", "max_step_us": 50},
    {"domain": "symbolic", "tag": "memory", "modifier": "delay"},
    {"modifier": "sticky"},
    {"modifier": "none", "kind": "turn"},
    {"text": "pendulum"},
    {"text": "half cheetah gravity"},
    {"param": "gravity:1..5"},
    {"param": ["gravity:5..15", "mass_scale:1.5.."], "domain": "physics"},
    {"param": "map_name:8x8"},
    {"family": "mujoco/*", "min_effect": 0.5},
    {"min_agents": 4},
    {"observations": "image"},
    {"domain": "physics", "kind": "turn", "actions": "masked"},
    {"max_memory_mb": 100, "seed_sensitive": "false"},
)
"""Unselective and selective ones, conditions that exclude each other, and such as nearly nothing fits."""

progress = Console(stderr=True)


def measure(wanted: Callable[[str], bool]) -> list[Measurement]:
    found: list[Measurement] = []
    if wanted("catalogue/resolve"):
        found += _resolving()
    if wanted("catalogue/load") or wanted("catalogue/page") or wanted("catalogue/lookup") or wanted("catalogue/1e6"):
        with (
            tempfile.TemporaryDirectory() as folder,
            EmbeddedPool(Path(folder), parts=("postgres", "redis", "api")) as pool,
            ProcessPoolExecutor(CLIENTS) as clients,
        ):
            if wanted("catalogue/load"):
                found.append(_loading(pool))
            if wanted("catalogue/page") or wanted("catalogue/lookup") or wanted("catalogue/1e6"):
                found += _searching(pool, clients, further=wanted("catalogue/1e6"))
    return [measurement for measurement in found if wanted(measurement.name)]


# --- resolve


def _resolving() -> list[Measurement]:
    """The n-th of n distinct refs, none of them seen before in this process."""
    times: dict[int, list[float]] = {}
    refs = (other.ref for _, other in _varied(list(env_registry.enumerate_specs()), random.Random(0)))
    for power in (3, 4, 5, 6):
        times[power] = [_timed(catalogue.resolve, ref) * 1e6 for ref in itertools.islice(refs, 10**power)]
    first = median(times[3])
    return [
        compared(f"catalogue/1e{power}/resolve_p50_us", "us", [(median(some), first)]) for power, some in times.items()
    ]


def _timed(function: Callable[[Any], Any], argument: Any) -> float:
    began = time.perf_counter()
    function(argument)
    return time.perf_counter() - began


def _varied(specs: Sequence[Spec], rng: random.Random) -> Iterator[tuple[Spec, Spec]]:
    """Distinct new specs with other values of one or two real parameters, each after the one that it was made of."""
    seen = {spec.digest for spec in specs}
    while True:
        spec = rng.choice(specs)
        axes = [axis for axis in spec.source.axes if isinstance(axis, FloatAxis)]
        values = {axis.name: _value(axis, rng) for axis in rng.sample(axes, min(2, len(axes)))}
        uses = [(f"{use.name}@{use.version}", dict(use.arguments)) for use in spec.modifiers]
        other = Spec.of(spec.family, dict(spec.parameters) | values, uses, version=spec.version)
        if other.digest not in seen:
            seen.add(other.digest)
            yield spec, other


def _value(axis: FloatAxis, rng: random.Random) -> float:
    return min(max(float(f"{rng.uniform(axis.low, axis.high):.4g}"), axis.low), axis.high)


# --- load


def _loading(pool: EmbeddedPool) -> Measurement:
    """A process that finds an empty database until the catalogue is in it, against COPY of the same rows alone."""
    pairs = []
    with psycopg.connect(db.driver_url(pool.database_url), autocommit=True) as connection:
        for repeat in range(REPEATS):
            connection.execute(f"CREATE DATABASE bench_{repeat}".encode())
            address = make_url(pool.database_url).set(database=f"bench_{repeat}").render_as_string(hide_password=False)
            told = environment(database_url=address, state_dir=pool.state_dir / "none")
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "service", "bootstrap"], env=told, cwd=ROOT, check=True, capture_output=True
            )
            pairs.append((time.perf_counter() - began, _bare_copy(db.driver_url(address))))
            progress.print(f"load {repeat + 1}/{REPEATS}: {pairs[-1][0]:.1f} s, COPY alone {pairs[-1][1]:.1f} s")
    return compared("catalogue/load_s", "s", pairs)


def _bare_copy(url: str) -> float:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE bare (LIKE environment)")
        with connection.cursor().copy("COPY environment TO STDOUT") as out:
            rows = [bytes(part) for part in out]
        began = time.perf_counter()
        with connection.cursor().copy("COPY bare FROM STDIN") as into:
            for part in rows:
                into.write(part)
        return time.perf_counter() - began


# --- search


def _searching(pool: EmbeddedPool, clients: Executor, *, further: bool) -> list[Measurement]:
    rng = random.Random(0)
    specs = list(env_registry.enumerate_specs())
    variants = _varied(specs, rng)
    refs = [spec.ref for spec in rng.sample(specs, 500)] + [other.ref for _, other in itertools.islice(variants, 500)]
    asked = _Asked(pool, clients, [f"/v1/environments/{ref}" for ref in rng.sample(refs, len(refs))])
    if len(specs) < ROWS:
        _fill(pool, ROWS, variants)
    found = asked.measure()
    rounds = [
        compared(f"catalogue/{name}_{quantile}_ms", "ms", [(of[name][quantile], of["floor"][quantile]) for of in found])
        for name in ("page", "lookup")
        for quantile in ("p50", "p99")
    ]
    if further:
        _fill(pool, MANY_ROWS, variants)
        many = asked.measure()
        rounds += [
            compared(
                f"catalogue/1e6/{name}_{quantile}_ms",
                "ms",
                [(of[name][quantile], before[name][quantile]) for of, before in zip(many, found, strict=True)],
            )
            for name in ("page", "lookup")
            for quantile in ("p50", "p99")
        ]
    return rounds


class _Asked:
    """Requests of 8 clients, each a process with one connection that asks again as soon as it is answered."""

    def __init__(self, pool: EmbeddedPool, clients: Executor, lookups: Sequence[str]) -> None:
        self._pool, self._clients, self._lookups = pool, clients, lookups

    def measure(self) -> list[dict[str, dict[str, float]]]:
        """Latencies by kind of request and quantile, in ms, of each repeat; one kind right after the other."""
        pages = list(self._pages())
        kinds = {"floor": FLOOR, "page": pages, "lookup": self._lookups}
        for paths in kinds.values():
            self._ask(paths, SECONDS / 5)  # warm
        repeats = []
        for repeat in range(REPEATS):
            repeats.append({name: self._ask(paths, SECONDS) for name, paths in kinds.items()})
            told = ", ".join(f"{name} {of['p50']:.1f} / {of['p99']:.1f}" for name, of in repeats[-1].items())
            progress.print(f"search {repeat + 1}/{REPEATS}: p50 / p99 ms: {told}")
        return repeats

    def _pages(self) -> Iterator[str]:
        """The first three pages of each search."""
        for wanted in FILTERS:
            cursor: dict[str, str] = {}
            for _ in range(3):
                path = f"/v1/environments?{urlencode(wanted | cursor, doseq=True)}"
                yield path
                following = get(self._pool.url, path, key=self._pool.cell_key)
                assert following is not None, path
                if following["next_cursor"] is None:
                    break
                cursor = {"cursor": following["next_cursor"]}

    def _ask(self, paths: Sequence[str], seconds: float) -> dict[str, float]:
        one = partial(_client, self._pool.url, self._pool.cell_key, paths, seconds)
        times = [1e3 * time for times in self._clients.map(one, range(CLIENTS)) for time in times]
        return {"p50": median(times), "p99": quantiles(times, n=100)[98]}


def _client(url: str, key: str, paths: Sequence[str], seconds: float, number: int) -> list[float]:
    """Seconds from each request to its whole answer."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    turn = itertools.cycle(random.Random(number).sample(paths, len(paths)))
    times = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        connection.request("GET", next(turn), headers={"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        answer.read()
        times.append(time.perf_counter() - began)
        assert answer.status == 200, answer.status
    return times


# --- rows


def _fill(pool: EmbeddedPool, rows: int, variants: Iterator[tuple[Spec, Spec]]) -> None:
    """Synthetic rows beside the catalogue's until there are so many. Nothing is held out of training any more."""
    specs = list(env_registry.enumerate_specs())
    more = list(itertools.islice(((other.digest, spec, other.ref) for spec, other in variants), rows - len(specs)))
    progress.print(f"adding {len(more):,} synthetic rows")
    asyncio.run(_write(pool.database_url, sorted([*((spec.digest, spec, spec.ref) for spec in specs), *more])))
    with psycopg.connect(db.driver_url(pool.database_url), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE environment")


async def _write(url: str, named: Sequence[tuple[str, Spec, str]]) -> None:
    engine = db.create_engine(url)
    async with db.sessions(engine).begin() as session:
        source, counts = (await session.execute(select(CatalogueState.source_sha256, CatalogueState.counts))).one()
        version = await catalogue.write(session, itertools.starmap(_entry, named))
        await session.execute(delete(Holdout))
        session.add(CatalogueState(id=1, source_sha256=source, version=version, counts=counts))
    await engine.dispose()


def _entry(digest: str, spec: Spec, ref: str) -> catalogue.Entry:
    """Of a catalogued spec that got another's names and parameters, as a load would write it."""
    known, shown = _known(spec)
    other = env_registry.parse(ref)
    shown = shown | {"ref": ref, "digest": digest, "parameters": other.json()["parameters"]}
    row = known.row | {"ref": ref, "digest": bytes.fromhex(digest), "shown": json.dumps(shown, separators=(",", ":"))}
    return catalogue.Entry(row, conditions.names(other, shown), conditions.amounts(other, shown))


@cache
def _known(spec: Spec) -> tuple[catalogue.Entry, dict[str, Any]]:
    entry = catalogue.entry(spec, bytes(metric.DIMENSIONS * metric.VECTOR.itemsize))
    return entry, json.loads(entry.row["shown"])
