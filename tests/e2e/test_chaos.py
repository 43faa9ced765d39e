"""In the middle of a run a process is killed with SIGKILL: the run completes, and every episode arrives once and
whole."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import worldpool

from service.embedded.pool import EmbeddedPool

REFS = ["mujoco/half_cheetah@1", "mujoco/hopper@1", "classic/cartpole@1", "mpe/simple_spread@1", "minigrid/door_key@1"]
STEPS = 8_000
MOST_S = 120


def kill(name: str) -> Callable[[EmbeddedPool], None]:
    def strike(pool: EmbeddedPool) -> None:
        os.kill(pool.pids()[name], signal.SIGKILL)

    return strike


def kill_a_runner(pool: EmbeddedPool) -> None:
    os.kill(next(runners(pool.pids()["worker"])), signal.SIGKILL)


def runners(worker: int) -> Iterator[int]:
    """The worker's runner subprocesses."""
    for task in Path(f"/proc/{worker}/task").iterdir():
        for pid in (task / "children").read_text().split():
            if b"workers.runner" in Path(f"/proc/{pid}/cmdline").read_bytes():
                yield int(pid)


@pytest.mark.parametrize(
    "strike",
    [
        pytest.param(kill_a_runner, id="runner"),
        pytest.param(kill("worker"), id="worker"),
        pytest.param(kill("scheduler"), id="scheduler"),
        pytest.param(kill("api"), id="api"),
        pytest.param(kill("redis"), id="redis"),
        pytest.param(kill("postgres"), id="postgres"),
    ],
)
def test_a_run_survives_a_sigkill(
    running: EmbeddedPool, client: worldpool.Client, operator: worldpool.Client, strike: Callable[[EmbeddedPool], None]
) -> None:
    run = client.runs.create(refs=REFS, steps_per_env=STEPS, seed=7)
    lengths: dict[tuple[str, int, int], int] = {}
    for number, batch in enumerate(run.stream(progress=False)):
        if number == 2:
            strike(running)
        for episode in batch.to_episodes():
            key = (episode.ref, episode.env_index, episode.episode_index)
            assert key not in lengths, "an episode arrived twice"
            lengths[key] = whole(episode)
    info = client.runs.get(run.id)
    assert info.state == "succeeded"
    assert info.steps_done == STEPS * len(REFS) == sum(lengths.values())
    assert info.episodes_done == len(lengths)
    wait_until(lambda: client.me().commitment_used_mc == 0)
    assert {quota.used_mc for quota in operator.admin.quotas.list()} == {0}


def whole(episode: worldpool.Episode) -> int:
    """Steps of an episode, all of whose rows are there: t = 0, 1, … T for each of its agents."""
    steps = int(episode.t[-1])
    agents = len(episode.agents)
    assert np.array_equal(episode.t, np.repeat(np.arange(steps + 1), agents))
    assert np.array_equal(episode.is_first, episode.t == 0)
    assert np.array_equal(episode.is_last, episode.t == steps)
    return steps


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + MOST_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)
