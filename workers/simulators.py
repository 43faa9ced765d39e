"""The simulators that a runner keeps, reused between segments and items: one for each spec, more where several
environments of it are simulated in step.

Owns their life and how much memory they may take. Knows nothing of rows, steps or policies.
"""

from __future__ import annotations

import os
import resource
import sys
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import env_registry
from env_registry import Table
from env_registry.simulator import Simulator
from workers import contract

_MOST = 64
_STATM = Path("/proc/self/statm")


class OtherSpec(ValueError):
    """The ref means something else here than where the item was made: versions differ."""


class SimulatorCache:
    """Closes the least recently used simulators when there are many, or when the process fills half of its memory."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], Simulator] = OrderedDict()
        self._used: set[tuple[str, int]] = set()

    def release(self) -> None:
        """Those that were got before may be closed from now on."""
        self._used.clear()

    def get(self, spec: contract.SpecRef, memory_mb: int, tables: Sequence[str] = (), copy: int = 0) -> Simulator:
        """The simulator of a spec, or another `copy` of it; made where there is none, from those of the tables
        (canonical JSON) that it names.

        Raises
        ------
        OtherSpec
            The ref has another digest here.
        Exception
            Whatever the engine raises.
        """
        key = spec.digest, copy
        self._used.add(key)
        known = self._kept.get(key)
        if known is not None:
            self._kept.move_to_end(key)
            return known
        parsed = env_registry.parse(spec.ref)
        if parsed.digest != spec.digest:
            raise OtherSpec(f"{spec.ref} has the digest {parsed.digest} here, not {spec.digest}")
        idle = [other for other in self._kept if other not in self._used]
        while idle and (len(self._kept) >= _MOST or data_mb() > memory_mb / 2):
            self._kept.pop(idle.pop(0)).close()
        given = map(_table, tables) if parsed.tables else ()
        made = self._kept[key] = env_registry.make(parsed, tables=given)
        return made

    def drop(self, spec: contract.SpecRef, copy: int = 0) -> None:
        """Forget a simulator that raised; nobody knows its state."""
        self._used.discard((spec.digest, copy))
        self._kept.pop((spec.digest, copy), None)


@lru_cache(16)
def _table(content: str) -> Table:
    """A table of an item may be read for each of its specs; that takes up to 0.2 s."""
    return Table.read(content)


def data_mb() -> int:
    """What the process may write to in private, as RLIMIT_DATA counts it; where the system does not say, the most
    memory that it ever held."""
    if _STATM.exists():
        return int(_STATM.read_text().split()[5]) * os.sysconf("SC_PAGE_SIZE") >> 20
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit >> 20
