"""Verification: a sample of the catalogue is measured again and held against the committed file.

Owns what counts as the same: every bit on the class of processors that the file was measured on; on another one the
rounded beginning (`probe.fingerprint`).
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow.parquet as pq

from env_registry.catalogue import SPECS
from env_registry.runtime import processor
from env_registry.sweep import MeasuringProcess


def sample(count: int, seed: int) -> list[str]:
    """Refs drawn from the committed file, in its order, so that engines are loaded one after another."""
    refs = pq.read_table(SPECS, columns=["ref"])["ref"].to_pylist()
    return [refs[i] for i in sorted(random.Random(seed).sample(range(len(refs)), count))]


def verify(refs: Sequence[str], advance: Callable[[], None] = lambda: None) -> list[str]:
    """What two fresh processes with different hash seeds find different from the file; nothing if all is well."""
    table = pq.read_table(SPECS, columns=["ref", "fingerprint", "portable"])
    exact = table.schema.metadata[b"processor"].decode() == processor()
    column = "fingerprint" if exact else "portable"
    known = dict(zip(table["ref"].to_pylist(), table[column].to_pylist(), strict=True))
    problems: list[str] = []

    def look(hash_seed: str) -> None:
        process = MeasuringProcess(hash_seed)
        for ref in refs:
            if not process.alive:
                process = MeasuringProcess(hash_seed)
            answer: dict[str, Any] = process.ask({"ask": "print", "ref": ref})
            if "error" in answer:
                problems.append(f"{ref}: {answer['error']}")
            elif bytes.fromhex(answer[column]) != known[ref]:
                problems.append(f"{ref}: the {column} is {answer[column]}, in the file {known[ref].hex()}")
            advance()
        process.close()

    threads = [threading.Thread(target=look, args=(hash_seed,)) for hash_seed in ("1", "2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(problems)
