"""The tables. PostgreSQL is the truth; every rule about them lives in the file of their noun."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from service.ids import new_id


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  (SQLAlchemy reads it from the class)
        str: Text,
        int: BigInteger,
        float: Double,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[str]: ARRAY(Text),
    }


class Owned:
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


# --- who


class Duty(StrEnum):
    """What operators want of a worker, or of all workers of a site, also of those that come later."""

    ACTIVE = "active"
    CORDONED = "cordoned"  # it starts nothing new; its capacity counts
    DRAINED = "drained"  # its capacity is to leave as well


class Cell(Owned, Base):
    __tablename__ = "cell"
    name: Mapped[str] = mapped_column(unique=True)


class Site(Owned, Base):
    __tablename__ = "site"
    name: Mapped[str] = mapped_column(unique=True)
    redis_url: Mapped[str]
    store_url: Mapped[str]
    state: Mapped[str] = mapped_column(default=Duty.ACTIVE)


class Key(Owned, Base):
    """An API key: of a cell, of a site's workers, of a group's steward, or of an operator (none of these). Only the
    hash of its secret is kept."""

    __tablename__ = "key"
    secret_sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    cell_id: Mapped[UUID | None] = mapped_column(ForeignKey("cell.id"))
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("site.id"))
    steward_of: Mapped[UUID | None] = mapped_column(ForeignKey("quota_node.id"))
    scopes: Mapped[list[str]]
    label: Mapped[str | None]
    labels: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")  # of its runs
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("cell_id IS NULL OR site_id IS NULL", name="one_owner"),
        CheckConstraint(
            "steward_of IS NULL OR (cell_id IS NULL AND site_id IS NULL AND expires_at IS NOT NULL)",
            name="stewards_have_a_term",
        ),
    )


class IdempotencyKey(Base):
    """The answer that a creating request got, for whoever sends it again."""

    __tablename__ = "idempotency_key"
    owner: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int | None]
    body: Mapped[str | None]
    location: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (Index(None, "created_at"),)


class Audit(Base):
    """What operators changed. Rows are never changed or deleted; a trigger sees to it."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    actor: Mapped[str]
    action: Mapped[str]
    target: Mapped[str]
    change: Mapped[dict[str, Any]]
    reason: Mapped[str | None]
    __table_args__ = (Index(None, "target", "id"),)


# --- what


class Environment(Base):
    """A catalogued spec, for search. The registry, not this table, says what a ref means.

    `number` counts in the order of digests, which is that of pages: no reload of the catalogue changes it, and what a
    search finds lies evenly in it.
    """

    __tablename__ = "environment"
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    number: Mapped[int] = mapped_column(unique=True)
    ref: Mapped[str]
    domain: Mapped[str]
    family: Mapped[str]
    base_task: Mapped[str]
    modifiers: Mapped[list[str]]
    agents: Mapped[int]
    observations: Mapped[str]
    actions: Mapped[str]
    seed_sensitive: Mapped[bool]
    snapshot: Mapped[str]
    shown: Mapped[str]  # the JSON of `schemas.Environment`
    vector: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)


class Posting(Base):
    """Which catalogued specs a name of `conditions` fits; of an amount, those in one step and how much they have."""

    __tablename__ = "posting"
    name: Mapped[str] = mapped_column(primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    specs: Mapped[int]
    numbers: Mapped[bytes] = mapped_column(LargeBinary)  # packed by `postings`, as are values
    values: Mapped[bytes | None] = mapped_column(LargeBinary)


class CatalogueState(Base):
    """Which catalogue the environment table holds. One row."""

    __tablename__ = "catalogue_state"
    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    source_sha256: Mapped[str]
    version: Mapped[str]
    counts: Mapped[dict[str, Any]]


class Subset(Owned, Base):
    __tablename__ = "subset"
    cell_id: Mapped[UUID] = mapped_column(ForeignKey("cell.id"))
    digest: Mapped[str]
    size: Mapped[int]
    domains: Mapped[dict[str, Any]]
    name: Mapped[str | None]
    source: Mapped[dict[str, Any]]
    split: Mapped[str | None]
    left_out: Mapped[int] = mapped_column(default=0, server_default="0")
    catalogue: Mapped[str | None]
    coverage: Mapped[dict[str, Any] | None]
    __table_args__ = (
        Index(None, "cell_id", "id"),
        Index(None, "digest"),
        UniqueConstraint("cell_id", "name"),
    )


class SubsetEnvironment(Base):
    __tablename__ = "subset_environment"
    subset_id: Mapped[UUID] = mapped_column(ForeignKey("subset.id"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[str]
    digest: Mapped[bytes] = mapped_column(LargeBinary)


class ParameterTable(Owned, Base):
    """Joint samples of parameters; `content` is the canonical JSON whose SHA-256 is `digest`."""

    __tablename__ = "parameter_table"
    cell_id: Mapped[UUID] = mapped_column(ForeignKey("cell.id"))
    digest: Mapped[str]
    rows: Mapped[int]
    columns: Mapped[list[str]]
    weighted: Mapped[bool]
    bytes: Mapped[int]
    content: Mapped[str] = mapped_column(deferred=True, deferred_raiseload=True)
    __table_args__ = (
        Index("uq_parameter_table_content", "cell_id", "digest", unique=True),
        Index(None, "digest"),
        Index(None, "cell_id", "id"),
    )


class Policy(Owned, Base):
    """What chooses the actions of a run; `digest` is that of the canonical JSON of `document`. The large part of it, if
    it has one, is `file`."""

    __tablename__ = "policy"
    cell_id: Mapped[UUID] = mapped_column(ForeignKey("cell.id"))
    digest: Mapped[str]
    kind: Mapped[str]
    document: Mapped[dict[str, Any]]
    signature: Mapped[dict[str, Any] | None]
    file_sha256: Mapped[str | None]
    file: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True, deferred_raiseload=True)
    __table_args__ = (
        Index("uq_policy_content", "cell_id", "digest", unique=True),
        Index(None, "file_sha256"),
        Index(None, "cell_id", "id"),
    )


# --- what may be trained on


class Split(Owned, Base):
    """A version of a split: rules that never change. `catalogue` is the source that its holdouts were taken from."""

    __tablename__ = "split"
    name: Mapped[str]
    version: Mapped[int]
    digest: Mapped[str]
    rules: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    note: Mapped[str | None]
    budget: Mapped[int]
    created_by: Mapped[str | None]
    catalogue: Mapped[str | None]
    __table_args__ = (Index(None, "name", "version", unique=True),)


class SplitInForce(Base):
    """Which split training is held to. One row; whoever submits a run holds it, so that a change waits for them."""

    __tablename__ = "split_in_force"
    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    split_id: Mapped[UUID] = mapped_column(ForeignKey("split.id"))


class Holdout(Base):
    """Which catalogued specs a split holds out as one kind, for search: a posting of those of `Split.catalogue`. The
    split's rules, not this table, say what is held out."""

    __tablename__ = "holdout"
    split_id: Mapped[UUID] = mapped_column(ForeignKey("split.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    specs: Mapped[int]
    numbers: Mapped[bytes] = mapped_column(LargeBinary)


class ExposureBudget(Base):
    """How many evaluations of held-out specs a cell may ask for, and has."""

    __tablename__ = "exposure_budget"
    split_id: Mapped[UUID] = mapped_column(ForeignKey("split.id"), primary_key=True)
    cell_id: Mapped[UUID] = mapped_column(ForeignKey("cell.id"), primary_key=True)
    allowed: Mapped[int]
    used: Mapped[int] = mapped_column(default=0)


class Exposure(Base):
    """What one run saw of a split's holdouts. Rows are never changed or deleted; a trigger sees to it."""

    __tablename__ = "exposure"
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    cell_id: Mapped[UUID]
    key_id: Mapped[UUID]
    run_id: Mapped[UUID]
    split_id: Mapped[UUID] = mapped_column(ForeignKey("split.id"))
    kinds: Mapped[dict[str, Any]]
    specs: Mapped[int]
    refs: Mapped[list[str]]
    episodes: Mapped[int | None]
    steps_per_env: Mapped[int | None]
    __table_args__ = (Index(None, "cell_id", "id"),)


# --- work


FINISHED = ("succeeded", "failed", "cancelled")
"""States in which a run stays."""


class Run(Owned, Base):
    __tablename__ = "run"
    cell_id: Mapped[UUID] = mapped_column(ForeignKey("cell.id"))
    subset_id: Mapped[UUID | None] = mapped_column(ForeignKey("subset.id"))
    environments: Mapped[int]
    policies: Mapped[list[str]]
    episodes: Mapped[int | None]
    steps_per_env: Mapped[int | None]
    seeds: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    name: Mapped[str | None]
    max_parallel: Mapped[int | None]
    max_unread: Mapped[int | None]
    abandon_after_s: Mapped[int | None]
    retention: Mapped[str] = mapped_column(default="keep", server_default="keep")
    retain_s: Mapped[int | None]
    chunks_deleted: Mapped[int] = mapped_column(default=0, server_default="0")
    record: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    content_sha256: Mapped[Any] = mapped_column(LargeBinary, nullable=True)
    runtime: Mapped[str | None]
    labels: Mapped[dict[str, Any]]
    purpose: Mapped[str] = mapped_column(default="train", server_default="train")
    split: Mapped[str | None]
    held_out: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    carved: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list, server_default="[]")
    state: Mapped[str] = mapped_column(default="queued")
    next_seq: Mapped[int] = mapped_column(default=1)
    items_total: Mapped[int]
    items_done: Mapped[int] = mapped_column(default=0)
    items_failed: Mapped[int] = mapped_column(default=0)
    steps_expected: Mapped[int]
    steps_done: Mapped[int] = mapped_column(default=0)
    episodes_done: Mapped[int] = mapped_column(default=0)
    bytes: Mapped[int] = mapped_column(default=0)
    failure: Mapped[str | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    __table_args__ = (
        Index(None, "cell_id", "id"),
        Index("ix_run_content", "cell_id", "content_sha256"),
        Index("uq_run_name", "cell_id", "name", unique=True, postgresql_where=text("name IS NOT NULL")),
        Index("ix_run_expiring", "id", postgresql_where=text("retention <> 'keep' AND chunks_deleted < next_seq - 1")),
        Index(
            "ix_run_bounded",
            "id",
            postgresql_where=text(
                "state IN ('queued', 'running') AND coalesce(max_parallel, max_unread, abandon_after_s) IS NOT NULL"
            ),
        ),
    )


class WorkItem(Base):
    """The unit of queueing, of retry and of exactly-once. Its segments are fixed at submission."""

    __tablename__ = "work_item"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    run_id: Mapped[UUID] = mapped_column(ForeignKey("run.id"))
    node_id: Mapped[UUID] = mapped_column(ForeignKey("quota_node.id"))
    ordinal: Mapped[int]
    priority: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(default="queued")
    mc: Mapped[int] = mapped_column(default=1000)
    memory_mb: Mapped[int]
    estimate_ms: Mapped[int]
    max_ms: Mapped[int]
    attempts: Mapped[int] = mapped_column(default=0)
    fence: Mapped[int] = mapped_column(default=0)
    policy: Mapped[str]
    seed: Mapped[int]
    batch: Mapped[int] = mapped_column(default=1, server_default="1")
    specs: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    segments: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    __table_args__ = (
        Index(
            "ix_work_item_queue",
            "node_id",
            text("priority DESC"),
            "run_id",
            "ordinal",
            postgresql_where=text("state = 'queued'"),
        ),
        Index(None, "run_id", "ordinal"),
    )


class Chunk(Base):
    __tablename__ = "chunk"
    run_id: Mapped[UUID] = mapped_column(ForeignKey("run.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[UUID] = mapped_column(ForeignKey("work_item.id"), unique=True)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    object_key: Mapped[str]
    bytes: Mapped[int]
    sha256: Mapped[str]
    rows: Mapped[int]
    episodes: Mapped[int]
    steps: Mapped[int]
    summary: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


# --- readers


class ReaderGroup(Owned, Base):
    """Consumers that share a run's chunks. Up to `given_seq` they were given out, up to `read_seq` all of them are
    acknowledged."""

    __tablename__ = "reader_group"
    run_id: Mapped[UUID] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
    name: Mapped[str]
    given_seq: Mapped[int] = mapped_column(default=0)
    read_seq: Mapped[int] = mapped_column(default=0)
    __table_args__ = (UniqueConstraint("run_id", "name"),)


class Reader(Owned, Base):
    """A consumer of a group, or a connection that reads alone, last seen open at `seen_at`.

    `read_seq` is how far one that reads alone is, until it closes. Such rows are kept only of runs that heed them.
    """

    __tablename__ = "reader"
    run_id: Mapped[UUID] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
    group_id: Mapped[UUID | None] = mapped_column(ForeignKey("reader_group.id", ondelete="CASCADE"))
    consumer: Mapped[str | None]
    connection: Mapped[UUID] = mapped_column(unique=True)
    read_seq: Mapped[int | None]
    seen_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("group_id", "consumer"), Index(None, "run_id", "seen_at"))


class Delivery(Base):
    """A chunk that was given to a consumer of a group and is not acknowledged."""

    __tablename__ = "delivery"
    group_id: Mapped[UUID] = mapped_column(ForeignKey("reader_group.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    reader_id: Mapped[UUID] = mapped_column(ForeignKey("reader.id", ondelete="CASCADE"))
    __table_args__ = (Index(None, "reader_id", "seq"),)


# --- compute


class WorkerState(StrEnum):
    JOINING = "joining"
    ACTIVE = "active"
    DRAINING = "draining"
    DRAINED = "drained"
    LOST = "lost"
    LEFT = "left"


COUNTED = (WorkerState.ACTIVE, WorkerState.DRAINING)
"""States in which what a worker stands for is part of the pool's capacity."""
LIVE = (WorkerState.JOINING, *COUNTED, WorkerState.DRAINED)


class Worker(Base):
    """One incarnation of a worker process."""

    __tablename__ = "worker"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    name: Mapped[str]
    incarnation: Mapped[UUID] = mapped_column(unique=True)
    state: Mapped[str] = mapped_column(default=WorkerState.JOINING)
    duty: Mapped[str] = mapped_column(default=Duty.ACTIVE, server_default="active")
    leaving: Mapped[bool] = mapped_column(default=False, server_default="false")  # it said so itself
    departs_at: Mapped[datetime | None]  # when a drained worker goes, whatever it still runs
    slots: Mapped[int]
    contributes_mc: Mapped[int]
    memory_mb: Mapped[int]
    runtime: Mapped[str]
    heartbeats: Mapped[int] = mapped_column(default=0)
    registered_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (
        Index(
            "uq_worker_live",
            "site_id",
            "name",
            unique=True,
            postgresql_where=text("state IN ('joining', 'active', 'draining', 'drained')"),
        ),
    )


class LeaseState(StrEnum):
    GRANTED = "granted"
    RUNNING = "running"
    DRAINING = "draining"
    RELEASED = "released"


class Lease(Base):
    """The right of one worker slot to run one work item. Live in granted, running and draining; ends once, at the
    release gate."""

    __tablename__ = "lease"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    item_id: Mapped[UUID] = mapped_column(ForeignKey("work_item.id", ondelete="CASCADE"))
    node_id: Mapped[UUID] = mapped_column(ForeignKey("quota_node.id"))
    worker_id: Mapped[UUID] = mapped_column(ForeignKey("worker.id"))
    state: Mapped[str] = mapped_column(default=LeaseState.GRANTED)
    fence: Mapped[int]
    mc: Mapped[int]
    memory_mb: Mapped[int]
    estimate_ms: Mapped[int]
    epoch: Mapped[int]
    steps: Mapped[int] = mapped_column(default=0)
    attempt: Mapped[UUID | None]
    granted_at: Mapped[datetime] = mapped_column(server_default=func.now())
    claimed_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    released_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    failure: Mapped[str | None]
    detail: Mapped[str | None]
    __table_args__ = (
        Index("uq_lease_live", "item_id", unique=True, postgresql_where=text("state <> 'released'")),
        Index("ix_lease_live_worker", "worker_id", postgresql_where=text("state <> 'released'")),
        Index(None, "item_id"),
    )


class Outbox(Base):
    """Messages to a site's broker that a committed transaction promised."""

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    queue: Mapped[str]
    body: Mapped[dict[str, Any]]


# --- quota


class NodeState(StrEnum):
    ACTIVE = "active"
    HOLD = "hold"
    HOLD_AND_DRAIN = "hold_and_drain"


class QuotaNode(Owned, Base):
    """A node of the entitlement tree: the commitment at the root, groups, and a leaf for each cell.

    `used_mc` counts the live leases of its subtree and is changed only by a grant, by the release gate, and where a
    cell moves, which takes its own along.
    The root's row lock is taken first by every transaction that grants, ends leases or changes capacity.
    """

    __tablename__ = "quota_node"
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("quota_node.id"))
    cell_id: Mapped[UUID | None] = mapped_column(ForeignKey("cell.id"), unique=True)
    name: Mapped[str]
    kind: Mapped[str]
    weight: Mapped[int] = mapped_column(default=1)
    borrowing_limit_mc: Mapped[int | None]
    lending_limit_mc: Mapped[int | None]
    max_loan_ms: Mapped[int | None]
    reclaim_first: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    window_budget_core_ms: Mapped[int | None]
    state: Mapped[str] = mapped_column(default=NodeState.ACTIVE)
    frozen: Mapped[str | None]  # how its counter was found to differ from its leases
    version: Mapped[int] = mapped_column(default=1)
    nominal_mc: Mapped[int] = mapped_column(default=0)
    carry: Mapped[int] = mapped_column(default=0)
    share_mc: Mapped[float] = mapped_column(default=0.0, server_default="0")  # before rounding to slots
    moves: Mapped[int] = mapped_column(default=0, server_default="0")  # counts what could change a plan; of the root
    used_mc: Mapped[int] = mapped_column(default=0)
    reserved_core_ms: Mapped[int] = mapped_column(default=0, server_default="0")  # estimates of the live leases
    used_core_ms: Mapped[int] = mapped_column(default=0)
    decayed_core_ms: Mapped[float] = mapped_column(default=0.0)
    decayed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (
        CheckConstraint("used_mc >= 0", name="used_not_negative"),
        CheckConstraint("reserved_core_ms >= 0", name="reserved_not_negative"),
        CheckConstraint("weight >= 1", name="weight_positive"),
        Index("uq_quota_node_root", "kind", unique=True, postgresql_where=text("kind = 'root'")),
        Index("uq_quota_node_group", "name", unique=True, postgresql_where=text("kind = 'group'")),
    )


class Commitment(Base):
    """The share of the pool's live capacity that all grants together may occupy. One row."""

    __tablename__ = "commitment"
    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    numerator: Mapped[int] = mapped_column(default=33)
    denominator: Mapped[int] = mapped_column(default=100)
    capacity_mc: Mapped[int] = mapped_column(default=0)
    leaving_mc: Mapped[int] = mapped_column(default=0, server_default="0")  # of the capacity: of draining workers
    limit_mc: Mapped[int] = mapped_column(default=0)
    epoch: Mapped[int] = mapped_column(default=0)
    half_life_s: Mapped[int] = mapped_column(default=900)
    cooldown_s: Mapped[int] = mapped_column(default=0, server_default="0")
    min_slots: Mapped[int] = mapped_column(default=0, server_default="0")
    min_slots_until: Mapped[datetime | None]
    min_slots_by: Mapped[str | None]
    version: Mapped[int] = mapped_column(default=1)
    rotated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    shares_visible: Mapped[str] = mapped_column(default="own", server_default="own")
    debt_since: Mapped[datetime | None]
    window: Mapped[str] = mapped_column(default="day", server_default="day")  # of the next one; the open one stays
    window_starts_at: Mapped[datetime | None]
    window_ends_at: Mapped[datetime | None]
    accrued_at: Mapped[datetime | None]  # up to here the open window's accounts have what nodes were entitled to


class CapacityEpoch(Base):
    __tablename__ = "capacity_epoch"
    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    capacity_mc: Mapped[int]
    limit_mc: Mapped[int]
    numerator: Mapped[int]
    denominator: Mapped[int]
    min_slots: Mapped[int] = mapped_column(default=0, server_default="0")
    cause: Mapped[str]


class ScheduledState(StrEnum):
    SCHEDULED = "scheduled"
    ACTIVE = "active"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class ScheduledChange(Owned, Base):
    """A change of quotas that begins at a time and may end at one. `undo` is what it replaced, by target and field,
    while it is in force."""

    __tablename__ = "scheduled_change"
    change: Mapped[dict[str, Any]]
    at: Mapped[datetime]
    until: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(default=ScheduledState.SCHEDULED)
    actor: Mapped[str]
    reason: Mapped[str | None]
    undo: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    failure: Mapped[str | None]
    __table_args__ = (
        Index("ix_scheduled_change_open", "state", postgresql_where=text("state IN ('scheduled', 'active')")),
    )


class Claim(Owned, Base):
    """Room that a leaf was entitled to and did not find, until its items started or were gone."""

    __tablename__ = "claim"
    node_id: Mapped[UUID] = mapped_column(ForeignKey("quota_node.id"))
    mc: Mapped[int]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    granted: Mapped[bool | None]
    lent: Mapped[bool] = mapped_column(default=False, server_default="false")  # borrowers were there when it was opened
    __table_args__ = (
        Index("uq_claim_open", "node_id", unique=True, postgresql_where=text("closed_at IS NULL")),
        Index("ix_claim_reclaimed", "closed_at", postgresql_where=text("granted AND lent")),
        Index(None, "node_id", "opened_at"),
    )


class UsageSegment(Base):
    """What one lease occupied in one window, and who pays: the cell, its site (infrastructure loss) or the pool
    (reclaim)."""

    __tablename__ = "usage_segment"
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    lease_id: Mapped[UUID]
    run_id: Mapped[UUID | None]  # the run may be gone; null of the time before it was noted
    node_id: Mapped[UUID] = mapped_column(ForeignKey("quota_node.id"))
    payer: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    mc: Mapped[int]
    core_ms: Mapped[int]
    window_starts_at: Mapped[datetime]
    labels: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")  # of the run
    __table_args__ = (Index(None, "node_id", "started_at"), Index(None, "window_starts_at"))


class WindowAccount(Base):
    """What a node used of its budget in one window, and what it owes from those before."""

    __tablename__ = "window_account"
    node_id: Mapped[UUID] = mapped_column(ForeignKey("quota_node.id"), primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(primary_key=True)
    ends_at: Mapped[datetime]
    budget_core_ms: Mapped[int | None]
    debt_core_ms: Mapped[int] = mapped_column(default=0, server_default="0")
    settled_core_ms: Mapped[int] = mapped_column(default=0, server_default="0")
    entitled_core_ms: Mapped[float] = mapped_column(default=0.0, server_default="0")
    nearly_spent_at: Mapped[datetime | None]  # when webhooks were promised to be told so
    spent_at: Mapped[datetime | None]
    __table_args__ = (Index(None, "starts_at"),)


class HeartbeatClock(Base):
    """Since when the API has been up to accept heartbeats without a gap. One row; no lease expires before one TTL
    of that."""

    __tablename__ = "heartbeat_clock"
    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    accepting_since: Mapped[datetime]
    seen_at: Mapped[datetime]


# --- webhooks


class Webhook(Owned, Base):
    """An address that is told of events at a quota node, and below it. The secret signs, so it is kept as it is."""

    __tablename__ = "webhook"
    node_id: Mapped[UUID] = mapped_column(ForeignKey("quota_node.id"))
    url: Mapped[str]
    events: Mapped[list[str]]
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    created_by: Mapped[str]
    __table_args__ = (Index(None, "node_id"),)


class DeliveryState(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


class WebhookDelivery(Owned, Base):
    """An event that a committed transaction promised to tell a webhook. While one is being sent, `due_at` is when it
    would be sent again if the sender were gone."""

    __tablename__ = "webhook_delivery"
    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhook.id", ondelete="CASCADE"))
    event_id: Mapped[UUID]
    event: Mapped[str]
    body: Mapped[str]
    state: Mapped[str] = mapped_column(default=DeliveryState.WAITING)
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]
    failure: Mapped[str | None]
    __table_args__ = (
        UniqueConstraint("webhook_id", "event_id"),
        Index("ix_webhook_delivery_due", "due_at", postgresql_where=text("state = 'waiting'")),
    )
