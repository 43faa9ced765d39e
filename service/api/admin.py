"""What operators see and edit. Every change is recorded in the audit."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Response
from sqlalchemy import select

from service import audit, capacity, cells, changes, clock, counters, documents, fleet, keys, quotas, roles, sites
from service.api import schemas
from service.api.dependencies import (
    AdminReader,
    AdminWriter,
    Idempotent,
    Page,
    QuotaEditor,
    QuotaLister,
    QuotaReader,
    Session,
    Shown,
    Version,
)
from service.api.problems import documented
from service.api.routing import StrictRoute
from service.api.schemas import Label
from service.errors import Invalid, NotFound
from service.ids import show
from service.models import Audit, CapacityEpoch, Cell, Commitment, Key, QuotaNode, Site, Worker
from service.pages import page

router = APIRouter(prefix="/admin", tags=["admin"], route_class=StrictRoute, responses=documented(401, 403, 422))
T = TypeVar("T")


# --- cells


@router.get("/cells")
async def list_cells(session: Session, caller: AdminReader, paging: Page) -> schemas.Page[schemas.Cell]:
    rows, cursor = await page(session, select(Cell), Cell.id, cursor=paging.cursor, limit=paging.limit)
    return schemas.Page[schemas.Cell](items=[_cell(row) for row in rows], next_cursor=cursor)


@router.post("/cells", status_code=201, response_model=schemas.Cell, responses=documented(400, 409, 413, 415))
async def create_cell(
    session: Session, caller: AdminWriter, idempotent: Idempotent, request: schemas.CellCreate
) -> Response:
    """A new cell with its leaf in the quota tree; make keys for it with POST /v1/admin/keys. In a group it begins with
    the group's longest loan."""

    async def create() -> tuple[schemas.Cell, str]:
        group = await _referred(quotas.find_group(session, request.group), "body.group") if request.group else None
        cell = await cells.create(session, name=request.name, weight=request.weight, group=group)
        leaf = await quotas.of_cell(session, cell)
        begins = {"name": cell.name, "weight": leaf.weight, "parent": group.name if group else documents.ROOT}
        set_ = {field: [None, value] for field, value in begins.items()}
        audit.record(session, caller, "cell.create", show("quota", leaf.id), **set_)
        return _cell(cell), f"/v1/admin/cells/{show('cell', cell.id)}"

    return await idempotent.once(201, create)


@router.get("/cells/{cell}", responses=documented(404))
async def get_cell(session: Session, caller: AdminReader, cell: str) -> schemas.Cell:
    """By id or name."""
    return _cell(await cells.find(session, cell))


def _cell(cell: Cell) -> schemas.Cell:
    return schemas.Cell(id=show("cell", cell.id), name=cell.name, created_at=cell.created_at)


# --- keys


@router.get("/keys")
async def list_keys(session: Session, caller: AdminReader, paging: Page) -> schemas.Page[schemas.Key]:
    rows, cursor = await page(session, select(Key), Key.id, cursor=paging.cursor, limit=paging.limit)
    owners = await _owners(session)
    return schemas.Page[schemas.Key](items=[_key(row, owners) for row in rows], next_cursor=cursor)


@router.post("/keys", status_code=201, response_model=schemas.KeyWithSecret, responses=documented(400, 413, 415))
async def create_key(
    session: Session, caller: AdminWriter, idempotent: Idempotent, request: schemas.KeyCreate
) -> Response:
    """A new key of a cell, of a site's workers, of a group's steward for a term, or (none of them) of an operator. The
    secret is shown this once.

    With an Idempotency-Key the answer is kept without the secret, so the same request again shows no secret.
    """

    async def create() -> tuple[schemas.KeyWithSecret, str]:
        cell = await _referred(cells.find(session, request.cell), "body.cell") if request.cell else None
        site = await _referred(sites.find(session, request.site), "body.site") if request.site else None
        group = (
            await _referred(quotas.find_group(session, request.steward_of), "body.steward_of")
            if request.steward_of
            else None
        )
        key, secret = await keys.create(
            session,
            cell=cell,
            site=site,
            steward_of=group,
            scopes=request.scopes,
            label=request.label,
            labels=request.labels,
            expires_at=request.expires_at,
        )
        await session.refresh(key)
        audit.record(session, caller, "key.create", show("key", key.id), scopes=key.scopes)
        shown = _key(key, await _owners(session))
        return schemas.KeyWithSecret(**shown.model_dump(), secret=secret), f"/v1/admin/keys/{shown.id}"

    return await idempotent.once(201, create, shown_once="secret")


@router.delete("/keys/{key_id}", status_code=204, responses=documented(404))
async def revoke_key(session: Session, caller: AdminWriter, key_id: str) -> None:
    key = await keys.get(session, key_id)
    await keys.revoke(session, key)
    audit.record(session, caller, "key.revoke", key_id)


async def _referred(found: Awaitable[T], field: str) -> T:
    """What a body refers to: if it is not there, the field is wrong, not the address."""
    try:
        return await found
    except NotFound as problem:
        raise Invalid(problem.detail, errors=[(field, problem.detail)]) from None


async def _owners(session: Session) -> dict[object, str]:
    names: dict[object, str] = {}
    for table in (Cell, Site, QuotaNode):
        names.update((await session.execute(select(table.id, table.name))).all())
    return names


def _key(key: Key, owners: dict[object, str]) -> schemas.Key:
    return schemas.Key(
        id=show("key", key.id),
        cell=owners.get(key.cell_id),
        site=owners.get(key.site_id),
        steward_of=owners.get(key.steward_of),
        scopes=key.scopes,
        label=key.label,
        labels=key.labels,
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
    )


# --- quotas and commitment


@router.get("/quotas")
async def list_quotas(session: Session, caller: QuotaLister) -> schemas.Page[schemas.Quota]:
    """The whole entitlement tree, the root first, or of a steward what is below its group: what is set, by whom and
    why, and what follows from it now."""
    shown = await quotas.show_all(session, caller, now=await clock.now(session))
    return schemas.Page[schemas.Quota](items=shown, next_cursor=None)


@router.get("/quotas/{quota_id}", responses=documented(404))
async def get_quota(session: Session, caller: QuotaReader, quota_id: str, response: Response) -> schemas.Quota:
    return await _quota(session, quota_id, response)


@router.patch("/quotas/{quota_id}", responses=documented(400, 404, 412, 413, 415, 428))
async def edit_quota(
    session: Session,
    caller: QuotaEditor,
    quota_id: str,
    version: Version,
    shown: Shown = None,
    *,
    request: schemas.QuotaPatch,
    response: Response,
) -> schemas.Quota:
    """Edit a node, or move it; send the ETag that you read as If-Match. What takes something away needs the token of
    POST /v1/admin/what-if."""
    edit = schemas.QuotaEdit(quota=quota_id, **request.model_dump(exclude_unset=True))
    await roles.require_change(session, caller, roles.Act.EDIT, schemas.QuotaChange(quotas=[edit]))
    await changes.edit_node(session, caller, edit, version=version, shown=shown, now=await clock.now(session))
    return await _quota(session, quota_id, response)


@router.post("/quotas/{quota_id}:thaw", responses=documented(404))
async def thaw_quota(session: Session, caller: AdminWriter, quota_id: str, response: Response) -> schemas.Quota:
    """Set the counter of a frozen node to what its leases hold, and let items start below it again. A node that is not
    frozen stays as it is."""
    changed = await counters.thaw(session, quota_id)
    if changed:
        audit.record(session, caller, "quota.thaw", quota_id, **changed)
    return await _quota(session, quota_id, response)


async def _quota(session: Session, quota_id: str, response: Response) -> schemas.Quota:
    found = await quotas.show_one(session, quota_id, now=await clock.now(session))
    response.headers["ETag"] = f'"{found.version}"'
    return found


@router.get("/commitment")
async def get_commitment(session: Session, caller: AdminReader, response: Response) -> schemas.Commitment:
    """The share of the live pool that all grants together may occupy, as exact integers."""
    return await _commitment(session, await capacity.commitment(session), response)


@router.patch("/commitment", responses=documented(400, 412, 413, 415, 428))
async def edit_commitment(
    session: Session,
    caller: AdminWriter,
    version: Version,
    shown: Shown = None,
    *,
    request: schemas.CommitmentPatch,
    response: Response,
) -> schemas.Commitment:
    """Edit the share; send the ETag that you read as If-Match. A new limit begins a capacity epoch. Less of it needs
    the token of POST /v1/admin/what-if."""
    now = await clock.now(session)
    await changes.edit_commitment(session, caller, request, version=version, shown=shown, now=now)
    return await _commitment(session, await capacity.commitment(session), response)


async def _commitment(session: Session, row: Commitment, response: Response) -> schemas.Commitment:
    response.headers["ETag"] = f'"{row.version}"'
    root = (await quotas.tree(session))[0]
    now = await clock.now(session)
    debt = await capacity.debt(session, now=now)
    set_by = await audit.provenance(session, [documents.ROOT])
    return schemas.Commitment(
        numerator=row.numerator,
        denominator=row.denominator,
        capacity_mc=row.capacity_mc,
        limit_mc=row.limit_mc,
        leaving_mc=row.leaving_mc,
        grants_mc=capacity.limit_of_grants(row, now=now),
        used_mc=root.used_mc,
        debt=schemas.Debt.model_validate(debt) if debt else None,
        epoch=row.epoch,
        version=row.version,
        half_life_s=row.half_life_s,
        shares_visible=row.shares_visible,
        debt_since=row.debt_since,
        cooldown_s=row.cooldown_s,
        small_pool=quotas.show_small_pool(row),
        window=row.window,
        window_starts_at=row.window_starts_at,
        window_ends_at=row.window_ends_at,
        provenance=quotas.show_provenance(set_by.get(documents.ROOT, {})),
    )


@router.get("/commitment/epochs")
async def list_epochs(session: Session, caller: AdminReader, paging: Page) -> schemas.Page[schemas.CapacityEpoch]:
    """Every change of capacity or share, newest first."""
    rows, cursor = await page(
        session, select(CapacityEpoch), CapacityEpoch.epoch, cursor=paging.cursor, limit=paging.limit, descending=True
    )
    shown = [schemas.CapacityEpoch.model_validate(row) for row in rows]
    return schemas.Page[schemas.CapacityEpoch](items=shown, next_cursor=cursor)


# --- sites and workers


@router.get("/sites")
async def list_sites(session: Session, caller: AdminReader, paging: Page) -> schemas.Page[schemas.Site]:
    rows, cursor = await page(session, select(Site), Site.id, cursor=paging.cursor, limit=paging.limit)
    workers = await fleet.live(session)
    return schemas.Page[schemas.Site](items=[sites.show_site(row, workers) for row in rows], next_cursor=cursor)


@router.post("/sites", status_code=201, response_model=schemas.Site, responses=documented(400, 409, 413, 415))
async def create_site(
    session: Session, caller: AdminWriter, idempotent: Idempotent, request: schemas.SiteCreate
) -> Response:
    """A new member of the federation; make its workers' key with POST /v1/admin/keys."""

    async def create() -> tuple[schemas.Site, str]:
        site = await sites.create(session, name=request.name, redis_url=request.redis_url, store_url=request.store_url)
        audit.record(session, caller, "site.create", site.name, store_url=site.store_url)
        return sites.show_site(site, []), f"/v1/admin/sites/{site.name}"

    return await idempotent.once(201, create)


@router.get("/sites/{name}", responses=documented(404))
async def get_site(session: Session, caller: AdminReader, name: str) -> schemas.Site:
    return sites.show_site(await sites.find(session, name), await fleet.live(session))


@router.get("/workers/{worker}", responses=documented(404))
async def get_worker(session: Session, caller: AdminReader, worker: str) -> schemas.Worker:
    """By id, or by name while it lives."""
    row = await fleet.find(session, worker)
    site = await session.get_one(Site, row.site_id)
    return fleet.show_worker(row, site, busy=(await fleet.busy_slots(session)).get(row.id, 0))


@router.get("/workers")
async def list_workers(session: Session, caller: AdminReader, paging: Page) -> schemas.Page[schemas.Worker]:
    """Every incarnation of every worker, newest first; those lost or gone too."""
    rows, cursor = await page(
        session, select(Worker), Worker.id, cursor=paging.cursor, limit=paging.limit, descending=True
    )
    busy, at = await fleet.busy_slots(session), {site.id: site for site in await session.scalars(select(Site))}
    shown = [fleet.show_worker(row, at[row.site_id], busy=busy.get(row.id, 0)) for row in rows]
    return schemas.Page[schemas.Worker](items=shown, next_cursor=cursor)


@router.get("/audit")
async def list_audit(
    session: Session,
    caller: AdminReader,
    paging: Page,
    actor: Annotated[Label | None, Query(description="a key's id")] = None,
    action: Annotated[Label | None, Query(description="such as quota.edit, or quota for all of quotas")] = None,
    target: Annotated[Label | None, Query(description="an id, or the name of a cell or group")] = None,
    since: Annotated[datetime | None, Query(description="from this time on")] = None,
) -> schemas.Page[schemas.AuditEntry]:
    """What operators changed, who did it and why, newest first. Nothing of it is ever changed or deleted."""
    query = await audit.matching(session, actor=actor, action=action, target=target, since=since)
    rows, cursor = await page(session, query, Audit.id, cursor=paging.cursor, limit=paging.limit, descending=True)
    return schemas.Page[schemas.AuditEntry](
        items=[schemas.AuditEntry.model_validate(row) for row in rows], next_cursor=cursor
    )
