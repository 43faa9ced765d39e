"""Tables."""

from __future__ import annotations

import json

from fastapi import APIRouter, Response

from service import tables
from service.api import schemas
from service.api.dependencies import EnvironmentReader, Idempotent, Page, Session, SubsetWriter
from service.api.problems import documented, linked
from service.api.routing import StrictRoute
from service.models import ParameterTable
from service.pages import page

router = APIRouter(prefix="/tables", tags=["tables"], route_class=StrictRoute, responses=documented(401, 403, 422))
LINKS = linked(201, "digest", "get_table", field="digest")


@router.post("", status_code=201, response_model=schemas.Table, responses=documented(400, 413, 415) | LINKS)
async def create_table(
    session: Session, caller: SubsetWriter, idempotent: Idempotent, request: schemas.TableCreate
) -> Response:
    """Upload joint samples of parameters, for specs to draw from. The same content is the same table."""

    async def create() -> tuple[schemas.Table, str]:
        table = await tables.create(session, caller, request)
        return tables.show(table), f"/v1/tables/{table.digest}"

    return await idempotent.once(201, create)


@router.get("")
async def list_tables(session: Session, caller: EnvironmentReader, paging: Page) -> schemas.Page[schemas.Table]:
    """The cell's tables, newest first."""
    rows, cursor = await page(
        session, tables.owned(caller), ParameterTable.id, cursor=paging.cursor, limit=paging.limit, descending=True
    )
    return schemas.Page[schemas.Table](items=[tables.show(row) for row in rows], next_cursor=cursor)


@router.get("/{digest}", responses=documented(404))
async def get_table(session: Session, caller: EnvironmentReader, digest: str) -> schemas.TableDetail:
    """A table with its content."""
    table = await tables.get(session, caller, digest)
    return schemas.TableDetail(**tables.show(table).model_dump(), content=json.loads(table.content))
