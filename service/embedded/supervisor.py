"""Keeps children running: starts them, waits until they are ready, starts again what dies, stops them in reverse order.

One event loop; every child has a session of its own, so that a Ctrl-C in the terminal reaches only us. Knows nothing of
what the children do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from service.embedded.child import Child
from service.embedded.logs import Log, Terminal
from service.settings import ROOT

FIRST_BACKOFF_S = 0.2
LONGEST_BACKOFF_S = 10.0
HEALTHY_S = 60.0
"""A child that ran this long starts afresh: short backoff, no failures remembered."""
POLL_S = 0.02
LINE_BYTES = 1 << 20
LAST_WORDS_S = 0.2
"""How long we read on after a child's end: a grandchild in a session of its own may hold the pipe open for ever."""
KILLED = {-signal.SIGKILL, -signal.SIGTERM}
T = TypeVar("T")


class ChildFailed(Exception):
    """A child that could not be kept running, with the last lines that it printed."""

    def __init__(self, child: Child, reason: str, tail: list[str]) -> None:
        super().__init__(f"{child.name} {reason}" + "".join(f"\n    {line}" for line in tail))


class Backoff:
    """How long to wait before the next start, and whether the child has failed too often. Takes `now`; has no clock."""

    def __init__(self, max_failures: int) -> None:
        self._max_failures = max_failures
        self._failures: list[float] = []
        self._delay_s = FIRST_BACKOFF_S

    def failed(self, now: float, ran_s: float) -> float | None:
        """Seconds until the next start, or None if it has failed too often."""
        if ran_s >= HEALTHY_S:
            self._delay_s = FIRST_BACKOFF_S
        self._failures = [at for at in self._failures if now - at < HEALTHY_S] + [now]
        if len(self._failures) >= self._max_failures:
            return None
        delay, self._delay_s = self._delay_s, min(self._delay_s * 2, LONGEST_BACKOFF_S)
        return delay


class Kept:
    """One child over all its lives."""

    def __init__(self, child: Child, log: Log, max_failures: int, changed: Callable[[], None]) -> None:
        self.child = child
        self.log = log
        self.process: Process | None = None
        self.ready = asyncio.Event()
        self._backoff = Backoff(max_failures)
        self._changed = changed
        self._stopping = asyncio.Event()
        self.task = asyncio.create_task(self._keep(), name=child.name)

    async def stop(self) -> None:
        """Ask the child to end, end its whole session after `stop_s`, and return when it is gone."""
        self._stopping.set()
        if self.running:
            self._send(self.child.stop_signal)
            done, _ = await asyncio.wait([self.task], timeout=self.child.stop_s)
            if not done:
                self.log.write(f"WARNING did not stop within {self.child.stop_s:.0f} s; killed".encode())
                self.kill()
        await asyncio.wait([self.task])
        self.log.close()

    def kill(self) -> None:
        self._stopping.set()
        if self.running:
            self._send(signal.SIGKILL)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def _keep(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            code, was_ready = await self._live()
            if self._stopping.is_set():
                return
            now = time.monotonic()
            killed = was_ready and code in KILLED  # from outside: says nothing about the child
            delay = FIRST_BACKOFF_S if killed else self._backoff.failed(now, now - began)
            if delay is None:
                reason = f"failed too often, last with {describe(code)}; its whole log is in {self.log.path}"
                raise ChildFailed(self.child, reason, list(self.log.tail))
            self.log.write(f"WARNING ended with {describe(code)}; starts again in {delay:.1f} s".encode())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def _live(self) -> tuple[int, bool]:
        """One life, from start to end. Returns the exit code, negative for a signal, and whether it had been ready."""
        await asyncio.to_thread(self.child.prepare)
        output, printing = os.pipe()
        self.process = process = await asyncio.create_subprocess_exec(
            *self.child.argv(), cwd=ROOT, env=self.child.environment, stdin=DEVNULL, stdout=printing, stderr=STDOUT,
            start_new_session=True,
        )  # fmt: skip
        os.close(printing)
        self._changed()
        if self._stopping.is_set():
            process.kill()
        reading = asyncio.create_task(self._read(output))
        watching = asyncio.create_task(self._watch(process))
        code = await process.wait()
        watching.cancel()
        was_ready = self.ready.is_set()
        self.ready.clear()
        kill_session(process.pid)  # what it leaves behind must not run beside its successor
        await asyncio.wait([reading], timeout=LAST_WORDS_S)
        reading.cancel()
        await asyncio.wait([reading, watching])
        return code, was_ready

    def _send(self, number: signal.Signals) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    async def _read(self, output: int) -> None:
        """Log what comes through a pipe of ours; were it asyncio's, `Process.wait` would wait for its end as well."""
        reader = asyncio.StreamReader(limit=LINE_BYTES)
        loop = asyncio.get_running_loop()
        pipe = os.fdopen(output, "rb", 0)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        with contextlib.closing(transport):
            while line := await next_line(reader):
                self.log.write(line)

    async def _watch(self, process: Process) -> None:
        """Say when it is ready; end it if it is not in time."""
        began = time.monotonic()
        while not await asyncio.to_thread(self.child.ready):
            if time.monotonic() > began + self.child.start_s:
                self.log.write(f"ERROR not ready within {self.child.start_s:.0f} s".encode())
                return process.kill()
            await asyncio.sleep(POLL_S)
        self.ready.set()
        self.log.write(f"INFO ready after {time.monotonic() - began:.1f} s".encode())
        return None


class Supervisor:
    """The children of one pool, in the order in which they were started."""

    def __init__(
        self, log_dir: Path, terminal: Terminal, *, max_failures: int = 3, changed: Callable[[], None] = lambda: None
    ) -> None:
        self._log_dir = log_dir
        self._terminal = terminal
        self._max_failures = max_failures
        self._changed = changed
        self._kept: list[Kept] = []
        log_dir.mkdir(parents=True, exist_ok=True)

    def pids(self) -> dict[str, int]:
        """Process ids of the children that run."""
        return {kept.child.name: kept.process.pid for kept in self._kept if kept.process and kept.running}

    async def start(self, *children: Child) -> None:
        """Start children at the same time and return when all are ready.

        Raises
        ------
        ChildFailed
            One of them, or of those started before, failed too often.
        """
        fresh = [self._keep(child) for child in children]
        await self.during(all_ready(fresh))

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, unless a child fails for good meanwhile.

        Raises
        ------
        ChildFailed
            A child failed too often; `work` was cancelled.
        """
        task = asyncio.create_task(work)
        keeping = [kept.task for kept in self._kept]
        try:
            await asyncio.wait([task, *keeping], return_when=asyncio.FIRST_COMPLETED)
            for ended in keeping:
                if ended.done():
                    await ended
            return await task
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])

    async def stop(self) -> None:
        """Stop all children, the last one started first."""
        for kept in reversed(self._kept):
            await kept.stop()

    def hurry(self) -> list[str]:
        """End all disposable children at once. Returns the names of the others, which a `stop` still waits for."""
        for kept in self._kept:
            if kept.child.disposable:
                kept.kill()
        return [kept.child.name for kept in self._kept if kept.running and not kept.child.disposable]

    def _keep(self, child: Child) -> Kept:
        kept = Kept(child, Log(child.name, self._log_dir, self._terminal), self._max_failures, self._changed)
        self._kept.append(kept)
        return kept


async def all_ready(children: Sequence[Kept]) -> None:
    for kept in children:
        await kept.ready.wait()


async def next_line(reader: asyncio.StreamReader) -> bytes:
    """A line, a piece of one that is too long, or what comes before the end; empty at the end."""
    try:
        return await reader.readuntil()
    except asyncio.IncompleteReadError as end:
        return end.partial
    except asyncio.LimitOverrunError as overrun:
        return await reader.readexactly(overrun.consumed)


def kill_session(pid: int) -> None:
    """End every process that is left in the process group of a child."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def describe(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
