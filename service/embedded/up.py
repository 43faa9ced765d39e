"""`python -m service up`: the whole pool in the foreground, until Ctrl-C or until a command that needed it is done."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shlex
import signal
import socket
import sys
import threading
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Collection
from pathlib import Path
from typing import Any

from service.embedded import parts
from service.embedded.child import Child, tied
from service.embedded.logs import Log, Terminal
from service.embedded.postgres import EmbeddedPostgres
from service.embedded.postgres_home import remove_abandoned
from service.embedded.redis import EmbeddedRedis
from service.embedded.state import AlreadyRunning, State, read_json, write_json
from service.embedded.supervisor import ChildFailed, Supervisor
from service.settings import ROOT, Settings, environment

PORTS = range(20_000, 32_000)
"""Free ports are sought here, below those that the system gives to outgoing connections: while the API restarts, a
client's own connection could otherwise take its port."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 128 + signal.SIGINT
INTERRUPTED_S = 1.0
"""How long a command has to end by itself before it is told to."""
TERMINATED_S = 10.0
"""How long it has after that before it is killed."""
SELF = "worldpool"


class Refused(Exception):
    """The pool cannot start; the message says why and what to do."""


def up(settings: Settings, *, wanted: Collection[str] = parts.PARTS, then: str | None = None) -> int:
    """Run a pool in the state folder; with `then` only as long as that command runs. Returns an exit code.

    0: stopped as asked. 1: could not start or stay up, or a pool runs here already. With `then`: that command's code,
    also on a pool that runs here already.
    """
    terminal = Terminal("warning" if then and settings.log_level == "info" else settings.log_level)
    state = State(settings.state_dir)
    try:
        state.hold()
    except AlreadyRunning as other:
        return _join(other, terminal, then)
    try:
        return asyncio.run(_Pool(settings, state, terminal, wanted).run(then))
    except (ChildFailed, Refused, OSError) as error:
        terminal.show(SELF, f"stopped: {error}")
        return 1
    finally:
        state.release()


def _join(other: AlreadyRunning, terminal: Terminal, then: str | None) -> int:
    terminal.show(SELF, str(other))
    return asyncio.run(_command(then, other.pool)) if then and other.pool else 1


class _Pool:
    """One run of the pool, from empty to stopped."""

    def __init__(self, settings: Settings, state: State, terminal: Terminal, wanted: Collection[str]) -> None:
        self._state = state
        self._terminal = terminal
        self._wanted = wanted
        self._settings = settings
        self._stopping = False
        self._told: dict[str, Any] | None = None
        self._log_dir = state.folder / "logs"
        self._supervisor = Supervisor(self._log_dir, terminal, max_failures=settings.max_failures, changed=self._tell)

    async def run(self, then: str | None) -> int:
        """Start, serve and stop. The first signal ends it cleanly; after that, Ctrl-C ends all but the databases."""
        serving = asyncio.create_task(self._serve(then))
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # `nohup` has it ignored
                loop.add_signal_handler(number, self._interrupted, number, serving)
        try:
            return await serving
        except asyncio.CancelledError:
            return INTERRUPTED if then else 0
        finally:
            asked, self._stopping = self._stopping, True
            waits = asked and "worker" in self._supervisor.pids()
            self._say("stopping" + (" when running work items are done; Ctrl-C again: at once" if waits else ""))
            await self._supervisor.stop()

    def _interrupted(self, number: signal.Signals, serving: asyncio.Task[int]) -> None:
        """Only Ctrl-C counts twice: `make` and a closed terminal send the others more than once by themselves."""
        if not self._stopping:
            self._stopping = True
            serving.cancel()
        elif number == signal.SIGINT:
            left = self._supervisor.hurry() or ["nothing"]
            self._say(f"stopping at once, work items will run again; waiting for {' and '.join(left)}")

    async def _serve(self, then: str | None) -> int:
        began = time.monotonic()
        await self._start_databases()
        keys = await self._start_service() if parts.SERVICE.intersection(self._wanted) else {}
        addresses = self._settings.model_dump(include={"database_url", "redis_url", "store_url"})
        self._told = {"url": self._settings.public_url, **keys, "pid": os.getpid(), **addresses}
        self._tell()
        threading.Thread(target=remove_abandoned, daemon=True).start()
        self._say(f"ready after {time.monotonic() - began:.1f} s at {self._settings.public_url}")
        self._say(f"address and keys are in {self._state.pool_file}")
        if "worker" in self._wanted:
            self._say(await asyncio.to_thread(parts.share, self._settings, keys))
        if not then:
            self._say("Ctrl-C stops it; its data, keys and address stay for the next time")
        return await self._supervisor.during(_command(then, self._told) if then else _forever())

    async def _start_databases(self) -> None:
        given = self._settings.model_fields_set
        runtime = self._state.runtime()
        postgres = EmbeddedPostgres(self._state.folder / "postgres", runtime)
        redis = EmbeddedRedis(self._state.folder / "redis", runtime)
        found: dict[str, Any] = {"port": self._port()}
        children = []
        if "postgres" in self._wanted and "database_url" not in given:
            children.append(postgres.child())
            found["database_url"] = postgres.url
        if "redis" in self._wanted and "redis_url" not in given:
            children.append(redis.child())
            found["redis_url"] = redis.url
        await self._start(*children)
        host = "127.0.0.1" if self._settings.host in ("0.0.0.0", "::") else self._settings.host
        found["url"] = f"http://{host}:{found['port']}"
        self._settings = self._settings.model_copy(update=found)

    def _port(self) -> int:
        """The one that is set, else the one that this pool had before, else another, which it keeps from now on.

        Raises
        ------
        Refused
            The one that is set is taken, or none is free.
        """
        host, given = self._settings.host, self._settings.port
        if given:
            if not can_listen(host, given):
                raise Refused(f"the API cannot listen on port {given} of {host}; set WORLDPOOL_PORT to a free one")
            return given
        before = (read_json(self._state.port_file) or {}).get("port")
        if before and can_listen(host, before):
            return int(before)
        port = free_port(host)
        if before:
            self._say(f"port {before}, where this pool was before, is taken: its address is another one from now on")
        write_json(self._state.port_file, {"port": port})
        return port

    async def _start_service(self) -> dict[str, str]:
        keys = await self._bootstrap()
        settings = self._settings
        # the API before the others: a worker's first call is to it
        for together in ((parts.api(settings),), (parts.scheduler(settings), parts.worker(settings, keys))):
            children = [child for child in together if child.name in self._wanted]
            await self._start(*children)
        return keys

    async def _start(self, *children: Child) -> None:
        if children:
            self._say(f"starting {' and '.join(child.name for child in children)}")
        await self._supervisor.start(*children)

    async def _bootstrap(self) -> dict[str, str]:
        """Bring the schema up to date and the first cell, operator and site into being; their keys outlive a stop."""
        self._say("preparing the database; the first time it takes the catalogue in, which takes half a minute")
        log = Log("bootstrap", self._log_dir, self._terminal)
        try:
            printed = await self._supervisor.during(self._prepare_database(log))
        finally:
            log.close()
        keys: dict[str, str] = json.loads(printed)
        write_json(self._state.keys_file, keys)
        return keys

    async def _prepare_database(self, log: Log) -> bytes:
        command = tied((sys.executable, "-m", "service", "bootstrap"), signal.SIGKILL)
        told = environment(**self._settings.model_dump(mode="json"))
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=told, stdout=PIPE, stderr=PIPE)
        printed, complaint = await _finish(process)
        for line in complaint.splitlines():
            log.write(line)
        if process.returncode:
            raise Refused("\n    ".join(["the database could not be prepared:", *log.tail]))
        return printed

    def _tell(self) -> None:
        """Write down where the pool is, once it is ready, and again when a child has another pid."""
        if self._told:
            write_json(self._state.pool_file, {**self._told, "children": self._supervisor.pids()})

    def _say(self, text: str) -> None:
        self._terminal.show(SELF, text)


async def _forever() -> int:
    await asyncio.Event().wait()
    return 0


async def _command(then: str, pool: dict[str, Any]) -> int:
    """Run a command as the pool's first cell; its exit code, or 128 + n for a signal n, as a shell has it."""
    told = environment(url=pool["url"], api_key=pool.get("cell_key"), operator_key=pool.get("operator_key"))
    process = await asyncio.create_subprocess_exec(*tied(shlex.split(then), signal.SIGTERM), env=told)
    await _finish(process)
    code = process.returncode or 0
    return code if code >= 0 else 128 - code


async def _finish(process: Process) -> tuple[bytes, bytes]:
    """What a process printed, when it is done. If we are cancelled it ends too, by itself if it got the same Ctrl-C."""
    try:
        return await process.communicate()
    except asyncio.CancelledError:
        ended = asyncio.ensure_future(process.wait())
        for patience_s, end in ((INTERRUPTED_S, process.terminate), (TERMINATED_S, process.kill)):
            await asyncio.wait([ended], timeout=patience_s)
            if process.returncode is None:
                end()
        await ended
        raise


def free_port(host: str) -> int:
    """A TCP port that nobody listens on.

    Raises
    ------
    Refused
        None of many was free.
    """
    for port in random.sample(PORTS, 100):
        if can_listen(host, port):
            return port
    raise Refused(f"no free port on {host} among a hundred tried; set WORLDPOOL_PORT")


def can_listen(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError:
            return False
    return True


def existing_keys(state_dir: Path) -> dict[str, Any] | None:
    """The keys of the pool that ran here before."""
    return read_json(State(state_dir).keys_file)
