"""Arithmetic: what makes numerical libraries compute the same bits on every x86-64 machine with AVX2 and FMA.

OpenBLAS and numpy choose their code by the processor, and a dot product of three numbers ends in other last bits on
another one. Owns the environment variables that make them choose alike. They hold for libraries loaded after they were
set. Importing this module, as `env_registry` does, sets them where nothing else is set: so import it before numpy, or
start the process with them.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

_BEYOND_AVX2 = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"
_THREADS = ("OMP", "OPENBLAS", "MKL", "VECLIB", "NUMEXPR")


def _settings() -> dict[str, str]:
    one_thread = {f"{name}_{'MAXIMUM' if name == 'VECLIB' else 'NUM'}_THREADS": "1" for name in _THREADS}
    if platform.machine() != "x86_64" or not {"avx2", "fma"} <= set(_flags()):
        return one_thread  # a class of its own: see `runtime.processor`
    return one_thread | {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": _BEYOND_AVX2}


def _flags() -> list[str]:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.split() for line in lines if line.startswith("flags")), [])


SETTINGS = _settings()
"""Environment variables; one thread, because a sum that is split over threads is another sum."""

for _name, _value in SETTINGS.items():
    os.environ.setdefault(_name, _value)
