"""Uploaded parts of policies, kept on this worker's disk by their SHA-256: fetched once, read by its runners."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

MOST = 64
"""Files kept: more than slots, so that none is deleted that a runner is about to read."""


class WrongContent(Exception):
    """What came is not what was asked for."""


class PolicyFiles:
    """Safe to call from every thread. `fetch(digest)` gets what is missing; its errors pass."""

    def __init__(self, fetch: Callable[[str], bytes]) -> None:
        self._fetch = fetch
        self._folder = Path(tempfile.mkdtemp(prefix="worldpool-policies-"))
        self._kept: OrderedDict[str, Path] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digests: Sequence[str]) -> dict[str, Path]:
        """Where they lie.

        Raises
        ------
        WrongContent
            A file arrived with another digest.
        """
        with self._lock:
            return {digest: self._get(digest) for digest in digests}

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _get(self, digest: str) -> Path:
        if digest not in self._kept:
            content = self._fetch(digest)
            if sha256(content).hexdigest() != digest:
                raise WrongContent(f"a policy's file arrived with another digest than {digest}")
            path = self._folder / digest
            path.write_bytes(content)
            self._kept[digest] = path
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)[1].unlink()
        self._kept.move_to_end(digest)
        return self._kept[digest]
