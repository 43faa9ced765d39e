"""What operators see and edit. Every change is recorded in the audit."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TypeVar

from fastapi import APIRouter, Response
from sqlalchemy import select

from service import audit, capacity, cells, clock, fleet, keys, quotas, sites
from service.api import schemas
from service.api.dependencies import AdminReader, AdminWriter, Idempotent, Page, Session, Version
from service.api.problems import documented
from service.api.routing import StrictRoute
from service.errors import Invalid, NotFound
from service.ids import show
from service.models import Audit, CapacityEpoch, Cell, Commitment, Key, Site, Worker
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
    """A new cell with its leaf in the quota tree; make keys for it with POST /v1/admin/keys."""

    async def create() -> tuple[schemas.Cell, str]:
        cell = await cells.create(session, name=request.name, weight=request.weight)
        audit.record(session, caller, "cell.create", cell.name, weight=request.weight)
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
    """A new key of a cell, of a site's workers, or (neither) of an operator. The secret is shown this once.

    With an Idempotency-Key the answer is kept without the secret, so the same request again shows no secret.
    """
    secret = ""

    async def create() -> tuple[schemas.KeyWithSecret, str]:
        nonlocal secret
        cell = await _referred(cells.find(session, request.cell), "body.cell") if request.cell else None
        site = await _referred(sites.find(session, request.site), "body.site") if request.site else None
        key, secret = await keys.create(
            session, cell=cell, site=site, scopes=request.scopes, label=request.label, expires_at=request.expires_at
        )
        await session.refresh(key)
        audit.record(session, caller, "key.create", show("key", key.id), scopes=key.scopes)
        shown = _key(key, await _owners(session))
        return schemas.KeyWithSecret(**shown.model_dump(), secret=""), f"/v1/admin/keys/{shown.id}"

    answer = await idempotent.once(201, create)
    if not secret:
        return answer
    whole = schemas.KeyWithSecret.model_validate_json(bytes(answer.body)).model_copy(update={"secret": secret})
    return Response(
        whole.model_dump_json(), 201, headers={"Location": answer.headers["location"]}, media_type="application/json"
    )


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
    for table in (Cell, Site):
        names.update((await session.execute(select(table.id, table.name))).all())
    return names


def _key(key: Key, owners: dict[object, str]) -> schemas.Key:
    return schemas.Key(
        id=show("key", key.id),
        cell=owners.get(key.cell_id),
        site=owners.get(key.site_id),
        scopes=key.scopes,
        label=key.label,
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
    )


# --- quotas and commitment


@router.get("/quotas")
async def list_quotas(session: Session, caller: AdminReader) -> schemas.Page[schemas.Quota]:
    """The whole entitlement tree, the root first: what is set, and what follows from it now."""
    row = await capacity.commitment(session)
    now = await clock.now(session)
    shown = [quotas.show_quota(node, now=now, half_life_s=row.half_life_s) for node in await quotas.tree(session)]
    return schemas.Page[schemas.Quota](items=shown, next_cursor=None)


@router.get("/quotas/{quota_id}", responses=documented(404))
async def get_quota(session: Session, caller: AdminReader, quota_id: str, response: Response) -> schemas.Quota:
    return await _quota(session, quota_id, response)


@router.patch("/quotas/{quota_id}", responses=documented(400, 404, 412, 413, 415, 428))
async def edit_quota(
    session: Session,
    caller: AdminWriter,
    quota_id: str,
    version: Version,
    request: schemas.QuotaPatch,
    response: Response,
) -> schemas.Quota:
    """Edit a node; send the ETag that you read as If-Match."""
    changed = await quotas.change(session, quota_id, request, version=version, now=await clock.now(session))
    if changed:
        audit.record(session, caller, "quota.edit", quota_id, **changed)
    return await _quota(session, quota_id, response)


async def _quota(session: Session, quota_id: str, response: Response) -> schemas.Quota:
    node = await quotas.get(session, quota_id)
    response.headers["ETag"] = f'"{node.version}"'
    row = await capacity.commitment(session)
    return quotas.show_quota(node, now=await clock.now(session), half_life_s=row.half_life_s)


@router.get("/commitment")
async def get_commitment(session: Session, caller: AdminReader, response: Response) -> schemas.Commitment:
    """The share of the live pool that all grants together may occupy, as exact integers."""
    return await _commitment(session, await capacity.commitment(session), response)


@router.patch("/commitment", responses=documented(400, 412, 413, 415, 428))
async def edit_commitment(
    session: Session, caller: AdminWriter, version: Version, request: schemas.CommitmentPatch, response: Response
) -> schemas.Commitment:
    """Edit the share; send the ETag that you read as If-Match. A new limit begins a capacity epoch."""
    changed = await quotas.change_commitment(session, request, version=version, now=await clock.now(session))
    if changed:
        audit.record(session, caller, "commitment.edit", "commitment", **changed)
    return await _commitment(session, await capacity.commitment(session), response)


async def _commitment(session: Session, row: Commitment, response: Response) -> schemas.Commitment:
    response.headers["ETag"] = f'"{row.version}"'
    root = (await quotas.tree(session))[0]
    return schemas.Commitment(
        numerator=row.numerator,
        denominator=row.denominator,
        capacity_mc=row.capacity_mc,
        limit_mc=row.limit_mc,
        used_mc=root.used_mc,
        epoch=row.epoch,
        version=row.version,
        half_life_s=row.half_life_s,
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
    return schemas.Page[schemas.Site](items=[_site(row, workers) for row in rows], next_cursor=cursor)


@router.post("/sites", status_code=201, response_model=schemas.Site, responses=documented(400, 409, 413, 415))
async def create_site(
    session: Session, caller: AdminWriter, idempotent: Idempotent, request: schemas.SiteCreate
) -> Response:
    """A new member of the federation; make its workers' key with POST /v1/admin/keys."""

    async def create() -> tuple[schemas.Site, str]:
        site = await sites.create(session, name=request.name, redis_url=request.redis_url, store_url=request.store_url)
        audit.record(session, caller, "site.create", site.name, store_url=site.store_url)
        return _site(site, []), f"/v1/admin/sites/{site.name}"

    return await idempotent.once(201, create)


@router.get("/sites/{name}", responses=documented(404))
async def get_site(session: Session, caller: AdminReader, name: str) -> schemas.Site:
    return _site(await sites.find(session, name), await fleet.live(session))


def _site(site: Site, workers: Sequence[Worker]) -> schemas.Site:
    """The broker's address stays inside: it may hold a password."""
    own = [worker for worker in workers if worker.site_id == site.id]
    return schemas.Site(
        id=show("site", site.id),
        name=site.name,
        store_url=site.store_url,
        state=site.state,
        workers=len(own),
        slots=sum(worker.slots for worker in own),
        created_at=site.created_at,
    )


@router.get("/workers")
async def list_workers(session: Session, caller: AdminReader, paging: Page) -> schemas.Page[schemas.Worker]:
    """Every incarnation of every worker, newest first; those lost or gone too."""
    rows, cursor = await page(
        session, select(Worker), Worker.id, cursor=paging.cursor, limit=paging.limit, descending=True
    )
    busy, names = await fleet.busy_slots(session), await _owners(session)
    shown = [
        schemas.Worker(
            id=show("worker", row.id),
            name=row.name,
            site=names[row.site_id],
            state=row.state,
            slots=row.slots,
            busy=busy.get(row.id, 0),
            contributes_mc=row.contributes_mc,
            memory_mb=row.memory_mb,
            runtime=row.runtime,
            registered_at=row.registered_at,
            seen_at=row.seen_at,
        )
        for row in rows
    ]
    return schemas.Page[schemas.Worker](items=shown, next_cursor=cursor)


@router.get("/audit")
async def list_audit(session: Session, caller: AdminReader, paging: Page) -> schemas.Page[schemas.AuditEntry]:
    """What operators changed, newest first."""
    rows, cursor = await page(
        session, select(Audit), Audit.id, cursor=paging.cursor, limit=paging.limit, descending=True
    )
    return schemas.Page[schemas.AuditEntry](
        items=[schemas.AuditEntry.model_validate(row) for row in rows], next_cursor=cursor
    )
