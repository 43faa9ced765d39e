"""One child without a supervisor: started, waited for and stopped by whoever needs only it, such as a room's tests."""

from __future__ import annotations

import subprocess
import tempfile
import time
from types import TracebackType
from typing import IO, Self

from service.embedded.child import Child

POLL_S = 0.01


class Running:
    """A started child. It is not started again when it dies."""

    def __init__(self, child: Child, process: subprocess.Popen[bytes], output: IO[bytes]) -> None:
        self._child = child
        self._process = process
        self._output = output

    @classmethod
    def start(cls, child: Child) -> Running:
        """Start it and return when it is ready.

        Raises
        ------
        RuntimeError
            It ended, or was not ready in time; the message holds what it printed.
        """
        child.prepare()
        output = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `stop`)
        process = subprocess.Popen(
            child.argv(), env=child.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        running = cls(child, process, output)
        deadline = time.monotonic() + child.start_s
        while not child.ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{child.name} did not start: {running.stop()}")
            time.sleep(POLL_S)
        return running

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> str:
        """Ask it to end, and end it after `stop_s`. Returns what it printed."""
        if self._process.poll() is None:
            self._process.send_signal(self._child.stop_signal)
        try:
            self._process.wait(self._child.stop_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with self._output as output:
            output.seek(0)
            return output.read().decode(errors="replace")


class Standalone:
    """A part that runs alone as a context manager, or under the supervisor of a pool by its `child`."""

    _running: Running | None = None

    def child(self) -> Child:
        raise NotImplementedError

    @property
    def pid(self) -> int:
        assert self._running is not None, "not started"
        return self._running.pid

    def clean(self) -> None:
        """What a stop must leave behind clean besides the process."""

    def __enter__(self) -> Self:
        try:
            self._running = Running.start(self.child())
        except BaseException:
            self.clean()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running:
            self._running.stop()
        self.clean()
