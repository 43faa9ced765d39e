"""Runs written down as files for other libraries: fetched chunk by chunk, taken up again where a kill left off.

Owns the way of the data: stream, format, folder. What a format writes is in `parquet` and `minari`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from worldpool._cursors import ChunkCursor
from worldpool._exports.folder import Export, Exporter, ExportTable
from worldpool._stream import AsyncStream, Stream
from worldpool.chunks import Chunk
from worldpool.errors import RunFailed
from worldpool.models import RunInfo

if TYPE_CHECKING:
    from worldpool._client import AsyncClient, Client

__all__ = ["Export", "ExportTable", "aexport", "export"]


def export(
    client: Client, run: RunInfo, path: str | PathLike[str], *, format: str, progress: bool | None = None
) -> Export:
    """See `Run.export`."""
    exporter = _exporter(run, path, format, progress)
    if not exporter.complete:
        exporter.save()  # the folder is this export's from now on
        stream = Stream(client, _cursor(exporter, progress))
        with stream, suppress(RunFailed):  # raised below, when what the run has is written
            for chunk in _chunks(stream):
                exporter.add(chunk)
                _learn(client, exporter)
        _learn(client, exporter)
        exporter.finish(stream.run.state)
        run = stream.run
    return _checked(exporter, run)


def _chunks(stream: Stream) -> Iterator[Chunk]:
    for batch in stream:
        if batch is batch.chunk.batches[0]:
            yield batch.chunk


def _learn(client: Client, exporter: Exporter) -> None:
    for ref in exporter.unknown():
        exporter.learn(client.environments.get(ref))


async def aexport(
    client: AsyncClient, run: RunInfo, path: str | PathLike[str], *, format: str, progress: bool | None = None
) -> Export:
    """See `AsyncRun.export`."""
    exporter = _exporter(run, path, format, progress)
    if not exporter.complete:
        exporter.save()
        stream = AsyncStream(client, _cursor(exporter, progress))
        async with stream:
            with suppress(RunFailed):
                async for chunk in _achunks(stream):
                    await asyncio.to_thread(exporter.add, chunk)
                    await _alearn(client, exporter)
        await _alearn(client, exporter)
        await asyncio.to_thread(exporter.finish, stream.run.state)
        run = stream.run
    return _checked(exporter, run)


async def _achunks(stream: AsyncStream) -> AsyncIterator[Chunk]:
    async for batch in stream:
        if batch is batch.chunk.batches[0]:
            yield batch.chunk


async def _alearn(client: AsyncClient, exporter: Exporter) -> None:
    for ref in exporter.unknown():
        exporter.learn(await client.environments.get(ref))


def _exporter(run: RunInfo, path: str | PathLike[str], format: str, progress: bool | None) -> Exporter:
    match format:  # imported here: not every program exports
        case "parquet":
            from worldpool._exports.parquet import ParquetExporter

            return ParquetExporter(run, Path(path), progress=progress)
        case "minari":
            from worldpool._exports.minari import MinariExporter

            return MinariExporter(run, Path(path), progress=progress)
    raise ValueError(f"format must be parquet or minari, not {format!r}")


def _cursor(exporter: Exporter, progress: bool | None) -> ChunkCursor:
    done = exporter.export
    cursor = ChunkCursor(exporter.run, seq=done.seq, verify=True, progress=progress)
    cursor.steps, cursor.episodes = done.steps, done.episodes  # so that the bar shows the whole run
    return cursor


def _checked(exporter: Exporter, run: RunInfo) -> Export:
    if exporter.export.state != "succeeded":
        raise RunFailed(run)
    return exporter.export
