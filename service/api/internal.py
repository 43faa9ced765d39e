"""What workers call with their site's key; see workers.contract."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from service import clock, fleet, leases, policies
from service.api.dependencies import PartsDep, Session, WorkingSite
from service.api.routing import StrictRoute
from service.errors import Invalid
from workers import contract

router = APIRouter(prefix="/internal", tags=["internal"], route_class=StrictRoute, include_in_schema=False)


@router.post("/workers", status_code=201)
async def register(site: WorkingSite, session: Session, request: contract.Registration) -> contract.Registered:
    worker = await fleet.register(session, site, request, now=await clock.now(session))
    return contract.Registered(
        worker_id=worker.id, queue=leases.queue(worker.id), site=site.name, store_url=site.store_url
    )


@router.post("/workers/{worker_id}/heartbeat")
async def heartbeat(
    site: WorkingSite, session: Session, worker_id: UUID, request: contract.Heartbeat
) -> contract.HeartbeatReply:
    return await fleet.heartbeat(session, site, worker_id, request, now=await clock.now(session))


@router.post("/workers/{worker_id}/leave", status_code=204)
async def leave(site: WorkingSite, session: Session, worker_id: UUID) -> None:
    await fleet.leave(session, site, worker_id, now=await clock.now(session))


@router.post("/leases/{lease_id}/claim")
async def claim(site: WorkingSite, session: Session, lease_id: UUID, request: contract.Claim) -> contract.Item:
    return await leases.claim(session, lease_id, request, site_id=site.id, now=await clock.now(session))


@router.post("/leases/{lease_id}/release")
async def release(site: WorkingSite, parts: PartsDep, lease_id: UUID, request: contract.Release) -> contract.Released:
    if (request.outcome == contract.Outcome.DONE) != (request.chunk is not None):
        raise Invalid("a chunk belongs to done, and to done alone", errors=[("body.chunk", "does not fit the outcome")])
    ending = leases.Ending(
        lease_id=lease_id,
        outcome=leases.Outcome(request.outcome),
        fence=request.fence,
        failure=request.failure,
        detail=request.detail.replace("\0", "") if request.detail else None,  # PostgreSQL text cannot hold NUL
        chunk=request.chunk,
        site_id=site.id,
    )
    return await parts.releases.end(ending, request.take)


@router.get("/policy-files/{sha256}")
async def policy_file(site: WorkingSite, session: Session, sha256: str) -> Response:
    return Response(await policies.file(session, sha256), media_type="application/octet-stream")
