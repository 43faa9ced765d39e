"""What the pool answers, typed. Fields that a newer pool adds are kept as attributes; nothing here talks to anyone."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


class Model(BaseModel):
    """Base of all answers: immutable, tolerant of new fields."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Page(Model, Generic[T]):
    """One page of a list; the clients turn pages by themselves."""

    items: list[T]
    next_cursor: str | None


class Environment(Model):
    """A spec: a family with parameter values and modifiers. `ref` names it, `digest` is its identity."""

    ref: str
    digest: str
    domain: str
    family: str
    base_task: str
    kind: str
    tags: list[str]
    parameters: dict[str, Any]
    modifiers: list[dict[str, Any]]
    catalogued: bool
    horizon: int
    step_us: float
    make_ms: float


class EnvironmentDetail(Environment):
    """An environment with its card: what was measured about it."""

    card: dict[str, Any] | None


class Family(Model):
    """A base environment with named parameter axes. `specs` counts those in the catalogue."""

    name: str
    version: int
    domain: str
    kind: str
    description: str
    source: str
    licence: str
    engine: str
    horizon: int
    tags: list[str]
    axes: list[dict[str, Any]]
    specs: int


class Modifier(Model):
    """A change to dynamics or interface that composes with every family it fits."""

    name: str
    version: int
    description: str
    source: str
    arguments: list[dict[str, Any]]


class Catalogue(Model):
    """How many environments there are; `domains` counts specs by domain. Of equal versions queries choose equally."""

    version: str | None
    specs: int
    families: int
    base_tasks: int
    modifiers: int
    domains: dict[str, int]


class Covered(Model):
    """How many of something the subset has, of those among all that match."""

    covered: int
    of: int


class Coverage(Model):
    """How well a subset stands for all specs that match its query; distances are from each to the nearest in it."""

    matching: int
    largest_distance: float | None
    mean_distance: float | None
    domains: Covered
    families: Covered
    base_tasks: Covered
    modifiers: Covered


class Subset(Model):
    """An immutable list of specs; equal digests mean equal lists. What no query chose has no `coverage`."""

    id: str
    digest: str
    size: int
    domains: dict[str, int]
    name: str | None
    source: dict[str, Any]
    catalogue: str | None
    coverage: Coverage | None
    created_at: datetime


class RunInfo(Model):
    """The state of a run. `steps_expected` is an upper bound where the run counts episodes."""

    id: str
    state: str
    subset: str | None
    environments: int
    policy: str
    episodes: int | None
    steps_per_env: int | None
    seed: int
    labels: dict[str, str]
    items_total: int
    items_done: int
    items_failed: int
    items_running: int
    steps_expected: int
    steps_done: int
    episodes_done: int
    chunks: int
    bytes: int
    failure: str | None
    waiting: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def ended(self) -> bool:
        """Nothing of it will run any more."""
        return self.state in ("succeeded", "failed", "cancelled")


class Me(Model):
    """What this key's cell may use and uses. Compute is in millicores (mc): 1000 mc is one core.

    `share_mc` is the exact entitlement; `nominal_mc` is it in whole slots, which cells get in turns.
    """

    cell: str | None
    scopes: list[str]
    share_mc: float
    nominal_mc: int
    used_mc: int
    borrowed_mc: int
    commitment_mc: int
    commitment_used_mc: int
    queued_items: int
    running_items: int
    used_core_ms: int
    decayed_core_ms: float
    held: bool


class Cell(Model):
    """A team."""

    id: str
    name: str
    created_at: datetime


class Key(Model):
    """An API key, without its secret."""

    id: str
    cell: str | None
    site: str | None
    scopes: list[str]
    label: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class KeyWithSecret(Key):
    """A key just made. The secret is shown this once."""

    secret: str = Field(repr=False)


class Quota(Model):
    """A node of the entitlement tree: what operators set, and what follows from it now."""

    id: str
    name: str
    kind: str
    parent: str | None
    cell: str | None
    weight: int
    borrowing_limit_mc: int | None
    lending_limit_mc: int | None
    max_loan_ms: int | None
    window_budget_core_ms: int | None
    state: str
    version: int
    nominal_mc: int
    used_mc: int
    used_core_ms: int
    decayed_core_ms: float


class Commitment(Model):
    """The share of the pool's live capacity that the service may occupy."""

    numerator: int
    denominator: int
    capacity_mc: int
    limit_mc: int
    used_mc: int
    epoch: int
    version: int
    half_life_s: int


class CapacityEpoch(Model):
    """The capacity of the pool from one moment on."""

    epoch: int
    at: datetime
    capacity_mc: int
    limit_mc: int
    cause: str


class Site(Model):
    """A member of the federation."""

    id: str
    name: str
    store_url: str
    state: str
    workers: int
    slots: int
    created_at: datetime


class Worker(Model):
    """A worker process of a site."""

    id: str
    name: str
    site: str
    state: str
    slots: int
    busy: int
    contributes_mc: int
    memory_mb: int
    runtime: str
    registered_at: datetime
    seen_at: datetime


class AuditEntry(Model):
    """What an operator changed."""

    id: int
    at: datetime
    actor: str
    action: str
    target: str
    change: dict[str, Any]
