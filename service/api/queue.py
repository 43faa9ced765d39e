"""What waits and runs, and who has which share."""

from __future__ import annotations

from fastapi import APIRouter

from service import clock, queue, roles, shares
from service.api import schemas
from service.api.dependencies import Page, Session, ShareReader
from service.api.problems import documented
from service.api.routing import StrictRoute
from service.models import Run
from service.pages import page

router = APIRouter(tags=["queue"], route_class=StrictRoute, responses=documented(401, 403, 422))


@router.get("/queue")
async def list_queue(session: Session, caller: ShareReader, paging: Page) -> schemas.Page[schemas.QueueEntry]:
    """Unfinished runs, oldest first: of the key's cell, of a steward's cells, of all cells with an operator's key."""
    own = await roles.nodes(session, caller, roles.Act.SEE)
    rows, cursor = await page(session, queue.unfinished(own), Run.id, cursor=paging.cursor, limit=paging.limit)
    return schemas.Page[schemas.QueueEntry](items=await queue.describe(session, rows), next_cursor=cursor)


@router.get("/shares")
async def list_shares(session: Session, caller: ShareReader) -> schemas.Page[schemas.Share]:
    """Entitlement and use over the tree, the root first, siblings in fair-share order. One's own part is whole; of
    the rest it has what the operators let cells see (`shares_visible` of the commitment), and all else as one."""
    found = await shares.of(session, caller, now=await clock.now(session))
    return schemas.Page[schemas.Share](items=found, next_cursor=None)
