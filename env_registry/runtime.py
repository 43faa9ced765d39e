"""The runtime: which engine versions stand here. Cards, chunks and snapshots name theirs.

Owns the list of distributions that decide about bits. Reads their metadata and imports none of them.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

NAME = "base"
DISTRIBUTIONS = ("gymnasium", "minigrid", "mpe2", "mujoco", "numpy", "open-spiel", "pettingzoo", "pymunk")


@dataclass(frozen=True)
class Runtime:
    """`digest` is the SHA-256 (hexadecimal) over `versions`, which hold Python's and the machine's as well."""

    name: str
    digest: str
    versions: Mapping[str, str]


@cache
def runtime() -> Runtime:
    """The runtime of this process."""
    versions = {name: found for name in DISTRIBUTIONS if (found := _version(name))}
    versions["python"] = f"{sys.version_info.major}.{sys.version_info.minor}"
    versions["machine"] = platform.machine()
    lines = "\n".join(sorted(f"{name}=={version}" for name, version in versions.items()))
    return Runtime(NAME, hashlib.sha256(lines.encode()).hexdigest(), versions)


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None  # a site may lack an engine: its runtime is another one
