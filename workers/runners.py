"""Runner processes as their slots see them: started, spoken to, killed and replaced.

Owns the processes and the environment they get. Knows nothing of leases or of the service.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path

from env_registry import arithmetic
from workers import frames

_ROOT = Path(__file__).resolve().parent.parent
_SMALL = {"ARROW_DEFAULT_MEMORY_POOL": "system"}
"""Arrow's own pool may reserve 1 GiB at once, which counts against the runner's limit (RLIMIT_DATA)."""


class RunnerDied(Exception):
    """The runner ended without a result; the message says how."""


class RunnerProcess:
    """One `python -m workers.runner`, started anew rather than forked: engines' threads and locks survive no fork."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "workers.runner"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_ROOT,
            env=_environment(),
            start_new_session=True,  # a Ctrl-C in the terminal is for the worker, which lets items finish
        )
        self._received: queue.Queue[bytes | None] = queue.Queue()
        threading.Thread(target=self._read, name=f"runner-{self.pid}", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def start(self, job: frames.Job) -> None:
        with suppress(BrokenPipeError):  # it died while idle: `receive` tells
            assert self._process.stdin is not None
            frames.send(self._process.stdin, job)

    def receive(self, timeout_s: float) -> frames.FromRunner | None:
        """The next frame, or None if none came in time.

        Raises
        ------
        RunnerDied
            There will be no more frames.
        """
        try:
            body = self._received.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if body is None:
            raise RunnerDied(self._cause_of_death())
        return frames.parse_from_runner(body)

    def kill(self) -> None:
        """End the runner and whatever its engines started."""
        if self.alive:
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with suppress(ValueError, OSError):  # closed by `kill`
            while (body := frames.receive(self._process.stdout)) is not None:
                self._received.put(body)
        self._received.put(None)

    def _cause_of_death(self) -> str:
        status = self._process.wait()
        return f"exit status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"


class RunnerPool:
    """Idle runners, one more than slots: who replaces a runner finds another that is warm already."""

    def __init__(self, slots: int) -> None:
        self._lock = threading.Lock()
        self._idle = deque(RunnerProcess() for _ in range(slots + 1))

    def take(self) -> RunnerProcess:
        """The runner that worked last: it has engines loaded and simulators made."""
        with self._lock:
            while self._idle:
                runner = self._idle.pop()
                if runner.alive:
                    return runner
                runner.kill()
                self._idle.appendleft(RunnerProcess())
        return RunnerProcess()

    def give_back(self, runner: RunnerProcess) -> None:
        with self._lock:
            self._idle.append(runner)

    def replace(self, runner: RunnerProcess) -> None:
        """Kill a runner; another one starts at once."""
        runner.kill()
        with self._lock:
            self._idle.appendleft(RunnerProcess())

    def close(self) -> None:
        with self._lock:
            while self._idle:
                self._idle.pop().kill()


def _environment() -> dict[str, str]:
    """The worker's own, with one arithmetic for all engines and without our settings: engines must not see the key."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("WORLDPOOL_")}
    return own | arithmetic.SETTINGS | _SMALL
