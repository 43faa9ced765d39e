"""Subsets of the whole catalogue over HTTP: how long a diverse one takes, what it covers beside others, and how long
others wait for an answer meanwhile."""

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
import worldpool
from rich.console import Console

from service.embedded.pool import EmbeddedPool
from tests.bench.measurement import Measurement, compared

SIZE = 512
SEEDS = 10

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
                subset = client.subsets.create(where={"split": "any"}, size=SIZE, strategy=strategy, seed=seed)
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
