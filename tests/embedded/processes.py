"""What tests of processes share: waiting for an outcome, and seeing which processes are left."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

WAIT_S = 30.0


def eventually(outcome: Callable[[], bool], what: str) -> None:
    """Wait for something that another process does and that no call of ours can wait for."""
    deadline = time.monotonic() + WAIT_S
    while not outcome():
        assert time.monotonic() < deadline, f"not within {WAIT_S:.0f} s: {what}"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def mentioning(text: str) -> list[int]:
    """Processes whose command line or environment holds a text, such as the path of a test's folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) == os.getpid():
            continue
        try:
            told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if text.encode() in told and alive(int(entry.name)):
            found.append(int(entry.name))
    return found
