"""While a runner is killed every second, the API twice, and readers lose their connection again and again, every
episode arrives once and is the same to the bit as in a run that nobody disturbed."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import pytest
import worldpool
from rich.console import Console
from worldpool._prefetch import _shut

from service.embedded.pool import EmbeddedPool
from tests.e2e.test_chaos import REFS, kill, runners

SECONDS = int(os.environ.get("STORM_SECONDS", "8"))
"""About how long the storm lasts on two cores; `make storm` asks for more."""
STEPS = 1_000
"""Of each environment under each seed: many small items, for in a second none of seconds would end."""
DROPS = 10
RESTARTS = 2

Key = tuple[str, int, int, int]


class Reader:
    """Reads a stream to its end, and loses its connection again and again on the way."""

    def __init__(self, stream: worldpool.Stream, *, drop_every: int | None) -> None:
        self.stream, self.drop_every = stream, drop_every
        self.episodes: dict[Key, str] = {}
        self.drops = 0

    def read(self) -> dict[Key, str]:
        seen: set[int] = set()
        for batch in self.stream:
            for episode in batch.to_episodes():
                key = (episode.ref, episode.seed, episode.env_index, episode.episode_index)
                assert key not in self.episodes, "an episode arrived twice"
                self.episodes[key] = digest(episode)
            seen.add(batch.seq)
            if self.drop_every and self.drops < DROPS and len(seen) >= self.drop_every * (self.drops + 1):
                self.drops += 1
                _shut(self.stream._cursor)
        return self.episodes


def digest(episode: worldpool.Episode) -> str:
    """Of everything that was observed and done, bit for bit."""
    found = hashlib.sha256()
    columns: list[Any] = [episode.observations, episode.actions, episode.rewards]
    columns += [episode.terminations, episode.truncations, episode.t, episode.acted]
    for column in columns:
        for leaf in column.values() if isinstance(column, dict) else [column]:
            text = leaf.dtype == object
            content = repr(leaf.tolist()).encode() if text else np.ascontiguousarray(leaf).tobytes()
            found.update(f"{leaf.dtype} {leaf.shape}".encode() + content)
    return found.hexdigest()


@contextmanager
def storm(pool: EmbeddedPool) -> Iterator[list[int]]:
    """Kills a runner every second while the block lasts; those killed."""
    over, killed = threading.Event(), []

    def blow() -> None:
        luck = random.Random(0)
        while not over.wait(1.0):
            with suppress(OSError):  # it may have gone meanwhile
                if victims := list(runners(pool.pids()["worker"])):
                    killed.append(luck.choice(victims))
                    os.kill(killed[-1], signal.SIGKILL)

    thread = threading.Thread(target=blow)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def submit(client: worldpool.Client) -> worldpool.Run:
    return client.runs.create(refs=REFS, steps_per_env=STEPS, seed=list(range(3 * SECONDS)), groups=["learners"])


@pytest.mark.timeout(300 + 20 * SECONDS)
def test_a_run_in_a_storm_is_the_run_that_nobody_disturbed(running: EmbeddedPool, client: worldpool.Client) -> None:
    undisturbed = Reader(submit(client).stream(progress=False), drop_every=None)
    expected = undisturbed.read()
    run = submit(client)
    alone = Reader(run.stream(progress=False), drop_every=run.items_total // (DROPS + 1))
    shares = [Reader(run.stream(group="learners", progress=False), drop_every=1) for _ in range(2)]
    restarts = 0
    with storm(running) as killed, ThreadPoolExecutor(3) as pool:
        reading = [pool.submit(reader.read) for reader in (alone, *shares)]
        for state in run.watch():
            if restarts < RESTARTS and state.items_done >= run.items_total * (restarts + 1) // (RESTARTS + 1):
                kill("api")(running)
                restarts += 1
        found = [future.result() for future in reading]
    assert found[0] == expected
    assert not found[1].keys() & found[2].keys(), "two consumers got the same"
    assert found[1] | found[2] == expected
    assert alone.drops == DROPS
    assert sum(share.drops for share in shares) >= DROPS
    assert restarts == RESTARTS
    assert len(killed) >= SECONDS // 4
    assert client.runs.get(run.id).state == "succeeded"
    shared = sum(share.drops for share in shares)
    drops = f"connections lost {alone.drops} times alone and {shared} times shared"
    Console().print(f"{len(expected)} episodes, {len(killed)} runners killed, {drops}")
