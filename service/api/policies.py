"""Policies."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Response

from service import policies
from service.api import schemas
from service.api.dependencies import Idempotent, Page, RunReader, RunWriter, Session
from service.api.problems import documented, linked
from service.api.routing import StrictRoute
from service.models import Policy
from service.pages import page

router = APIRouter(prefix="/policies", tags=["policies"], route_class=StrictRoute, responses=documented(401, 403, 422))
LINKS = linked(201, "digest", "get_policy", field="digest")


@router.post("", status_code=201, response_model=schemas.Policy, responses=documented(400, 413, 415) | LINKS)
async def create_policy(
    session: Session,
    caller: RunWriter,
    idempotent: Idempotent,
    request: Annotated[schemas.PolicyCreate, Body(discriminator="kind")],
) -> Response:
    """Upload what chooses actions: an ONNX graph, arrays of actions, one action, or a policy for each agent. The same
    content is the same policy. docs/decisions/0015-policies.md says what a graph may take, give and use."""

    async def create() -> tuple[schemas.Policy, str]:
        policy = await policies.create(session, caller, request)
        return policies.show(policy), f"/v1/policies/{policy.digest}"

    return await idempotent.once(201, create)


@router.get("")
async def list_policies(session: Session, caller: RunReader, paging: Page) -> schemas.Page[schemas.Policy]:
    """The cell's policies, newest first. `random` and `still` need no upload."""
    rows, cursor = await page(
        session, policies.owned(caller), Policy.id, cursor=paging.cursor, limit=paging.limit, descending=True
    )
    return schemas.Page[schemas.Policy](items=[policies.show(row) for row in rows], next_cursor=cursor)


@router.get("/{digest}", responses=documented(404))
async def get_policy(session: Session, caller: RunReader, digest: str) -> schemas.Policy:
    return policies.show(await policies.get(session, caller, digest))
