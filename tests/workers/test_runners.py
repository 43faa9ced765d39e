"""Runner processes by themselves: what they answer, and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workers import contract, frames
from workers.chunks import read_chunk
from workers.runners import RunnerDied, RunnerPool, RunnerProcess, _environment

from .conftest import MakeItem, segment


@pytest.fixture
def runner(slow_pid: Callable[[], int]) -> Iterator[RunnerProcess]:
    runner = RunnerProcess()
    yield runner
    runner.kill()


@pytest.fixture
def job_of(tmp_path: Path):  # type: ignore[no-untyped-def]
    def job(item: contract.Item) -> frames.Job:
        return frames.Job(item=item, site="home", runtime="r", store_url=tmp_path.as_uri())

    return job


def result(runner: RunnerProcess) -> frames.Result:
    while not isinstance(frame := runner.receive(60), frames.Result):
        assert frame is not None, "no answer in time"
    return frame


def until_dead(runner: RunnerProcess) -> None:
    while True:
        runner.receive(30)


def until_progress(runner: RunnerProcess) -> frames.Progress:
    while not isinstance(frame := runner.receive(60), frames.Progress):
        assert isinstance(frame, frames.Ready)
    return frame


def test_a_runner_writes_the_chunk_and_answers_with_its_facts(
    runner, job_of, make_item: MakeItem, tmp_path: Path
) -> None:
    runner.start(job_of(make_item("lab/single")))
    answer = result(runner)
    data = (tmp_path / "runs/r/0.wpc").read_bytes()
    assert answer.outcome is contract.Outcome.DONE
    assert answer.chunk is not None
    assert answer.chunk.bytes == len(data)
    assert answer.chunk.steps == read_chunk(data).index["steps"] == 10


def test_what_an_engine_prints_does_not_harm_the_answers(runner, job_of, make_item: MakeItem) -> None:
    for _ in range(2):
        runner.start(job_of(make_item("lab/chatty")))
        assert result(runner).outcome is contract.Outcome.DONE


def test_progress_comes_while_it_runs(runner, job_of, make_item: MakeItem) -> None:
    runner.start(job_of(make_item("lab/slow;length=1000000", segments=[segment(steps=300)])))
    first, second = until_progress(runner), until_progress(runner)
    assert 0 < first.steps < second.steps < 300
    assert result(runner).outcome is contract.Outcome.DONE


def test_an_environment_error_is_an_outcome_and_the_runner_lives_on(runner, job_of, make_item: MakeItem) -> None:
    runner.start(job_of(make_item("lab/broken")))
    answer = result(runner)
    assert (answer.outcome, answer.failure) == (contract.Outcome.FAILED, contract.Failure.ENVIRONMENT_ERROR)
    assert answer.detail == "lab/broken@1, episode 1: RuntimeError: a joint broke"
    runner.start(job_of(make_item("lab/single")))
    assert result(runner).outcome is contract.Outcome.DONE


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts mapped memory on Linux only")
def test_the_memory_limit_ends_the_attempt_and_the_runner(runner, job_of, make_item: MakeItem) -> None:
    runner.start(job_of(make_item("lab/hungry;length=1000", memory_mb=400)))
    answer = result(runner)
    assert (answer.outcome, answer.failure) == (contract.Outcome.FAILED, contract.Failure.MEMORY_LIMIT)
    with pytest.raises(RunnerDied, match="exit status 1"):
        runner.receive(30)


def test_a_store_that_takes_nothing_is_infrastructure(runner, job_of, make_item: MakeItem, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where a folder must be")
    runner.start(job_of(make_item("lab/single")))
    answer = result(runner)
    assert (answer.outcome, answer.failure) == (contract.Outcome.LOST, contract.Failure.STORE_ERROR)


def test_a_killed_runner_says_how_it_died(runner, job_of, make_item: MakeItem) -> None:
    runner.start(job_of(make_item("lab/slow;length=1000000")))
    until_progress(runner)
    os.kill(runner.pid, signal.SIGKILL)
    with pytest.raises(RunnerDied, match="killed by SIGKILL"):
        until_dead(runner)


def test_a_runner_ends_with_its_parent_also_when_its_engine_hangs(job_of, make_item: MakeItem) -> None:
    command = [sys.executable, "-m", "workers.runner"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert frames.receive(process.stdout) is not None
        frames.send(process.stdin, job_of(make_item("lab/hang")))
        process.stdin.close()
        assert process.wait(30) == 0


def test_a_runner_is_warm_but_has_no_engine_before_its_first_item() -> None:
    code = "import workers.runner, sys; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"numpy", "pyarrow", "obstore"} <= set(loaded)
    assert not {"mujoco", "gymnasium", "pyspiel", "minigrid", "pettingzoo"} & set(loaded)


def test_runners_do_not_get_the_sites_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLDPOOL_SITE_KEY", "secret")
    runner = RunnerProcess()
    assert isinstance(runner.receive(60), frames.Ready)
    environment = Path(f"/proc/{runner.pid}/environ").read_bytes()
    runner.kill()
    assert b"OMP_NUM_THREADS=1" in environment
    assert b"secret" not in environment


def test_arrow_leaves_the_limit_of_memory_to_engines() -> None:
    """Its own pool may reserve a GiB at the first allocation, which counts as data of the process."""
    code = "import pyarrow as pa; from workers.simulators import data_mb; pa.array(range(10**5)); print(data_mb())"
    answer = subprocess.run(
        [sys.executable, "-c", code], env=_environment(), capture_output=True, text=True, check=True
    )
    assert int(answer.stdout) < 512


def test_the_pool_gives_the_runner_that_worked_last_and_never_a_dead_one() -> None:
    pool = RunnerPool(1)
    first = pool.take()
    pool.give_back(first)
    assert pool.take() is first
    os.kill(first.pid, signal.SIGKILL)
    while first.alive:
        pass
    pool.give_back(first)
    other = pool.take()
    assert other.pid != first.pid
    assert other.alive
    pool.give_back(other)
    pool.close()
