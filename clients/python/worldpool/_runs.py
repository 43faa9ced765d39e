"""Runs as users hold them: the state as last heard of, and what can be done with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Sequence
from contextlib import aclosing, closing
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

from pydantic import PrivateAttr

from worldpool import _calls
from worldpool._cursors import StateCursor
from worldpool._exports import Export, aexport, export
from worldpool._groups import batches_of
from worldpool._policies import Freshness, PolicyClock
from worldpool._stream import AsyncStream, Stream, afollow, follow
from worldpool.models import Explanation, Group, RunInfo, Score
from worldpool.summary import Report, Summary

if TYPE_CHECKING:
    from torch.utils.data import IterableDataset

    from worldpool._client import AsyncClient, Client


class Run(RunInfo):
    """A run as it stood when asked for. It does not change by itself: `refresh`, `wait`, `cancel` give a newer one."""

    _client: Client = PrivateAttr()

    @classmethod
    def _bound(cls, client: Client, info: RunInfo) -> Run:
        run = cls.model_construct(**dict(info))
        run._client = client
        return run

    def refresh(self) -> Run:
        """The run as it stands now."""
        return self._client.runs.get(self)

    def cancel(self) -> Run:
        """Stop it; its finished chunks stay."""
        return self._client.runs.cancel(self)

    def delete(self) -> None:
        """Delete it and its data."""
        self._client.runs.delete(self)

    def summary(self) -> Summary:
        """Returns and lengths by environment, family and domain, over all chunks so far."""
        return self._client._send(_calls.summarise_run(self))

    def scores(self) -> Iterable[Score]:
        """Return and length of every episode and agent so far, as they are read."""
        return self._client.runs.scores(self)

    def report(self, *, split: str | None = None, by: Sequence[_calls.ReportKey] | None = None) -> Report:
        """Results by kind of holdout, under the run's own split or another one; or told apart `by` other things."""
        return self._client.runs.report(self, split=split, by=by)

    def explain(self) -> Explanation:
        """Why its next item waits, which quota node blocks it and by how much, and what would start it now."""
        return self._client.runs.explain(self)

    def groups(self) -> Iterable[Group]:
        """The groups that share it, oldest first."""
        return self._client.runs.groups(self)

    def stream(
        self,
        *,
        after: int = 0,
        group: str | None = None,
        consumer: str | None = None,
        ack: Literal["auto", "manual"] = "auto",
        window: int | None = None,
        verify: bool = False,
        progress: bool | None = None,
        prefetch: int = 0,
        clock: PolicyClock | None = None,
        max_policy_lag: int | None = None,
    ) -> Stream:
        """Its batches as numpy views on Arrow memory, as they come, until it has ended.

        Parameters
        ----------
        after
            Leave out the chunks up to this seq; of a group its first consumer says so for all.
        group
            Share the chunks with the other consumers of this group: each chunk goes to one of them, and to another one
            if its consumer is away for 30 s and has not acknowledged it.
        consumer
            A name in the group, by which a program that is started again gets its own chunks at once. By default one
            that is new; it stands in `state_dict`.
        ack
            "auto": a chunk is acknowledged when the next batch is asked for, and the stream ends when the group has
            acknowledged all. "manual": by `Stream.ack`, and the stream ends when all is given out.
        window
            Most chunks of this consumer that are not acknowledged. By default 4 and `prefetch` with ack="auto", else
            any number.
        verify
            Check each chunk's SHA-256, at about 1-2 GB/s; a chunk that fails is fetched again. Off by default: TCP
            and TLS have their own checks.
        progress
            Show a progress bar. By default only in terminals (on stderr) and notebooks.
        prefetch
            Fetch and decode up to so many batches ahead, so that no loop waits for what has come. Each keeps the memory
            of its chunk. Positions (`state_dict`, `seq`) are those of what was given.
        clock, max_policy_lag
            Leave out batches whose policy is more than so many versions behind the newest of the clock when their turn
            comes; `stream.stale` counts them. A policy that is none of its versions is a `ValueError`.
        """
        cursor = batches_of(
            self,
            after=after,
            group=group,
            consumer=consumer,
            ack=ack,
            window=window,
            prefetch=prefetch,
            verify=verify,
            progress=progress,
        )
        return Stream(self._client, cursor, prefetch=prefetch, freshness=Freshness(clock, max_policy_lag))

    def export(self, path: str | PathLike[str], *, format: str = "parquet", progress: bool | None = None) -> Export:
        """Its rollouts as files of another library, also while it goes on, until it has ended.

        Takes up what a killed call left behind: what is whole in the folder is not fetched again. With all of it there
        already, nothing is done.

        Parameters
        ----------
        path
            The folder; new, empty, or of this run's export in this format.
        format
            `parquet`: rows with equal columns in `rows-0/*.parquet`, `rows-1/…` each, and `episodes.parquet`.
            `minari`: a Minari dataset for each environment and policy; single agents only; needs `worldpool[minari]`.
        progress
            See `stream`.

        Raises
        ------
        ExportError
            The format cannot hold the run, or the folder holds something else.
        RunFailed
            The run failed or was cancelled; what it has is written.
        """
        return export(self._client, self, path, format=format, progress=progress)

    def as_torch(
        self, *, length: int | None = None, stride: int | None = None, after: int = 0, share: tuple[int, int] = (0, 1)
    ) -> IterableDataset[dict[str, Any]]:
        """Its rollouts as a dataset of PyTorch, as they come, until it has ended. Needs `worldpool[torch]`.

        A sample is a window or a whole episode of one agent: a dict of `observations` (one more than steps), `actions`,
        `rewards`, `terminations`, `truncations`, `mask`, `observed`, `is_first`, `policy` and `infos` (see `Windows`)
        as far as they were recorded, and of `ref` and `agent`. Workers of a DataLoader divide the chunks: each is read
        by one of them, so every sample comes once. The default collation wants equal columns: environments with other
        spaces are better run apart.

        Parameters
        ----------
        length, stride
            See `Batch.windows`. Without a length samples are whole episodes.
        after
            Leave out the chunks up to this seq.
        share
            (index, of): only this part of the chunks, where several processes train together.
        """
        return _torch_dataset(self._client, self, length=length, stride=stride, after=after, share=share)

    def watch(self, *, timeout_s: float | None = None) -> Generator[Run]:
        """Its states as they change, until it has ended; raises `WaitTimeout` after `timeout_s` seconds."""
        with closing(follow(self._client, StateCursor(self, timeout_s=timeout_s))) as states:
            for state in states:
                yield self._bound(self._client, state)

    def wait(self, *, timeout_s: float | None = None) -> Run:
        """The run when it has ended; raises `WaitTimeout` after `timeout_s` seconds. A failed run is no error here."""
        cursor = StateCursor(self, timeout_s=timeout_s)
        for _ in follow(self._client, cursor):
            pass
        return self._bound(self._client, cursor.run)


class AsyncRun(RunInfo):
    """`Run` with awaitable methods."""

    _client: AsyncClient = PrivateAttr()

    @classmethod
    def _bound(cls, client: AsyncClient, info: RunInfo) -> AsyncRun:
        run = cls.model_construct(**dict(info))
        run._client = client
        return run

    async def refresh(self) -> AsyncRun:
        """The run as it stands now."""
        return await self._client.runs.get(self)

    async def cancel(self) -> AsyncRun:
        """Stop it; its finished chunks stay."""
        return await self._client.runs.cancel(self)

    async def delete(self) -> None:
        """Delete it and its data."""
        await self._client.runs.delete(self)

    async def summary(self) -> Summary:
        """Returns and lengths by environment, family and domain, over all chunks so far."""
        return await self._client._send(_calls.summarise_run(self))

    def scores(self) -> AsyncIterable[Score]:
        """See `Run.scores`."""
        return self._client.runs.scores(self)

    async def report(self, *, split: str | None = None, by: Sequence[_calls.ReportKey] | None = None) -> Report:
        """See `Run.report`."""
        return await self._client.runs.report(self, split=split, by=by)

    async def explain(self) -> Explanation:
        """See `Run.explain`."""
        return await self._client.runs.explain(self)

    def groups(self) -> AsyncIterable[Group]:
        """See `Run.groups`."""
        return self._client.runs.groups(self)

    def stream(
        self,
        *,
        after: int = 0,
        group: str | None = None,
        consumer: str | None = None,
        ack: Literal["auto", "manual"] = "auto",
        window: int | None = None,
        verify: bool = False,
        progress: bool | None = None,
        prefetch: int = 0,
        clock: PolicyClock | None = None,
        max_policy_lag: int | None = None,
    ) -> AsyncStream:
        """See `Run.stream`."""
        cursor = batches_of(
            self,
            after=after,
            group=group,
            consumer=consumer,
            ack=ack,
            window=window,
            prefetch=prefetch,
            verify=verify,
            progress=progress,
        )
        return AsyncStream(self._client, cursor, prefetch=prefetch, freshness=Freshness(clock, max_policy_lag))

    async def export(
        self, path: str | PathLike[str], *, format: str = "parquet", progress: bool | None = None
    ) -> Export:
        """See `Run.export`."""
        return await aexport(self._client, self, path, format=format, progress=progress)

    def as_torch(
        self, *, length: int | None = None, stride: int | None = None, after: int = 0, share: tuple[int, int] = (0, 1)
    ) -> IterableDataset[dict[str, Any]]:
        """See `Run.as_torch`; the dataset itself is synchronous."""
        return _torch_dataset(self._client, self, length=length, stride=stride, after=after, share=share)

    async def watch(self, *, timeout_s: float | None = None) -> AsyncGenerator[AsyncRun]:
        """See `Run.watch`."""
        async with aclosing(afollow(self._client, StateCursor(self, timeout_s=timeout_s))) as states:
            async for state in states:
                yield self._bound(self._client, state)

    async def wait(self, *, timeout_s: float | None = None) -> AsyncRun:
        """See `Run.wait`."""
        cursor = StateCursor(self, timeout_s=timeout_s)
        async for _ in afollow(self._client, cursor):
            pass
        return self._bound(self._client, cursor.run)


def _torch_dataset(
    client: Client | AsyncClient,
    run: RunInfo,
    *,
    length: int | None,
    stride: int | None,
    after: int,
    share: tuple[int, int],
) -> IterableDataset[dict[str, Any]]:
    """See `Run.as_torch`."""
    try:
        from worldpool._torch import RunDataset
    except ImportError as error:
        raise ImportError(f'datasets need {error.name}: pip install "worldpool[torch]"') from error
    return RunDataset(client.url, client._api_key, run, length=length, stride=stride, after=after, share=share)
