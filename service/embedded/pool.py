"""A whole pool for a `with` block, in a process of its own: what tests and benchmarks run against."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from service.embedded.child import Child
from service.embedded.parts import PARTS
from service.embedded.state import State, read_json
from service.settings import ROOT, environment

START_S = 120.0
STOP_S = 60.0
POLL_S = 0.02
NOT_INHERITED = dict.fromkeys(("database_url", "redis_url", "store_url", "url", "host", "port"))
"""An address of another pool in our environment is not this pool's."""


class EmbeddedPool:
    """`python -m service up` in `state_dir`. Ends with us, also when we are killed."""

    def __init__(
        self,
        state_dir: Path,
        *,
        parts: Collection[str] = PARTS,
        slots: int = 2,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        """`settings` are more of those of `Settings`, by name."""
        self._state = State(state_dir)
        told = environment(**{**NOT_INHERITED, **(settings or {}), "state_dir": self._state.folder, "slots": slots})
        command = (sys.executable, "-m", "service", "up", "--parts", ",".join(parts))
        self._child = Child("pool", command, ready=self._is_ready, environment=told, orphan_signal=signal.SIGTERM)
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `__exit__`)

    def __enter__(self) -> Self:
        """Return when the pool is ready.

        Raises
        ------
        RuntimeError
            It is not ready in time, or ended; the message holds what it printed.
        """
        self._process = subprocess.Popen(
            self._child.argv(), cwd=ROOT, env=self._child.environment,
            stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            self._wait()
        except BaseException:
            self._output.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        self._output.close()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while not self._is_ready():
            if self._ended() or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"the pool did not start:\n{self.output()}")
            time.sleep(POLL_S)

    def stop(self) -> int:
        """Stop it as Ctrl-C would and return its exit code.

        Raises
        ------
        RuntimeError
            It does not stop; it was killed.
        """
        assert self._process is not None
        if not self._ended():
            self._process.terminate()
        try:
            return self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise RuntimeError(f"the pool did not stop:\n{self.output()}") from None

    def _ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def output(self) -> str:
        """What it has printed so far."""
        self._output.seek(0)
        return self._output.read().decode(errors="replace")

    @property
    def pid(self) -> int:
        """The supervisor's."""
        assert self._process is not None
        return self._process.pid

    @property
    def state_dir(self) -> Path:
        return self._state.folder

    @property
    def url(self) -> str:
        return str(self._told()["url"])

    @property
    def cell_key(self) -> str:
        return str(self._told()["cell_key"])

    @property
    def operator_key(self) -> str:
        return str(self._told()["operator_key"])

    @property
    def site_key(self) -> str:
        return str(self._told()["site_key"])

    @property
    def database_url(self) -> str:
        return str(self._told()["database_url"])

    @property
    def redis_url(self) -> str:
        return str(self._told()["redis_url"])

    def pids(self) -> dict[str, int]:
        """Process ids of the running children by name: `postgres`, `redis`, `api`, `scheduler`, `worker`."""
        return dict(self._told()["children"])

    def _told(self) -> dict[str, Any]:
        told = read_json(self._state.pool_file)
        if told is None:
            raise RuntimeError(f"the pool is not ready:\n{self.output()}")
        return told

    def _is_ready(self) -> bool:
        told = read_json(self._state.pool_file)
        return told is not None and self._process is not None and told["pid"] == self._process.pid
