"""A run's chunks divided among readers that know nothing of each other: by seq, so that equal readers get equal chunks.

Each reader hears of chunks by events and fetches its own alone.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING

from worldpool import _calls
from worldpool._cursors import Patience, StateCursor
from worldpool._stream import follow
from worldpool.chunks import Chunk
from worldpool.errors import ConnectionFailed, ProblemError, RunFailed
from worldpool.models import RunInfo

if TYPE_CHECKING:
    from worldpool._client import Client


def share_of(client: Client, run: RunInfo, *, index: int, of: int, after: int = 0) -> Generator[Chunk]:
    """The chunks behind `after` of which the seq leaves `index` when divided by `of`, until the run has ended.

    Raises
    ------
    RunFailed
        It failed or was cancelled; its chunks came before.
    """
    seq = after + 1 + (index - after - 1) % of
    cursor = StateCursor(run)
    with closing(follow(client, cursor)) as states:
        for state in states:
            for mine in range(seq, state.chunks + 1, of):
                yield _fetched(client, run, mine)
                seq = mine + of
    if cursor.run.state != "succeeded":
        raise RunFailed(cursor.run)


def _fetched(client: Client, run: RunInfo, seq: int) -> Chunk:
    patience = Patience()
    while True:
        error: Exception
        try:
            return client._send(_calls.get_chunk(run, seq))
        except ConnectionFailed as lost:
            error = lost
        except ProblemError as refusal:
            if not refusal.passing:
                raise
            error = refusal
        time.sleep(patience.delay(error, time.monotonic()))
