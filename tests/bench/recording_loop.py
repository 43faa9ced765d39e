"""A runner's part alone, in this process: items of a spec simulated and recorded one after another.

`python -m tests.bench.recording_loop REF SECONDS` prints `{"steps", "wall_s", "cpu_s"}`, as `bare_loop` does.
"""

from __future__ import annotations

import json
import sys
import time
from uuid import uuid4

import env_registry
from workers import contract
from workers.rollout import Rollout
from workers.simulators import SimulatorCache

STEPS = 4096
"""Steps of an item: a recording, as in the bare loops."""


def main(ref: str, seconds: float) -> None:
    rollout = Rollout(SimulatorCache())
    loop(rollout, ref, 1.0)  # warm
    wall, cpu = time.perf_counter(), time.process_time()
    steps = loop(rollout, ref, seconds)
    print(json.dumps({"steps": steps, "wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}))


def loop(rollout: Rollout, ref: str, seconds: float) -> int:
    end = time.perf_counter() + seconds
    steps = 0
    while time.perf_counter() < end:
        rollout.run(_item(ref, steps), lambda _: None)
        steps += STEPS
    return steps


def _item(ref: str, first: int) -> contract.Item:
    spec = env_registry.parse(ref)
    return contract.Item(
        lease_id=uuid4(),
        fence=1,
        item_id=uuid4(),
        run_id=uuid4(),
        run_seed=0,
        policy=contract.Policy(digest="0" * 64),
        specs=[contract.SpecRef(ref=spec.ref, digest=spec.digest)],
        segments=[contract.Segment(spec=0, env_index=0, first_episode=first, steps=STEPS)],
        object_key="",
        max_ms=60_000,
        memory_mb=4096,
    )


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
