"""A runner's part alone, in this process: items simulated and recorded one after another.

`python -m tests.bench.recording_loop SECONDS STEPS < REFS` prints `{"steps", "wall_s", "cpu_s"}`, as `bare_loop` does.
Each item has so many steps of the next spec; REFS has one a line.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from uuid import uuid4

import env_registry
from workers import contract
from workers.rollout import Rollout
from workers.simulators import SimulatorCache


def main(seconds: float, steps_of_item: int, refs: list[str]) -> None:
    rollout = Rollout(SimulatorCache())
    loop(rollout, refs, steps_of_item, 1.0)  # warm
    wall, cpu = time.perf_counter(), time.process_time()
    steps = loop(rollout, refs, steps_of_item, seconds)
    print(json.dumps({"steps": steps, "wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}))


def loop(rollout: Rollout, refs: list[str], steps_of_item: int, seconds: float) -> int:
    end = time.perf_counter() + seconds
    steps = 0
    for ref in itertools.cycle(refs):
        if time.perf_counter() > end:
            break
        rollout.run(_item(ref, steps, steps_of_item), lambda _: None)
        steps += steps_of_item
    return steps


def _item(ref: str, first: int, steps: int) -> contract.Item:
    spec = env_registry.parse(ref)
    return contract.Item(
        lease_id=uuid4(),
        fence=1,
        item_id=uuid4(),
        run_id=uuid4(),
        run_seed=0,
        policy=contract.Policy(digest="0" * 64),
        specs=[contract.SpecRef(ref=spec.ref, digest=spec.digest)],
        segments=[contract.Segment(spec=0, env_index=0, first_episode=first, steps=steps)],
        object_key="",
        max_ms=60_000,
        memory_mb=4096,
    )


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]), sys.stdin.read().split())
