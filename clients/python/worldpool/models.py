"""What the pool answers, typed. Fields that a newer pool adds are kept as attributes; nothing here talks to anyone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")

_TIME = "%Y-%m-%d %H:%M:%S %Z"
FINISHED = ("succeeded", "failed", "cancelled")
"""States in which nothing of a run will run any more."""


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
    agents: int | None
    observations: str
    actions: str
    engine: str
    horizon: int
    step_us: float
    make_ms: float
    memory_mb: int
    seed_sensitive: bool | None
    snapshot: str | None
    effect: float | None


class EnvironmentDetail(Environment):
    """An environment with its card: what was measured about it; and how the split in force sees it."""

    card: dict[str, Any] | None
    split: Standing | None


class HoldoutReason(Model):
    """Why a rule of a split holds an environment out. `distance` is that outside the `hull`, in units of its width."""

    rule: str
    kind: str
    detail: str
    axis: str | None
    value: str | None
    hull: tuple[float, float] | None
    between: tuple[float, float] | None
    distance: float | None


class NearestTraining(Model):
    """The nearest environment that may be trained on; axes count in units of their range."""

    ref: str
    distance: float


class Standing(Model):
    """What a split says of an environment: `kind` is None where it may be trained on."""

    split: str
    kind: str | None
    reasons: list[HoldoutReason]
    nearest: NearestTraining | None


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
    """How many environments there are; `domains` counts specs by domain. `single_turn` tasks, a question and an answer,
    are in no other number. Of equal versions queries choose equally."""

    version: str | None
    specs: int
    families: int
    base_tasks: int
    modifiers: int
    domains: dict[str, int]
    single_turn: int


class Facets(Model):
    """How many of the environments that fit have each value, most frequent first; `specs` is how many fit."""

    specs: int
    domain: dict[str, int]
    family: dict[str, int]
    kind: dict[str, int]
    observations: dict[str, int]
    actions: dict[str, int]
    agents: dict[str, int]
    engine: dict[str, int]
    tag: dict[str, int]
    modifier: dict[str, int]
    seed_sensitive: dict[str, int]
    snapshot: dict[str, int]


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
    """An immutable list of specs; equal digests mean equal lists. `left_out` counts what else matched and is held out
    of training. What no query chose has no `coverage`."""

    id: str
    digest: str
    size: int
    domains: dict[str, int]
    name: str | None
    source: dict[str, Any]
    split: str | None
    left_out: int
    catalogue: str | None
    coverage: Coverage | None
    created_at: datetime


class CarvedPart(Model):
    """One environment that took the place of another, and its share of the original distribution."""

    ref: str
    share: float


class CarvedSpec(Model):
    """An environment whose distributions reached into a holdout, and what is left of it: `cut` is the share lost."""

    ref: str
    parts: list[CarvedPart]
    cut: float


class Table(Model):
    """Joint samples of parameters. Specs name it by its digest: `gravity=table(digest,column)`."""

    digest: str
    rows: int
    columns: list[str]
    weighted: bool
    bytes: int
    created_at: datetime


class TableDetail(Table):
    """A table with its content: `columns` by name, and `weights`."""

    content: dict[str, Any]


class Policy(Model):
    """What chooses actions, uploaded. `signature` has the inputs and outputs of a graph, or the shape of a plan."""

    digest: str
    kind: str
    document: dict[str, Any]
    signature: dict[str, Any] | None
    created_at: datetime


class RunInfo(Model):
    """The state of a run. `steps_expected` is an upper bound where the run counts episodes."""

    id: str
    state: str
    subset: str | None
    name: str | None
    environments: int
    policies: list[str]
    episodes: int | None
    steps_per_env: int | None
    seeds: list[int]
    max_parallel: int | None
    max_unread: int | None
    abandon_after_s: int | None
    retention: str | dict[str, int]
    record: dict[str, Any]
    runtime: str | None
    labels: dict[str, str]
    purpose: str
    split: str | None
    held_out: dict[str, int]
    carved: list[CarvedSpec]
    items_total: int
    items_done: int
    items_failed: int
    items_running: int
    steps_expected: int
    steps_done: int
    episodes_done: int
    chunks: int
    chunks_deleted: int
    bytes: int
    failure: str | None
    waiting: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def ended(self) -> bool:
        """Nothing of it will run any more."""
        return self.state in FINISHED


class Consumer(Model):
    """A consumer of a group; `seen_at` is when it was last connected, marked every few seconds while it is."""

    name: str
    unacknowledged: int
    seen_at: datetime


class Group(Model):
    """Consumers that share a run's chunks: up to `given` they were given out, up to `acknowledged` all are done."""

    name: str
    given: int
    acknowledged: int
    unacknowledged: int
    consumers: list[Consumer]


class Change(Model):
    """One thing that somebody may change: `lever` says what, `node` of which quota node, `amount` by how much."""

    lever: str
    node: str | None
    amount: int
    unit: str | None

    def __str__(self) -> str:
        what = self.lever.lower().replace("_", " ")
        of = f" of {self.node}" if self.node else ""
        by = f" by {self.amount:,} {self.unit}" if self.unit else ""
        return what + of + by


class Explanation(Model):
    """Why the next item of a run waits, and the `changes` that together would start it now. `reason` is None where
    nothing waits, `node` names the quota node that blocks, `ahead` counts items of this cell that come before, and
    `until` is when the window of a spent budget ends. `start_p50` and `start_p90` are times by which half and nine in
    ten of such items start, where that can be estimated."""

    run: str
    reason: str | None
    node: str | None
    deficit: int
    unit: str | None
    pool_needed_mc: int | None
    expected_end: datetime | None
    start_p50: datetime | None
    start_p90: datetime | None
    ahead: int
    until: datetime | None
    changes: list[Change]

    def __str__(self) -> str:
        if self.reason is None:
            return f"nothing of {self.run} waits"
        at = f" at {self.node}" if self.node else ""
        by = f", short of {self.deficit:,} {self.unit}" if self.unit else ""
        until = f" until {self.until.astimezone(UTC):%Y-%m-%d %H:%MZ}" if self.until else ""
        lines = [f"{self.run} waits: {self.reason}{at}{by}{until}; {self.ahead:,} items of this cell come before"]
        if self.pool_needed_mc is not None:
            lines.append(f"it needs a pool of {self.pool_needed_mc:,} mc")
        if self.expected_end is not None:
            lines.append(f"that is expected to end at {self.expected_end:{_TIME}}")
        if self.start_p50 is not None and self.start_p90 is not None:
            lines.append(f"it may start at {self.start_p50:{_TIME}}, and very likely by {self.start_p90:{_TIME}}")
        if self.changes:
            lines.append("it would start now if somebody were to " + ", and ".join(map(str, self.changes)))
        return "\n".join(lines)


class Score(Model):
    """Return and length of one episode of one agent; `kind` says how the environment is held out, if it is."""

    ref: str
    kind: str | None
    policy: str
    seed: int
    env_index: int
    episode_index: int
    agent: str
    episode_return: float | None
    length: int


class ExposureUse(Model):
    """Evaluations of held-out environments that the cell may ask for, and has asked for."""

    allowed: int
    used: int


class Split(Model):
    """A version of a split: rules that never change. `counts` are catalogued environments by kind."""

    name: str
    version: int
    ref: str
    digest: str
    in_force: bool
    rules: list[dict[str, Any]]
    note: str | None
    budget: int
    exposure: ExposureUse | None
    counts: dict[str, int]
    created_by: str | None
    created_at: datetime


class SplitActivation(Model):
    """A split that came into force; `unfinished` are training runs that go on under the one before."""

    split: str
    before: str | None
    unfinished: list[str]


class Budget(Model):
    """Evaluations of a split's held-out environments that a cell may ask for."""

    allowed: int


class Exposure(Model):
    """What one run saw of a split's holdouts."""

    id: int
    at: datetime
    cell: str
    key: str
    run: str
    split: str
    kinds: dict[str, int]
    specs: int
    episodes: int | None
    steps_per_env: int | None


class SmallPool(Model):
    """An exception for a pool whose committed share is less than these slots: how many are committed, until when, and
    whose key made it."""

    min_slots: int
    until: datetime
    by: str


class WindowUse(Model):
    """A node's budget in the open window: `left_core_ms` is budget - debt - settled - reserved; None is unlimited."""

    starts_at: datetime
    ends_at: datetime
    budget_core_ms: int | None
    debt_core_ms: int
    settled_core_ms: int
    reserved_core_ms: int
    left_core_ms: int | None


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
    small_pool: SmallPool | None
    window: WindowUse | None


class Usage(Model):
    """What the leases of a group occupied; `group` is what they have in common, by the names asked for."""

    group: dict[str, str | None]
    core_ms: int
    leases: int
    started_at: datetime
    ended_at: datetime


class StatementWindow(Model):
    """A window that has a statement."""

    starts_at: datetime
    ends_at: datetime
    settled_core_ms: int


class Overage(Model):
    """A while in which more was in use than the commitment allows, and why."""

    starts_at: datetime
    ends_at: datetime
    highest_mc: int
    core_ms: int
    epoch: int
    cause: str


class CellStatement(Model):
    """One cell's part, over the window as a whole: what it settled beyond what it was entitled to is borrowed."""

    cell: str
    entitled_core_ms: int
    settled_core_ms: int
    borrowed_core_ms: int
    lent_core_ms: int
    budget_core_ms: int | None
    debt_core_ms: int


class Statement(Model):
    """What the commitment was in a window, and what was used of it, up to `until`. Nothing of it will change once it
    is `final`."""

    starts_at: datetime
    ends_at: datetime
    until: datetime
    final: bool
    entitled_core_ms: int
    used_core_ms: int
    by_payer: dict[str, int]
    highest_ratio: float
    highest_at: datetime | None
    highest_mc: int
    overage_core_ms: int
    overages: list[Overage]
    cells: list[CellStatement]


class QueueEntry(Model):
    """How an unfinished run stands in the queue: work items that run and that wait, why the next one waits (`slurm` is
    Slurm's name of the `reason`, where it has one), and how many of its cell come before it."""

    run: str
    name: str | None
    cell: str
    running: int
    waiting: int
    reason: str | None
    slurm: str | None
    ahead: int
    since: datetime


class Share(Model):
    """A node of the entitlement tree, or several as one, `(others)`: what it is entitled to and what it uses.

    `order` is its place among the rows beside it, by decayed use over share: of those that wait, 1 goes first.
    """

    name: str
    kind: str
    depth: int
    weight: int | None
    share_mc: float
    nominal_mc: int
    used_mc: int
    borrowed_mc: int
    used_core_ms: int
    decayed_core_ms: float
    order: int


class Webhook(Model):
    """An address that is told of events at a quota node and below it, and how many of its events are in which state."""

    id: str
    node: str
    url: str
    events: list[str]
    created_by: str
    waiting: int
    delivered: int
    dead: int
    created_at: datetime


class WebhookWithSecret(Webhook):
    """A webhook just made. The secret that deliveries are signed with is shown this once."""

    secret: str = Field(repr=False)


class Delivery(Model):
    """An event that a webhook was or is to be told, and what became of it."""

    id: str
    event: str
    state: str
    attempts: int
    failure: str | None
    content: dict[str, Any]
    created_at: datetime
    due_at: datetime | None
    delivered_at: datetime | None


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
    steward_of: str | None
    scopes: list[str]
    label: str | None
    labels: dict[str, str]
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
    reclaim_first: bool
    window_budget_core_ms: int | None
    state: str
    frozen: str | None
    version: int
    nominal_mc: int
    used_mc: int
    used_core_ms: int
    decayed_core_ms: float
    small_pool: SmallPool | None
    effective: Effective
    provenance: dict[str, Provenance]


class Debt(Model):
    """How much more is in use than is committed since capacity was lost, and when that is over: by the estimates of
    what runs, and by its time limits."""

    mc: int
    expected_end: datetime
    latest_end: datetime


class Effective(Model):
    """How a node's nominal follows: `ideal_slots`, and what earlier roundings owe, in whole slots. `spare_mc` is what
    it can still give up, negative where it has borrowed."""

    share_mc: float
    siblings_weight: int
    parent_slots: int
    ideal_slots: float
    slots: int
    owed_slots: float
    borrowed_mc: int
    spare_mc: int
    held_by: str | None


class Provenance(Model):
    """Who set a value, when and why."""

    by: str
    at: datetime
    reason: str | None


class Commitment(Model):
    """The share of the pool's live capacity that the service may occupy; `grants_mc` is what it will be without the
    workers that drain, and counts for what starts now."""

    numerator: int
    denominator: int
    capacity_mc: int
    limit_mc: int
    leaving_mc: int
    grants_mc: int
    used_mc: int
    debt: Debt | None
    epoch: int
    version: int
    half_life_s: int
    shares_visible: str
    debt_since: datetime | None
    cooldown_s: int
    small_pool: SmallPool | None
    window: str
    window_starts_at: datetime | None
    window_ends_at: datetime | None
    provenance: dict[str, Provenance]


class CapacityEpoch(Model):
    """The capacity of the pool from one moment on."""

    epoch: int
    at: datetime
    capacity_mc: int
    limit_mc: int
    min_slots: int
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
    cordoned: bool
    departs_at: datetime | None
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
    reason: str | None


class EditLine(Model):
    """One value that a change sets."""

    action: str
    name: str
    field: str
    before: Any
    after: Any


class EffectiveDifference(Model):
    """A node for which something else follows; `leases` run in it now."""

    name: str
    kind: str
    nominal_before_mc: int | None
    nominal_after_mc: int | None
    borrowed_before_mc: int
    borrowed_after_mc: int
    leases: int


class WaitDifference(Model):
    """A cell whose next items start, or wait, otherwise."""

    cell: str
    starts_before: int
    starts_after: int
    reason_before: str | None
    reason_after: str | None
    node_before: str | None
    node_after: str | None


class Drained(Model):
    """What drains with workers, of which `gone` leave at once; `outlasting` are leases that may still run when they are
    to be gone."""

    workers: int
    slots: int
    gone: int
    leases: int
    ended_by: datetime | None
    outlasting: int


class WhatIf(Model):
    """What would follow from a change. `needed`: it takes something away, and is refused without this."""

    token: str
    expires_at: datetime
    tag: str
    needed: bool
    takes: list[str]
    edits: list[EditLine]
    limit_before_mc: int
    limit_after_mc: int
    effective: list[EffectiveDifference]
    waits: list[WaitDifference]
    recalled: list[str]
    drained: Drained | None


class Changed(Model):
    """What a document changed."""

    edits: list[EditLine]


class Scheduled(Model):
    """A change that begins or ends at a time."""

    id: str
    state: str
    at: datetime
    until: datetime | None
    change: dict[str, Any]
    by: str
    reason: str | None
    failure: str | None
    created_at: datetime


class Borrower(Model):
    """Who runs beyond its nominal; `since` is when the oldest lease was granted that now runs on the loan."""

    name: str
    nominal_mc: int
    used_mc: int
    borrowed_mc: int
    since: datetime | None


class Lender(Model):
    """Whose idle nominal others use."""

    name: str
    nominal_mc: int
    used_mc: int
    lent_mc: int


class Loans(Model):
    """Who runs beyond its nominal, and whose it is. What is in use beyond the whole commitment is `unlent_mc`."""

    borrowers: list[Borrower]
    lenders: list[Lender]
    unlent_mc: int
