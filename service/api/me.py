"""What the caller's cell may use and uses."""

from __future__ import annotations

from fastapi import APIRouter

from service import clock, quotas
from service.api import schemas
from service.api.dependencies import Authenticated, Session
from service.api.problems import documented
from service.api.routing import StrictRoute

router = APIRouter(tags=["me"], route_class=StrictRoute, responses=documented(401, 422))


@router.get("/me")
async def get_me(session: Session, caller: Authenticated) -> schemas.Me:
    """Entitlement and use of the key's cell; for an operator's key, of the whole commitment."""
    return await quotas.me(session, caller, now=await clock.now(session))
