"""What was used: sums for cells, and for operators the statements of windows with their files."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator

from service import clock, statements, usage
from service.api import schemas
from service.api.dependencies import AdminReader, Page, Session, ShareReader
from service.api.problems import documented
from service.api.routing import StrictRoute
from service.models import WindowAccount
from service.pages import page

router = APIRouter(tags=["usage"], route_class=StrictRoute, responses=documented(401, 403, 422))
Instant = Annotated[datetime, AfterValidator(lambda at: at if at.tzinfo else at.replace(tzinfo=UTC))]
"""UTC where it names no zone."""
PIECE = 1 << 20


@router.get("/usage")
async def get_usage(
    session: Session,
    caller: ShareReader,
    paging: Page,
    by: Annotated[
        list[schemas.UsageGroup] | None, Query(max_length=6, description="what to tell apart; by default windows")
    ] = None,
    since: Annotated[
        Instant | None, Query(alias="from", description="what began then or later; by default of the last 30 days")
    ] = None,
    until: Annotated[Instant | None, Query(alias="to", description="what began before")] = None,
) -> schemas.Page[schemas.Usage]:
    """Compute that settled, summed up: of the key's cell, of a steward's cells, of all cells with an operator's key."""
    now = await clock.now(session)
    return await usage.summed(
        session,
        caller,
        by=by or ["window"],
        since=since,
        until=until,
        cursor=paging.cursor,
        limit=paging.limit,
        now=now,
    )


@router.get("/admin/statements")
async def list_statements(session: Session, caller: AdminReader, paging: Page) -> schemas.Page[schemas.StatementWindow]:
    """The windows that have statements, newest first."""
    rows, cursor = await page(
        session,
        statements.windows(),
        WindowAccount.starts_at,
        cursor=paging.cursor,
        limit=paging.limit,
        descending=True,
    )
    shown = [schemas.StatementWindow.model_validate(row) for row in rows]
    return schemas.Page[schemas.StatementWindow](items=shown, next_cursor=cursor)


@router.get("/admin/statements/{at}", responses=documented(404))
async def get_statement(session: Session, caller: AdminReader, at: Instant) -> schemas.Statement:
    """What the commitment of the window that holds this instant was, what was used of it and by whom."""
    return await statements.of(session, at, now=await clock.now(session))


@router.get(
    "/admin/statements/{at}/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {}}}, **documented(404)},
)
async def export_statement(
    session: Session, caller: AdminReader, at: Instant, format: schemas.StatementFormat = "csv"
) -> Response:
    """A ZIP with the statement and all that it follows from: summary, cells, overages, epochs and segments, each a file
    of this format."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        await statements.export(session, at, folder, format=format)
        archive = await to_thread.run_sync(_zipped, folder)
    return StreamingResponse(_pieces(archive), media_type="application/zip")


def _zipped(folder: Path) -> IO[bytes]:
    """The files of a folder in one that goes when it is closed."""
    archive = tempfile.TemporaryFile()  # noqa: SIM115  (`_pieces` closes it)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path in sorted(folder.iterdir()):
            zipped.write(path, path.name)
    archive.seek(0)
    return archive


def _pieces(archive: IO[bytes]) -> Iterator[bytes]:
    with archive:
        while piece := archive.read(PIECE):
            yield piece
