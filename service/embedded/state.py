"""The state folder of an embedded pool: who holds it, where its sockets are, and what it tells others.

    lock            held (flock) by the `up` that runs here; its text is that process's pid
    runtime         link to a short folder for Unix sockets, gone when the pool has stopped
    pool.json       address, keys and pid of the running pool, for the SDK and the CLI; mode 600
    keys.json       the keys, which outlive a stop; mode 600
    port.json       the port of the API, which outlives a stop too: clients of before find it again
    logs/           one capped file a child
    postgres/ redis/ store/     the data

Knows no child.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

SOCKET_PATH_BYTES = 107
"""The longest path of a Unix socket on Linux (104 on macOS, which ends in a NUL as well)."""
RUNTIME_PREFIX = "worldpool-"
OWNER = "runtime-of"
"""In a runtime folder: the state folder that it belongs to."""


class AlreadyRunning(Exception):
    """Another `up` holds the state folder; `pool` is what it told, once it was ready."""

    def __init__(self, state_dir: Path, pid: str, pool: dict[str, Any] | None) -> None:
        where = f"at {pool['url']}" if pool else "and is still starting or stopping"
        super().__init__(f"a pool runs in {state_dir} already, {where} (pid {pid})")
        self.pool = pool


class State:
    """One state folder, held from `hold` until `release`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.pool_file = self.folder / "pool.json"
        self.keys_file = self.folder / "keys.json"
        self.port_file = self.folder / "port.json"
        self._lock: int | None = None

    def hold(self) -> None:
        """Become the only pool of this folder and clear away what a killed one left.

        Raises
        ------
        AlreadyRunning
            Another process holds it.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(lock, 20).decode()
            os.close(lock)
            raise AlreadyRunning(self.folder, pid, read_json(self.pool_file)) from None
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        self._lock = lock
        self._clear()
        remove_abandoned()

    def release(self) -> None:
        """Let others have the folder. The lock file stays: removing it would let two processes hold two files."""
        self._clear()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def runtime(self) -> Path:
        """A new short folder for sockets, mode 700. Removed by `release` or, after a kill, by the next `hold`.

        It names its owner, so that `remove_abandoned` knows it when the state folder was removed after a kill.
        """
        folder = short_folder()
        (self.folder / "runtime").symlink_to(folder)
        (folder / OWNER).write_text(str(self.folder))
        return folder

    def _clear(self) -> None:
        self.pool_file.unlink(missing_ok=True)
        link = self.folder / "runtime"
        if link.is_symlink():
            remove_own(Path(os.readlink(link)))
            link.unlink()


def short_folder() -> Path:
    """A new folder of our own whose path leaves room for a socket's name."""
    for parent in short_parents():
        return Path(tempfile.mkdtemp(prefix=RUNTIME_PREFIX, dir=parent))
    raise OSError("no folder for sockets: the temporary folder's path is too long")


def short_parents() -> list[str]:
    parents = (os.path.join("/run/user", str(os.getuid())), tempfile.gettempdir(), "/tmp")
    return [path for path in parents if os.access(path, os.W_OK | os.X_OK) and len(path) < SOCKET_PATH_BYTES - 60]


def remove_abandoned() -> None:
    """Remove the runtime folders of pools that were killed and whose state folder has gone since."""
    for parent in short_parents():
        for note in Path(parent).glob(f"{RUNTIME_PREFIX}*/{OWNER}"):
            with suppress(OSError):
                if (Path(note.read_text()) / "runtime").resolve() != note.parent.resolve():
                    remove_own(note.parent)


def remove_own(folder: Path) -> None:
    """Remove a runtime folder, if it is one of ours."""
    if folder.name.startswith(RUNTIME_PREFIX) and folder.is_dir() and folder.lstat().st_uid == os.geteuid():
        shutil.rmtree(folder, ignore_errors=True)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file, or None if there is none or it is not whole."""
    try:
        value = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replace a file at once; only its owner can read it. For whoever holds the folder."""
    fresh = path.with_suffix(".new")
    with open(fresh, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        json.dump(value, file, indent=2)
    fresh.replace(path)
