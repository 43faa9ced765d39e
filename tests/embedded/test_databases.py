"""The embedded PostgreSQL and Redis, each alone."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
import redis

from service.db import driver_url
from service.embedded import postgres_home
from service.embedded.postgres import EmbeddedPostgres, end_leftovers, processes_in
from service.embedded.postgres_home import Software
from service.embedded.redis import EmbeddedRedis
from service.embedded.state import short_folder
from service.settings import ROOT
from tests.embedded.processes import alive, eventually

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as somebody else")
COUNT = "SELECT count(*) FROM kept"
LONG = "SELECT count(*) FROM generate_series(1, 1000000000)"
BUSY = f"SELECT count(*) FROM pg_stat_activity WHERE query = '{LONG}' AND state = 'active'"


def ask(server: EmbeddedPostgres, query: str) -> object:
    with psycopg.connect(driver_url(server.url), autocommit=True) as connection:
        answer = connection.execute(query.encode())
        return answer.fetchall()[0][0] if answer.description else None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One set of data for many tests: to make it takes seconds, to start it again 50 ms."""
    return tmp_path_factory.mktemp("postgres")


@pytest.fixture
def server(folder: Path) -> EmbeddedPostgres:
    """Not started."""
    return EmbeddedPostgres(folder)


def test_data_outlives_a_stop(server: EmbeddedPostgres) -> None:
    with server:
        ask(server, "CREATE TABLE kept AS SELECT 1 AS id")
    with server:
        assert ask(server, COUNT) == 1
        ask(server, "DROP TABLE kept")


def test_committed_data_outlives_a_kill_in_the_midst_of_a_query(server: EmbeddedPostgres) -> None:
    with server:
        ask(server, "CREATE TABLE kept AS SELECT 1 AS id")
        asking = threading.Thread(target=ask_for_ever, args=(server,))
        asking.start()
        eventually(lambda: ask(server, BUSY) == 1, "the query runs")
        os.kill(server.pid, signal.SIGKILL)
    left = processes_in(server.data)
    with server:
        assert ask(server, COUNT) == 1
        ask(server, "DROP TABLE kept")
        assert not any(alive(pid) for pid in left)
    asking.join()


def ask_for_ever(server: EmbeddedPostgres) -> None:
    with suppress(psycopg.OperationalError):
        ask(server, LONG)


def test_it_listens_on_a_socket_that_only_its_user_can_open_and_on_no_port(server: EmbeddedPostgres) -> None:
    with server:
        assert ask(server, "SHOW listen_addresses") == ""
        sockets = list(server.socket_dir.glob(".s.PGSQL.*[0-9]"))
        assert [path.stat().st_mode & 0o777 for path in sockets] == [0o700]
        assert server.socket_dir.stat().st_mode & 0o077 == 0


def test_a_commit_is_on_the_disk_when_it_is_answered(server: EmbeddedPostgres) -> None:
    with server:
        assert [ask(server, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")] == [
            "on"
        ] * 3


def test_a_pid_file_of_a_killed_server_is_no_obstacle(server: EmbeddedPostgres) -> None:
    with server:
        pass
    (server.data / "postmaster.pid").write_text(f"{os.getpid()}\n{server.data}\n")
    with server:
        assert ask(server, "SELECT 1") == 1


def test_data_that_were_not_made_whole_are_made_anew(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    server.home.make()
    (server.home.path / "data.new").mkdir()
    (server.home.path / "data.new" / "PG_VERSION").write_text("18")
    with server:
        assert ask(server, "SELECT 1") == 1


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    with server:
        pass
    (server.data / "postgresql.conf").write_text("shared_buffers = nonsense\n")
    with pytest.raises(RuntimeError, match="invalid value for parameter"), server:
        pass


@as_root
def test_as_root_it_runs_as_nobody_in_a_folder_of_its_own_and_changes_no_mode(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    before = {parent: parent.stat().st_mode for parent in (closed, *closed.parents, postgres_home.HOMES)}
    with EmbeddedPostgres(closed / "postgres") as server:
        assert os.stat(f"/proc/{server.pid}").st_uid == server.home.uid != 0
        groups = Path(f"/proc/{server.pid}/status").read_text().split("Groups:")[1].splitlines()[0]
        assert "0" not in groups.split()
        assert not server.data.is_relative_to(tmp_path)
        assert server.home.path.stat().st_mode & 0o777 == 0o700
    assert before == {parent: parent.stat().st_mode for parent in before}


@as_root
def test_as_root_programs_that_nobody_can_read_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = Path(Software.readable_by(postgres_home.Home(tmp_path, tmp_path)).folder)
    closed = tmp_path / "closed"
    for part in (f"{postgres_home.PACKAGE}/{postgres_home.INSTALLATION}", f"{postgres_home.PACKAGE}.libs"):
        shutil.copytree(installed / part, closed / part, symlinks=True)
    (closed / postgres_home.PACKAGE / "__init__.py").touch()
    closed.chmod(0o700)
    monkeypatch.syspath_prepend(str(closed))
    with EmbeddedPostgres(tmp_path / "postgres") as server:
        program = os.readlink(f"/proc/{server.pid}/exe")
        assert program.startswith(str(server.home.path))
        assert ask(server, "SELECT 1") == 1


@as_root
def test_a_home_is_removed_when_the_folder_that_owned_it_is_gone(tmp_path: Path) -> None:
    for name in ("gone", "kept"):
        with EmbeddedPostgres(tmp_path / name):
            pass
    homes = {name: EmbeddedPostgres(tmp_path / name).home.path for name in ("gone", "kept")}
    shutil.rmtree(tmp_path / "gone")
    postgres_home.remove_abandoned()
    assert not homes["gone"].exists()
    assert homes["kept"].exists()


@as_root
def test_a_home_that_somebody_else_made_is_refused(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    server.home.path.mkdir(mode=0o755)
    with pytest.raises(PermissionError, match="not the private folder"), server:
        pass
    server.home.path.rmdir()


@as_root
def test_a_normal_user_runs_it_in_its_own_folder() -> None:
    user, place = pwd.getpwnam("nobody").pw_uid, short_folder()  # the tests' own folder lets no other user in
    os.chown(place, user, user)
    code = (
        "import os, sys, pathlib; from service.embedded.postgres import EmbeddedPostgres\n"
        "with EmbeddedPostgres(pathlib.Path(sys.argv[1])) as server:\n"
        "    print(os.stat(f'/proc/{server.pid}').st_uid, server.data)"
    )
    command = [sys.executable, "-c", code, str(place / "postgres")]
    identity = {"user": user, "group": user, "extra_groups": []}
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={"HOME": str(place)}, **identity)
    except PermissionError:
        pytest.skip("another user cannot run this Python or enter this checkout")
    finally:
        shutil.rmtree(place)
    assert done.stdout.split() == [str(user), str(place / "postgres" / "data")], done.stderr


def test_redis_keeps_what_was_written_and_answers_only_on_its_socket(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as server:
        with redis.Redis(unix_socket_path=str(server.socket)) as client:
            client.set("kept", "1")
            assert client.config_get("port") == {"port": "0"}
        assert server.socket.stat().st_mode & 0o077 == 0
        os.kill(server.pid, signal.SIGTERM)
    with EmbeddedRedis(tmp_path) as again, redis.Redis(unix_socket_path=str(again.socket)) as client:
        assert client.get("kept") == b"1"
        assert client.config_get("appendonly") == {"appendonly": "yes"}


@pytest.mark.parametrize("part", [EmbeddedPostgres, EmbeddedRedis])
def test_a_socket_fits_its_path_limit_however_deep_the_folder(
    part: type[EmbeddedPostgres] | type[EmbeddedRedis], tmp_path: Path
) -> None:
    deep = tmp_path.joinpath(*["a folder with a long name"] * 5)
    with part(deep) as server, socket.socket(socket.AF_UNIX) as client:
        path = server.socket if isinstance(server, EmbeddedRedis) else next(server.socket_dir.glob(".s.PGSQL.*[0-9]"))
        client.connect(str(path))


def test_no_runtime_folder_is_left(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as server:
        pass
    assert not server.socket.parent.exists()


def test_leftovers_of_nobody_are_nothing_to_wait_for(tmp_path: Path) -> None:
    end_leftovers(tmp_path)
    assert processes_in(tmp_path) == []
