"""Every call of the HTTP surface, once: what goes in, where it goes, how the answer is read. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

from worldpool import models
from worldpool._core import Call, PageCall, given, query, reader
from worldpool.models import Page, RunInfo, Subset
from worldpool.summary import Summary

Range = tuple[float | None, float | None]
"""The least and the greatest value; None leaves that side open."""
PAGE_SIZE = 200
MAX_PAGE_SIZE = 1000

CHUNK_STREAM = "application/vnd.worldpool.stream"
EVENT_STREAM = "text/event-stream"

_environment_page = reader(Page[models.Environment])
_run = reader(RunInfo)
_subset = reader(Subset)
_quota = reader(models.Quota)
_commitment = reader(models.Commitment)


def _nothing(_: bytes) -> None:
    return None


def _segment(text: str) -> str:
    """One segment of a path, whatever a caller puts in."""
    return quote(text, safe="@:")


def _ref_path(ref: str) -> str:
    """A ref or digest as the tail of a path: all that refs are made of is legal there; anything else is escaped."""
    return quote(ref, safe="/@;=:(),+*!$&'")


def _id(thing: RunInfo | Subset | models.Quota | models.Key | str) -> str:
    return thing if isinstance(thing, str) else thing.id


def _page_size(limit: int | None) -> int:
    return PAGE_SIZE if limit is None else max(1, min(limit, MAX_PAGE_SIZE))


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
    modifier: str | None = None,
    base_task: str | None = None,
    text: str | None = None,
    max_step_us: float | None = None,
    parameters: Mapping[str, Range] | None = None,
    limit: int | None = None,
) -> PageCall[models.Environment]:
    """Catalogued environments that meet all conditions; `parameters` gives ranges by name.

    `limit` is the most wanted in all.
    """
    params = query(
        domain=domain,
        family=family,
        tag=tag,
        kind=kind,
        modifier=modifier,
        base_task=base_task,
        text=text,
        max_step_us=max_step_us,
        limit=_page_size(limit),
    )
    params += [("param", _param(name, bounds)) for name, bounds in (parameters or {}).items()]
    first = Call(method="GET", path="/v1/environments", read=_environment_page, params=params)
    return PageCall(first=first, limit=limit)


def _param(name: str, bounds: Range) -> str:
    low, high = ("" if bound is None else str(bound) for bound in bounds)
    return f"{name}:{low}..{high}"


def get_environment(ref: str) -> Call[models.EnvironmentDetail]:
    """The environment that a ref or a digest names, with its card; any valid ref, catalogued or not."""
    return Call(method="GET", path=f"/v1/environments/{_ref_path(ref)}", read=reader(models.EnvironmentDetail))


def list_families() -> PageCall[models.Family]:
    """All families."""
    return PageCall(first=Call(method="GET", path="/v1/families", read=reader(Page[models.Family])))


def get_family(name: str) -> Call[models.Family]:
    """The family of that name, with its axes."""
    return Call(method="GET", path=f"/v1/families/{_ref_path(name)}", read=reader(models.Family))


def list_modifiers() -> PageCall[models.Modifier]:
    """All modifiers."""
    return PageCall(first=Call(method="GET", path="/v1/modifiers", read=reader(Page[models.Modifier])))


# --- subsets


def create_subset(
    *,
    where: Mapping[str, Any] | None = None,
    refs: Sequence[str] | None = None,
    grid: Mapping[str, Any] | None = None,
    size: int | None = None,
    strategy: Literal["random", "stratified", "diverse"] | None = None,
    seed: int = 0,
    name: str | None = None,
) -> Call[Subset]:
    """Choose specs: by conditions (`where={}` is the whole catalogue), as a list of refs, or as a grid over one family.

    `where` takes the filters of `environments.search`, with `parameters={"gravity": {"min": 5, "max": 15}}`; `size` and
    `strategy` say how many of those that match are picked and how. `grid` is
    `{"family": …, "parameters": {name: [values]}, "modifiers": [[…], …]}`.
    """
    body = given(where=where, grid=grid, size=size, strategy=strategy, seed=seed, name=name)
    if refs is not None:
        body["refs"] = list(refs)
    return Call(method="POST", path="/v1/subsets", read=_subset, body=body, creates=True)


def get_subset(subset: Subset | str) -> Call[Subset]:
    """The subset with that id."""
    return Call(method="GET", path=f"/v1/subsets/{_segment(_id(subset))}", read=_subset)


def list_subsets(*, limit: int | None = None) -> PageCall[Subset]:
    """This cell's subsets, newest first."""
    params = query(limit=_page_size(limit))
    return PageCall(first=Call(method="GET", path="/v1/subsets", read=reader(Page[Subset]), params=params), limit=limit)


def subset_environments(subset: Subset | str, *, limit: int | None = None) -> PageCall[models.Environment]:
    """The environments of a subset, in its order."""
    path = f"/v1/subsets/{_segment(_id(subset))}/environments"
    first = Call(method="GET", path=path, read=_environment_page, params=query(limit=_page_size(limit)))
    return PageCall(first=first, limit=limit)


# --- runs


def create_run(
    *,
    subset: Subset | str | None = None,
    refs: Sequence[str] | None = None,
    policy: str = "random",
    episodes: int | None = None,
    steps_per_env: int | None = None,
    seed: int = 0,
    labels: Mapping[str, str] | None = None,
) -> Call[RunInfo]:
    """Ask for rollouts of a policy in every environment of a subset or list of refs.

    Give `episodes` or `steps_per_env`; with steps the last episode is cut. Equal seeds give equal rollouts, bit for
    bit.
    """
    body = given(policy=policy, episodes=episodes, steps_per_env=steps_per_env, seed=seed, labels=labels)
    if subset is not None:
        body["subset"] = _id(subset)
    if refs is not None:
        body["refs"] = list(refs)
    return Call(method="POST", path="/v1/runs", read=_run, body=body, creates=True)


def get_run(run: RunInfo | str) -> Call[RunInfo]:
    """The run with that id, as it stands now."""
    return Call(method="GET", path=_run_path(run), read=_run)


def list_runs(
    *, state: str | None = None, label: tuple[str, str] | None = None, limit: int | None = None
) -> PageCall[RunInfo]:
    """This cell's runs, newest first; `label` is a name and the value it must have."""
    params = query(state=state, label=":".join(label) if label else None, limit=_page_size(limit))
    return PageCall(first=Call(method="GET", path="/v1/runs", read=reader(Page[RunInfo]), params=params), limit=limit)


def cancel_run(run: RunInfo | str) -> Call[RunInfo]:
    """Stop a run; its finished chunks stay."""
    return Call(method="POST", path=f"{_run_path(run)}:cancel", read=_run)


def delete_run(run: RunInfo | str) -> Call[None]:
    """Delete a run and its data."""
    return Call(method="DELETE", path=_run_path(run), read=_nothing)


def summarise_run(run: RunInfo | str) -> Call[Summary]:
    """Returns and lengths by environment, family and domain, over all chunks so far."""
    return Call(method="GET", path=f"{_run_path(run)}/summary", read=reader(Summary))


def stream_run(run: str, *, after: int, media_type: str) -> Call[None]:
    """Chunks after `after` as frames, or states as server-sent events. The answer is read as it comes."""
    headers = {"Accept": media_type, "Accept-Encoding": "identity"}
    path = f"{_run_path(run)}/stream"
    return Call(method="GET", path=path, read=_nothing, params=query(after=after), headers=headers)


def _run_path(run: RunInfo | str) -> str:
    return f"/v1/runs/{_segment(_id(run))}"


# --- me and admin


def me() -> Call[models.Me]:
    """What this key's cell may use and uses."""
    return Call(method="GET", path="/v1/me", read=reader(models.Me))


def list_cells() -> PageCall[models.Cell]:
    """All cells."""
    return PageCall(first=Call(method="GET", path="/v1/admin/cells", read=reader(Page[models.Cell])))


def create_cell(*, name: str, weight: int = 1) -> Call[models.Cell]:
    """A new team; `weight` is its share among its siblings."""
    body = {"name": name, "weight": weight}
    return Call(method="POST", path="/v1/admin/cells", read=reader(models.Cell), body=body, creates=True)


def list_keys() -> PageCall[models.Key]:
    """All keys, without secrets."""
    return PageCall(first=Call(method="GET", path="/v1/admin/keys", read=reader(Page[models.Key])))


def create_key(
    *,
    cell: models.Cell | str | None = None,
    site: str | None = None,
    scopes: Sequence[str] | None = None,
    label: str | None = None,
    expires_at: datetime | None = None,
) -> Call[models.KeyWithSecret]:
    """A key for a cell, for a site's workers, or (with neither) for an operator. Its `secret` is shown only now."""
    body = given(
        cell=cell.id if isinstance(cell, models.Cell) else cell,
        site=site,
        scopes=None if scopes is None else list(scopes),
        label=label,
        expires_at=expires_at.isoformat() if expires_at else None,
    )
    return Call(method="POST", path="/v1/admin/keys", read=reader(models.KeyWithSecret), body=body, creates=True)


def revoke_key(key: models.Key | str) -> Call[None]:
    """End a key at once."""
    return Call(method="DELETE", path=f"/v1/admin/keys/{_segment(_id(key))}", read=_nothing)


def list_quotas() -> PageCall[models.Quota]:
    """All nodes of the entitlement tree."""
    return PageCall(first=Call(method="GET", path="/v1/admin/quotas", read=reader(Page[models.Quota])))


def get_quota(quota: models.Quota | str) -> Call[models.Quota]:
    """One node of the entitlement tree."""
    return Call(method="GET", path=f"/v1/admin/quotas/{_segment(_id(quota))}", read=_quota)


def update_quota(
    quota: models.Quota | str,
    *,
    version: int,
    weight: int | None = None,
    state: Literal["active", "hold", "hold_and_drain"] | None = None,
) -> Call[models.Quota]:
    """Change a node that still has this `version`; `Conflict` if another operator was faster."""
    path = f"/v1/admin/quotas/{_segment(_id(quota))}"
    return Call(
        method="PATCH", path=path, read=_quota, body=given(weight=weight, state=state), headers=_if_match(version)
    )


def get_commitment() -> Call[models.Commitment]:
    """The share of the pool that the service may occupy, and what it is at the present capacity."""
    return Call(method="GET", path="/v1/admin/commitment", read=_commitment)


def update_commitment(
    *,
    version: int,
    numerator: int | None = None,
    denominator: int | None = None,
    half_life_s: int | None = None,
) -> Call[models.Commitment]:
    """Change the commitment if it still has this `version`; `Conflict` if another operator was faster."""
    body = given(numerator=numerator, denominator=denominator, half_life_s=half_life_s)
    return Call(method="PATCH", path="/v1/admin/commitment", read=_commitment, body=body, headers=_if_match(version))


def list_epochs() -> PageCall[models.CapacityEpoch]:
    """How the pool's capacity changed, newest first."""
    read = reader(Page[models.CapacityEpoch])
    return PageCall(first=Call(method="GET", path="/v1/admin/commitment/epochs", read=read))


def list_sites() -> PageCall[models.Site]:
    """All sites."""
    return PageCall(first=Call(method="GET", path="/v1/admin/sites", read=reader(Page[models.Site])))


def create_site(*, name: str, redis_url: str, store_url: str) -> Call[models.Site]:
    """A new member of the federation."""
    body = {"name": name, "redis_url": redis_url, "store_url": store_url}
    return Call(method="POST", path="/v1/admin/sites", read=reader(models.Site), body=body, creates=True)


def list_workers() -> PageCall[models.Worker]:
    """All worker processes."""
    return PageCall(first=Call(method="GET", path="/v1/admin/workers", read=reader(Page[models.Worker])))


def list_audit(*, limit: int | None = None) -> PageCall[models.AuditEntry]:
    """What operators changed, newest first."""
    params = query(limit=_page_size(limit))
    read = reader(Page[models.AuditEntry])
    return PageCall(first=Call(method="GET", path="/v1/admin/audit", read=read, params=params), limit=limit)


def _if_match(version: int) -> dict[str, str]:
    return {"If-Match": f'"{version}"'}
