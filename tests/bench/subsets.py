"""Subsets of 100,000 specs over HTTP: how long a diverse one takes, what it covers beside others, and how long others
wait for an answer meanwhile.

Where the catalogue lists fewer, neighbours fill up: valid refs with another value of one parameter, measured as the
spec that they lie beside but for a little noise.
"""

from __future__ import annotations

import http.client
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import numpy as np
import psycopg
import worldpool
from rich.console import Console

from env_registry import Spec, enumerate_specs, metric
from env_registry.axes import FloatAxis
from service.db import driver_url
from service.embedded.pool import EmbeddedPool
from service.models import Environment
from tests.bench.measurement import Measurement, compared

SPECS = 100_000
SIZE = 512
SEEDS = 10
NOISE = 0.01
"""Of a filled up spec's behaviour."""

progress = Console(stderr=True)
Strategy = Literal["random", "stratified", "diverse"]


def measure(wanted: Callable[[str], bool]) -> list[Measurement]:
    if not wanted("subsets"):
        return []
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPool(Path(folder), parts=("postgres", "redis", "api")) as pool,
        worldpool.connect(url=pool.url, api_key=pool.cell_key) as client,
    ):
        _fill(pool.database_url)
        return _compare(pool, client)


def _compare(pool: EmbeddedPool, client: worldpool.Client) -> list[Measurement]:
    seconds, waits = [], []
    largest: dict[Strategy, list[float]] = {"random": [], "stratified": [], "diverse": []}
    mean: dict[Strategy, list[float]] = {"random": [], "stratified": [], "diverse": []}
    for seed in range(SEEDS):
        took: dict[Strategy, float] = {}
        for strategy in largest:
            with _asking(pool.url) as waited:
                began = time.perf_counter()
                subset = client.subsets.create(where={}, size=SIZE, strategy=strategy, seed=seed)
                took[strategy] = time.perf_counter() - began
            assert subset.coverage is not None
            largest[strategy].append(subset.coverage.largest_distance or 0.0)
            mean[strategy].append(subset.coverage.mean_distance or 0.0)
        with _asking(pool.url) as quiet:
            time.sleep(took["diverse"])
        seconds.append((took["diverse"], took["random"]))
        waits.append((_p99_ms(waited), _p99_ms(quiet)))
        progress.print(
            f"seed {seed}: {took['diverse']:.2f} s, largest {largest['diverse'][-1]}, mean {mean['diverse'][-1]}"
        )
    return [
        compared(f"subsets/diverse_{SIZE}_s", "s", seconds),
        compared("subsets/healthz_p99_meanwhile", "ms", waits),
        *(
            compared(
                f"subsets/coverage_{name}_vs_{other}", "distance", list(zip(of["diverse"], of[other], strict=True))
            )
            for other in ("random", "stratified")
            for name, of in (("largest", largest), ("mean", mean))
        ),
    ]


def _p99_ms(seconds: list[float]) -> float:
    return float(np.percentile(seconds, 99) * 1e3)


@contextmanager
def _asking(url: str) -> Iterator[list[float]]:
    """Seconds that `GET /healthz` takes, asked a hundred times a second within the block."""
    waited: list[float] = []
    over = threading.Event()

    def ask() -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        while not over.wait(0.01):
            began = time.perf_counter()
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            waited.append(time.perf_counter() - began)
        connection.close()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield waited
    finally:
        over.set()
        thread.join()


# --- what fills up


def _fill(database_url: str) -> None:
    """Bring the table of environments to SPECS rows, with vectors of all of them together."""
    listed = list(enumerate_specs())
    beside = _neighbours(listed, SPECS - len(listed))
    measured = metric.measured()
    origins = [origin for origin, _ in beside]
    noise = np.random.default_rng(0).normal(0, NOISE, (len(beside), measured.shape[1]))
    vectors = metric.vectors([*listed, *(spec for _, spec in beside)], np.vstack([measured, measured[origins] + noise]))
    new = {"digest": "f.digest", "ref": "f.ref", "ordinal": "f.ordinal", "vector": "f.vector"}
    columns = [column.name for column in Environment.__table__.columns]
    with psycopg.connect(driver_url(database_url)) as connection:
        connection.execute(
            "CREATE TEMPORARY TABLE filling (ordinal bigint, origin bigint, ref text, digest bytea, vector bytea)"
        )
        with connection.cursor().copy("COPY filling FROM STDIN") as copying:
            for ordinal, vector in enumerate(vectors):
                origin, spec = beside[ordinal - len(listed)] if ordinal >= len(listed) else (ordinal, listed[ordinal])
                copying.write_row((ordinal, origin, spec.ref, bytes.fromhex(spec.digest), vector.tobytes()))
        connection.execute("UPDATE environment e SET vector = f.vector FROM filling f WHERE f.ordinal = e.ordinal")
        connection.execute(
            f"INSERT INTO environment ({', '.join(columns)}) SELECT {', '.join(new.get(c, f'e.{c}') for c in columns)}"
            f" FROM filling f JOIN environment e ON e.ordinal = f.origin WHERE f.ordinal <> f.origin".encode()
        )
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE environment")
    progress.print(f"{len(listed):,} catalogued specs and {len(beside):,} beside them")


def _neighbours(listed: list[Spec], count: int) -> list[tuple[int, Spec]]:
    """(which it lies beside, spec) of as many specs as asked for that are not listed."""
    rng = np.random.default_rng(0)
    known = {spec.ref for spec in listed}
    found: list[tuple[int, Spec]] = []
    while len(found) < count:
        origin = int(rng.integers(len(listed)))
        spec = listed[origin]
        axes = [a for a in spec.source.axes if isinstance(a, FloatAxis) and a.levels and not a.task]
        if not axes:
            continue
        axis = axes[rng.integers(len(axes))]
        value = round(float(rng.uniform(min(axis.levels), max(axis.levels))), 4)
        uses = [(f"{use.name}@{use.version}", dict(use.arguments)) for use in spec.modifiers]
        other = Spec.of(spec.family, {**dict(spec.parameters), axis.name: value}, uses, version=spec.version)
        if other.ref not in known:
            known.add(other.ref)
            found.append((origin, other))
    return found
