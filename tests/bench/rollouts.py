"""Rollouts through the pool, decoded by a client, against a recording bare loop: one slot, steady state,
interleaved."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import worldpool
from rich.console import Console

from env_registry import arithmetic
from service.embedded.pool import EmbeddedPool
from tests.bench.measurement import Measurement, compared

ENVIRONMENTS = {
    "cartpole": ("classic/cartpole@1", "CartPole-v1"),
    "half_cheetah": ("mujoco/half_cheetah@1", "HalfCheetah-v5"),
    "ant": ("mujoco/ant@1", "Ant-v5"),
    "door_key": ("minigrid/door_key@1", "MiniGrid-DoorKey-8x8-v0"),
}
SECONDS = float(os.environ.get("BENCH_SECONDS", "60"))
"""Steady state of one environment, over all repeats, of each side."""
REPEATS = 5
TICKS = os.sysconf("SC_CLK_TCK")

progress = Console(stderr=True)


def measure(wanted: Callable[[str], bool]) -> list[Measurement]:
    chosen = {name: pair for name, pair in ENVIRONMENTS.items() if wanted(f"rollouts/{name}")}
    if not chosen:
        return []
    found: list[Measurement] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPool(Path(folder), slots=1) as pool,
        worldpool.connect(url=pool.url, api_key=pool.cell_key) as client,
    ):
        for name, (ref, id) in chosen.items():
            found += _compare(name, ref, id, pool, client)
    return found


def _compare(name: str, ref: str, id: str, pool: EmbeddedPool, client: worldpool.Client) -> list[Measurement]:
    rates, costs = [], []
    _pool(ref, 1.0, pool, client, seed=REPEATS)  # warm: every runner has its engine then
    for repeat in range(REPEATS):
        bare_rate, bare_cpu = _bare(id, SECONDS / REPEATS)
        rate, cpu = _pool(ref, SECONDS / REPEATS, pool, client, seed=repeat)
        rates.append((rate, bare_rate))
        costs.append((cpu * 1e6, bare_cpu * 1e6))
        progress.print(f"{name} {repeat + 1}/{REPEATS}: {rate:,.0f} of {bare_rate:,.0f} steps/s")
    return [
        compared(f"rollouts/{name}/vs_loop", "steps/s", rates),
        compared(f"rollouts/{name}/cpu_per_step", "us", costs),
    ]


def _bare(id: str, seconds: float) -> tuple[float, float]:
    """(steps a second, CPU-seconds a step) of the loop alone."""
    command = [sys.executable, "-m", "tests.bench.bare_loop", id, str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | arithmetic.SETTINGS)
    seen = json.loads(done.stdout)
    return seen["steps"] / seen["wall_s"], seen["cpu_s"] / seen["steps"]


def _pool(ref: str, seconds: float, pool: EmbeddedPool, client: worldpool.Client, *, seed: int) -> tuple[float, float]:
    """The same through the pool, from the first chunk on: all its processes and this client count."""
    run = client.runs.create(refs=[ref], steps_per_env=10**9, seed=seed)
    steps, began, cpu = 0, 0.0, 0.0
    with run.stream(progress=False) as stream:
        for batch in stream:
            _touch(batch)
            now = time.perf_counter()
            if not began:  # the first chunk holds start-up; what comes after is steady state
                began, cpu = now, _cpu_s(pool)
                continue
            steps += len(batch) - int(batch.is_last.sum())
            if now - began >= seconds:
                break
    wall, cpu = now - began, _cpu_s(pool) - cpu
    run.cancel()
    while client.me().running_items:
        time.sleep(0.05)
    return steps / wall, cpu / steps


def _touch(batch: worldpool.Batch) -> None:
    """What a learner takes from a batch."""
    _ = (batch.observations, batch.actions, batch.rewards, batch.terminations, batch.truncations, batch.is_first)


def _cpu_s(pool: EmbeddedPool) -> float:
    """CPU-seconds that the pool's processes, those below them, and we have used so far."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime + _tree_cpu_s(pool.pid)


def _tree_cpu_s(pid: int) -> float:
    """Of a process, its living descendants and the dead ones that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = sum(int(field) for field in fields[11:15])
    below = [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    return ticks / TICKS + sum(_tree_cpu_s(child) for child in below)
