"""Client for a Worldpool: choose among many environments, ask for rollouts, train on the batches that stream back.

import worldpool

pool = worldpool.connect()
subset = pool.subsets.create(where={"domain": "physics"}, size=64, strategy="diverse")
run = pool.runs.create(subset=subset, policy="random", steps_per_env=1000)
for batch in run.stream():
    batch.refs, batch.observations, batch.actions, batch.rewards, batch.is_last
"""

from worldpool._client import AsyncClient, Client, aconnect, connect
from worldpool._exports import Export, ExportTable
from worldpool._policies import PolicyClock
from worldpool._runs import AsyncRun, Run
from worldpool._stream import AsyncStream, Stream
from worldpool._twins import AsyncPager, Pager
from worldpool._version import __version__
from worldpool.batches import Batch, Episode
from worldpool.chunks import Chunk
from worldpool.episodes import Episodes
from worldpool.errors import (
    ConfigurationError,
    Conflict,
    ConnectionFailed,
    ConsumerReplaced,
    ExportError,
    Forbidden,
    FormatError,
    Gone,
    Invalid,
    NotFound,
    NotRecorded,
    PoolNotFound,
    ProblemError,
    RateLimited,
    RunFailed,
    ServerError,
    Unauthorized,
    WaitTimeout,
    WorldpoolError,
)
from worldpool.models import (
    Catalogue,
    Environment,
    EnvironmentDetail,
    Facets,
    Family,
    Group,
    Me,
    Modifier,
    Policy,
    RunInfo,
    Split,
    Subset,
    Table,
)
from worldpool.summary import Report, Summary
from worldpool.windows import Transitions, Windows

__all__ = [
    "AsyncClient",
    "AsyncPager",
    "AsyncRun",
    "AsyncStream",
    "Batch",
    "Catalogue",
    "Chunk",
    "Client",
    "ConfigurationError",
    "Conflict",
    "ConnectionFailed",
    "ConsumerReplaced",
    "Environment",
    "EnvironmentDetail",
    "Episode",
    "Episodes",
    "Export",
    "ExportError",
    "ExportTable",
    "Facets",
    "Family",
    "Forbidden",
    "FormatError",
    "Gone",
    "Group",
    "Invalid",
    "Me",
    "Modifier",
    "NotFound",
    "NotRecorded",
    "Pager",
    "Policy",
    "PolicyClock",
    "PoolNotFound",
    "ProblemError",
    "RateLimited",
    "Report",
    "Run",
    "RunFailed",
    "RunInfo",
    "ServerError",
    "Split",
    "Stream",
    "Subset",
    "Summary",
    "Table",
    "Transitions",
    "Unauthorized",
    "WaitTimeout",
    "Windows",
    "WorldpoolError",
    "__version__",
    "aconnect",
    "connect",
]
