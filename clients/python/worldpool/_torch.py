"""Runs as datasets of PyTorch. The only file that needs torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import torch
from torch.utils.data import IterableDataset, get_worker_info

from worldpool._client import Client
from worldpool._columns import Array, ArrayOrDict
from worldpool._cursors import ChunkCursor
from worldpool._shares import share_of
from worldpool._stream import Stream
from worldpool.batches import Batch, Rows
from worldpool.models import RunInfo
from worldpool.windows import Windows

Sample = dict[str, Any]
PREFETCH = 4
"""Batches fetched ahead where no DataLoader worker does it."""


class RunDataset(IterableDataset[Sample]):  # type: ignore[misc]  # of a library that is not installed here
    """See `Run.as_torch`. Each worker has a connection of its own, and a share of the chunks."""

    def __init__(
        self,
        url: str,
        api_key: str,
        run: RunInfo,
        *,
        length: int | None,
        stride: int | None,
        after: int,
        share: tuple[int, int],
    ) -> None:
        index, of = share
        if not 0 <= index < of:
            raise ValueError(f"a share is (index, of) with 0 <= index < of, not {share}")
        if stride is not None and length is None:
            raise ValueError("a stride is that of windows: give their length too")
        self._pool = url, api_key
        self._run = RunInfo.model_validate(run.model_dump())  # without its client, which cannot go to other processes
        self._length, self._stride = length, stride
        self._after = after
        self._share = share

    def __iter__(self) -> Iterator[Sample]:
        url, api_key = self._pool
        with Client(url=url, api_key=api_key) as client:
            for batch in self._batches(client):
                yield from self._samples(batch)

    def _batches(self, client: Client) -> Iterator[Batch]:
        index, of = self._share
        worker = get_worker_info()
        if worker is not None:
            index, of = index * worker.num_workers + worker.id, of * worker.num_workers
        if of == 1:
            cursor = ChunkCursor(self._run, seq=self._after, verify=False, progress=False)
            with Stream(client, cursor, prefetch=PREFETCH) as stream:
                yield from stream
            return
        with closing(share_of(client, self._run, index=index, of=of, after=self._after)) as chunks:
            for chunk in chunks:
                yield from chunk.batches

    def _samples(self, batch: Batch) -> Iterator[Sample]:
        if self._length is not None:
            yield from _samples(batch, batch, batch.windows(self._length, stride=self._stride), whole=True)
            return
        for episode in batch.to_episodes():
            yield from _samples(batch, episode, episode.windows(len(episode)), whole=False)


def _samples(batch: Batch, rows: Rows, windows: Windows, *, whole: bool) -> Iterator[Sample]:
    """One of each window: `whole`, or only the steps that are there."""
    flags = {name: torch.from_numpy(getattr(windows, name)) for name in ("terminations", "truncations", "mask")}
    beside = {"policy": rows.policy, "infos": rows.infos}
    steps = {name: _leaves(getattr(windows, name)) for name in ("actions", "rewards") if rows.records(name)}
    steps |= flags | {name: _leaves(_taken(windows, columns)) for name, columns in beside.items()}
    seen = {name: _leaves(getattr(windows, name)) for name in ("observations",) if rows.records(name)}
    seen |= {"observed": torch.from_numpy(windows.observed)}
    is_first = torch.from_numpy(windows.is_first)
    specs, agents = (windows.take(rows._column(name))[:, 0] for name in ("spec_index", "agent"))
    for i, length in enumerate(windows.lengths.tolist()):
        until = windows.mask.shape[1] if whole else length
        yield {
            "ref": batch.specs[specs[i]],
            "agent": batch.agents[agents[i]],
            "is_first": is_first[i].clone(),
            **{name: _of(leaves, i, until + 1) for name, leaves in seen.items()},
            **{name: _of(leaves, i, until) for name, leaves in steps.items()},
        }


def _taken(windows: Windows, columns: dict[str, Array]) -> dict[str, Array]:
    return {name: windows.take(column) for name, column in columns.items()}


def _leaves(leaves: ArrayOrDict) -> Any:
    if isinstance(leaves, dict):
        return {name: _leaves(leaf) for name, leaf in leaves.items()}
    return leaves.tolist() if leaves.dtype == object else torch.from_numpy(leaves)


def _of(leaves: Any, i: int, until: int) -> Any:
    """The beginning of window i, with memory of its own: a view would carry all windows to another process."""
    if isinstance(leaves, dict):
        return {name: _of(leaf, i, until) for name, leaf in leaves.items()}
    return leaves[i][:until] if isinstance(leaves, list) else leaves[i, :until].clone()
