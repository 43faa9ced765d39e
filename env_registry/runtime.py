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
from typing import Any

NAME = "base"
DISTRIBUTIONS = (
    *("box2d", "dm-control", "gymnasium", "gymnasium-robotics", "lbforaging", "magent2", "metaworld", "minigrid"),
    *("mpe2", "mujoco", "numpy", "open-spiel", "pettingzoo", "popgym", "pymunk", "reasoning-gym", "sympy"),
)


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


def processor() -> str:
    """The class of this machine's processor, by the instructions that numpy and the engines choose their code by.

    Equal versions give equal bits within a class; beyond it the last bits of a float may differ. Under
    `arithmetic.SETTINGS` every x86-64 machine with AVX2 and FMA is of one class, v3.
    """
    import numpy as np

    extensions: Any = np.show_config(mode="dicts")["SIMD Extensions"]
    has = {*extensions["baseline"], *extensions.get("found", ())}
    level = "v4" if "AVX512_SKX" in has else "v3" if {"AVX2", "FMA3"} <= has else "v1"
    return f"{platform.machine()}-{level}"
