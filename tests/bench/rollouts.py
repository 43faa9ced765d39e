"""Rollouts through the pool, decoded by a client, against loops of the libraries alone: steady state, interleaved.

`vs_loop`: one slot against one bare loop; `cpu_per_step`: processor time of all processes of both. `vs_loops2`: two
slots against two bare loops at once. `vs_async`: two slots against Gymnasium's AsyncVectorEnv of two; `vs_envpool`: two
slots against EnvPool on two threads, with the Python that BENCH_ENVPOOL names. `native`: simulation and recording alone
against the bare loop, in a process each. `overhead`: what a chunk costs beside its simulation, and memory.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import worldpool
from rich.console import Console

from env_registry import arithmetic
from service.embedded.pool import EmbeddedPool
from tests.bench.measurement import Measurement, compared


@dataclass(frozen=True)
class Environment:
    """One environment as the pool and as its library names it, and how `bare_loop` runs it."""

    ref: str
    id: str
    way: str = "gymnasium"
    envpool: bool = False


ENVIRONMENTS = {
    "cartpole": Environment("classic/cartpole@1", "CartPole-v1", envpool=True),
    "half_cheetah": Environment("mujoco/half_cheetah@1", "HalfCheetah-v5", envpool=True),
    "ant": Environment("mujoco/ant@1", "Ant-v5", envpool=True),
    "door_key": Environment("minigrid/door_key@1", "MiniGrid-DoorKey-8x8-v0"),
    "simple_spread": Environment("mpe/simple_spread@1", "simple_spread_v3", way="mpe2"),
    "connect_four": Environment("openspiel/connect_four@1", "connect_four", way="open_spiel"),
}
NATIVE = {
    "ant": Environment("mujoco/ant@1", "Ant-v5"),
    "half_cheetah": Environment("mujoco/half_cheetah@1", "HalfCheetah-v5"),
    "hopper": Environment("mujoco/hopper@1", "Hopper-v5"),
}
SECONDS = float(os.environ.get("BENCH_SECONDS", "60"))
"""Steady state of one environment, over all repeats, of each side."""
ENVPOOL = os.environ.get("BENCH_ENVPOOL")
"""A Python that has EnvPool, which the lock does not name."""
REPEATS = 5
TICKS = os.sysconf("SC_CLK_TCK")
QUICK = ["classic/cartpole@1"]
MANY_QUICK = {"kind": "single", "max_step_us": 20}
"""What the runs are of whose chunks are counted: quick steps, so that what is beside them shows."""

progress = Console(stderr=True)
Wanted = Callable[[str], bool]


def measure(wanted: Wanted) -> list[Measurement]:
    found = _native(wanted)
    for slots, part in ((1, _one_slot), (2, _two_slots)):
        names = [f"rollouts/{name}/{kind}" for name in ENVIRONMENTS for kind in KINDS[slots]]
        if any(wanted(name) for name in names) or (slots == 1 and wanted("rollouts/overhead")):
            with _pool(slots) as running:
                found += part(running, wanted)
    return [measurement for measurement in found if wanted(measurement.name)]


KINDS = {1: ("vs_loop", "cpu_per_step"), 2: ("vs_loops2", "vs_async", "vs_envpool")}
"""What is measured on a pool of so many slots."""


@dataclass(frozen=True)
class Running:
    pool: EmbeddedPool
    client: worldpool.Client


@contextmanager
def _pool(slots: int) -> Iterator[Running]:
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPool(Path(folder), slots=slots) as pool,
        worldpool.connect(url=pool.url, api_key=pool.cell_key) as client,
    ):
        yield Running(pool, client)


# --- the pool against a loop


@dataclass(frozen=True)
class Rate:
    """Steps a second, and processor seconds a step."""

    rate: float
    cpu: float


def _one_slot(running: Running, wanted: Wanted) -> list[Measurement]:
    found: list[Measurement] = []
    for name, environment in ENVIRONMENTS.items():
        if wanted(f"rollouts/{name}/vs_loop") or wanted(f"rollouts/{name}/cpu_per_step"):
            pairs = _interleaved(f"{name}/vs_loop", running, environment, lambda s, e=environment: _bare(e, s))
            costs = [(ours.cpu * 1e6, bare.cpu * 1e6) for ours, bare in pairs]
            found += [
                compared(f"rollouts/{name}/vs_loop", "steps/s", [(ours.rate, bare.rate) for ours, bare in pairs]),
                compared(f"rollouts/{name}/cpu_per_step", "us", costs),
            ]
    return found + (_overhead(running) if wanted("rollouts/overhead") else [])


def _two_slots(running: Running, wanted: Wanted) -> list[Measurement]:
    found: list[Measurement] = []
    for name, environment in ENVIRONMENTS.items():
        if wanted(f"rollouts/{name}/vs_loops2"):
            pairs = _interleaved(f"{name}/vs_loops2", running, environment, lambda s, e=environment: _two_bare(e, s))
            found.append(_rates(f"rollouts/{name}/vs_loops2", pairs))
        if environment.way == "gymnasium" and wanted(f"rollouts/{name}/vs_async"):
            pairs = _interleaved(f"{name}/vs_async", running, environment, lambda s, e=environment: _async(e, s))
            found.append(_rates(f"rollouts/{name}/vs_async", pairs))
        if environment.envpool and wanted(f"rollouts/{name}/vs_envpool"):
            if ENVPOOL is None:
                progress.print(f"{name}/vs_envpool: skipped, because BENCH_ENVPOOL names no Python that has EnvPool")
                continue
            pairs = _interleaved(f"{name}/vs_envpool", running, environment, lambda s, e=environment: _envpool(e, s))
            found.append(_rates(f"rollouts/{name}/vs_envpool", pairs))
    return found


def _interleaved(
    name: str, running: Running, environment: Environment, other: Callable[[float], Rate]
) -> list[tuple[Rate, Rate]]:
    pairs = []
    _through_pool(running, environment.ref, 1.0, seed=REPEATS)  # warm: every runner has its engine then
    for repeat in range(REPEATS):
        theirs = other(SECONDS / REPEATS)
        ours = _through_pool(running, environment.ref, SECONDS / REPEATS, seed=repeat)
        pairs.append((ours, theirs))
        progress.print(f"{name} {repeat + 1}/{REPEATS}: {ours.rate:,.0f} against {theirs.rate:,.0f} steps/s")
    return pairs


def _rates(name: str, pairs: Sequence[tuple[Rate, Rate]]) -> Measurement:
    return compared(name, "steps/s", [(ours.rate, theirs.rate) for ours, theirs in pairs])


def _bare(environment: Environment, seconds: float) -> Rate:
    return _alone("bare_loop", environment.way, environment.id, str(seconds))


def _two_bare(environment: Environment, seconds: float) -> Rate:
    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(lambda _: _bare(environment, seconds), range(2))
    return Rate(one.rate + other.rate, (one.cpu + other.cpu) / 2)


def _async(environment: Environment, seconds: float) -> Rate:
    return _alone("bare_loop", "async", environment.id, str(seconds))


def _envpool(environment: Environment, seconds: float) -> Rate:
    return _alone("bare_loop", "envpool", environment.id, str(seconds), python=ENVPOOL or sys.executable)


def _recording(refs: Sequence[str], seconds: float, *, steps: int = 4096) -> Rate:
    """Our own simulation and recording, in items of so many steps."""
    return _alone("recording_loop", str(seconds), str(steps), told="\n".join(refs))


def _alone(module: str, *arguments: str, python: str = sys.executable, told: str = "") -> Rate:
    """What a loop in a process of its own tells."""
    command = [python, "-W", "ignore", "-m", f"tests.bench.{module}", *arguments]
    environment = os.environ | arithmetic.SETTINGS
    done = subprocess.run(command, input=told, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    seen = json.loads(done.stdout.splitlines()[-1])
    return Rate(seen["steps"] / seen["wall_s"], seen["cpu_s"] / seen["steps"])


def _through_pool(running: Running, ref: str, seconds: float, *, seed: int) -> Rate:
    """The same through the pool, from the first chunk on: all its processes and this client count."""
    client = running.client
    run = client.runs.create(refs=[ref], steps_per_env=10**9, seed=seed)
    steps, began, cpu = 0, 0.0, 0.0
    with run.stream(progress=False) as stream:
        for batch in stream:
            _touch(batch)
            now = time.perf_counter()
            if not began:  # the first chunk holds start-up; what comes after is steady state
                began, cpu = now, _cpu_s(running.pool)
                continue
            steps += _steps(batch)
            if now - began >= seconds:
                break
    wall, cpu = now - began, _cpu_s(running.pool) - cpu
    run.cancel()
    while client.me().running_items:
        time.sleep(0.05)
    return Rate(steps / wall, cpu / steps)


def _touch(batch: worldpool.Batch) -> None:
    """What a learner takes from a batch."""
    _ = (batch.observations, batch.actions, batch.rewards, batch.terminations, batch.truncations, batch.is_first)


def _steps(batch: worldpool.Batch) -> int:
    """Of the environment: of several agents who act at once, a step is one for all of them."""
    acted = ~batch.is_last if batch.kind == "single" else batch.acted
    if batch.kind != "parallel":
        return int(acted.sum())
    return int((acted & (batch.agent_index == 0)).sum())


# --- simulation and recording alone


def _native(wanted: Wanted) -> list[Measurement]:
    found = []
    for name, environment in NATIVE.items():
        if wanted(f"rollouts/native/{name}/vs_loop"):
            pairs = []
            for repeat in range(REPEATS):
                bare = _bare(environment, SECONDS / REPEATS)
                ours = _recording([environment.ref], SECONDS / REPEATS)
                pairs.append((ours, bare))
                progress.print(
                    f"native/{name} {repeat + 1}/{REPEATS}: {ours.rate:,.0f} against {bare.rate:,.0f} steps/s"
                )
            found.append(_rates(f"rollouts/native/{name}/vs_loop", pairs))
    return found


# --- what a chunk costs beside its simulation


@dataclass(frozen=True)
class Cost:
    """Of a run: processor milliseconds a chunk beside simulation, and resident memory, sampled at each chunk."""

    chunk_ms: float
    api_mb: Sequence[float]
    worker_mb: Sequence[float]


def _overhead(running: Running) -> list[Measurement]:
    """Growing runs of one spec, and a run of 1,000 specs against one of as many steps of a single one."""
    subset = running.client.subsets.create(where=MANY_QUICK, size=1000, strategy="random")
    refs = [environment.ref for environment in running.client.subsets.environments(subset)]
    _run(running, QUICK, 10**5)  # warm
    sizes = {10**power: _run(running, QUICK, 10**power) for power in (4, 5, 6, 7)}
    many, one = _run(running, refs, 10**6 // len(refs)), sizes[10**6]
    least, most = sizes[10**4], sizes[10**7]
    return [
        *(
            compared(
                f"rollouts/overhead/chunk_ms/1e{len(str(size)) - 1}_steps", "ms", [(cost.chunk_ms, least.chunk_ms)]
            )
            for size, cost in sizes.items()
        ),
        compared(f"rollouts/overhead/chunk_ms/{len(refs)}_specs", "ms", [(many.chunk_ms, one.chunk_ms)]),
        compared("rollouts/overhead/api_mb", "MB", [_late_and_early(most.api_mb)]),
        compared("rollouts/overhead/worker_mb", "MB", [_late_and_early(most.worker_mb)]),
    ]


def _run(running: Running, refs: Sequence[str], steps_per_env: int) -> Cost:
    """A whole run, streamed; short ones are repeated until the clock ticks are fine enough."""
    alone = _recording(refs, 5.0, steps=min(steps_per_env, 4096))
    chunks, simulated, api_mb, worker_mb = 0, 0.0, list[float](), list[float]()
    cpu = _cpu_s(running.pool)
    for seed in range(max(1, 10**5 // (len(refs) * steps_per_env))):
        run = running.client.runs.create(refs=list(refs), steps_per_env=steps_per_env, seed=seed)
        for batch in run.stream(progress=False):
            _touch(batch)
            simulated += alone.cpu * _steps(batch)
            api_mb.append(_memory_mb(running.pool, "service api"))
            worker_mb.append(_memory_mb(running.pool, "workers."))
        chunks += batch.chunk.seq
    cost = Cost(1e3 * (_cpu_s(running.pool) - cpu - simulated) / chunks, api_mb, worker_mb)
    progress.print(
        f"overhead of {len(refs)} x {steps_per_env:,} steps: {cost.chunk_ms:.0f} ms in each of {chunks} chunks"
    )
    return cost


def _late_and_early(samples: Sequence[float]) -> tuple[float, float]:
    """The most after the first tenth, and the median of the second tenth."""
    tenth = max(len(samples) // 10, 1)
    return max(samples[tenth:]), median(samples[tenth : 2 * tenth])


# --- processes


def _cpu_s(pool: EmbeddedPool) -> float:
    """CPU-seconds that the pool's processes, those below them, and we have used so far."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime + sum(_ticks(pid) for pid in _tree(pool.pid)) / TICKS


def _memory_mb(pool: EmbeddedPool, command: str) -> float:
    """Resident memory of the pool's processes whose command line has this."""
    return sum(_resident_mb(pid) for pid in _tree(pool.pid) if command in _command(pid))


def _tree(pid: int) -> Iterator[int]:
    """A process and its living descendants."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _tree(int(child))


def _ticks(pid: int) -> int:
    """Of a process and of the dead ones below it that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15])


def _resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
