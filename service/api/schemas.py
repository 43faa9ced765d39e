"""What goes in and out over HTTP. Inputs forbid unknown fields; outputs have no defaults; every unit stands in the
name."""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, Self, TypeVar, get_args

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from env_registry.tables import MAX_COLUMNS

MAX_STEPS = 10**10
"""Most environment steps that one run may ask for."""
MAX_SUBSET = 200_000
MAX_SEQS = 1_000
"""Most chunks acknowledged by one request."""
COMBINATIONS = ("union", "difference", "intersection")
"""How a subset is made of others."""

NO_NUL = r"^[^\x00]*$"  # PostgreSQL text cannot hold it
NAME = r"^[a-z0-9][a-z0-9_.-]{0,62}$"
VISIBLE = r"^[\x21-\x7e]+$"
SHA256 = r"^[0-9a-f]{64}$"
USAGE_GROUP = r"^(window|cell|run|payer|label:[^\x00]{1,200})$"
MEANINGS = {
    NO_NUL: "must not hold the character NUL",
    NAME: "is not 1 to 63 of a-z, 0-9, '_', '.' and '-' with a letter or digit first",
    VISIBLE: "is not visible ASCII without spaces",
    SHA256: "is not 64 hexadecimal digits",
    USAGE_GROUP: "is not window, cell, run, payer or label:NAME",
}
"""What to say instead of a pattern."""


def _from_base64(given: Any) -> Any:
    try:
        return b64decode(given, validate=True) if isinstance(given, str) else None
    except ValueError:
        raise ValueError("is not base64") from None


Text = Annotated[str, StringConstraints(pattern=NO_NUL)]
Name = Annotated[str, StringConstraints(pattern=NAME)]
Sha256 = Annotated[str, StringConstraints(pattern=SHA256)]
Ref = Annotated[Text, StringConstraints(min_length=1, max_length=2000)]
Label = Annotated[Text, StringConstraints(min_length=1, max_length=200)]
PolicyName = Annotated[
    Text,
    StringConstraints(min_length=1, max_length=64),
    Field(description="`random`, `still` (no motion, or the first legal action), or the digest of an uploaded policy"),
]
Base64 = Annotated[
    bytes, BeforeValidator(_from_base64), WithJsonSchema({"type": "string", "contentEncoding": "base64"})
]
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


ObservationKind = Literal["vector", "image", "discrete", "text", "mixed"]
ActionKind = Literal["continuous", "discrete", "masked", "text"]
SnapshotKind = Literal["exact", "replay"]
OBSERVATIONS = "vector (numbers), image (pixels), discrete (symbols), text, mixed (several of these)"
ACTIONS = "continuous, discrete (all are legal at all times), masked (discrete, some are illegal at times), text"
SINGLE_TURN = "whether an episode is one step, a question and an answer; those are no part of headline counts"
SNAPSHOTS = "exact: a snapshot holds the whole state; replay: it holds the actions, and restoring repeats them"


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
    agents: int | None = Field(
        description="most agents at once; null where the spec is not catalogued and may differ from its base task"
    )
    observations: ObservationKind = Field(description=f"what an agent sees: {OBSERVATIONS}")
    actions: ActionKind = Field(description=f"what an agent's action is: {ACTIONS}")
    engine: str = Field(description="Python distribution that holds the engine", examples=["gymnasium"])
    horizon: int = Field(description="most steps of an episode")
    step_us: float = Field(description="measured microseconds a step")
    make_ms: float = Field(description="measured milliseconds to construct")
    memory_mb: int = Field(description="measured megabytes of a process that runs it, at most")
    seed_sensitive: bool | None = Field(description="another seed gave other bits under the same actions")
    snapshot: SnapshotKind | None = Field(description=SNAPSHOTS)
    effect: float | None = Field(
        description="how far its one level or modifier moves its base task, in spreads; null where it has none or more"
    )


class EnvironmentDetail(Environment):
    card: dict[str, Any] | None = Field(
        description="what was measured about it, or is estimated from its base task: spaces, cost, returns, fingerprint"
    )
    split: Standing | None = Field(description="how it stands in the split in force; null where there is none")


HoldoutKind = Literal["interpolation", "composition", "extrapolation", "family"]
"""Mildest first."""


class HoldoutReason(Out):
    """Why one rule of a split holds an environment out."""

    rule: str
    kind: HoldoutKind
    detail: str = Field(examples=["gravity 19.62 lies outside 0 to 16, which is trained on"])
    axis: str | None = Field(description="a parameter, or after a colon an argument of a modifier")
    value: str | None
    hull: tuple[float, float] | None = Field(description="the range of the axis that may be trained on")
    between: tuple[float, float] | None = Field(description="the band of it that is held out")
    distance: float | None = Field(description="how far outside the hull, in units of its width; 0 inside")


class NearestTraining(Out):
    ref: str
    distance: float = Field(
        description="over axes: change in units of the axis' range, 1 for another choice or a modifier more or less"
    )


class Standing(Out):
    """What a split says of one environment."""

    split: str = Field(examples=["default@1"])
    kind: HoldoutKind | None = Field(description="null: it may be trained on; of several kinds the hardest")
    reasons: list[HoldoutReason]
    nearest: NearestTraining | None = Field(description="the nearest environment that may be trained on, where known")


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
    specs: int = Field(description="those of a single turn apart, as in all that follows")
    families: int
    base_tasks: int
    modifiers: int
    domains: dict[str, int] = Field(description="specs by domain")
    single_turn: int = Field(description="specs whose episodes are one step")


Counts = dict[str, int]


class Facets(Out):
    """How many of the specs that fit have each value; most frequent first. A spec has several tags and modifiers."""

    specs: int = Field(description="that fit")
    domain: Counts = Field(examples=[{"physics": 7066, "social": 6034}])
    family: Counts
    kind: Counts
    observations: Counts
    actions: Counts
    agents: Counts
    engine: Counts
    tag: Counts
    modifier: Counts = Field(description="`none`: without any")
    seed_sensitive: Counts
    snapshot: Counts


# --- subsets


def _one(value: Any) -> Any:
    if isinstance(value, str) and not 0 < len(value.replace("\0", "")) == len(value) <= 200:
        raise ValueError("is no name of a value")
    if not isinstance(value, bool | int | float | str):
        raise ValueError("is neither a number nor true or false nor a name")
    return value


One = Annotated[bool | int | float | str, BeforeValidator(_one)]


class Range(In):
    """Numbers from `min` to `max`, either of which may be left out, or one value of any type."""

    min: float | None = None
    max: float | None = None
    equals: One | None = Field(None, description="a number, true or false, or a name; goes alone")

    @model_validator(mode="after")
    def _not_empty(self) -> Range:
        if self.equals is not None and (self.min is not None or self.max is not None):
            raise ValueError("equals goes without min and max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        return self


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


OneOrMore = Annotated[
    list[Label], Field(max_length=16), BeforeValidator(_listed, json_schema_input_type=Label | list[Label])
]


SplitFilter = Annotated[
    Literal["train", "heldout", "interpolation", "extrapolation", "composition", "family", "any"],
    Field(description="what the split in force lets train on, or holds out; a subset is of `train` unless told"),
]


class Where(In):
    """All given conditions hold. An empty object means the whole catalogue."""

    domain: Literal["physics", "social", "symbolic"] | None = None
    family: Label | None = Field(None, description="a family's name, or a prefix ending in *", examples=["mujoco/*"])
    tag: Label | None = None
    kind: Literal["single", "parallel", "turn"] | None = None
    modifier: OneOrMore | None = Field(
        None, description="specs that carry this modifier, or all of these; `none` for those without any"
    )
    base_task: Label | None = None
    min_agents: int | None = Field(None, ge=1, lt=2**63)
    max_agents: int | None = Field(None, ge=1, lt=2**63)
    observations: ObservationKind | None = Field(None, description=OBSERVATIONS)
    actions: ActionKind | None = Field(None, description=ACTIONS)
    engine: Label | None = Field(None, description="Python distribution that holds the engine")
    parameters: dict[Label, Range] = Field(
        {},
        max_length=16,
        description="ranges or values by parameter name",
        examples=[{"gravity": {"min": 1, "max": 5}, "map": {"equals": "4x4"}}],
    )
    max_step_us: float | None = Field(None, gt=0, description="measured microseconds a step")
    max_make_ms: float | None = Field(None, gt=0, description="measured milliseconds to construct")
    max_memory_mb: int | None = Field(None, ge=1, lt=2**63, description="measured megabytes of its process")
    single_turn: bool | None = Field(None, description=SINGLE_TURN)
    seed_sensitive: bool | None = Field(None, description="whether another seed gives other bits")
    snapshot: SnapshotKind | None = Field(None, description=SNAPSHOTS)
    min_effect: float | None = Field(
        None, ge=0, description="least effect on its base task; only specs with one level or modifier have one"
    )
    split: SplitFilter | None = None
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
    split: str | None = Field(description="with `where`: the split in force when it was chosen")
    left_out: int = Field(description="how many more matched and were left out because that split holds them out")
    catalogue: str | None = Field(description="version of the catalogue that was asked; null without `where`")
    coverage: Coverage | None = Field(description="null without `where`")
    created_at: datetime


# --- tables


class TableCreate(In):
    """Joint samples of parameters: row i is the i-th number of every column. A spec draws from it by
    `parameter=table(digest,column)`; parameters that name one table are drawn from one row."""

    columns: dict[Label, list[float]] = Field(
        min_length=1, max_length=MAX_COLUMNS, description="numbers by name", examples=[{"friction": [0.8, 1.2]}]
    )
    weights: list[float] | None = Field(
        None, description="above 0, one a row: how likely it is drawn; without them all are as likely"
    )


class Table(Out):
    digest: str = Field(description="SHA-256 of the canonical JSON, hex; names the table in refs")
    rows: int
    columns: list[str]
    weighted: bool
    bytes: int = Field(description="of the canonical JSON")
    created_at: datetime


class TableDetail(Table):
    content: dict[str, Any] = Field(description="`columns` and `weights`")


# --- policies


class ConstantPolicy(In):
    """One action at each step."""

    kind: Literal["constant"]
    action: Any = Field(description="a number, a list for an array, text; of Dict and Tuple spaces an object or list")


class ActionsPolicy(In):
    """Open-loop plans. Episode i follows plan i modulo their number, and is truncated where the plan ends."""

    kind: Literal["actions"]
    actions: Base64 = Field(description="an NPY file, base64: plans x steps x action shape")


class OnnxPolicy(In):
    """A graph that is asked for the actions of up to 32 environments at once."""

    kind: Literal["onnx"]
    model: Base64 = Field(description="an ONNX file, base64")


class AgentsPolicy(In):
    """A policy for each agent: that of the first pattern which matches its name."""

    kind: Literal["agents"]
    policies: dict[Label, PolicyName] = Field(
        min_length=1, max_length=64, examples=[{"adversary_*": "random", "*": "still"}]
    )


PolicyCreate = ConstantPolicy | ActionsPolicy | OnnxPolicy | AgentsPolicy


class Policy(Out):
    digest: str = Field(description="SHA-256 of the canonical JSON of `document`, hex; names the policy in runs")
    kind: Literal["constant", "actions", "onnx", "agents"]
    document: dict[str, Any] = Field(description="what it is; a large part is named by its SHA-256")
    signature: dict[str, Any] | None = Field(description="inputs and outputs of a graph; shape and dtype of a plan")
    created_at: datetime


# --- runs


class Pixels(In):
    """A PNG of each row's state; in the environment's own size where none is given."""

    width: int | None = Field(None, ge=8, le=1024)
    height: int | None = Field(None, ge=8, le=1024)

    @model_validator(mode="after")
    def _both(self) -> Pixels:
        if (self.width is None) != (self.height is None):
            raise ValueError("give width and height, or neither")
        return self


class Record(In):
    """What is recorded. Flags, indices, seeds, drawn parameters and each episode's return always are."""

    columns: list[Literal["observations", "actions", "rewards", "policy"]] = Field(
        ["observations", "actions", "rewards", "policy"],
        max_length=4,
        description="`policy` is what a graph computes beside actions",
    )
    infos: list[Label] = Field([], max_length=32, description="numbers in the environment's infos, by name")
    pixels: Pixels | None = Field(None, description="of environments that draw themselves")


class AfterEnd(In):
    """So many seconds after the run's end."""

    after_end_s: int = Field(ge=0, lt=2**31)


Retention = Literal["keep", "acknowledged"] | AfterEnd


class Reading(In):
    """How the chunks of a run are to be read, and what it does where they are not."""

    groups: list[Name] = Field(
        [], max_length=16, description="groups of readers that are there from the start, before their first consumer"
    )
    max_unread: int | None = Field(
        None,
        ge=1,
        lt=2**31,
        description="chunks that its slowest reader (a group by what it has acknowledged, a stream by what it has "
        "taken) may be behind: no more is run ahead. Nobody holds it before a first reader is there, or a group is "
        "named in groups",
    )
    abandon_after_s: int | None = Field(
        None,
        ge=30,
        lt=2**31,
        description="seconds without any stream of its chunks after which a run that had one stops spending, until "
        "one is back",
    )
    retention: Retention = Field(
        "keep",
        description="when chunks are deleted, within a minute: with the run (keep), as soon as all groups have "
        "acknowledged them (needs groups), or so long after the run's end. Summary and report stay",
    )

    @field_validator("groups")
    @classmethod
    def _once(cls, groups: list[str]) -> list[str]:
        if len(set(groups)) < len(groups):
            raise ValueError("names one twice")
        return groups

    @model_validator(mode="after")
    def _someone_acknowledges(self) -> Self:
        if self.retention == "acknowledged" and not self.groups:
            raise ValueError("retention=acknowledged needs groups")
        return self


class RunCreate(Reading):
    """Rollouts of policies in every environment of a subset. Exactly one of `subset` and `refs`; one of `episodes`
    and `steps_per_env`. Several policies and seeds are run each with each, in the same episodes."""

    subset: Label | None = Field(
        None, description="a subset's id, digest or name", examples=["sub_0190f2c7b6f57c2a8f3e6d0f6c0a9b11"]
    )
    refs: list[Ref] | None = Field(None, min_length=1, max_length=10_000)
    policy: PolicyName = "random"
    policies: list[PolicyName] | None = Field(None, min_length=1, max_length=64, description="in place of `policy`")
    episodes: int | None = Field(None, ge=1, le=10**9, description="episodes of every environment")
    steps_per_env: int | None = Field(
        None, ge=1, le=10**10, description="steps of every environment; the last episode is cut"
    )
    seed: Seed = 0
    seeds: list[Seed] | None = Field(None, min_length=1, max_length=1000, description="in place of `seed`")
    max_parallel: int | None = Field(None, ge=1, lt=2**31, description="work items of it that run at once, at most")
    name: Name | None = Field(
        None,
        description="of one run of the cell, for good: a request of the same content is the same run, another is a 409",
    )
    record: Record = Record()
    reuse: bool = Field(
        False,
        description="answer with an earlier run of the cell that is this one: the same environments, policies, seeds, "
        "budget and runtime, not failed or cancelled; what it holds is served without compute",
    )
    labels: dict[Label, Label] = Field({}, max_length=32, description="in all usage of it, with those of the key")
    purpose: Literal["train", "evaluate"] = Field(
        "train", description="evaluate: held-out environments too, for their scores alone; needs the scope evaluate"
    )
    holdout: Literal["refuse", "carve"] = Field(
        "refuse", description="carve: cut what is held out from distributions; the answer shows what was cut"
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> RunCreate:
        if self.holdout == "carve" and self.purpose == "evaluate":
            raise ValueError("holdout=carve goes with purpose=train")
        if (self.subset is None) == (self.refs is None):
            raise ValueError("give exactly one of subset and refs")
        if (self.episodes is None) == (self.steps_per_env is None):
            raise ValueError("give exactly one of episodes and steps_per_env")
        if self.reuse and Reading.model_fields.keys() & self.model_fields_set:
            raise ValueError(f"reuse answers with a run as it is: without {', '.join(Reading.model_fields)}")
        for one, several in (("policy", "policies"), ("seed", "seeds")):
            many = getattr(self, several)
            if many is not None and one in self.model_fields_set:
                raise ValueError(f"give {one} or {several}, not both")
            if many is not None and len(set(many)) < len(many):
                raise ValueError(f"{several} names one twice")
        return self

    @property
    def all_policies(self) -> list[str]:
        return [self.policy] if self.policies is None else self.policies

    @property
    def all_seeds(self) -> list[int]:
        return [self.seed] if self.seeds is None else self.seeds


class CarvedPart(Out):
    ref: str
    share: float = Field(description="share of the original distribution that it keeps")


class CarvedSpec(Out):
    """What took the place of an environment whose distributions reached into a holdout."""

    ref: str
    parts: list[CarvedPart]
    cut: float = Field(description="share of the original distribution that is gone")


RunState = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class Run(Out):
    id: str = Field(examples=["run_0190f2c7b6f57c2a8f3e6d0f6c0a9b11"])
    state: RunState
    subset: str | None
    name: str | None
    environments: int = Field(description="number of specs")
    policies: list[str]
    episodes: int | None
    steps_per_env: int | None
    seeds: list[int]
    max_parallel: int | None
    max_unread: int | None
    abandon_after_s: int | None
    retention: Retention
    record: dict[str, Any] = Field(description="what is recorded")
    runtime: str | None = Field(description="digest of the engines that the pool had when the run was submitted")
    labels: dict[str, str]
    purpose: Literal["train", "evaluate"]
    split: str | None = Field(description="the split that the run was checked against when it was submitted")
    held_out: dict[str, int] = Field(description="held-out environments in it, by kind")
    carved: list[CarvedSpec] = Field(description="with holdout=carve: what became of which environment")
    items_total: int
    items_done: int
    items_failed: int
    items_running: int
    steps_expected: int = Field(description="steps asked for; with `episodes` an upper bound")
    steps_done: int
    episodes_done: int
    chunks: int = Field(description="chunks committed; the newest has this seq")
    chunks_deleted: int = Field(description="chunks up to this seq were deleted, as the retention says")
    bytes: int
    failure: str | None = Field(description="first failure of an item, if any")
    waiting: str | None = Field(
        description="why nothing of it runs, while nothing does", examples=["COMMITMENT_FULL", "READER_BEHIND"]
    )
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


class Consumer(Out):
    name: str
    unacknowledged: int = Field(description="chunks that it was given and has not acknowledged")
    seen_at: datetime = Field(description="when it was last connected; marked every few seconds while it is")


class Group(Out):
    """Consumers that share the chunks of a run: each chunk goes to one of them, until it is acknowledged."""

    name: str
    given: int = Field(description="chunks up to this seq were given out")
    acknowledged: int = Field(description="chunks up to this seq are all acknowledged")
    unacknowledged: int = Field(description="chunks that were given out and are not acknowledged")
    consumers: list[Consumer]


class Acknowledgement(In):
    seqs: list[Annotated[int, Field(ge=1, lt=2**63)]] = Field(
        min_length=1, max_length=MAX_SEQS, description="chunks that are done with", examples=[[1, 2, 4]]
    )


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


class Change(Out):
    """One thing that somebody may change."""

    lever: str = Field(description="what", examples=["RAISE_BORROWING_LIMIT", "ADD_SLOT"])
    node: str | None = Field(description="name of the quota node that it is about")
    amount: int = Field(description="by how much at least; of ADD_WORKER the memory that it needs")
    unit: Literal["mc", "core_ms", "ms", "MB"] | None


class Explanation(Out):
    """Why the next item of a run waits, and what would start it."""

    run: str
    reason: str | None = Field(
        description="one of docs/decisions/0018-quotas.md; null: nothing waits, or it is about to start",
        examples=["COMMITMENT_FULL", "BEHIND_OTHERS"],
    )
    node: str | None = Field(description="name of the quota node that blocks, on the way from the cell to the root")
    deficit: int = Field(description="by how much it does")
    unit: Literal["mc", "core_ms", "ms", "MB"] | None = Field(description="of the deficit")
    pool_needed_mc: int | None = Field(
        description="COMMITMENT_BELOW_ONE_SLOT: the pool capacity whose committed share is enough for it"
    )
    expected_end: datetime | None = Field(
        description="CAPACITY_DEBT: when no more will be in use than is committed, by the estimates of what runs"
    )
    start_p50: datetime | None = Field(
        description="when half of such items have started: an estimate, made where waiting is over when items end"
    )
    start_p90: datetime | None = Field(description="when nine in ten of such items have started")
    ahead: int = Field(description="items of this cell that come before it")
    until: datetime | None = Field(
        description="of BUDGET_SPENT: when the window ends, and the next one's budget begins"
    )
    changes: list[Change] = Field(
        description="together they would let it start now; none where only its turn has not come"
    )


class Score(Out):
    """One episode of one agent."""

    ref: str
    kind: HoldoutKind | None = Field(description="how the run's split holds it out; null: it may be trained on")
    policy: str = Field(description="as the run names it")
    seed: int
    env_index: int
    episode_index: int
    agent: str
    episode_return: float | None = Field(description="sum of rewards; null where the simulation diverged")
    length: int = Field(description="steps in which the agent acted")


class Interval(Out):
    low: float
    high: float


class Statistics(Out):
    """Scores of environments, each of which weighs alike. Intervals are bootstrapped over environments, 95 %."""

    scored: int = Field(description="environments with a score")
    mean: float | None
    mean_interval: Interval | None = Field(description="null with fewer than two scored environments")
    iqm: float | None = Field(description="interquartile mean: of the middle half")
    iqm_interval: Interval | None


ReportKey = Literal["kind", "policy", "seed", "domain", "family", "base_task"]


class ReportLine(Statistics):
    """Results in one group of environments. A score is (return - random) / |random|, of the first agent, averaged over
    seeds, with the return of random play on its card: 0 plays no better than chance."""

    group: dict[str, str] = Field(description="what its results have in common", examples=[{"kind": "extrapolation"}])
    specs: int
    episodes: int
    reference: Statistics = Field(
        description="of (return - random) / (reference - random), where a source gives a reference return"
    )


class Report(Out):
    """A run's results in groups; kinds of holdout stand mildest first, so that nobody mistakes interpolation for
    prediction."""

    run: str
    split: str | None = Field(description="the split whose kinds these are")
    by: list[str]
    lines: list[ReportLine]


# --- me, quotas and usage


class SmallPool(Out):
    """An exception that an operator made for a pool whose committed share is less than these slots."""

    min_slots: int = Field(description="so many are committed, as far as the pool has them")
    until: datetime
    by: str = Field(description="the key of its author")


class WindowUse(Out):
    """What the node has of its budget in the open window. left = budget - debt - settled - reserved."""

    starts_at: datetime
    ends_at: datetime
    budget_core_ms: int | None = Field(description="core-milliseconds; null: unlimited")
    debt_core_ms: int = Field(description="used beyond the budgets of windows before")
    settled_core_ms: int = Field(description="used and paid for in this window")
    reserved_core_ms: int = Field(description="estimates of what runs now")
    left_core_ms: int | None = Field(description="null: unlimited; negative where more was used than is allowed")


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
    small_pool: SmallPool | None
    window: WindowUse | None = Field(description="null before the first window")


UsageGroup = Annotated[str, StringConstraints(pattern=USAGE_GROUP)]


class Usage(Out):
    """What the leases of a group occupied. One that went on from one window to the next counts in both."""

    group: dict[str, str | None] = Field(
        description="what they have in common, by the names asked for; null: without such a label",
        examples=[{"window": "2026-01-01T00:00:00Z", "label:person": "ada"}],
    )
    core_ms: int = Field(description="core-milliseconds")
    leases: int = Field(description="attempts of work items")
    started_at: datetime
    ended_at: datetime


class StatementWindow(Out):
    starts_at: datetime
    ends_at: datetime
    settled_core_ms: int = Field(description="paid by cells")


class Overage(Out):
    """A while in which more was in use than the commitment allows."""

    starts_at: datetime
    ends_at: datetime
    highest_mc: int = Field(description="beyond the limit, at most")
    core_ms: int = Field(description="beyond the limit, rounded up")
    epoch: int = Field(description="the capacity epoch in which it began")
    cause: str = Field(description="of that epoch", examples=["worker-1 fell silent"])


class CellStatement(Out):
    """One cell's part, over the window as a whole."""

    cell: str
    entitled_core_ms: int = Field(description="its share of the commitment, by weight, over the window")
    settled_core_ms: int = Field(description="used and paid for")
    borrowed_core_ms: int = Field(description="settled beyond what it was entitled to")
    lent_core_ms: int = Field(description="of what others borrowed, in proportion to what it left over")
    budget_core_ms: int | None
    debt_core_ms: int = Field(description="owed from windows before")


class Statement(Out):
    """What the commitment was in a window, and what was used of it, by whoever pays."""

    starts_at: datetime
    ends_at: datetime
    until: datetime = Field(description="what is said holds up to here: now, or the end of the window")
    final: bool = Field(description="the window is over and all that ran in it has ended: nothing will change")
    entitled_core_ms: int = Field(description="floor of the integral of share times capacity")
    used_core_ms: int = Field(description="never more than entitled_core_ms and overage_core_ms together")
    by_payer: dict[Literal["cell", "site", "pool"], int] = Field(description="who pays for how much of used_core_ms")
    highest_ratio: float = Field(description="of use to limit, at one instant; above 1 after a loss of capacity")
    highest_at: datetime | None
    highest_mc: int = Field(description="in use then")
    overage_core_ms: int = Field(description="0 unless capacity was lost; rounded up")
    overages: list[Overage]
    cells: list[CellStatement] = Field(description="by name")


StatementFormat = Literal["csv", "parquet"]


# --- admin


class CellCreate(In):
    name: Name
    weight: int = Field(1, ge=1, le=1_000_000, description="share among siblings")
    group: Label | None = Field(
        None, description="a group's name or quota id, such as `guests`; without one it is at the top of the tree"
    )


class Cell(Out):
    id: str
    name: str
    created_at: datetime


class KeyCreate(In):
    cell: Label | None = Field(None, description="a cell's id or name; a key without any owner is an operator's")
    site: Label | None = Field(None, description="a site's name: the key its workers use")
    steward_of: Label | None = Field(
        None, description="a group's name or quota id: the key edits what is below it, until `expires_at`"
    )
    scopes: (
        list[
            Literal[
                "environments:read",
                "subsets:write",
                "runs:read",
                "runs:write",
                "evaluate",
                "trajectories",
                "admin:read",
                "admin:write",
                "splits:write",
                "quotas:read",
                "quotas:write",
            ]
        ]
        | None
    ) = Field(None, description="default: all that fit the owner, but `evaluate` and `trajectories`")
    label: Label | None = None
    labels: dict[Label, Label] = Field(
        {},
        max_length=32,
        description="of a cell's key: every run that it submits has them, and a request that says otherwise is refused",
        examples=[{"person": "ada"}],
    )
    expires_at: Annotated[datetime | None, Field(strict=False, description="a steward's key needs one: its term")] = (
        None
    )


class Key(Out):
    id: str
    cell: str | None
    site: str | None
    steward_of: str | None = Field(description="name of the group whose steward it is")
    scopes: list[str]
    label: str | None
    labels: dict[str, str]
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
    max_loan_ms: int | None = Field(description="longest item that it may run beyond its nominal; null: unlimited")
    reclaim_first: bool = Field(description="whether its sessions on a loan are asked back before those of others")
    window_budget_core_ms: int | None = Field(description="core-milliseconds in a window; null: unlimited")
    state: Literal["active", "hold", "hold_and_drain"]
    frozen: str | None = Field(
        description="how its counter was found to differ from its leases: nothing starts below it until it is thawed"
    )
    version: int = Field(description="for If-Match")
    nominal_mc: int = Field(description="effective: whole slots at the present capacity")
    used_mc: int
    used_core_ms: int
    decayed_core_ms: float
    small_pool: SmallPool | None = Field(description="an exception that the nominal follows from; null: none")
    effective: Effective
    provenance: dict[str, Provenance] = Field(description="by field, who set it last; nothing for what nobody has set")


class Effective(Out):
    """How nominal follows from what is set: ideal_slots, and what earlier roundings owe, in whole slots."""

    share_mc: float = Field(description="exact entitlement at the present capacity: by weight at each level")
    siblings_weight: int = Field(description="sum of the weights among which its parent's slots are divided")
    parent_slots: int = Field(description="that may be granted: of the root, without what is about to leave")
    ideal_slots: float = Field(description="weight / siblings_weight * parent_slots; 0 of a group without cells")
    slots: int = Field(description="nominal: ideal_slots and what was owed, rounded by largest remainder")
    owed_slots: float = Field(description="carried to the next rounding, in 10 s or less; negative: it had more")
    borrowed_mc: int = Field(description="used beyond nominal")
    spare_mc: int = Field(description="T: what it can still give up; negative where it has borrowed")
    held_by: str | None = Field(description="the nearest node, from here up, that is held")


class Provenance(Out):
    """Who set a value, when and why."""

    by: str = Field(examples=["key_0190"])
    at: datetime
    reason: str | None


Limit = Annotated[int, Field(ge=0, lt=2**53)]
Moment = Annotated[AwareDatetime, Field(strict=False)]


class QuotaSpec(In):
    """What operators set of a node. A limit that is null is none."""

    weight: int = Field(1, ge=1, le=1_000_000, description="share among its siblings")
    state: Literal["active", "hold", "hold_and_drain"] = Field(
        "active", description="hold: nothing new starts below it; hold_and_drain: sessions are asked back too"
    )
    borrowing_limit_mc: Limit | None = Field(None, description="millicores that it may use beyond its nominal")
    lending_limit_mc: Limit | None = Field(None, description="idle millicores of its nominal that others may use")
    window_budget_core_ms: Limit | None = Field(
        None,
        description="core-milliseconds that it may use in a window, from the open one on; what is unused ends with it",
    )
    max_loan_ms: Limit | None = Field(
        None, description="longest item, by its time limit, that it may run beyond its nominal"
    )
    reclaim_first: bool = Field(False, description="ask its sessions on a loan back before those of others")


class QuotaPatch(QuotaSpec):
    """What is not named stays."""

    parent: Label = Field("commitment", description="the group to move it to, by name or id; commitment is the root")


SharesVisible = Literal["own", "groups", "cells"]
SHARES_VISIBLE = (
    "what a cell sees of the shares of others: own (all others as one), groups (each group as one), cells (each cell)"
)


class Debt(Out):
    """More is in use than is committed since capacity was lost. Nothing is granted until that is over."""

    mc: int = Field(description="how much more")
    expected_end: datetime = Field(description="by the estimates of what runs")
    latest_end: datetime = Field(description="by the time limits of what runs")


WindowLength = Literal["hour", "day", "week", "month"]


class Commitment(Out):
    numerator: int
    denominator: int
    capacity_mc: int = Field(description="live capacity that active workers stand for")
    limit_mc: int = Field(description="floor(numerator * capacity / denominator)")
    leaving_mc: int = Field(description="of the capacity: of workers that drain")
    grants_mc: int = Field(description="the limit that counts for new grants: what it will be without those workers")
    used_mc: int
    debt: Debt | None = Field(description="null: no more is in use than is committed")
    epoch: int
    version: int
    half_life_s: int
    shares_visible: SharesVisible = Field(description=SHARES_VISIBLE)
    debt_since: datetime | None = Field(description="since when more runs than the limit allows; null: it does not")
    cooldown_s: int = Field(description="so long a cell that got back what it had lent lends nothing")
    small_pool: SmallPool | None
    window: WindowLength = Field(description="what budgets and statements are for, in UTC; weeks begin on Monday")
    window_starts_at: datetime | None = Field(description="of the open window; null before the first")
    window_ends_at: datetime | None
    provenance: dict[str, Provenance] = Field(description="by field, who set it last")


class CommitmentPatch(In):
    min_slots: int | None = Field(
        None, ge=0, le=1000, description="commit so many slots to a pool too small for its share; 0 ends the exception"
    )
    min_slots_until: Moment | None = Field(None, description="when the exception ends; it must have an end")
    cooldown_s: int | None = Field(None, ge=0, le=3600)
    numerator: int | None = Field(None, ge=0, le=1_000_000)
    denominator: int | None = Field(None, ge=1, le=1_000_000)
    half_life_s: int | None = Field(None, ge=1, le=10**9)
    shares_visible: SharesVisible | None = Field(None, description=SHARES_VISIBLE)
    window: WindowLength | None = Field(
        None, description="of the windows after the open one, which ends as it was to; the first of them may be short"
    )


class CapacityEpoch(Out):
    epoch: int
    at: datetime
    capacity_mc: int
    limit_mc: int
    min_slots: int = Field(description="that an exception committed at least; 0: none")
    cause: str


class SiteCreate(In):
    name: Name
    redis_url: Label
    store_url: Label


class Site(Out):
    id: str
    name: str
    store_url: str
    state: Literal["active", "cordoned", "drained"] = Field(description="what operators want of it")
    workers: int
    slots: int
    created_at: datetime


class Worker(Out):
    id: str
    name: str
    site: str
    state: Literal["joining", "active", "draining", "drained", "lost", "left"] = Field(
        description="its capacity counts while it is active or draining"
    )
    cordoned: bool = Field(description="nothing new starts there, because of itself or of its site")
    departs_at: datetime | None = Field(description="when a worker that drains goes at the latest")
    slots: int
    busy: int
    contributes_mc: int
    memory_mb: int
    runtime: str
    registered_at: datetime
    seen_at: datetime


class Drain(In):
    departs_at: Moment | None = Field(
        None, description="when it goes, whatever runs there then; null: as soon as what runs has ended"
    )


class AuditEntry(Out):
    id: int
    at: datetime
    actor: str
    action: str
    target: str
    change: dict[str, Any] = Field(description="by field; of what was edited, the old and the new value")
    reason: str | None


# --- quotas as a document, changes and what they would do


class GroupCreate(QuotaSpec):
    name: Name
    parent: Label = Field("commitment", description="the group that it belongs to, by name or id")


class GroupDocument(QuotaSpec):
    groups: dict[Name, GroupDocument] = Field({}, max_length=1000)
    cells: dict[Name, QuotaSpec] = Field({}, max_length=10_000)


class CommitmentDocument(In):
    """The root. What is not named is at its default, but what an installation always decides."""

    numerator: int = Field(ge=0, le=1_000_000)
    denominator: int = Field(ge=1, le=1_000_000)
    half_life_s: int = Field(ge=1, le=10**9)
    cooldown_s: int = Field(0, ge=0, le=3600)
    min_slots: int = Field(0, ge=0, le=1000)
    min_slots_until: Moment | None = None
    shares_visible: SharesVisible = "own"
    window: WindowLength = "day"
    window_budget_core_ms: Limit | None = None
    state: Literal["active", "hold", "hold_and_drain"] = "active"


class QuotaDocument(In):
    """All that is set of the entitlement tree. What a node does not name is at its default; what is not there, is not
    to be."""

    commitment: CommitmentDocument
    groups: dict[Name, GroupDocument] = Field({}, max_length=1000)
    cells: dict[Name, QuotaSpec] = Field({}, max_length=10_000)


class QuotaEdit(QuotaPatch):
    quota: Label = Field(description="a node's id")


class QuotaChange(In):
    """Edits of nodes, of the commitment, or both; or a whole document."""

    quotas: list[QuotaEdit] = Field([], max_length=1000)
    commitment: CommitmentPatch | None = None
    document: QuotaDocument | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.document is not None and (self.quotas or self.commitment is not None):
            raise ValueError("a document goes alone")
        ids = [edit.quota for edit in self.quotas]
        if len(set(ids)) < len(ids):
            raise ValueError("a quota is named twice")
        return self


class DrainPlan(Drain):
    """Workers that are to leave."""

    workers: list[Label] = Field([], max_length=1000, description="by id or name")
    sites: list[Name] = Field([], max_length=1000, description="all workers of these")


class WhatIfAsk(QuotaChange):
    drain: DrainPlan | None = None


class EditLine(Out):
    """One value that a change sets."""

    action: Literal["quota.create", "quota.edit", "quota.delete", "cell.create", "cell.delete", "commitment.edit"]
    name: str
    field: str
    before: Any
    after: Any


class EffectiveDifference(Out):
    """A node for which something else follows. null: it is not there."""

    name: str
    kind: Literal["root", "group", "cell"]
    nominal_before_mc: int | None
    nominal_after_mc: int | None
    borrowed_before_mc: int = Field(description="in use beyond nominal")
    borrowed_after_mc: int
    leases: int = Field(description="that run in it now")


class WaitDifference(Out):
    """A cell whose next items start, or wait, otherwise."""

    cell: str
    starts_before: int = Field(description="items that the next plan starts")
    starts_after: int
    reason_before: str | None = Field(description="why the one after those waits; null: none waits")
    reason_after: str | None
    node_before: str | None = Field(description="the node that blocks")
    node_after: str | None


class Drained(Out):
    """What drains with workers."""

    workers: int
    slots: int
    gone: int = Field(description="workers whose capacity leaves at once; that of others, when what runs has ended")
    leases: int = Field(description="that run on them, and are left to end")
    ended_by: datetime | None = Field(description="when the last of these reaches its time limit")
    outlasting: int = Field(description="of these, such that may still run at departs_at")


class WhatIf(Out):
    """What would follow from a change, at this moment."""

    token: str = Field(description="for Worldpool-What-If: binds a change to what was shown here")
    expires_at: datetime
    tag: str = Field(description="ETag of the quota document as it was, for If-Match")
    needed: bool = Field(description="the change takes something away, and is refused without the token")
    takes: list[str] = Field(description="what it takes away")
    edits: list[EditLine]
    limit_before_mc: int
    limit_after_mc: int
    effective: list[EffectiveDifference]
    waits: list[WaitDifference]
    recalled: list[str] = Field(description="leases that would be asked back")
    drained: Drained | None


class Changed(Out):
    edits: list[EditLine]


class ScheduleCreate(In):
    """A change for later, for a while, or both."""

    change: QuotaChange
    at: Moment | None = Field(None, description="when it begins; null: now")
    until: Moment | None = Field(None, description="when it is taken back; null: never")


class Scheduled(Out):
    id: str
    state: Literal["scheduled", "active", "done", "cancelled", "failed"]
    at: datetime
    until: datetime | None
    change: dict[str, Any]
    by: str
    reason: str | None
    failure: str | None
    created_at: datetime


class Borrower(Out):
    name: str
    nominal_mc: int
    used_mc: int
    borrowed_mc: int
    since: datetime | None = Field(description="when the oldest lease that now runs on the loan was granted")


class Lender(Out):
    name: str
    nominal_mc: int
    used_mc: int
    lent_mc: int


class Loans(Out):
    """Who runs beyond its nominal, and whose it is. borrowed_mc sums to lent_mc and unlent_mc."""

    borrowers: list[Borrower]
    lenders: list[Lender]
    unlent_mc: int = Field(description="in use beyond the whole commitment, since capacity was lost")


# --- queue and shares


class QueueEntry(Out):
    """How an unfinished run stands in the queue. What is counted are work items."""

    run: str
    name: str | None
    cell: str
    running: int
    waiting: int
    reason: str | None = Field(
        description="why the next one waits, one of docs/decisions/0018-quotas.md; null: nothing does, or it is about "
        "to start",
        examples=["BEHIND_OTHERS"],
    )
    slurm: str | None = Field(description="Slurm's name of the reason, where it has one", examples=["Priority"])
    ahead: int = Field(description="waiting ones of its cell that come before its next")
    since: datetime = Field(description="when the run was submitted")


class Share(Out):
    """A node of the entitlement tree, or several as one: what it is entitled to and what it uses. Compute is in
    millicores (mc)."""

    name: str = Field(description="`(others)`: all that is not shown by itself")
    kind: Literal["root", "group", "cell", "others"]
    depth: int = Field(description="0 of the root; a row belongs to the nearest one before it of less depth")
    weight: int | None = Field(description="share among its siblings in the tree; null of others")
    share_mc: float = Field(description="entitlement at the present capacity, exactly")
    nominal_mc: int = Field(description="the same in whole slots, now")
    used_mc: int
    borrowed_mc: int = Field(description="in use above nominal_mc")
    used_core_ms: int = Field(description="compute charged since it exists, core-milliseconds")
    decayed_core_ms: float = Field(description="the same, halved every half-life")
    order: int = Field(
        description="place among the rows beside it, by decayed use over share: of those that wait, 1 goes first"
    )


# --- webhooks


WebhookEvent = Literal["budget.nearly_spent", "budget.spent", "hold.set", "hold.released", "debt.began", "debt.ended"]
"""80 % and 100 % of a window's budget; a hold of a node; more runs than the limit allows after capacity was lost."""
DeliveryState = Literal["waiting", "delivered", "dead"]


class WebhookCreate(In):
    url: Annotated[str, StringConstraints(pattern=VISIBLE, max_length=2000)] = Field(
        description="http or https; redirects are not followed", examples=["https://example.org/worldpool"]
    )
    events: list[WebhookEvent] = Field(list(get_args(WebhookEvent)), min_length=1, max_length=6)

    @field_validator("events")
    @classmethod
    def _once(cls, events: list[str]) -> list[str]:
        return list(dict.fromkeys(events))


class Webhook(Out):
    id: str
    node: str = Field(description="name of the quota node whose events, and those below it, it is told")
    url: str
    events: list[WebhookEvent]
    created_by: str = Field(description="the key that registered it")
    waiting: int = Field(description="events that are still to be sent")
    delivered: int = Field(description="events of the last 30 days that arrived")
    dead: int = Field(description="events of the last 30 days that were given up")
    created_at: datetime


class WebhookWithSecret(Webhook):
    secret: str = Field(description="what deliveries are signed with; shown once")


class Delivery(Out):
    """An event and what became of it."""

    id: str = Field(description="of the event, the same at every attempt and for every webhook")
    event: WebhookEvent
    state: DeliveryState
    attempts: int
    failure: str | None = Field(description="why the last attempt failed")
    content: dict[str, Any] = Field(description="what is sent")
    created_at: datetime
    due_at: datetime | None = Field(description="next attempt")
    delivered_at: datetime | None


# --- splits


class SplitRule(In):
    """What is held out, in the families that `families` and `domain` leave. The kind says which other fields it needs.

    An axis is a parameter, or `:modifier.argument`; a part is a parameter off its default, or `:modifier`.
    """

    name: Name
    kind: HoldoutKind
    families: list[Label] = Field(["*"], min_length=1, max_length=256, description="names; * stands for anything")
    domain: Literal["physics", "social", "symbolic"] | None = None
    tasks: dict[Label, Annotated[list[float | int | bool | str], Field(max_length=1000)]] | None = Field(
        None, max_length=16, description="family: only these base tasks, as values of task parameters"
    )
    axis: Label | None = Field(None, examples=["gravity", ":obs_drop.p"])
    between: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        None, description="interpolation: values strictly between these two are held out"
    )
    trained: Annotated[list[float | None], Field(min_length=2, max_length=2)] | None = Field(
        None, description="extrapolation: values outside this range are held out; null leaves an end open"
    )
    parts: list[Label] | None = Field(
        None,
        max_length=8,
        description="composition: what has all of these is held out",
        examples=[["gravity", ":delay"]],
    )


class SplitCreate(In):
    """A split, or with the name of one its next version."""

    name: Name
    rules: list[SplitRule] = Field(min_length=1, max_length=200)
    note: Label | None = None
    budget: int = Field(
        100_000, ge=0, le=2**53, description="evaluations of held-out environments that each cell may ask for"
    )


class ExposureUse(Out):
    """Evaluations of held-out environments: one environment in one run counts as one."""

    allowed: int
    used: int


class Split(Out):
    name: str
    version: int
    ref: str = Field(description="name and version", examples=["default@1"])
    digest: str = Field(description="SHA-256 of the rules, hex")
    in_force: bool
    rules: list[dict[str, Any]]
    note: str | None
    budget: int = Field(
        description="evaluations of held-out environments that a cell may ask for, unless told otherwise"
    )
    exposure: ExposureUse | None = Field(description="of the caller's cell")
    counts: dict[str, int] = Field(description="catalogued environments: `train` and by kind of holdout")
    created_by: str | None
    created_at: datetime


class SplitActivation(Out):
    split: str
    before: str | None = Field(description="the split that was in force until now")
    unfinished: list[str] = Field(
        description="training runs that were checked against another split and go on under it; cancel them if need be"
    )


class BudgetPut(In):
    allowed: int = Field(ge=0, le=2**53)


class Exposure(Out):
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
