from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.embedded.child import Child
from service.embedded.logs import Terminal
from service.embedded.supervisor import FIRST_BACKOFF_S, HEALTHY_S, LONGEST_BACKOFF_S, Backoff, ChildFailed, Supervisor
from service.settings import ROOT
from tests.embedded.processes import alive, eventually

SERVES = "import pathlib, signal, sys; pathlib.Path(sys.argv[1]).touch(); signal.pause()"


def server(folder: Path, name: str = "server", code: str = SERVES, **more: object) -> Child:
    """A child that is ready when it has made a file."""
    mark = folder / name

    def prepare() -> None:
        mark.unlink(missing_ok=True)

    return Child(name, (sys.executable, "-c", code, str(mark)), ready=mark.exists, prepare=prepare, **more)  # type: ignore[arg-type]


def supervised(folder: Path, use: Callable[[Supervisor], Awaitable[None]], *, max_failures: int = 3) -> str:
    """Run `use` with a supervisor, stop that, and return what a user sees."""
    seen = io.StringIO()

    async def run() -> None:
        supervisor = Supervisor(folder / "logs", Terminal("info", seen), max_failures=max_failures)
        try:
            await use(supervisor)
        finally:
            await supervisor.stop()

    asyncio.run(run())
    return seen.getvalue()


async def forever() -> None:
    await asyncio.Event().wait()


async def until(outcome: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(eventually, outcome, what)


def test_a_killed_child_is_started_again_however_often(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "server.log"
    lives = []

    async def use(supervisor: Supervisor) -> None:
        await supervisor.start(server(tmp_path))
        for times in range(2, 6):
            lives.append(supervisor.pids()["server"])
            os.kill(lives[-1], signal.SIGKILL)
            await until(lambda times=times: log.read_text().count("ready") == times, "ready again")  # type: ignore[misc]
        lives.append(supervisor.pids()["server"])

    seen = supervised(tmp_path, use)
    assert len(set(lives)) == 5
    assert seen.count("ended with SIGKILL; starts again in 0.2 s") == 4


def test_a_child_that_never_gets_ready_ends_the_pool_and_shows_its_last_words(tmp_path: Path) -> None:
    code = "import sys; sys.exit('the port is taken')"

    async def use(supervisor: Supervisor) -> None:
        await supervisor.start(server(tmp_path, "good"))
        await supervisor.start(server(tmp_path, "bad", code))

    with pytest.raises(ChildFailed, match=r"bad failed too often, last with exit code 1(?s:.*)the port is taken"):
        supervised(tmp_path, use)
    assert (tmp_path / "logs" / "bad.log").read_text().count("the port is taken") == 3


def test_a_child_that_keeps_crashing_after_it_was_ready_ends_the_pool(tmp_path: Path) -> None:
    code = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(0.2); sys.exit(3)"

    async def use(supervisor: Supervisor) -> None:
        await supervisor.start(server(tmp_path, "bad", code))
        await supervisor.during(forever())

    with pytest.raises(ChildFailed, match="exit code 3"):
        supervised(tmp_path, use)


def test_a_child_that_is_not_ready_in_time_is_ended(tmp_path: Path) -> None:
    async def use(supervisor: Supervisor) -> None:
        await supervisor.start(server(tmp_path, "slow", "import signal; signal.pause()", start_s=0.3))

    with pytest.raises(ChildFailed, match="not ready within"):
        supervised(tmp_path, use, max_failures=1)


def test_children_stop_in_reverse_order(tmp_path: Path) -> None:
    order = tmp_path / "order"
    code = (
        "import pathlib, signal, sys\n"
        f"def end(*_): open({str(order)!r}, 'a').write(pathlib.Path(sys.argv[1]).name); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); pathlib.Path(sys.argv[1]).touch(); signal.pause()"
    )

    async def use(supervisor: Supervisor) -> None:
        for name in "abc":
            await supervisor.start(server(tmp_path, name, code))

    supervised(tmp_path, use)
    assert order.read_text() == "cba"


def test_a_hurry_kills_what_is_disposable_and_leaves_the_others_their_orderly_end(tmp_path: Path) -> None:
    told = "import os, pathlib, signal, sys\nmark = pathlib.Path(sys.argv[1])\n"
    told += "signal.signal(signal.SIGTERM, lambda *_: mark.with_suffix('.told').touch())\nmark.touch()\n"
    works = told + "while True: signal.pause()"
    stores = told + f"signal.pause()\nos.mkfifo({str(tmp_path / 'fifo')!r}); open({str(tmp_path / 'fifo')!r}).read()\n"
    stores += "mark.with_suffix('.stored').touch()"

    async def use(supervisor: Supervisor) -> None:
        await supervisor.start(server(tmp_path, "database", stores))
        await supervisor.start(server(tmp_path, "worker", works, disposable=True, stop_s=1000))
        stopping = asyncio.create_task(supervisor.stop())
        await until((tmp_path / "worker.told").exists, "the worker was asked to stop")
        assert supervisor.hurry() == ["database"]
        await until((tmp_path / "fifo").exists, "the database was asked to stop")
        assert supervisor.hurry() == ["database"]
        (tmp_path / "fifo").write_text("")
        await stopping

    seen = supervised(tmp_path, use)
    assert (tmp_path / "database.stored").exists()
    assert "did not stop" not in seen


def test_a_child_that_ignores_the_request_to_stop_is_killed_with_its_own_children(tmp_path: Path) -> None:
    code = (
        "import pathlib, signal, subprocess, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "inner = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "pathlib.Path(sys.argv[1] + '.pid').write_text(str(inner.pid))\n"
        "pathlib.Path(sys.argv[1]).touch(); signal.pause()"
    )
    seen = []

    async def use(supervisor: Supervisor) -> None:
        await supervisor.start(server(tmp_path, "deaf", code, stop_s=0.2))
        seen.extend([supervisor.pids()["deaf"], int((tmp_path / "deaf.pid").read_text())])

    supervised(tmp_path, use)
    for pid in seen:
        eventually(lambda pid=pid: not alive(pid), f"{pid} has ended")  # type: ignore[misc]


def test_children_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    code = (
        "import asyncio, pathlib, sys\n"
        "from tests.embedded.test_supervisor import server, Supervisor, Terminal\n"
        "async def main(folder):\n"
        "    supervisor = Supervisor(folder / 'logs', Terminal('error'))\n"
        "    await supervisor.start(server(folder))\n"
        "    print(supervisor.pids()['server'], flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main(pathlib.Path(sys.argv[1])))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        child = int(supervisor.stdout.readline())
        assert alive(child)
        supervisor.kill()
    eventually(lambda: not alive(child), "the child has ended")


@given(st.lists(st.floats(HEALTHY_S + 1, 1000), max_size=30), st.integers(2, 5))
def test_rare_failures_never_end_the_pool(runs: list[float], limit: int) -> None:
    backoff, now = Backoff(limit), 0.0
    for ran in runs:
        now += ran
        assert backoff.failed(now, ran) == FIRST_BACKOFF_S


@given(st.lists(st.floats(0, 0.9), min_size=60, max_size=60), st.integers(1, 60))
def test_failures_that_crowd_a_minute_end_the_pool_at_the_limit_and_wait_longer_each_time(
    runs: list[float], limit: int
) -> None:
    backoff, now, delays = Backoff(limit), 0.0, []
    for ran in runs[:limit]:
        now += ran
        delays.append(backoff.failed(now, ran))
    assert delays[-1] is None
    waited = [delay for delay in delays[:-1] if delay is not None]
    assert waited == [min(FIRST_BACKOFF_S * 2**n, LONGEST_BACKOFF_S) for n in range(limit - 1)]
