"""Scores: what a run's episodes returned, and how that differs by kind of holdout. Reads no trajectory."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

import env_registry
from env_registry import splits as registry
from service import catalogue, runs, splits, store
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
            policy=item.policy,
            seed=item.seed,
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


async def report(
    session: AsyncSession, run: Run, split_name: str | None, by: Sequence[schemas.ReportKey]
) -> schemas.Report:
    """A run's results in groups, with kinds under a split, else the one it was submitted under.

    Raises
    ------
    Conflict
        Kinds are asked for, no split is named, and the run was submitted under none.
    """
    keys = list(dict.fromkeys(by)) or (["policy", "kind"] if len(run.policies) > 1 else ["kind"])
    name = split_name or run.split
    split = await splits.find(session, name) if name else None
    if split is None and "kind" in keys:
        raise Conflict("no split was in force when this run was submitted; name one: ?split=default")
    rows = await session.execute(
        select(Chunk.summary, WorkItem.specs, WorkItem.policy, WorkItem.seed)
        .join(WorkItem, WorkItem.id == Chunk.item_id)
        .where(Chunk.run_id == run.id)
    )
    found = [
        ((policy, str(seed), specs[part["spec"]]["ref"]), part) for parts, specs, policy, seed in rows for part in parts
    ]
    own = splits.rules(split) if split else None
    lines = await asyncio.to_thread(_lines, own, keys, found, run.id.bytes)
    return schemas.Report(run=show("run", run.id), split=splits.ref(split) if split else None, by=keys, lines=lines)


_Played = tuple[str, str, str]  # policy, seed and ref


def _lines(
    own: registry.Split | None,
    keys: Sequence[str],
    found: Iterable[tuple[_Played, Mapping[str, Any]]],
    seed: bytes,
) -> list[schemas.ReportLine]:
    groups: defaultdict[tuple[str, ...], defaultdict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    if keys == ["kind"]:
        for kind in KINDS:
            groups[(kind,)]  # shown though empty: an absent kind is a result as well
    names: dict[_Played, tuple[str, ...]] = {}
    for played, part in found:
        if played not in names:
            names[played] = tuple(_group(own, key, played) for key in keys)
        total = groups[names[played]][played[2]]
        for name in ("episodes", "first_returns", "first_return_sum"):
            total[name] += part.get(name, 0)  # chunks from before the first agent was told apart
    order = {kind: place for place, kind in enumerate(KINDS)}
    return [
        _line(dict(zip(keys, group, strict=True)), groups[group], seed)
        for group in sorted(groups, key=lambda group: [(order.get(part, 0), part) for part in group])
    ]


def _group(own: registry.Split | None, key: str, played: _Played) -> str:
    policy, seed, ref = played
    match key:
        case "policy":
            return policy
        case "seed":
            return seed
        case "kind":
            return _kind(own, ref) or "train"
        case "base_task":
            return env_registry.base_task(env_registry.parse(ref))
    return catalogue.place(ref)[key]


def _line(group: dict[str, str], specs: Mapping[str, Mapping[str, float]], seed: bytes) -> schemas.ReportLine:
    against_random, normalised = [], []
    for ref in sorted(specs):
        card = env_registry.card_of(env_registry.parse(ref))
        if card is None or not specs[ref]["first_returns"] or card.random_return is None:
            continue
        gained = specs[ref]["first_return_sum"] / specs[ref]["first_returns"] - card.random_return
        if math.isfinite(gained) and card.random_return:
            against_random.append(gained / abs(card.random_return))
        if math.isfinite(gained) and card.reference_return not in (None, card.random_return):
            normalised.append(gained / (card.reference_return - card.random_return))
    own_seed = hashlib.sha256(seed + "".join(group.values()).encode()).digest()
    return schemas.ReportLine(
        group=group,
        specs=len(specs),
        episodes=int(sum(part["episodes"] for part in specs.values())),
        **_statistics(against_random, own_seed),
        reference=schemas.Statistics(**_statistics(normalised, own_seed)),
    )


def _statistics(found: Sequence[float], seed: bytes) -> dict[str, Any]:
    scores = np.array(found, np.float64)
    draws = _resampled(scores, seed)
    return {
        "scored": len(found),
        "mean": float(scores.mean()) if found else None,
        "mean_interval": _interval(draws, np.mean),
        "iqm": float(iqm(scores)) if found else None,
        "iqm_interval": _interval(draws, iqm),
    }


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
