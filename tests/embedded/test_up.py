"""`python -m service up` as a user runs it: a process, its output, its exit code, and what is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from service.db import driver_url
from service.embedded.parts import DATABASES
from service.embedded.pool import EmbeddedPool
from service.embedded.state import read_json
from service.settings import ROOT, environment
from tests.embedded.processes import alive, eventually, mentioning


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pool")


@pytest.fixture
def pool(folder: Path) -> Iterator[EmbeddedPool]:
    with EmbeddedPool(folder, parts=DATABASES) as running:
        yield running


def up(folder: Path, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run `up` to its end, with the databases only."""
    command = [sys.executable, "-m", "service", "up", "--parts", ",".join(DATABASES), *arguments]
    told = environment(**{"state_dir": folder, **settings})
    return subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, timeout=120)


def answers(pool: EmbeddedPool) -> bool:
    try:
        with psycopg.connect(driver_url(pool.database_url), connect_timeout=5) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def test_a_second_up_says_where_the_first_runs(pool: EmbeddedPool) -> None:
    second = up(pool.state_dir)
    assert second.returncode == 0
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_all_children(folder: Path, number: signal.Signals) -> None:
    with EmbeddedPool(folder, parts=DATABASES) as pool:
        pids = [pool.pid, *pool.pids().values()]
        os.kill(pool.pid, number)
        assert pool.stop() == 0
        assert not any(alive(pid) for pid in pids)
        assert mentioning(str(folder)) == []
        assert "did not stop" not in pool.output()
        assert sorted(path.name for path in folder.iterdir()) == ["lock", "logs", "postgres", "redis"]


def test_a_signal_while_it_starts_stops_it_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "service", "up", "--parts", ",".join(DATABASES)]
    told = environment(state_dir=tmp_path)
    with subprocess.Popen(command, cwd=ROOT, env=told, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "starting postgres" in process.stderr.readline()
        process.terminate()
        process.stderr.read()
    assert process.returncode == 0
    assert mentioning(str(tmp_path)) == []


def test_a_killed_supervisor_leaves_no_process_and_the_next_up_starts(folder: Path) -> None:
    with EmbeddedPool(folder, parts=DATABASES) as pool:
        children = pool.pids().values()
        runtime = (folder / "runtime").resolve()
        os.kill(pool.pid, signal.SIGKILL)
        eventually(lambda: not any(alive(pid) for pid in children), "its children have ended")
        eventually(lambda: mentioning(str(folder)) == [], "theirs have too")
    assert read_json(folder / "pool.json") is not None, "a killed process cannot clear up"
    with EmbeddedPool(folder, parts=DATABASES) as pool:
        assert answers(pool)
        assert not runtime.exists()


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
