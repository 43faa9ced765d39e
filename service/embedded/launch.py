"""Becomes a command, after tying its life to that of the process that started it.

Run as a script of its own (`python -I -S launch.py PARENT SIGNAL UID COMMAND…`) and not as a `preexec_fn`, because that
runs Python between fork and exec of a process that may have threads. Costs about 15 ms. Imports nothing of ours.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def drop_to(uid: int) -> None:
    """Give up root for `uid`, its group and no other group."""
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


def die_with(parent: int, signal: int) -> None:
    """Have the kernel send `signal` when the thread that started us ends, however it ends. Linux only.

    Comes after a change of user, which would undo it.
    """
    if not sys.platform.startswith("linux"):
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit("the parent ended before its child began")


def main(parent: str, signal: str, uid: str, *command: str) -> None:
    if int(uid) != os.geteuid():
        drop_to(int(uid))
    die_with(int(parent), int(signal))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
