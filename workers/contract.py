"""Everything that crosses the wire between the service and the workers. Pydantic only; imports nothing of ours.

Registration, heartbeats, claims and releases travel over the internal API with the site's key. A grant travels
through the
site's Celery broker; it is small and safe to lose, to delay or to see twice, because the claim decides.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

GRANT_TASK = "workers.run_grant"
HEARTBEAT_S = 3
"""Seconds between heartbeats of a worker process."""
TTL_S = 15
"""Seconds without an accepted heartbeat after which the service ends a lease."""
FENCE_MARGIN_S = 4
"""A worker stops the work of a lease this many seconds before the service would end it."""
CLAIM_DEADLINE_S = 5
"""Seconds in which a granted lease must be claimed."""


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Registration(Message):
    """A worker process introduces itself; the newest incarnation of a name replaces the one before."""

    name: str = Field(min_length=1, max_length=200, description="stable over restarts of one worker process")
    incarnation: UUID
    slots: int = Field(ge=1, le=4096)
    contributes_mc: int | None = Field(None, ge=1, description="default: ceil(slots * 100000 / 33)")
    memory_mb: int = Field(ge=1)
    runtime: str = Field(description="digest of the locked engines that this worker has")


class Registered(Message):
    worker_id: UUID
    queue: str = Field(description="Celery queue on which this worker's grants arrive")
    site: str
    store_url: str


class LeaseProgress(Message):
    lease_id: UUID
    fence: int
    steps: int = Field(ge=0)


class Heartbeat(Message):
    incarnation: UUID
    draining: bool = False
    leases: list[LeaseProgress] = []


class HeartbeatReply(Message):
    abandon: list[UUID] = Field(description="leases that are no longer this worker's: stop their work, release nothing")
    departed: bool = Field(False, description="the worker said that it leaves, and may go: its capacity is not counted")


class Grant(Message):
    """The body of a Celery task."""

    lease_id: UUID
    fence: int


class Claim(Message):
    worker_id: UUID
    fence: int
    attempt: UUID = Field(description="made once for each grant message taken; sent again, it gets its item again")


class SpecRef(Message):
    ref: str
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")


class Segment(Message):
    """Whole episodes of one environment of one spec; exactly one of `episodes` and `steps` is set.

    With `steps` the last episode is cut (truncated) where the budget ends.
    """

    spec: int = Field(ge=0, description="index into Item.specs")
    env_index: int = Field(ge=0)
    first_episode: int = Field(ge=0)
    episodes: int | None = Field(None, ge=1)
    steps: int | None = Field(None, ge=1)


class Policy(Message):
    """What chooses the actions; see docs/decisions/0015-policies.md. Uploaded parts are named by their SHA-256."""

    name: str = "random"
    digest: str
    document: dict[str, Any] = {"kind": "random"}

    @property
    def files(self) -> list[str]:
        """The uploaded parts."""
        return sorted(_files(self.document))


def _files(document: dict[str, Any]) -> set[str]:
    if document["kind"] == "agents":
        return set[str]().union(*(_files(part) for _, part in document["policies"]))
    return {document["sha256"]} if "sha256" in document else set()


COLUMNS = frozenset(("observations", "actions", "rewards", "policy"))
"""What a run may leave out of its rows."""


class Pixels(Message):
    """Pictures, in the environment's own size where none is given."""

    width: int | None = Field(None, ge=8, le=1024)
    height: int | None = Field(None, ge=8, le=1024)


class Record(Message):
    """What is recorded of a run. Flags, indices and the table of episodes always are."""

    columns: list[str] = Field(sorted(COLUMNS), description="of `COLUMNS`")
    infos: list[str] = Field([], description="numbers in the environment's infos, by name")
    pixels: Pixels | None = None

    @property
    def watches(self) -> bool:
        """Whether more is recorded than what steps give anyway."""
        return bool(self.infos) or self.pixels is not None


class Item(Message):
    """A claimed work item: what to simulate and where the chunk goes."""

    lease_id: UUID
    fence: int
    item_id: UUID
    run_id: UUID
    run_seed: int = Field(ge=0, lt=2**63)
    policy: Policy
    specs: list[SpecRef]
    segments: list[Segment]
    record: Record = Record()
    batch: int = Field(1, ge=1, description="segments that are simulated in step, their policy asked for all at once")
    object_key: str
    max_ms: int = Field(description="wall-clock limit of the attempt")
    memory_mb: int = Field(description="memory limit of the runner")
    tables: list[str] = Field([], description="canonical JSON of the tables that its specs draw from")


class Outcome(StrEnum):
    DONE = "done"
    FAILED = "failed"  # the environment or the policy: charged to the cell
    LOST = "lost"  # infrastructure: charged to the site, tried again
    ABANDONED = "abandoned"  # handed back unfinished by a draining worker, tried again


class Failure(StrEnum):
    """Why an attempt gave no chunk."""

    ENVIRONMENT_ERROR = "environment_error"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    RUNNER_DIED = "runner_died"
    STALLED = "stalled"
    STORE_ERROR = "store_error"
    DRAINED = "drained"


class SpecSummary(Message):
    """What one chunk holds of one spec. Returns are per (episode, agent)."""

    spec: int
    episodes: int
    steps: int
    returns: int = Field(description="number of returns: episodes x agents")
    return_sum: float
    return_min: float
    return_max: float
    first_returns: int = Field(0, description="returns of the first agent, whose random return stands on cards")
    first_return_sum: float = 0.0
    wall_ms: float


class ChunkInfo(Message):
    bytes: int
    sha256: str
    rows: int
    episodes: int
    steps: int
    summary: list[SpecSummary]


class Release(Message):
    worker_id: UUID
    fence: int
    outcome: Outcome
    failure: Failure | None = None
    detail: str | None = Field(None, max_length=4000)
    chunk: ChunkInfo | None = None
    cpu_ms: int = Field(0, ge=0)
    take: UUID | None = Field(
        None, description="the attempt that goes on with the slot's next item, also when sent again"
    )


class Released(Message):
    accepted: bool = Field(description="false: the lease had ended before; the chunk was not taken")
    next: Item | None = Field(None, description="what the slot goes on with, claimed already")
