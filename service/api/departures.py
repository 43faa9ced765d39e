"""Cordon and drain of workers and sites. Every change is recorded in the audit."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter

from service import audit, capacity, changes, clock, departures, fleet, sites
from service.api import schemas
from service.api.dependencies import AdminWriter, Session, Shown
from service.api.problems import documented
from service.api.routing import StrictRoute
from service.ids import show
from service.keys import Caller
from service.models import Duty, Site

router = APIRouter(
    prefix="/admin", tags=["admin"], route_class=StrictRoute, responses=documented(401, 403, 404, 409, 422)
)


@router.post("/workers/{worker}:cordon")
async def cordon_worker(session: Session, caller: AdminWriter, worker: str) -> schemas.Worker:
    """By id or name: nothing new starts there, now or after it was restarted. Its capacity counts on."""
    return await _worker(session, caller, worker, Duty.CORDONED, "worker.cordon")


@router.post("/workers/{worker}:uncordon")
async def uncordon_worker(session: Session, caller: AdminWriter, worker: str) -> schemas.Worker:
    """End a cordon or a drain. A cordon of its site stays."""
    return await _worker(session, caller, worker, Duty.ACTIVE, "worker.uncordon")


@router.post("/workers/{worker}:drain", responses=documented(400, 412, 413, 415))
async def drain_worker(
    session: Session, caller: AdminWriter, worker: str, shown: Shown = None, request: schemas.Drain | None = None
) -> schemas.Worker:
    """Cordon it, and let its capacity leave as soon as nothing runs there and all that runs fits into the rest. With a
    token of POST /v1/admin/what-if, only what it showed."""
    departs_at = request.departs_at if request else None
    await _check(session, schemas.DrainPlan(workers=[worker], departs_at=departs_at), shown)
    return await _worker(session, caller, worker, Duty.DRAINED, "worker.drain", departs_at)


async def _worker(
    session: Session, caller: Caller, worker: str, duty: Duty, action: str, departs_at: datetime | None = None
) -> schemas.Worker:
    row = await fleet.find(session, worker)
    changed = await departures.ask_worker(session, row, duty, departs_at=departs_at, now=await clock.now(session))
    if changed:
        audit.record(session, caller, action, show("worker", row.id), **changed)
    site = await session.get_one(Site, row.site_id)
    return fleet.show_worker(row, site, busy=(await fleet.busy_slots(session)).get(row.id, 0))


@router.post("/sites/{name}:cordon")
async def cordon_site(session: Session, caller: AdminWriter, name: str) -> schemas.Site:
    """Nothing new starts on its workers, nor on those that come later. Their capacity counts on."""
    return await _site(session, caller, name, Duty.CORDONED, "site.cordon")


@router.post("/sites/{name}:uncordon")
async def uncordon_site(session: Session, caller: AdminWriter, name: str) -> schemas.Site:
    """End a cordon or a drain. What was asked of single workers stays."""
    return await _site(session, caller, name, Duty.ACTIVE, "site.uncordon")


@router.post("/sites/{name}:drain", responses=documented(400, 412, 413, 415))
async def drain_site(
    session: Session, caller: AdminWriter, name: str, shown: Shown = None, request: schemas.Drain | None = None
) -> schemas.Site:
    """Drain all its workers; those that come later do not count at all. With a token of POST /v1/admin/what-if, only
    what it showed."""
    departs_at = request.departs_at if request else None
    await _check(session, schemas.DrainPlan(sites=[name], departs_at=departs_at), shown)
    return await _site(session, caller, name, Duty.DRAINED, "site.drain", departs_at)


async def _site(
    session: Session, caller: Caller, name: str, duty: Duty, action: str, departs_at: datetime | None = None
) -> schemas.Site:
    row = await sites.find(session, name)
    changed = await departures.ask_site(session, row, duty, departs_at=departs_at, now=await clock.now(session))
    if changed:
        audit.record(session, caller, action, row.name, **changed)
    return sites.show_site(row, await fleet.live(session))


async def _check(session: Session, plan: schemas.DrainPlan, shown: str | None) -> None:
    """A drain makes no debt and can be taken back, so it needs no token; one that comes with it binds."""
    if shown is not None:
        await capacity.lock_root(session)
        await changes.check_token(session, schemas.WhatIfAsk(drain=plan), shown, now=await clock.now(session))
