from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest

import env_registry
from env_registry.family import families, family_versions
from workers import contract
from workers.chunks import DecodedChunk, read_chunk, write_chunk
from workers.rollout import Rollout
from workers.simulators import SimulatorCache

LAB = str(Path(__file__).with_name("lab"))
_NAMES = UUID(int=0)
MakeItem = Callable[..., contract.Item]


@pytest.fixture(scope="module", autouse=True)
def lab() -> Iterator[None]:
    """The lab's families, found here and in every runner that is started."""
    path = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = LAB if path is None else os.pathsep.join([LAB, path])
    sys.path.insert(0, LAB)
    families.cache_clear()
    family_versions.cache_clear()
    yield
    sys.path.remove(LAB)
    if path is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = path
    families.cache_clear()
    family_versions.cache_clear()


@pytest.fixture
def slow_pid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Waits until `lab/slow` runs and says in which process."""
    monkeypatch.setenv("LAB_FOLDER", str(tmp_path))

    def wait() -> int:
        file = tmp_path / "slow.pid"
        deadline = time.monotonic() + 30
        while not file.exists():
            assert time.monotonic() < deadline, "lab/slow did not start"
            time.sleep(0.01)
        return int(file.read_text())

    return wait


def segment(spec: int = 0, *, env_index: int = 0, first_episode: int = 0, **budget: int) -> contract.Segment:
    return contract.Segment(spec=spec, env_index=env_index, first_episode=first_episode, **budget)


@pytest.fixture
def make_item() -> MakeItem:
    """Items over refs; by default two episodes of each. The same arguments give the same item."""

    def make(
        *refs: str,
        segments: list[contract.Segment] | None = None,
        max_ms: int = 60_000,
        memory_mb: int = 4096,
        n: int = 0,
        batch: int = 1,
        policy: dict[str, Any] | None = None,
        record: contract.Record | None = None,
    ) -> contract.Item:
        specs = [env_registry.parse(ref) for ref in refs]
        return contract.Item(
            lease_id=uuid5(_NAMES, f"lease {n}"),
            fence=7,
            item_id=uuid5(_NAMES, f"item {n}"),
            run_id=uuid5(_NAMES, "run"),
            run_seed=11,
            policy=contract.Policy(name="p", digest="d" * 64, document=policy or {"kind": "random"}),
            specs=[contract.SpecRef(ref=spec.ref, digest=spec.digest) for spec in specs],
            segments=segments or [segment(index, episodes=2) for index in range(len(specs))],
            batch=batch,
            record=record or contract.Record(),
            object_key=f"runs/r/{n}.wpc",
            max_ms=max_ms,
            memory_mb=memory_mb,
        )

    return make


@pytest.fixture
def record() -> Callable[[contract.Item], DecodedChunk]:
    """Runs an item in this process, to its bytes and back."""
    return lambda item: read_chunk(chunk_bytes(item))


def chunk_bytes(item: contract.Item, files: Mapping[str, Path] | None = None) -> bytes:
    recording = Rollout(SimulatorCache()).run(item, lambda steps: None, files)
    return write_chunk(item, recording, site="home", runtime="r" * 64).data.tobytes()
