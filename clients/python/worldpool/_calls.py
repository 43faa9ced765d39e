"""Every call of the HTTP surface, once: what goes in, where it goes, how the answer is read. Talks to nobody."""

from __future__ import annotations

import io
import operator
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from numbers import Real
from pathlib import Path
from reprlib import repr as shorten
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import numpy as np
from numpy.typing import ArrayLike

from worldpool import models
from worldpool._core import Call, PageCall, a_str, body, encoded, given, query, reader
from worldpool._tables import Source, columns_of
from worldpool.chunks import Chunk
from worldpool.models import Page, RunInfo, Subset
from worldpool.summary import Report, Summary

T = TypeVar("T")
Range = tuple[float | None, float | None]
"""The least and the greatest value; None leaves that side open."""
Scalar = float | bool | str
Limit = int | Literal["unlimited"]
State = Literal["active", "hold", "hold_and_drain"]
WebhookEvent = Literal["budget.nearly_spent", "budget.spent", "hold.set", "hold.released", "debt.began", "debt.ended"]
ReportKey = Literal["kind", "policy", "seed", "domain", "family", "base_task"]
PAGE_SIZE = 200
MAX_PAGE_SIZE = 1000

CHUNK_STREAM = "application/vnd.worldpool.stream"
EVENT_STREAM = "text/event-stream"

_environment_page = reader(Page[models.Environment])
_run = reader(RunInfo)
_subset = reader(Subset)
_quota = reader(models.Quota)
_split = reader(models.Split)
_commitment = reader(models.Commitment)
_scheduled = reader(models.Scheduled)


def _nothing(_: bytes) -> None:
    return None


def _id(name: str, thing: models.Model | str) -> str:
    """The id of a thing, or what a caller takes for one."""
    return a_str(name, getattr(thing, "id", thing))


def _segment(name: str, thing: models.Model | str) -> str:
    """The id of a thing as one segment of a path, whatever a caller puts in."""
    text = _id(name, thing)
    if not text.strip("."):  # clients take these out of a path: another address would be left
        raise ValueError(f"{text[:100]!r} is no id of a {name}")
    return quote(text, safe="@:")


def _ref_path(name: str, ref: str) -> str:
    """A ref or digest as the tail of a path: all that refs are made of is legal there; anything else is escaped."""
    if not {"", ".", ".."}.isdisjoint(a_str(name, ref).split("/")):
        raise ValueError(f"{ref[:100]!r} is no {name}: it has an empty part, '.' or '..'")
    return quote(ref, safe="/@;=:(),+*!$&'")


def _page_size(limit: int | None) -> int:
    if limit is None:
        return PAGE_SIZE
    if operator.index(limit) < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
    return min(limit, MAX_PAGE_SIZE)


def _list(name: str, things: Iterable[T] | None) -> list[T] | None:
    if things is None:
        return None
    if isinstance(things, str) or not isinstance(things, Iterable):
        raise TypeError(f"{name} must be a list, not {type(things).__name__}")
    return list(things)


def _ids(name: str, things: Iterable[models.Model | str] | None) -> list[str] | None:
    listed = _list(name, things)
    return None if listed is None else [_id(name, thing) for thing in listed]


# --- environments


def catalogue() -> Call[models.Catalogue]:
    """How many environments, families, base tasks and modifiers there are."""
    return Call(method="GET", path="/v1/catalogue", read=reader(models.Catalogue))


def search_environments(
    *,
    domain: str | None = None,
    family: str | None = None,
    tag: str | None = None,
    kind: str | None = None,
    modifier: str | Sequence[str] | None = None,
    base_task: str | None = None,
    min_agents: int | None = None,
    max_agents: int | None = None,
    observations: str | None = None,
    actions: str | None = None,
    engine: str | None = None,
    split: str | None = None,
    text: str | None = None,
    parameters: Mapping[str, Range | Scalar] | None = None,
    max_step_us: float | None = None,
    max_make_ms: float | None = None,
    max_memory_mb: int | None = None,
    single_turn: bool | None = None,
    seed_sensitive: bool | None = None,
    snapshot: str | None = None,
    min_effect: float | None = None,
    limit: int | None = None,
) -> PageCall[models.Environment]:
    """Catalogued environments that meet all conditions, evenly mixed, always in the same order.

    `parameters` gives ranges or values by name, `{"gravity": (5, None), "map_name": "4x4"}`; `modifier` one or all of
    several, or "none"; `observations` is vector, image, discrete, text or mixed; `actions` continuous, discrete, masked
    or text; `single_turn` tasks are a question and an answer; `snapshot` exact or replay; `split` train, heldout or a
    kind of holdout. `limit` is the most wanted in all.
    """
    params = _conditions(
        domain=domain,
        family=family,
        tag=tag,
        kind=kind,
        modifier=modifier,
        base_task=base_task,
        min_agents=min_agents,
        max_agents=max_agents,
        observations=observations,
        actions=actions,
        engine=engine,
        split=split,
        text=text,
        parameters=parameters,
        max_step_us=max_step_us,
        max_make_ms=max_make_ms,
        max_memory_mb=max_memory_mb,
        single_turn=single_turn,
        seed_sensitive=seed_sensitive,
        snapshot=snapshot,
        min_effect=min_effect,
    )
    params += query(limit=_page_size(limit))
    first = Call(method="GET", path="/v1/environments", read=_environment_page, params=params)
    return PageCall(first=first, limit=limit)


def count_environments(**conditions: Any) -> Call[models.Facets]:
    """How many catalogued environments have each domain, family, tag and so on, of those that meet all conditions.

    Conditions are those of `environments.search`.
    """
    if "limit" in conditions:
        raise TypeError("facets take no limit")
    params = [(name, value) for name, value in search_environments(**conditions).first.params if name != "limit"]
    return Call(method="GET", path="/v1/catalogue/facets", read=reader(models.Facets), params=params)


def _conditions(
    *, modifier: Any, parameters: Any, single_turn: bool | None, seed_sensitive: bool | None, **others: Any
) -> list[tuple[str, str]]:
    """The conditions of a search as query parameters."""
    params = query(**others)
    for name, wanted in (("single_turn", single_turn), ("seed_sensitive", seed_sensitive)):
        if wanted is not None:
            params.append((name, "true" if wanted else "false"))
    modifiers = [modifier] if isinstance(modifier, str) else _list("modifier", modifier) or []
    params += [("modifier", a_str("modifier", name)) for name in modifiers]
    return params + _wanted({} if parameters is None else parameters)


def _wanted(parameters: Any) -> list[tuple[str, str]]:
    if not isinstance(parameters, Mapping):
        raise TypeError(
            f'parameters are ranges or values by name, such as {{"gravity": (5, None)}}; not {shorten(parameters)}'
        )
    return [("param", _param(name, wanted)) for name, wanted in parameters.items()]


def _param(name: str, wanted: Any) -> str:
    name = a_str("a parameter", name)
    match wanted:
        case (None | Real(), None | Real()):
            low, high = ("" if bound is None else str(bound) for bound in wanted)
            return f"{name}:{low}..{high}"
        case bool():
            return f"{name}:{str(wanted).lower()}"
        case Real() | str():
            return f"{name}:{wanted}"
    raise TypeError(
        f"{name}: a range is (low, high), either of which may be None, a value a number, bool or str; "
        f"not {shorten(wanted)}"
    )


def get_environment(ref: str) -> Call[models.EnvironmentDetail]:
    """The environment that a ref or a digest names, with its card; any valid ref, catalogued or not."""
    return Call(method="GET", path=f"/v1/environments/{_ref_path('ref', ref)}", read=reader(models.EnvironmentDetail))


def list_families() -> PageCall[models.Family]:
    """All families."""
    return PageCall(first=Call(method="GET", path="/v1/families", read=reader(Page[models.Family])))


def get_family(name: str) -> Call[models.Family]:
    """The family of that name, with its axes."""
    return Call(method="GET", path=f"/v1/families/{_ref_path('family', name)}", read=reader(models.Family))


def list_modifiers() -> PageCall[models.Modifier]:
    """All modifiers."""
    return PageCall(first=Call(method="GET", path="/v1/modifiers", read=reader(Page[models.Modifier])))


# --- subsets


def create_subset(
    *,
    where: Mapping[str, Any] | None = None,
    refs: Sequence[str] | None = None,
    grid: Mapping[str, Any] | None = None,
    union: Sequence[Subset | str] | None = None,
    difference: Sequence[Subset | str] | None = None,
    intersection: Sequence[Subset | str] | None = None,
    size: int | None = None,
    strategy: Literal["random", "stratified", "diverse"] | None = None,
    seed: int = 0,
    catalogue: str | None = None,
    name: str | None = None,
) -> Call[Subset]:
    """Choose specs: by conditions (`where={}` is the whole catalogue), as a list of refs, as a grid over one family, or
    out of other subsets.

    `where` takes the filters of `environments.search`, with `parameters={"gravity": {"min": 5, "max": 15}, "map":
    {"equals": "4x4"}}`; `size` and `strategy` say how many of those that match are picked and how; what the split in
    force holds out of training is left out unless `where` has a `split`. Equal conditions, size, strategy and seed pick
    equal specs of equal versions of the catalogue; `catalogue` is the version that there must be, else `Conflict`.
    `grid` is `{"family": …, "parameters": {name: [values]}, "modifiers": [[…], …]}`. `union`, `difference` (the first
    without the others) and `intersection` keep the order of the first subset.
    """
    asked = body(
        where=where,
        refs=_list("refs", refs),
        grid=grid,
        union=_ids("union", union),
        difference=_ids("difference", difference),
        intersection=_ids("intersection", intersection),
        size=size,
        strategy=strategy,
        seed=seed,
        catalogue=catalogue,
        name=name,
    )
    return Call(method="POST", path="/v1/subsets", read=_subset, body=asked, creates=True)


def get_subset(subset: Subset | str) -> Call[Subset]:
    """The subset with that id, digest or name."""
    return Call(method="GET", path=f"/v1/subsets/{_segment('subset', subset)}", read=_subset)


def list_subsets(*, limit: int | None = None) -> PageCall[Subset]:
    """This cell's subsets, newest first."""
    params = query(limit=_page_size(limit))
    return PageCall(first=Call(method="GET", path="/v1/subsets", read=reader(Page[Subset]), params=params), limit=limit)


def subset_environments(subset: Subset | str, *, limit: int | None = None) -> PageCall[models.Environment]:
    """The environments of a subset, in its order."""
    path = f"/v1/subsets/{_segment('subset', subset)}/environments"
    first = Call(method="GET", path=path, read=_environment_page, params=query(limit=_page_size(limit)))
    return PageCall(first=first, limit=limit)


# --- tables


def create_table(source: Source, *, weight: str | None = None) -> Call[models.Table]:
    """Upload joint samples of parameters: a mapping of columns, a pyarrow table, or a *.csv, *.parquet or *.arrow file.

    A spec draws from it by `gravity=table(digest,column)`: one row at each reset, in proportion to its number in the
    column `weight`, if that is given.
    """
    columns: dict[str, list[float]] = columns_of(source)
    if weight is not None and weight not in columns:
        raise ValueError(f"there is no column {weight!r} to take weights from")
    weights = None if weight is None else columns.pop(weight)
    asked = body(columns=columns, weights=weights)
    return Call(method="POST", path="/v1/tables", read=reader(models.Table), body=asked, creates=True)


def get_table(digest: models.Table | str) -> Call[models.TableDetail]:
    """The table with that digest, and its content."""
    name = a_str("digest", getattr(digest, "digest", digest))
    return Call(method="GET", path=f"/v1/tables/{_segment('table', name)}", read=reader(models.TableDetail))


def list_tables(*, limit: int | None = None) -> PageCall[models.Table]:
    """This cell's tables, newest first."""
    read = reader(Page[models.Table])
    return PageCall(
        first=Call(method="GET", path="/v1/tables", read=read, params=query(limit=_page_size(limit))), limit=limit
    )


# --- policies

PolicyLike = models.Policy | str


def create_onnx_policy(source: str | Path | bytes) -> Call[models.Policy]:
    """Upload an ONNX graph, as a file or its bytes: rollouts ask it for the actions of up to 32 environments at once.

    Inputs are `observations` (batch x observation shape; `observations.LEAF` of dict spaces) and, as the graph needs
    them, `mask`, `noise` (standard normal), `uniform` (in [0, 1)) and `state.NAME` with an output `next_state.NAME`.
    The output `actions` is batch x action shape; others are recorded and arrive as `batch.policy["NAME"]`.
    """
    content = source if isinstance(source, bytes) else Path(source).read_bytes()
    return _create_policy(kind="onnx", model=_base64(content))


def create_actions_policy(actions: ArrayLike | str | Path) -> Call[models.Policy]:
    """Upload open-loop plans: plans x steps x action shape, an array or an *.npy file. Episode i follows plan i modulo
    their number and is truncated where the plan ends."""
    plans = np.load(actions, allow_pickle=False) if isinstance(actions, str | Path) else np.asarray(actions)
    file = io.BytesIO()
    np.save(file, plans, allow_pickle=False)
    return _create_policy(kind="actions", actions=_base64(file.getvalue()))


def create_constant_policy(action: Any) -> Call[models.Policy]:
    """The same action at each step: a number, a list or array, text; for dict spaces a mapping."""
    return _create_policy(kind="constant", action=_plain(action))


def create_agents_policy(policies: Mapping[str, PolicyLike]) -> Call[models.Policy]:
    """A policy for each agent: that of the first pattern (`adversary_*`) which matches its name."""
    return _create_policy(kind="agents", policies={name: _policy(policy) for name, policy in policies.items()})


def _create_policy(**asked: Any) -> Call[models.Policy]:
    return Call(method="POST", path="/v1/policies", read=reader(models.Policy), body=body(**asked), creates=True)


def get_policy(policy: PolicyLike) -> Call[models.Policy]:
    """The policy with that digest."""
    return Call(method="GET", path=f"/v1/policies/{_segment('policy', _policy(policy))}", read=reader(models.Policy))


def list_policies(*, limit: int | None = None) -> PageCall[models.Policy]:
    """This cell's policies, newest first."""
    read = reader(Page[models.Policy])
    params = query(limit=_page_size(limit))
    return PageCall(first=Call(method="GET", path="/v1/policies", read=read, params=params), limit=limit)


def _policy(policy: PolicyLike) -> str:
    return a_str("policy", getattr(policy, "digest", policy))


def _base64(content: bytes) -> str:
    return b64encode(content).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


# --- runs


def create_run(
    *,
    subset: Subset | str | None = None,
    refs: Sequence[str] | None = None,
    policy: PolicyLike | Sequence[PolicyLike] = "random",
    episodes: int | None = None,
    steps_per_env: int | None = None,
    seed: int | Sequence[int] = 0,
    max_parallel: int | None = None,
    groups: Sequence[str] | None = None,
    max_unread: int | None = None,
    abandon_after_s: int | None = None,
    retention: Literal["keep", "acknowledged"] | Mapping[str, int] | None = None,
    name: str | None = None,
    record: Mapping[str, Any] | None = None,
    reuse: bool | None = None,
    labels: Mapping[str, str] | None = None,
    purpose: Literal["train", "evaluate"] = "train",
    holdout: Literal["refuse", "carve"] = "refuse",
) -> Call[RunInfo]:
    """Ask for rollouts of a policy in every environment of a subset or list of refs.

    `policy` is `random`, `still`, or one that `policies` uploaded. Several policies and seeds are run each with each.
    Give `episodes` or `steps_per_env`; with steps the last episode is cut. Equal seeds give equal rollouts, bit for
    bit, and different policies the same episodes. At most `max_parallel` work items run at once. A `name` is that of
    one request for good: the same request again is the same run (see `get_or_create`), another one a `Conflict`. With
    `reuse` an earlier run of equal content and runtime is the answer, whatever its name.

    `record` says what is kept: `{"columns": ["actions", "rewards"]}` leaves the others of observations, actions,
    rewards and policy out, `{"infos": ["x_position"]}` adds numbers of the environment's infos, `{"pixels": {"width":
    64, "height": 64}}` (or `{}`) a PNG a row.

    `groups` of readers are there before their first consumer. No more is run while the slowest reader, group or stream,
    is `max_unread` chunks behind, nor once a run that was streamed has had no stream for `abandon_after_s` seconds;
    `waiting` says so. Chunks are deleted with the run, or with `retention="acknowledged"` when all groups have
    acknowledged them, or with `{"after_end_s": 3600}` an hour after its end; summary and report stay.

    Environments that are held out of training are refused; with `purpose="evaluate"` they run, for their scores alone.
    `holdout="carve"` cuts distributions that reach into a holdout; the run's `carved` says how.
    """
    asked = body(
        subset=None if subset is None else _id("subset", subset),
        refs=_list("refs", refs),
        **_one_or_several("policy", "policies", policy, _policy),
        episodes=episodes,
        steps_per_env=steps_per_env,
        **_one_or_several("seed", "seeds", seed, operator.index),
        max_parallel=max_parallel,
        groups=_list("groups", groups),
        max_unread=max_unread,
        abandon_after_s=abandon_after_s,
        retention=retention,
        name=name,
        record=record,
        reuse=reuse,
        labels=labels,
        purpose=purpose,
        holdout=holdout,
    )
    return Call(method="POST", path="/v1/runs", read=_run, body=asked, creates=True)


def get_or_create_run(
    *,
    name: str,
    subset: Subset | str | None = None,
    refs: Sequence[str] | None = None,
    policy: PolicyLike | Sequence[PolicyLike] = "random",
    episodes: int | None = None,
    steps_per_env: int | None = None,
    seed: int | Sequence[int] = 0,
    max_parallel: int | None = None,
    groups: Sequence[str] | None = None,
    max_unread: int | None = None,
    abandon_after_s: int | None = None,
    retention: Literal["keep", "acknowledged"] | Mapping[str, int] | None = None,
    record: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
    purpose: Literal["train", "evaluate"] = "train",
    holdout: Literal["refuse", "carve"] = "refuse",
) -> Call[RunInfo]:
    """The run of that name, made of these arguments (see `create`) if there is none yet. A script that is started again
    finds its runs, whether they go on, are finished, have failed or were cancelled. `Conflict` where the name was given
    to other arguments."""
    return create_run(
        subset=subset,
        refs=refs,
        policy=policy,
        episodes=episodes,
        steps_per_env=steps_per_env,
        seed=seed,
        max_parallel=max_parallel,
        groups=groups,
        max_unread=max_unread,
        abandon_after_s=abandon_after_s,
        retention=retention,
        name=name,
        record=record,
        labels=labels,
        purpose=purpose,
        holdout=holdout,
    )


def _one_or_several(one: str, several: str, given: Any, read: Callable[[Any], Any]) -> dict[str, Any]:
    if isinstance(given, Sequence) and not isinstance(given, str):
        return {several: [read(each) for each in given]}
    return {one: read(given)}


def get_run(run: RunInfo | str) -> Call[RunInfo]:
    """The run with that id, as it stands now."""
    return Call(method="GET", path=_run_path(run), read=_run)


def list_runs(
    *, state: str | None = None, label: tuple[str, str] | None = None, limit: int | None = None
) -> PageCall[RunInfo]:
    """This cell's runs, newest first; `label` is a name and the value it must have."""
    params = query(state=state, label=_label(label), limit=_page_size(limit))
    return PageCall(first=Call(method="GET", path="/v1/runs", read=reader(Page[RunInfo]), params=params), limit=limit)


def _label(label: Any) -> str | None:
    match label:
        case None:
            return None
        case (str() as name, str() as value):
            return f"{name}:{value}"
    raise TypeError(f"a label is (name, value), not {shorten(label)}")


def cancel_run(run: RunInfo | str) -> Call[RunInfo]:
    """Stop a run; its finished chunks stay."""
    return Call(method="POST", path=f"{_run_path(run)}:cancel", read=_run)


def delete_run(run: RunInfo | str) -> Call[None]:
    """Delete a run and its data."""
    return Call(method="DELETE", path=_run_path(run), read=_nothing)


def summarise_run(run: RunInfo | str) -> Call[Summary]:
    """Returns and lengths by environment, family and domain, over all chunks so far."""
    return Call(method="GET", path=f"{_run_path(run)}/summary", read=reader(Summary))


def explain_run(run: RunInfo | str) -> Call[models.Explanation]:
    """Why its next item waits, and what would start it now."""
    return Call(method="GET", path=f"{_run_path(run)}/explanation", read=reader(models.Explanation))


def run_scores(run: RunInfo | str) -> PageCall[models.Score]:
    """Return and length of every episode and agent."""
    return PageCall(first=Call(method="GET", path=f"{_run_path(run)}/scores", read=reader(Page[models.Score])))


def report_run(run: RunInfo | str, *, split: str | None = None, by: Sequence[ReportKey] | None = None) -> Call[Report]:
    """Results by kind of holdout, under the run's own split or another one; or told apart `by` other things."""
    params = [*query(split=split), *(("by", a_str("by", key)) for key in _list("by", by) or [])]
    return Call(method="GET", path=f"{_run_path(run)}/report", read=reader(Report), params=params)


def stream_run(run: str, *, after: int, media_type: str, **shared: str | int | None) -> Call[None]:
    """Chunks after `after` as frames, or states as server-sent events. The answer is read as it comes."""
    headers = {"Accept": media_type, "Accept-Encoding": "identity"}
    params = query(after=after, **shared)
    return Call(method="GET", path=f"{_run_path(run)}/stream", read=_nothing, params=params, headers=headers)


def run_groups(run: RunInfo | str) -> PageCall[models.Group]:
    """The groups that share the run, oldest first."""
    return PageCall(first=Call(method="GET", path=f"{_run_path(run)}/groups", read=reader(Page[models.Group])))


def delete_group(run: RunInfo | str, group: models.Group | str) -> Call[None]:
    """Forget a group of the run: nothing waits for it any more, and its open streams end."""
    return Call(method="DELETE", path=_group_path(run, group), read=_nothing)


def acknowledge(run: RunInfo | str, group: str, *, seqs: Sequence[int]) -> Call[models.Group]:
    """These chunks are done with: no consumer of the group gets them again."""
    path = f"{_group_path(run, group)}:ack"
    return Call(method="POST", path=path, read=reader(models.Group), body=body(seqs=list(seqs)))


def _group_path(run: RunInfo | str, group: models.Group | str) -> str:
    name = a_str("group", getattr(group, "name", group))
    return f"{_run_path(run)}/groups/{_segment('group', name)}"


def get_chunk(run: RunInfo, seq: int) -> Call[Chunk]:
    """A single chunk."""
    headers = {"Accept-Encoding": "identity"}
    path = f"{_run_path(run)}/chunks/{seq}"
    return Call(method="GET", path=path, read=partial(Chunk.parse, seq=seq), headers=headers)


def _run_path(run: RunInfo | str) -> str:
    return f"/v1/runs/{_segment('run', run)}"


# --- splits


def list_splits() -> PageCall[models.Split]:
    """Every version of every split, newest first."""
    return PageCall(first=Call(method="GET", path="/v1/splits", read=reader(Page[models.Split])))


def get_split(name: str) -> Call[models.Split]:
    """A split by name and version (`default@1`), or the newest of a name."""
    return Call(method="GET", path=f"/v1/splits/{_segment('split', name)}", read=_split)


def declare_split(
    *,
    name: str,
    rules: Sequence[Mapping[str, Any]],
    note: str | None = None,
    budget: int | None = None,
    reason: str | None = None,
) -> Call[models.Split]:
    """A new split, or the next version of one; it holds nothing out before it is activated.

    A rule is such as `{"name": "heavy", "kind": "extrapolation", "axis": "gravity", "trained": [None, 16]}`.
    """
    asked = body(name=name, rules=list(rules), note=note, budget=budget)
    return Call(method="POST", path="/v1/admin/splits", read=_split, body=asked, headers=_why(reason), creates=True)


def activate_split(name: str, *, reason: str | None = None) -> Call[models.SplitActivation]:
    """Hold all training that is submitted from now on to this split."""
    path = f"/v1/admin/splits/{_segment('split', name)}:activate"
    return Call(method="POST", path=path, read=reader(models.SplitActivation), headers=_why(reason))


def set_exposure_budget(
    name: str, *, cell: models.Cell | str, allowed: int, reason: str | None = None
) -> Call[models.Budget]:
    """Allow a cell this many evaluations of the split's held-out environments, in all."""
    path = f"/v1/admin/splits/{_segment('split', name)}/budgets/{_segment('cell', cell)}"
    return Call(method="PUT", path=path, read=reader(models.Budget), body=body(allowed=allowed), headers=_why(reason))


def list_exposures(*, limit: int | None = None) -> PageCall[models.Exposure]:
    """Which cell evaluated how many held-out environments when, newest first."""
    params = query(limit=_page_size(limit))
    read = reader(Page[models.Exposure])
    return PageCall(first=Call(method="GET", path="/v1/admin/exposures", read=read, params=params), limit=limit)


# --- me and admin


def me() -> Call[models.Me]:
    """What this key's cell may use and uses."""
    return Call(method="GET", path="/v1/me", read=reader(models.Me))


def list_queue(*, limit: int | None = None) -> PageCall[models.QueueEntry]:
    """Unfinished runs, oldest first: this cell's; of a group's cells with its steward's key; of all with an
    operator's."""
    params = query(limit=_page_size(limit))
    read = reader(Page[models.QueueEntry])
    return PageCall(first=Call(method="GET", path="/v1/queue", read=read, params=params), limit=limit)


def list_shares() -> PageCall[models.Share]:
    """What cells are entitled to and use, from the root down: one's own, and of others what the operators allow."""
    return PageCall(first=Call(method="GET", path="/v1/shares", read=reader(Page[models.Share])))


def create_webhook(*, url: str, events: Sequence[WebhookEvent] | None = None) -> Call[models.WebhookWithSecret]:
    """Have an address told of events, all of them unless named: of this cell; of a group and all below it with its
    steward's key; of all with an operator's. The `secret` that signs what is sent is shown only now."""
    asked = body(url=url, events=_list("events", events))
    read = reader(models.WebhookWithSecret)
    return Call(method="POST", path="/v1/webhooks", read=read, body=asked, creates=True)


def list_webhooks() -> PageCall[models.Webhook]:
    """One's own webhooks, newest first; all of them with an operator's key."""
    return PageCall(first=Call(method="GET", path="/v1/webhooks", read=reader(Page[models.Webhook])))


def delete_webhook(webhook: models.Webhook | str) -> Call[None]:
    """Send nothing more to it, and forget what was sent."""
    return Call(method="DELETE", path=f"/v1/webhooks/{_segment('webhook', webhook)}", read=_nothing)


def list_deliveries(
    webhook: models.Webhook | str,
    *,
    state: Literal["waiting", "delivered", "dead"] | None = None,
    limit: int | None = None,
) -> PageCall[models.Delivery]:
    """What a webhook was or is to be told, newest first; what is `dead` was tried for hours and never arrived."""
    path = f"/v1/webhooks/{_segment('webhook', webhook)}/deliveries"
    params = query(state=state, limit=_page_size(limit))
    read = reader(Page[models.Delivery])
    return PageCall(first=Call(method="GET", path=path, read=read, params=params), limit=limit)


def redeliver_event(webhook: models.Webhook | str, event: models.Delivery | str) -> Call[models.Delivery]:
    """Try a dead event anew."""
    path = f"/v1/webhooks/{_segment('webhook', webhook)}/deliveries/{_segment('event', event)}:redeliver"
    return Call(method="POST", path=path, read=reader(models.Delivery))


def list_usage(
    *,
    by: Sequence[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
) -> PageCall[models.Usage]:
    """Compute that settled, summed up: of this key's cell, or of all cells for an operator's key.

    `by` says what to tell apart: "window" (the default), "cell", "run", "payer", "label:NAME". What began in
    [since, until) counts, by default in the last 30 days.
    """
    params = [("by", a_str("by", name)) for name in _list("by", by) or []]
    params += [(name, at.isoformat()) for name, at in (("from", since), ("to", until)) if at is not None]
    params += query(limit=_page_size(limit))
    first = Call(method="GET", path="/v1/usage", read=reader(Page[models.Usage]), params=params)
    return PageCall(first=first, limit=limit)


def list_statements(*, limit: int | None = None) -> PageCall[models.StatementWindow]:
    """The windows that have statements, newest first."""
    read = reader(Page[models.StatementWindow])
    params = query(limit=_page_size(limit))
    return PageCall(first=Call(method="GET", path="/v1/admin/statements", read=read, params=params), limit=limit)


def get_statement(at: datetime | str) -> Call[models.Statement]:
    """What the commitment of the window that holds this instant was, and what was used of it; text is as in ISO 8601,
    in UTC where it names no zone."""
    return Call(method="GET", path=_statement_path(at), read=reader(models.Statement))


def export_statement(
    at: datetime | str, folder: str | Path, *, format: Literal["csv", "parquet"] = "csv"
) -> Call[list[Path]]:
    """Write a statement and all that it follows from into a folder: summary, cells, overages, epochs and segments, each
    a file. The files."""
    return Call(
        method="GET",
        path=f"{_statement_path(at)}/export",
        read=partial(_unpacked, Path(folder)),
        params=query(format=format),
    )


def _statement_path(at: datetime | str) -> str:
    text = at.isoformat() if isinstance(at, datetime) else at
    return f"/v1/admin/statements/{_segment('window', text)}"


def _unpacked(folder: Path, content: bytes) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [Path(name).name for name in archive.namelist()]
        for name, inside in zip(names, archive.namelist(), strict=True):
            (folder / name).write_bytes(archive.read(inside))
    return [folder / name for name in names]


def list_cells() -> PageCall[models.Cell]:
    """All cells."""
    return PageCall(first=Call(method="GET", path="/v1/admin/cells", read=reader(Page[models.Cell])))


def create_cell(
    *, name: str, weight: int = 1, group: str | None = None, reason: str | None = None
) -> Call[models.Cell]:
    """A new team in a group, such as `guests`, or without one; `weight` is its share among its siblings."""
    return Call(
        method="POST",
        path="/v1/admin/cells",
        read=reader(models.Cell),
        body=body(name=name, weight=weight, group=group),
        headers=_why(reason),
        creates=True,
    )


def list_keys() -> PageCall[models.Key]:
    """All keys, without secrets."""
    return PageCall(first=Call(method="GET", path="/v1/admin/keys", read=reader(Page[models.Key])))


def create_key(
    *,
    cell: models.Cell | str | None = None,
    site: str | None = None,
    steward_of: models.Quota | str | None = None,
    scopes: Sequence[str] | None = None,
    label: str | None = None,
    labels: Mapping[str, str] | None = None,
    expires_at: datetime | None = None,
    reason: str | None = None,
) -> Call[models.KeyWithSecret]:
    """A key for a cell, for a site's workers, for the steward of a group until `expires_at`, or (with none of these)
    for an operator. Its `secret` is shown only now.

    `labels` of a cell's key are those of all its runs and usage; `label` says what the key is for.
    """
    asked = body(
        cell=None if cell is None else _id("cell", cell),
        site=site,
        steward_of=None if steward_of is None else _id("steward_of", steward_of),
        scopes=_list("scopes", scopes),
        label=label,
        labels=labels,
        expires_at=expires_at,
    )
    return Call(
        method="POST",
        path="/v1/admin/keys",
        read=reader(models.KeyWithSecret),
        body=asked,
        headers=_why(reason),
        creates=True,
    )


def revoke_key(key: models.Key | str, *, reason: str | None = None) -> Call[None]:
    """End a key at once."""
    path = f"/v1/admin/keys/{_segment('key', key)}"
    return Call(method="DELETE", path=path, read=_nothing, headers=_why(reason))


def list_quotas() -> PageCall[models.Quota]:
    """All nodes of the entitlement tree."""
    return PageCall(first=Call(method="GET", path="/v1/admin/quotas", read=reader(Page[models.Quota])))


def get_quota(quota: models.Quota | str) -> Call[models.Quota]:
    """One node of the entitlement tree."""
    return Call(method="GET", path=f"/v1/admin/quotas/{_segment('quota', quota)}", read=_quota)


def update_quota(
    quota: models.Quota | str,
    *,
    version: int,
    weight: int | None = None,
    state: State | None = None,
    borrowing_limit_mc: Limit | None = None,
    lending_limit_mc: Limit | None = None,
    max_loan_ms: Limit | None = None,
    reclaim_first: bool | None = None,
    window_budget_core_ms: Limit | None = None,
    parent: str | None = None,
    what_if: models.WhatIf | str | None = None,
    reason: str | None = None,
) -> Call[models.Quota]:
    """Change a node that still has this `version`; `Conflict` if another operator was faster.

    Parameters
    ----------
    weight
        Its share among its siblings.
    state
        `hold`: nothing new starts below it; `hold_and_drain`: sessions are asked back too.
    borrowing_limit_mc
        Millicores that it may use beyond its nominal, or "unlimited".
    lending_limit_mc
        Idle millicores of its nominal that others may use, or "unlimited".
    max_loan_ms
        The longest item, by its time limit, that it may run beyond its nominal, or "unlimited".
    reclaim_first
        Whether its sessions on a loan are asked back before those of others.
    window_budget_core_ms
        Core-milliseconds that it may use in a window, from the open one on, or "unlimited".
    parent
        The group to move it to, by name or id; "commitment" is the root.
    what_if
        The answer of `what_if` about just this change; the pool asks for it where something is taken away.
    """
    path = f"/v1/admin/quotas/{_segment('quota', quota)}"
    asked = encoded(
        quota_fields(
            weight=weight,
            state=state,
            borrowing_limit_mc=borrowing_limit_mc,
            lending_limit_mc=lending_limit_mc,
            max_loan_ms=max_loan_ms,
            reclaim_first=reclaim_first,
            window_budget_core_ms=window_budget_core_ms,
            parent=parent,
        )
    )
    headers = _if_match(version) | _shown(what_if) | _why(reason)
    return Call(method="PATCH", path=path, read=_quota, body=asked, headers=headers)


def quota_fields(**values: Any) -> dict[str, Any]:
    """The fields that were given, as the pool has them: what is unlimited is null."""
    return {name: None if value == "unlimited" else value for name, value in given(**values).items()}


def create_group(
    *,
    name: str,
    parent: str | None = None,
    weight: int | None = None,
    state: State | None = None,
    borrowing_limit_mc: Limit | None = None,
    lending_limit_mc: Limit | None = None,
    max_loan_ms: Limit | None = None,
    reclaim_first: bool | None = None,
    window_budget_core_ms: Limit | None = None,
    reason: str | None = None,
) -> Call[models.Quota]:
    """A new group below `parent` (a group's name or id; the root if it is not given). Cells come into it by their
    `parent`."""
    asked = quota_fields(
        name=name,
        parent=parent,
        weight=weight,
        state=state,
        borrowing_limit_mc=borrowing_limit_mc,
        lending_limit_mc=lending_limit_mc,
        max_loan_ms=max_loan_ms,
        reclaim_first=reclaim_first,
        window_budget_core_ms=window_budget_core_ms,
    )
    headers = _why(reason)
    return Call(method="POST", path="/v1/admin/quotas", read=_quota, body=encoded(asked), headers=headers, creates=True)


def delete_quota(quota: models.Quota | str, *, reason: str | None = None) -> Call[None]:
    """Delete a group that has nothing in it, or a cell that never had work."""
    path = f"/v1/admin/quotas/{_segment('quota', quota)}"
    return Call(method="DELETE", path=path, read=_nothing, headers=_why(reason))


def quota_document() -> Call[dict[str, Any]]:
    """All that is set of the entitlement tree, without what is at its default: `commitment`, `groups`, `cells`."""
    return Call(method="GET", path="/v1/admin/quotas/document", read=reader(dict[str, Any]))


def apply_quota_document(
    document: Mapping[str, Any], *, what_if: models.WhatIf, reason: str | None = None
) -> Call[models.Changed]:
    """Make the tree what the document says, in one transaction, if it still is what `what_if` was asked about."""
    path, headers = "/v1/admin/quotas/document", {"If-Match": what_if.tag} | _shown(what_if) | _why(reason)
    return Call(method="PUT", path=path, read=reader(models.Changed), body=encoded(document), headers=headers)


def ask_what_if(
    *,
    quotas: Sequence[Mapping[str, Any]] | None = None,
    commitment: Mapping[str, Any] | None = None,
    document: Mapping[str, Any] | None = None,
    drain: Mapping[str, Any] | None = None,
) -> Call[models.WhatIf]:
    """What would follow from a change, at this moment; nothing is changed. Its `token` binds a change to it.

    `quotas` are edits such as `{"quota": "quota_…", "weight": 2}`, `commitment` such as `{"numerator": 30}`, `document`
    a whole tree, `drain` such as `{"sites": ["here"], "departs_at": …}`.
    """
    asked = body(quotas=_list("quotas", quotas), commitment=commitment, document=document, drain=drain)
    return Call(method="POST", path="/v1/admin/what-if", read=reader(models.WhatIf), body=asked)


def list_changes() -> PageCall[models.Scheduled]:
    """Changes that begin or end at a time, newest first."""
    return PageCall(first=Call(method="GET", path="/v1/admin/changes", read=reader(Page[models.Scheduled])))


def schedule_change(
    *,
    change: Mapping[str, Any],
    at: datetime | str | None = None,
    until: datetime | str | None = None,
    what_if: models.WhatIf | str | None = None,
    reason: str | None = None,
) -> Call[models.Scheduled]:
    """Make a change (as of `what_if`) at a time, and take it back at one: then becomes what was, unless it was edited
    meanwhile."""
    return Call(
        method="POST",
        path="/v1/admin/changes",
        read=_scheduled,
        body=body(change=change, at=at, until=until),
        headers=_shown(what_if) | _why(reason),
        creates=True,
    )


def cancel_change(change: models.Scheduled | str, *, reason: str | None = None) -> Call[models.Scheduled]:
    """What has not begun never does; what is in force is taken back now."""
    path = f"/v1/admin/changes/{_segment('change', change)}:cancel"
    return Call(method="POST", path=path, read=_scheduled, headers=_why(reason))


def get_loans() -> Call[models.Loans]:
    """Who runs beyond its nominal now, and whose nominal it is."""
    return Call(method="GET", path="/v1/admin/loans", read=reader(models.Loans))


def thaw_quota(quota: models.Quota | str, *, reason: str | None = None) -> Call[models.Quota]:
    """Set the counter of a frozen node to what its leases hold, and let items start below it again."""
    path = f"/v1/admin/quotas/{_segment('quota', quota)}:thaw"
    return Call(method="POST", path=path, read=_quota, headers=_why(reason))


def get_commitment() -> Call[models.Commitment]:
    """The share of the pool that the service may occupy, and what it is at the present capacity."""
    return Call(method="GET", path="/v1/admin/commitment", read=_commitment)


def update_commitment(
    *,
    version: int,
    numerator: int | None = None,
    denominator: int | None = None,
    half_life_s: int | None = None,
    cooldown_s: int | None = None,
    min_slots: int | None = None,
    min_slots_until: datetime | None = None,
    shares_visible: Literal["own", "groups", "cells"] | None = None,
    window: Literal["hour", "day", "week", "month"] | None = None,
    what_if: models.WhatIf | str | None = None,
    reason: str | None = None,
) -> Call[models.Commitment]:
    """Change the commitment if it still has this `version`; `Conflict` if another operator was faster.

    Parameters
    ----------
    cooldown_s
        So long a cell that got back what it had lent lends nothing; 0: it lends at once.
    min_slots, min_slots_until
        An exception for a pool too small for its share: commit so many slots until then. 0 ends it.
    shares_visible
        What cells see of the shares of others.
    window
        How long the windows after the open one are, for which budgets and statements are.
    what_if
        The answer of `what_if` about just this change; the pool asks for it where something is taken away.
    """
    asked = body(
        numerator=numerator,
        denominator=denominator,
        half_life_s=half_life_s,
        cooldown_s=cooldown_s,
        min_slots=min_slots,
        min_slots_until=min_slots_until,
        shares_visible=shares_visible,
        window=window,
    )
    headers = _if_match(version) | _shown(what_if) | _why(reason)
    return Call(method="PATCH", path="/v1/admin/commitment", read=_commitment, body=asked, headers=headers)


def list_epochs() -> PageCall[models.CapacityEpoch]:
    """How the pool's capacity changed, newest first."""
    read = reader(Page[models.CapacityEpoch])
    return PageCall(first=Call(method="GET", path="/v1/admin/commitment/epochs", read=read))


def list_sites() -> PageCall[models.Site]:
    """All sites."""
    return PageCall(first=Call(method="GET", path="/v1/admin/sites", read=reader(Page[models.Site])))


def create_site(*, name: str, redis_url: str, store_url: str, reason: str | None = None) -> Call[models.Site]:
    """A new member of the federation."""
    return Call(
        method="POST",
        path="/v1/admin/sites",
        read=reader(models.Site),
        body=body(name=name, redis_url=redis_url, store_url=store_url),
        headers=_why(reason),
        creates=True,
    )


def list_workers() -> PageCall[models.Worker]:
    """All worker processes."""
    return PageCall(first=Call(method="GET", path="/v1/admin/workers", read=reader(Page[models.Worker])))


def get_worker(worker: models.Worker | str) -> Call[models.Worker]:
    """A worker by id, or by name while it lives."""
    return Call(method="GET", path=f"/v1/admin/workers/{_segment('worker', worker)}", read=reader(models.Worker))


def cordon_worker(worker: models.Worker | str, *, reason: str | None = None) -> Call[models.Worker]:
    """Nothing new starts there, now or after it was restarted. Its capacity counts on."""
    return _ask_worker(worker, "cordon", _why(reason))


def uncordon_worker(worker: models.Worker | str, *, reason: str | None = None) -> Call[models.Worker]:
    """End a cordon or a drain. A cordon of its site stays."""
    return _ask_worker(worker, "uncordon", _why(reason))


def drain_worker(
    worker: models.Worker | str,
    *,
    departs_at: datetime | None = None,
    what_if: models.WhatIf | str | None = None,
    reason: str | None = None,
) -> Call[models.Worker]:
    """Cordon it, and let its capacity leave as soon as nothing runs there and all that runs fits into the rest; at
    `departs_at` in any case. With the answer of `what_if`, only what it showed."""
    return _ask_worker(worker, "drain", _why(reason) | _shown(what_if), departs_at=departs_at)


def _ask_worker(
    worker: models.Worker | str, verb: str, headers: dict[str, str | bytes], **asked: Any
) -> Call[models.Worker]:
    path = f"/v1/admin/workers/{_segment('worker', worker)}:{verb}"
    content = body(**asked) if asked else None
    return Call(method="POST", path=path, read=reader(models.Worker), body=content, headers=headers)


def get_site(site: models.Site | str) -> Call[models.Site]:
    """A site by name."""
    return Call(method="GET", path=f"/v1/admin/sites/{_site(site)}", read=reader(models.Site))


def cordon_site(site: models.Site | str, *, reason: str | None = None) -> Call[models.Site]:
    """Nothing new starts on its workers, nor on those that come later. Their capacity counts on."""
    return _ask_site(site, "cordon", _why(reason))


def uncordon_site(site: models.Site | str, *, reason: str | None = None) -> Call[models.Site]:
    """End a cordon or a drain. What was asked of single workers stays."""
    return _ask_site(site, "uncordon", _why(reason))


def drain_site(
    site: models.Site | str,
    *,
    departs_at: datetime | None = None,
    what_if: models.WhatIf | str | None = None,
    reason: str | None = None,
) -> Call[models.Site]:
    """Drain all its workers; those that come later do not count at all. With the answer of `what_if`, only what it
    showed."""
    return _ask_site(site, "drain", _why(reason) | _shown(what_if), departs_at=departs_at)


def _ask_site(site: models.Site | str, verb: str, headers: dict[str, str | bytes], **asked: Any) -> Call[models.Site]:
    path = f"/v1/admin/sites/{_site(site)}:{verb}"
    content = body(**asked) if asked else None
    return Call(method="POST", path=path, read=reader(models.Site), body=content, headers=headers)


def _site(site: models.Site | str) -> str:
    return _segment("site", site.name if isinstance(site, models.Site) else site)


def list_audit(
    *,
    actor: str | None = None,
    action: str | None = None,
    target: str | None = None,
    since: datetime | str | None = None,
    limit: int | None = None,
) -> PageCall[models.AuditEntry]:
    """What operators changed, who did it and why, newest first. `action` is such as `quota.edit`, or `quota` for all of
    quotas; `target` an id, or the name of a cell or group."""
    from_ = since.isoformat() if isinstance(since, datetime) else since
    params = query(actor=actor, action=action, target=target, since=from_, limit=_page_size(limit))
    read = reader(Page[models.AuditEntry])
    return PageCall(first=Call(method="GET", path="/v1/admin/audit", read=read, params=params), limit=limit)


def _if_match(version: int) -> dict[str, str | bytes]:
    return {"If-Match": f'"{version}"'}


def _shown(what_if: models.WhatIf | str | None) -> dict[str, str | bytes]:
    return {} if what_if is None else {"Worldpool-What-If": a_str("what_if", getattr(what_if, "token", what_if))}


def _why(reason: str | None) -> dict[str, str | bytes]:
    """For the audit. Headers are bytes; these are UTF-8."""
    if reason is None:
        return {}
    if not a_str("reason", reason).isprintable():
        raise ValueError("reason must be a line of text")
    return {"Worldpool-Reason": reason.encode()}
