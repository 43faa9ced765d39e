"""`python -m service up` as a user runs it: a process, its output, its exit code, and what is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from service.db import driver_url
from service.embedded import up as up_module
from service.embedded.parts import DATABASES, get
from service.embedded.pool import EmbeddedPool
from service.embedded.postgres_home import Home
from service.embedded.state import State, read_json
from service.embedded.status import report
from service.settings import ROOT, Settings, environment
from tests.embedded.processes import alive, eventually, mentioning

UP = [sys.executable, "-m", "service", "up", "--parts", ",".join(DATABASES)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pool")


@pytest.fixture
def pool(folder: Path) -> Iterator[EmbeddedPool]:
    with EmbeddedPool(folder, parts=DATABASES) as running:
        yield running


def up(folder: Path, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run `up` to its end, with the databases only."""
    told = environment(**{"state_dir": folder, **settings})
    return subprocess.run([*UP, *arguments], cwd=ROOT, env=told, capture_output=True, text=True, timeout=120)


def started(folder: Path) -> subprocess.Popen[str]:
    """An `up` that shows every line at once."""
    return subprocess.Popen(UP, cwd=ROOT, env=environment(state_dir=folder), stderr=subprocess.PIPE, text=True)


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Read what it shows; the first line that holds a text."""
    assert process.stderr is not None
    return next(line for line in process.stderr if text in line)


def answers(pool: EmbeddedPool) -> bool:
    try:
        with psycopg.connect(driver_url(pool.database_url), connect_timeout=5) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def test_a_second_up_says_where_the_first_runs(pool: EmbeddedPool) -> None:
    second = up(pool.state_dir)
    assert second.returncode == 1
    assert pool.url in second.stderr
    assert f"pid {pool.pid}" in second.stderr
    assert answers(pool)


def test_a_command_joins_the_pool_that_runs_already(pool: EmbeddedPool) -> None:
    printed = 'import os; print(os.environ["WORLDPOOL_URL"]); raise SystemExit(5)'
    done = up(pool.state_dir, "--then", f"{sys.executable} -c '{printed}'")
    assert (done.returncode, done.stdout.strip()) == (5, pool.url)
    assert answers(pool)


def test_a_command_has_a_pool_for_as_long_as_it_runs_and_passes_its_exit_code_on(folder: Path) -> None:
    printed = "import pathlib, sys; print(pathlib.Path(sys.argv[1]).read_text()); raise SystemExit(7)"
    done = up(folder, "--then", f"{sys.executable} -c '{printed}' {folder}/pool.json")
    assert done.returncode == 7
    told = json.loads(done.stdout)
    assert set(told["children"]) == set(DATABASES)
    assert not any(alive(pid) for pid in (told["pid"], *told["children"].values()))
    assert not (folder / "pool.json").exists()


def test_a_first_look_is_quiet(folder: Path) -> None:
    done = up(folder, "--then", "true")
    assert done.returncode == 0
    assert {line.split("|")[0].strip() for line in done.stderr.splitlines()} == {"worldpool"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_all_children(folder: Path, number: signal.Signals) -> None:
    with EmbeddedPool(folder, parts=DATABASES) as pool:
        pids = [pool.pid, *pool.pids().values()]
        os.kill(pool.pid, number)
        assert pool.stop() == 0
        assert not any(alive(pid) for pid in pids)
        assert mentioning(str(folder)) == []
        assert "did not stop" not in pool.output()
        assert sorted(path.name for path in folder.iterdir()) == ["lock", "logs", "port.json", "postgres", "redis"]


def test_ctrl_c_while_it_is_being_imported_ends_it_quietly(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", *UP[1:]]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(state_dir=tmp_path / "state"), stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell in the background has it ignored
    )  # fmt: skip
    with process:
        read_until(process, "http.client")
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()  # type: ignore[union-attr]
    assert process.returncode == 130
    assert {line.split(":")[0] for line in said.splitlines()} <= {"import time"}
    assert not (tmp_path / "state").exists()


def test_a_signal_while_it_starts_stops_it_too(tmp_path: Path) -> None:
    with started(tmp_path) as process:
        read_until(process, "starting postgres")
        process.terminate()
        assert process.stderr is not None
        process.stderr.read()
    assert process.returncode == 0
    assert mentioning(str(tmp_path)) == []


def test_ctrl_c_again_says_what_is_waited_for_and_leaves_postgres_its_orderly_end(tmp_path: Path) -> None:
    with started(tmp_path) as process:
        read_until(process, "keys are in")
        pids, runtime = read_json(tmp_path / "pool.json")["children"], (tmp_path / "runtime").resolve()  # type: ignore[index]
        os.kill(pids["redis"], signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        read_until(process, "stopping")
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            assert "waiting for postgres and redis" in read_until(process, "at once")
        os.kill(pids["redis"], signal.SIGCONT)
        assert "did not stop" not in process.stderr.read()  # type: ignore[union-attr]
    assert process.returncode == 0
    assert "database system is shut down" in (tmp_path / "logs" / "postgres.log").read_text().splitlines()[-1]
    assert mentioning(str(tmp_path)) == []
    assert not runtime.exists()
    assert list(Home.of(tmp_path / "postgres").path.glob(".s.PGSQL.*")) == []


def test_a_terminal_that_is_closed_stops_it(tmp_path: Path) -> None:
    ours, its = os.openpty()
    in_terminal = ["sh", "-c", 'exec "$@" <>"$0" 2>&0', os.ttyname(its), *UP]
    told = environment(state_dir=tmp_path)
    hears = partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)  # also where the tests run under nohup
    with subprocess.Popen(in_terminal, cwd=ROOT, env=told, start_new_session=True, preexec_fn=hears) as process:
        shown = b""
        while b"keys are in" not in shown:
            shown += os.read(ours, 1000)
        os.close(ours)
        os.close(its)
    assert process.returncode == 0
    assert "database system is shut down" in (tmp_path / "logs" / "postgres.log").read_text().splitlines()[-1]
    assert mentioning(str(tmp_path)) == []


def test_with_nohup_a_closed_terminal_does_not_stop_it(tmp_path: Path) -> None:
    command = ["nohup", *UP, "--then", "sh -c 'kill -HUP $PPID'"]
    done = subprocess.run(command, cwd=ROOT, env=environment(state_dir=tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_command_that_does_not_end_when_told_to_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up_module, "INTERRUPTED_S", 0.1)
    monkeypatch.setattr(up_module, "TERMINATED_S", 0.1)
    mark = tmp_path / "mark"

    async def interrupted() -> None:
        then = shlex.join(["sh", "-c", f'trap "" INT TERM; echo $$ > {mark}; while :; do read line < {mark}; done'])
        command = asyncio.create_task(up_module._command(then, {"url": "http://nowhere"}))
        await asyncio.to_thread(eventually, lambda: mark.exists() and mark.read_text() != "", "it runs")
        command.cancel()
        await asyncio.wait([command])

    asyncio.run(interrupted())
    assert not alive(int(mark.read_text()))


def test_a_pool_keeps_its_port_while_that_is_free(tmp_path: Path) -> None:
    with EmbeddedPool(tmp_path, parts=("redis",)) as pool:
        before = urlsplit(pool.url)
    with EmbeddedPool(tmp_path, parts=("redis",)) as pool:
        assert urlsplit(pool.url) == before
    taken = socket.create_server((str(before.hostname), int(before.port or 0)))
    with taken, EmbeddedPool(tmp_path, parts=("redis",)) as pool:
        moved = urlsplit(pool.url)
        assert moved.port != before.port
        assert f"port {before.port}, where this pool was before, is taken" in pool.output()
    with EmbeddedPool(tmp_path, parts=("redis",)) as pool:
        assert urlsplit(pool.url) == moved


def test_a_given_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = up(tmp_path, port=port)
    assert done.returncode == 1
    assert f"stopped: the API cannot listen on port {port}" in done.stderr


def test_a_runtime_folder_goes_when_its_pool_was_killed_and_its_state_folder_removed(tmp_path: Path) -> None:
    gone, kept = State(tmp_path / "gone"), State(tmp_path / "kept")
    runtimes = []
    for state in (gone, kept):
        state.hold()
        runtimes.append(state.runtime())
    shutil.rmtree(gone.folder)
    next_one = State(tmp_path / "next")
    next_one.hold()
    assert [runtime.exists() for runtime in runtimes] == [False, True]
    for state in (gone, kept, next_one):
        state.release()


def test_a_kill_while_the_database_is_made_ends_that_too_and_the_next_up_starts(tmp_path: Path) -> None:
    with started(tmp_path) as process:
        read_until(process, "starting postgres")
        home = Home.of(tmp_path / "postgres").path
        eventually((home / "data.new").exists, "initdb runs")
        process.kill()
    eventually(lambda: mentioning(str(home)) == [], "initdb has ended")
    assert not (home / "data.new" / "global" / "pg_control").exists(), "it went on"
    assert up(tmp_path, "--then", "true").returncode == 0


def test_a_killed_supervisor_leaves_no_process_and_the_next_up_starts(folder: Path) -> None:
    with EmbeddedPool(folder, parts=DATABASES) as pool:
        children = pool.pids().values()
        runtime = (folder / "runtime").resolve()
        os.kill(pool.pid, signal.SIGKILL)
        eventually(lambda: not any(alive(pid) for pid in children), "its children have ended")
        eventually(lambda: mentioning(str(folder)) == [], "theirs have too")
    assert read_json(folder / "pool.json") is not None, "a killed process cannot clear up"
    assert report(Settings(state_dir=folder)) is None
    with EmbeddedPool(folder, parts=DATABASES) as pool:
        assert answers(pool)
        assert not runtime.exists()
        assert report(Settings(state_dir=folder))["supervisor"] == f"pid {pool.pid}"  # type: ignore[index]


def test_a_pool_that_was_killed_is_ready_at_once_at_the_same_address_and_with_a_worker_that_lives(
    tmp_path: Path,
) -> None:
    with EmbeddedPool(tmp_path, slots=2) as pool:
        url, key, before = pool.url, pool.operator_key, workers_of(pool)
        eventually(lambda: "Ctrl-C stops it" in pool.output(), "it has said what it is")
        assert "the pool counts 6,061 millicores" in pool.output()
        assert "work may occupy 33 % of them, 2,000: 2 slots" in pool.output()
        os.kill(pool.pid, signal.SIGKILL)
    with EmbeddedPool(tmp_path, slots=2) as pool:
        assert (pool.url, pool.operator_key) == (url, key)
        states = workers_of(pool)
    assert [state for id, state in states.items() if id not in before] == ["active"]


def workers_of(pool: EmbeddedPool) -> dict[str, str]:
    """States of all workers that have been."""
    listed = get(pool.url, "/v1/admin/workers", key=pool.operator_key)
    assert listed is not None
    return {worker["id"]: worker["state"] for worker in listed["items"]}


@pytest.mark.parametrize("child", DATABASES)
def test_a_killed_child_is_started_again_under_the_same_address(pool: EmbeddedPool, child: str) -> None:
    before, address = pool.pids()[child], pool.database_url
    os.kill(before, signal.SIGKILL)
    eventually(lambda: pool.pids().get(child, before) != before, f"another {child}")
    eventually(lambda: answers(pool), "it answers")
    assert pool.database_url == address


def test_keys_are_for_their_owner_only(pool: EmbeddedPool) -> None:
    assert (pool.state_dir / "pool.json").stat().st_mode & 0o777 == 0o600


def test_a_pool_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "redis").write_text("not a folder")
    done = up(tmp_path)
    assert done.returncode == 1
    assert "stopped: " in done.stderr
    assert "redis" in done.stderr.split("stopped: ")[1]
    assert mentioning(str(tmp_path)) == []


def test_a_given_database_is_used_and_none_started(pool: EmbeddedPool, tmp_path: Path) -> None:
    done = up(tmp_path, "--then", f"cat {tmp_path}/pool.json", database_url=pool.database_url)
    told = json.loads(done.stdout)
    assert told["database_url"] == pool.database_url
    assert set(told["children"]) == {"redis"}


def test_an_unknown_part_is_refused_by_name(tmp_path: Path) -> None:
    done = up(tmp_path, "--parts", "kafka")
    assert done.returncode == 2
    assert "kafka is no part" in done.stderr
