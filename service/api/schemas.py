"""What goes in and out over HTTP. Inputs forbid unknown fields; outputs have no defaults; every unit stands in the
name."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic_core import ErrorDetails

MAX_STEPS = 10**10
"""Most environment steps that one run may ask for."""
MAX_SUBSET = 200_000
COMBINATIONS = ("union", "difference", "intersection")
"""How a subset is made of others."""

NO_NUL = r"^[^\x00]*$"  # PostgreSQL text cannot hold it
NAME = r"^[a-z0-9][a-z0-9_.-]{0,62}$"
VISIBLE = r"^[\x21-\x7e]+$"
SHA256 = r"^[0-9a-f]{64}$"
MEANINGS = {
    NO_NUL: "must not hold the character NUL",
    NAME: "is not 1 to 63 of a-z, 0-9, '_', '.' and '-' with a letter or digit first",
    VISIBLE: "is not visible ASCII without spaces",
    SHA256: "is not 64 hexadecimal digits",
}
"""What to say instead of a pattern."""

Text = Annotated[str, StringConstraints(pattern=NO_NUL)]
Name = Annotated[str, StringConstraints(pattern=NAME)]
Sha256 = Annotated[str, StringConstraints(pattern=SHA256)]
Ref = Annotated[Text, StringConstraints(min_length=1, max_length=2000)]
Label = Annotated[Text, StringConstraints(min_length=1, max_length=200)]
Seed = Annotated[int, Field(ge=0, lt=2**63, description="seed; equal seeds give equal results")]


def reason(error: ErrorDetails) -> str:
    """Why a value does not fit, in words for those who do not know pydantic or regular expressions."""
    meaning = MEANINGS.get(error.get("ctx", {}).get("pattern", ""))
    return meaning or error["msg"].removeprefix("Value error, ")


class In(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)  # true is no number


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


T = TypeVar("T")


class Page(Out, Generic[T]):
    """One page; pass `next_cursor` as `cursor` for the next one, until it is null."""

    items: list[T]
    next_cursor: str | None = Field(description="null on the last page")


class Problem(Out):
    """RFC 9457 problem details."""

    type: str = Field(examples=["urn:worldpool:problem:unknown-environment"])
    title: str
    status: int
    detail: str
    errors: list[FieldError] = Field(description="one entry a wrong field; empty where no field is to blame")
    request_id: str


class FieldError(Out):
    field: str = Field(examples=["body.steps_per_env"])
    reason: str


# --- environments


class Environment(Out):
    ref: str = Field(examples=["mujoco/half_cheetah@1;gravity=4.905"])
    digest: str = Field(description="SHA-256 of the canonical JSON, hex")
    domain: str = Field(examples=["physics"])
    family: str
    base_task: str
    kind: str = Field(description="single, parallel or turn")
    tags: list[str]
    parameters: dict[str, Any] = Field(description="every parameter, defaults included; distributions as objects")
    modifiers: list[dict[str, Any]] = Field(description="in order of application, innermost first")
    catalogued: bool = Field(description="false: valid, resolved on demand, not among the enumerated specs")
    horizon: int = Field(description="most steps of an episode")
    step_us: float = Field(description="measured microseconds a step")
    make_ms: float = Field(description="measured milliseconds to construct")


class EnvironmentDetail(Environment):
    card: dict[str, Any] | None = Field(
        description="what was measured about it, or is estimated from its base task: spaces, cost, returns, fingerprint"
    )


class FamilyOut(Out):
    name: str
    version: int
    domain: str
    kind: str
    description: str
    source: str
    licence: str
    engine: str = Field(description="Python distribution that holds the engine")
    horizon: int
    tags: list[str]
    axes: list[dict[str, Any]]
    specs: int = Field(description="catalogued specs of this family")


class ModifierOut(Out):
    name: str
    version: int
    description: str
    source: str
    arguments: list[dict[str, Any]]


class CatalogueCounts(Out):
    version: str | None = Field(
        description="SHA-256 of all that is catalogued, hex; equal versions choose equal subsets. Null: nothing is"
    )
    specs: int
    families: int
    base_tasks: int
    modifiers: int
    domains: dict[str, int] = Field(description="specs by domain")


# --- subsets


class Range(In):
    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _not_empty(self) -> Range:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        return self


class Where(In):
    """All given conditions hold. An empty object means the whole catalogue."""

    domain: Literal["physics", "social", "symbolic"] | None = None
    family: Label | None = Field(None, description="a family's name, or a prefix ending in *", examples=["mujoco/*"])
    tag: Label | None = None
    kind: Literal["single", "parallel", "turn"] | None = None
    modifier: Label | None = Field(None, description="specs that carry this modifier; `none` for those without any")
    base_task: Label | None = None
    parameters: dict[Label, Range] = Field({}, max_length=16, description="ranges by parameter name")
    max_step_us: float | None = Field(None, gt=0)
    text: Label | None = Field(None, description="words, searched in refs, tags and descriptions")


class Grid(In):
    """Every combination of parameter values on one family."""

    family: Label
    parameters: dict[Label, list[float | int | bool | str]] = Field({}, max_length=16)
    modifiers: list[list[Label]] = Field(
        [[]], max_length=64, description="alternatives, each a list such as ['delay(steps=2)']"
    )


Sources = Annotated[list[Label], Field(max_length=16)]
"""Subsets by id, digest or name."""


class SubsetCreate(In):
    """Exactly one of `where`, `refs`, `grid`, `union`, `difference` and `intersection`."""

    where: Where | None = None
    refs: list[Ref] | None = Field(None, min_length=1, max_length=MAX_SUBSET)
    grid: Grid | None = None
    union: Sources | None = Field(None, min_length=1, description="subsets, by id, digest or name; each spec once")
    difference: Sources | None = Field(None, min_length=2, description="of the first subset what no other has")
    intersection: Sources | None = Field(None, min_length=2, description="of the first subset what all others have")
    size: int | None = Field(
        None, ge=1, le=MAX_SUBSET, description="with `where`: how many specs to pick; all without it"
    )
    strategy: Literal["random", "stratified", "diverse"] = Field(
        "stratified",
        description="stratified: even over domains, then families, then base tasks. diverse: again and again the spec "
        "farthest from all taken, by parameters, modifiers and measured behaviour; size times what matches is at most "
        "10^9",
    )
    seed: Seed = 0
    catalogue: Sha256 | None = Field(
        None, description="with `where`: the version that the catalogue must have, else 409; see GET /v1/catalogue"
    )
    name: Name | None = Field(
        None, description="of one list of the cell, for good: the same list again is the same subset, another is a 409"
    )

    @model_validator(mode="after")
    def _one_source(self) -> SubsetCreate:
        sources = ("where", "refs", "grid", *COMBINATIONS)
        if sum(getattr(self, source) is not None for source in sources) != 1:
            raise ValueError(f"give exactly one of {', '.join(sources[:-1])} and {sources[-1]}")
        for field in ("size", "catalogue"):
            if getattr(self, field) is not None and self.where is None:
                raise ValueError(f"{field} goes with where")
        return self

    @field_validator("name")
    @classmethod
    def _no_id(cls, name: str | None) -> str | None:
        if name is not None and name.startswith("sub_"):
            raise ValueError("must not begin as ids do, with sub_")
        return name

    @property
    def combination(self) -> tuple[str, list[str]]:
        """How other subsets are combined, and which."""
        return next((how, names) for how in COMBINATIONS if (names := getattr(self, how)) is not None)


class Covered(Out):
    covered: int = Field(description="how many the subset has")
    of: int = Field(description="how many there are among all that match")


class Coverage(Out):
    """How well a subset stands for all that match its query. Distances are those of docs/decisions/0010: of two specs
    that differ in one modifier about 1."""

    matching: int = Field(description="catalogued specs that match")
    largest_distance: float | None = Field(
        description="of any that matches to the nearest in the subset; null where size times `matching` is above 10^9"
    )
    mean_distance: float | None = Field(description="the same, on average")
    domains: Covered
    families: Covered
    base_tasks: Covered
    modifiers: Covered


class Subset(Out):
    id: str = Field(examples=["sub_0190f2c7b6f57c2a8f3e6d0f6c0a9b11"])
    digest: str = Field(description="SHA-256 over the specs' digests in order, hex; another address of the list")
    size: int
    domains: dict[str, int]
    name: str | None
    source: dict[str, Any] = Field(description="the request that made it")
    catalogue: str | None = Field(description="version of the catalogue that was asked; null without `where`")
    coverage: Coverage | None = Field(description="null without `where`")
    created_at: datetime


# --- runs


class RunCreate(In):
    """Rollouts of a policy in every environment of a subset. Exactly one of `subset` and `refs`; one of `episodes`
    and `steps_per_env`."""

    subset: Label | None = Field(
        None, description="a subset's id, digest or name", examples=["sub_0190f2c7b6f57c2a8f3e6d0f6c0a9b11"]
    )
    refs: list[Ref] | None = Field(None, min_length=1, max_length=10_000)
    policy: Literal["random"] = "random"
    episodes: int | None = Field(None, ge=1, le=10**9, description="episodes of every environment")
    steps_per_env: int | None = Field(
        None, ge=1, le=10**10, description="steps of every environment; the last episode is cut"
    )
    seed: Seed = 0
    labels: dict[Label, Label] = Field({}, max_length=32)

    @model_validator(mode="after")
    def _one_of_each(self) -> RunCreate:
        if (self.subset is None) == (self.refs is None):
            raise ValueError("give exactly one of subset and refs")
        if (self.episodes is None) == (self.steps_per_env is None):
            raise ValueError("give exactly one of episodes and steps_per_env")
        return self


RunState = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class Run(Out):
    id: str = Field(examples=["run_0190f2c7b6f57c2a8f3e6d0f6c0a9b11"])
    state: RunState
    subset: str | None
    environments: int = Field(description="number of specs")
    policy: str
    episodes: int | None
    steps_per_env: int | None
    seed: int
    labels: dict[str, str]
    items_total: int
    items_done: int
    items_failed: int
    items_running: int
    steps_expected: int = Field(description="steps asked for; with `episodes` an upper bound")
    steps_done: int
    episodes_done: int
    chunks: int = Field(description="chunks committed; the newest has this seq")
    bytes: int
    failure: str | None = Field(description="first failure of an item, if any")
    waiting: str | None = Field(description="why nothing of it runs, while nothing does")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Chunk(Out):
    seq: int = Field(description="1, 2, … without gaps, in order of commit")
    item: str
    episodes: int
    steps: int
    rows: int
    bytes: int
    sha256: str
    created_at: datetime
    href: str


class SpecSummary(Out):
    """Returns are one an episode and agent."""

    ref: str
    digest: str
    domain: str
    family: str
    episodes: int
    steps: int
    returns: int
    return_mean: float
    return_min: float
    return_max: float
    wall_ms: float = Field(description="time in the simulator's loop")


class Summary(Out):
    specs: list[SpecSummary] = Field(description="by domain, then ref")


# --- me, quotas and usage


class Me(Out):
    """What this key's cell may use and uses. Compute is in millicores (mc): 1000 mc is one core."""

    cell: str | None = Field(description="null for an operator's key")
    scopes: list[str]
    share_mc: float = Field(
        description="entitlement at the pool's present capacity, exactly: the commitment by weight among siblings"
    )
    nominal_mc: int = Field(description="the entitlement in whole slots, now; over time it averages to share_mc")
    used_mc: int
    borrowed_mc: int = Field(description="in use above nominal_mc")
    commitment_mc: int = Field(description="what all cells together may occupy")
    commitment_used_mc: int
    queued_items: int
    running_items: int
    used_core_ms: int = Field(description="compute charged since the cell exists, core-milliseconds")
    decayed_core_ms: float = Field(description="the same, halved every half-life; orders cells")
    held: bool


# --- admin


class CellCreate(In):
    name: Name
    weight: int = Field(1, ge=1, le=1_000_000, description="share among siblings")


class Cell(Out):
    id: str
    name: str
    created_at: datetime


class KeyCreate(In):
    cell: Label | None = Field(None, description="a cell's id or name; a key without a cell and site is an operator's")
    site: Label | None = Field(None, description="a site's name: the key its workers use")
    scopes: (
        list[Literal["environments:read", "subsets:write", "runs:read", "runs:write", "admin:read", "admin:write"]]
        | None
    ) = Field(None, description="default: all that fit the owner")
    label: Label | None = None
    expires_at: Annotated[datetime | None, Field(strict=False)] = None


class Key(Out):
    id: str
    cell: str | None
    site: str | None
    scopes: list[str]
    label: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class KeyWithSecret(Key):
    secret: str = Field(description="the key; shown once, stored only as a hash")


class Quota(Out):
    """One node of the entitlement tree: what operators set and what follows from it now."""

    id: str
    name: str
    kind: Literal["root", "group", "cell"]
    parent: str | None
    cell: str | None
    weight: int
    borrowing_limit_mc: int | None = Field(description="null: unlimited")
    lending_limit_mc: int | None = Field(description="null: unlimited")
    max_loan_ms: int | None
    window_budget_core_ms: int | None
    state: Literal["active", "hold", "hold_and_drain"]
    version: int = Field(description="for If-Match")
    nominal_mc: int = Field(description="effective: whole slots at the present capacity")
    used_mc: int
    used_core_ms: int
    decayed_core_ms: float


class QuotaPatch(In):
    weight: int | None = Field(None, ge=1, le=1_000_000)
    state: Literal["active", "hold", "hold_and_drain"] | None = None


class Commitment(Out):
    numerator: int
    denominator: int
    capacity_mc: int = Field(description="live capacity that active workers stand for")
    limit_mc: int = Field(description="floor(numerator * capacity / denominator)")
    used_mc: int
    epoch: int
    version: int
    half_life_s: int


class CommitmentPatch(In):
    numerator: int | None = Field(None, ge=0, le=1_000_000)
    denominator: int | None = Field(None, ge=1, le=1_000_000)
    half_life_s: int | None = Field(None, ge=1, le=10**9)


class CapacityEpoch(Out):
    epoch: int
    at: datetime
    capacity_mc: int
    limit_mc: int
    cause: str


class SiteCreate(In):
    name: Name
    redis_url: Label
    store_url: Label


class Site(Out):
    id: str
    name: str
    store_url: str
    state: Literal["active", "cordoned"]
    workers: int
    slots: int
    created_at: datetime


class Worker(Out):
    id: str
    name: str
    site: str
    state: Literal["joining", "active", "draining", "lost", "left"]
    slots: int
    busy: int
    contributes_mc: int
    memory_mb: int
    runtime: str
    registered_at: datetime
    seen_at: datetime


class AuditEntry(Out):
    id: int
    at: datetime
    actor: str
    action: str
    target: str
    change: dict[str, Any]
