"""Scores: what a run's episodes returned, and how that differs by kind of holdout. Reads no trajectory."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

import env_registry
from env_registry import splits as registry
from service import runs, splits, store
from service.api import schemas
from service.errors import Conflict
from service.ids import show
from service.models import Chunk, Run, WorkItem

HEADER_BYTES = 12
"""Of a chunk: magic and length of the index; see docs/decisions/0003-chunk-format.md."""
RESAMPLES = 2000
COVERAGE = (0.025, 0.975)
KINDS = ("train", *map(str, registry.Kind))

Floats = NDArray[np.float64]


# --- episodes


async def of_chunk(session: AsyncSession, run: Run, chunk: Chunk) -> list[schemas.Score]:
    """Returns and lengths of one chunk's episodes, from the table of episodes alone."""
    url = await runs.store_url(session, chunk)
    item = await session.get_one(WorkItem, chunk.item_id)
    own = splits.rules(await splits.find(session, run.split)) if run.split else None
    kinds = [_kind(own, spec["ref"]) for spec in item.specs]
    table = await _episodes(url, chunk.object_key)
    return [
        schemas.Score(
            ref=item.specs[row["spec_index"]]["ref"],
            kind=kinds[row["spec_index"]],
            env_index=row["env_index"],
            episode_index=row["episode_index"],
            agent=row["agent"],
            episode_return=row["return"] if math.isfinite(row["return"]) else None,
            length=row["length"],
        )
        for row in table.to_pylist()
    ]


async def _episodes(url: str, key: str) -> pa.Table:
    head = await store.read_range(url, key, 0, HEADER_BYTES)
    length = int.from_bytes(head[8:HEADER_BYTES], "little")
    index = json.loads(await store.read_range(url, key, HEADER_BYTES, HEADER_BYTES + length))
    about = index["streams"][-1]
    body = await store.read_range(url, key, about["offset"], about["offset"] + about["length"])
    columns = ["spec_index", "env_index", "episode_index", "agent", "return", "length"]
    return pa.ipc.open_stream(body).read_all().select(columns)


def _kind(own: registry.Split | None, ref: str) -> Any:
    kind = own.kind(env_registry.parse(ref)) if own else None
    return None if kind is None else str(kind)


# --- report


async def report(session: AsyncSession, run: Run, split_name: str | None) -> schemas.Report:
    """A run's results by kind, under a split, else the one it was submitted under.

    Raises
    ------
    Conflict
        No split is named, and the run was submitted under none.
    """
    name = split_name or run.split
    if name is None:
        raise Conflict("no split was in force when this run was submitted; name one: ?split=default")
    split = await splits.find(session, name)
    rows = await session.execute(
        select(Chunk.summary, WorkItem.specs).join(WorkItem, WorkItem.id == Chunk.item_id).where(Chunk.run_id == run.id)
    )
    specs = _by_ref([(part, item[part["spec"]]["ref"]) for parts, item in rows for part in parts])
    lines = await asyncio.to_thread(_lines, splits.rules(split), specs, run.id.bytes)
    return schemas.Report(run=show("run", run.id), split=splits.ref(split), lines=lines)


def _by_ref(parts: Sequence[tuple[Mapping[str, Any], str]]) -> dict[str, dict[str, float]]:
    total: dict[str, dict[str, float]] = {}
    for part, ref in parts:
        own = total.setdefault(ref, {"episodes": 0, "first_returns": 0, "first_return_sum": 0.0})
        for name in own:
            own[name] += part.get(name, 0)  # chunks from before the first agent was told apart
    return total


def _lines(own: registry.Split, specs: Mapping[str, Mapping[str, float]], seed: bytes) -> list[schemas.ReportLine]:
    groups: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for ref in specs:
        groups[_kind(own, ref) or "train"].append(ref)
    return [_line(kind, {ref: specs[ref] for ref in sorted(refs)}, seed) for kind, refs in groups.items()]


def _line(kind: Any, specs: Mapping[str, Mapping[str, float]], seed: bytes) -> schemas.ReportLine:
    found = [score for ref, part in specs.items() if (score := _score(ref, part)) is not None]
    scores = np.array(found, np.float64)
    draws = _resampled(scores, hashlib.sha256(seed + kind.encode()).digest())
    return schemas.ReportLine(
        kind=kind,
        specs=len(specs),
        episodes=int(sum(part["episodes"] for part in specs.values())),
        scored=len(found),
        mean=float(scores.mean()) if found else None,
        mean_interval=_interval(draws, np.mean),
        iqm=float(iqm(scores)) if found else None,
        iqm_interval=_interval(draws, iqm),
    )


def _score(ref: str, part: Mapping[str, float]) -> float | None:
    """The mean return of the first agent against random play: (return - random) / |random|."""
    card = env_registry.card_of(env_registry.parse(ref))
    random = card.random_return if card else None
    if not part["first_returns"] or not random or not math.isfinite(random):
        return None
    return (part["first_return_sum"] / part["first_returns"] - random) / abs(random)


def iqm(scores: Floats, axis: int = -1) -> Floats:
    """Interquartile mean along an axis: of what is left without the lowest and the highest quarter, whole values."""
    ordered = np.sort(scores, axis=axis)
    size = scores.shape[axis]
    middle: Floats = np.take(ordered, np.arange(size // 4, size - size // 4), axis=axis).mean(axis=axis)
    return middle


def _resampled(scores: Floats, seed: bytes) -> Floats | None:
    """Bootstrap samples of the scores, a row each; None of fewer than two."""
    if len(scores) < 2:
        return None
    rng = np.random.default_rng(np.frombuffer(seed, np.uint32))
    resamples = max(min(RESAMPLES, 10_000_000 // len(scores)), 100)
    return scores[rng.integers(len(scores), size=(resamples, len(scores)))]


def _interval(draws: Floats | None, statistic: Callable[..., Floats]) -> schemas.Interval | None:
    if draws is None:
        return None
    low, high = np.quantile(statistic(draws, axis=-1), COVERAGE)
    return schemas.Interval(low=float(low), high=float(high))
