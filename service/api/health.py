"""Whether the API lives, and whether the pool can work: for load balancers and `up`, without a key. Figures of the pool
are for operators: how much others have queued is no cell's business."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from sqlalchemy import func, select

from service import capacity, fleet
from service.api.dependencies import AdminReader, Session
from service.api.problems import documented
from service.api.routing import StrictRoute
from service.models import QuotaNode, WorkerState, WorkItem

router = APIRouter(tags=["health"], route_class=StrictRoute, responses=documented(422))


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(session: Session) -> dict[str, Any]:
    """The database answers; how many workers are active."""
    workers = await fleet.live(session)
    active = [worker for worker in workers if worker.state == WorkerState.ACTIVE]
    return {"status": "ready", "workers": len(active), "slots": sum(worker.slots for worker in active)}


@router.get("/metrics", response_class=Response, responses=documented(401, 403))
async def metrics(session: Session, caller: AdminReader) -> Response:
    """Prometheus text. Counts of the pool; nothing of a single cell. Give Prometheus an operator's key with the scope
    admin:read."""
    registry = CollectorRegistry()
    row = await capacity.commitment(session)
    used = await session.scalar(select(QuotaNode.used_mc).where(QuotaNode.kind == "root"))
    queued = await session.scalar(select(func.count()).select_from(WorkItem).where(WorkItem.state == "queued"))
    for name, text, value in (
        ("worldpool_capacity_millicores", "Live capacity of the pool", row.capacity_mc),
        ("worldpool_commitment_millicores", "What grants may occupy", row.limit_mc),
        ("worldpool_used_millicores", "What live leases occupy", used),
        ("worldpool_queued_items", "Work items that wait", queued),
    ):
        Gauge(name, text, registry=registry).set(float(value or 0))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
