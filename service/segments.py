"""How a run is cut into work items: pure, fixed at submission. Costs come from the cards; retries never cut anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

ITEM_MS = 4000
"""Aim of one work item, make time included: long against the time between two items, short against a lease."""
LEAST_ITEM_MS = 250
MOST_MS_FACTOR = 20
"""An attempt may take this many times its estimate, and a minute more, before it counts as hung."""
ITEM_BYTES = 64 * 1024**2
"""Most observation bytes aimed at in one item: pixels fill memory long before they fill time."""
BYTES_FACTOR = 4
"""Memory of an attempt beside the engine's: recorded, as Arrow columns, as a chunk, and room to grow."""
MOST_MEMORY_MB = 2048
"""What a slot offers by default; byte counts are upper bounds, and an item that asked for more would never start."""
MOST_SEGMENTS = 512
"""Segments in an item, so that its row and its claim stay small."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One spec and what it costs to run."""

    ref: str
    digest: str
    step_us: float
    make_ms: float
    memory_mb: int
    step_bytes: int
    horizon: int

    @property
    def weight_ms(self) -> float:
        """Milliseconds of a step; a step of many bytes counts as if it took longer, so that items stay small."""
        return max(self.step_us / 1000, ITEM_MS * self.step_bytes / ITEM_BYTES)


@dataclass(slots=True)
class ItemPlan:
    """A work item to be: its specs, its segments by index into them, and what it will take."""

    specs: list[dict[str, str]] = field(default_factory=list)
    segments: list[dict[str, Any]] = field(default_factory=list)
    weight_ms: float = 0.0
    estimate_ms: float = 0.0
    engine_mb: int = 0
    bytes: int = 0

    def add(self, cost: Cost, segment: dict[str, Any], steps: int) -> None:
        if not self.specs or self.specs[-1]["digest"] != cost.digest:
            self.specs.append({"ref": cost.ref, "digest": cost.digest})
            self.weight_ms += cost.make_ms
            self.estimate_ms += cost.make_ms
        self.segments.append({"spec": len(self.specs) - 1, **segment})
        self.weight_ms += steps * cost.weight_ms
        self.estimate_ms += steps * cost.step_us / 1000
        self.engine_mb = max(self.engine_mb, cost.memory_mb)
        self.bytes += steps * cost.step_bytes

    @property
    def memory_mb(self) -> int:
        return min(self.engine_mb + BYTES_FACTOR * self.bytes // 1024**2, MOST_MEMORY_MB)

    @property
    def max_ms(self) -> int:
        return int(60_000 + MOST_MS_FACTOR * self.estimate_ms)


def items(
    costs: Sequence[Cost], *, episodes: int | None, steps: int | None, slots: int, batch: int = 1
) -> Iterator[ItemPlan]:
    """Work items that together hold `episodes` episodes or `steps` steps of every spec, in the order of the specs. With
    `batch` an item has up to so many segments where it can, to be simulated in step."""
    target = _target_ms(costs, episodes=episodes, steps=steps, slots=slots)
    item = ItemPlan()
    for cost in costs:
        for segment, length in _segments(cost, target, episodes=episodes, steps=steps):
            ms = cost.make_ms + length * cost.weight_ms
            if item.segments and (item.weight_ms + ms > target * 1.25 or len(item.segments) >= MOST_SEGMENTS):
                yield item
                item = ItemPlan()
            for part, steps_of_part in _parts(cost, segment, length, batch):
                item.add(cost, part, steps_of_part)
    if item.segments:
        yield item


def _parts(cost: Cost, segment: dict[str, Any], length: int, batch: int) -> Iterator[tuple[dict[str, Any], int]]:
    """A segment cut into up to `batch` of whole episodes, and how many steps each may take."""
    what = "episodes" if "episodes" in segment else "steps"
    count = segment[what]
    parts = max(min(batch, count if what == "episodes" else count // cost.horizon), 1)
    first = segment["first_episode"]
    for part in range(parts):
        share = count // parts + (part < count % parts)
        yield {**segment, "first_episode": first, what: share}, length * share // count
        first += share


def expected_steps(costs: Iterable[Cost], *, episodes: int | None, steps: int | None) -> int:
    """Steps of the whole run; an upper bound where episodes are counted."""
    return sum(steps if steps is not None else (episodes or 0) * cost.horizon for cost in costs)


def estimate_items(costs: Sequence[Cost], *, episodes: int | None, steps: int | None, slots: int) -> float:
    """About how many items there will be, without making them."""
    target = _target_ms(costs, episodes=episodes, steps=steps, slots=slots)
    return sum(max(_total_ms(cost, episodes, steps) / target, 1 / MOST_SEGMENTS) for cost in costs)


def _total_ms(cost: Cost, episodes: int | None, steps: int | None) -> float:
    total = steps if steps is not None else (episodes or 0) * cost.horizon
    return total * cost.weight_ms


def _target_ms(costs: Sequence[Cost], *, episodes: int | None, steps: int | None, slots: int) -> float:
    """A small run is cut finer, so that every slot gets a few items of it."""
    total = sum(cost.make_ms + _total_ms(cost, episodes, steps) for cost in costs)
    return min(max(total / (4 * max(slots, 1)), LEAST_ITEM_MS), ITEM_MS)


def _segments(
    cost: Cost, target: float, *, episodes: int | None, steps: int | None
) -> Iterator[tuple[dict[str, Any], int]]:
    """Segments and how many steps each may take."""
    step_ms = cost.weight_ms
    room = max(int((target - min(cost.make_ms, target / 2)) / step_ms), 1)  # steps that fit beside construction
    if steps is not None:
        size = room - room % cost.horizon if room > cost.horizon else min(max(room, 1), steps)
        if size < cost.horizon:  # cut only at episode ends where an episode is affordable
            size = cost.horizon if cost.horizon * step_ms <= 2.5 * target else size
        for first in range(0, steps, size):
            count = min(size, steps - first)
            # an episode takes a step or more: numbering from the step reached keeps episodes of segments apart
            yield {"env_index": 0, "first_episode": first, "steps": count}, count
    else:
        size = max(room // cost.horizon, 1)
        for first in range(0, episodes or 0, size):
            count = min(size, (episodes or 0) - first)
            yield {"env_index": 0, "first_episode": first, "episodes": count}, count * cost.horizon
