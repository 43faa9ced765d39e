"""Runs, their chunks and their stream."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from service import clock, explanations, retention, runs, scores, store
from service.api import schemas, stream
from service.api.dependencies import Idempotent, Page, PartsDep, RunReader, RunWriter, Session, Shared
from service.api.problems import documented, linked
from service.api.routing import StrictRoute
from service.errors import Invalid
from service.ids import show
from service.models import Chunk, Run
from service.pages import page

router = APIRouter(prefix="/runs", tags=["runs"], route_class=StrictRoute, responses=documented(401, 403, 422))
CHUNK_TYPE = "application/vnd.worldpool.chunk"
LINKS = linked(
    202,
    "run_id",
    "get_run",
    "cancel_run",
    "delete_run",
    "summarise_run",
    "list_scores",
    "report_run",
    "explain_run",
    "list_chunks",
    "get_chunk",
    "list_groups",
)


@router.post("", status_code=202, response_model=schemas.Run, responses=documented(400, 413, 415) | LINKS)
async def create_run(
    session: Session, caller: RunWriter, idempotent: Idempotent, request: schemas.RunCreate
) -> Response:
    """Queue rollouts of a policy in every environment of a subset; follow them at Location."""

    async def create() -> tuple[schemas.Run, str]:
        run = await runs.create(session, caller, request)
        (shown,) = await runs.describe(session, [run])
        return shown, f"/v1/runs/{shown.id}"

    return await idempotent.once(202, create)


@router.get("")
async def list_runs(
    session: Session,
    caller: RunReader,
    paging: Page,
    state: schemas.RunState | None = None,
    label: Annotated[str | None, Query(max_length=401, description="name:value")] = None,
) -> schemas.Page[schemas.Run]:
    """The cell's runs, newest first."""
    query = runs.owned(caller)
    if state is not None:
        query = query.where(Run.state == state)
    if label is not None:
        name, colon, value = label.partition(":")
        if not colon or "\0" in label:
            raise Invalid("a label is not understood", errors=[("query.label", "give name:value")])
        query = query.where(Run.labels.contains({name: value}))
    rows, cursor = await page(session, query, Run.id, cursor=paging.cursor, limit=paging.limit, descending=True)
    return schemas.Page[schemas.Run](items=await runs.describe(session, rows), next_cursor=cursor)


@router.get("/{run_id}", responses=documented(404))
async def get_run(session: Session, caller: RunReader, run_id: str) -> schemas.Run:
    (shown,) = await runs.describe(session, [await runs.get(session, caller, run_id)])
    return shown


@router.post("/{run_id}:cancel", responses=documented(404))
async def cancel_run(session: Session, caller: RunWriter, run_id: str) -> schemas.Run:
    """Stop a run. What was committed stays; a finished run stays as it is."""
    run = await runs.get(session, caller, run_id)
    await runs.cancel(session, run, now=await clock.now(session))
    (shown,) = await runs.describe(session, [run])
    return shown


@router.delete("/{run_id}", status_code=204, responses=documented(404, 409))
async def delete_run(session: Session, caller: RunWriter, run_id: str, after: BackgroundTasks) -> None:
    """Delete a finished run with its data."""
    run = await runs.get(session, caller, run_id)
    objects = await runs.objects(session, run)
    await runs.remove(session, run)
    for url, keys in objects.items():
        after.add_task(store.delete, url, keys)


@router.get("/{run_id}/summary", responses=documented(404))
async def summarise_run(session: Session, caller: RunReader, run_id: str) -> schemas.Summary:
    """Episodes, steps and returns by spec, from the chunks committed so far."""
    run = await runs.get(session, caller, run_id)
    return schemas.Summary(specs=[schemas.SpecSummary(**part) for part in await runs.summary(session, run)])


@router.get("/{run_id}/scores", responses=documented(404, 410, 503))
async def list_scores(
    session: Session,
    caller: RunReader,
    run_id: str,
    cursor: Annotated[str | None, Query(max_length=200, description="next_cursor of the page before")] = None,
) -> schemas.Page[schemas.Score]:
    """Return and length of every episode and agent, as far as the run is; a page has those of one chunk."""
    run = await runs.get(session, caller, run_id)
    retention.require_kept(run, 1)
    found, following = await page(session, runs.chunks(run), Chunk.seq, cursor=cursor, limit=1)
    shown = [score for chunk in found for score in await scores.of_chunk(session, run, chunk)]
    return schemas.Page[schemas.Score](items=shown, next_cursor=following)


@router.get("/{run_id}/report", responses=documented(404, 409))
async def report_run(
    session: Session,
    caller: RunReader,
    run_id: str,
    split: Annotated[str | None, Query(max_length=200, description="such as default@1; else the run's own")] = None,
    by: Annotated[
        list[schemas.ReportKey] | None,
        Query(max_length=6, description="what to tell apart; by default kinds, and policies if there are several"),
    ] = None,
) -> schemas.Report:
    """Results by kind of holdout (trained on, interpolation, composition, extrapolation, family), or in other groups:
    mean and interquartile mean of scores with bootstrap intervals."""
    return await scores.report(session, await runs.get(session, caller, run_id), split, by or [])


@router.get("/{run_id}/explanation", responses=documented(404))
async def explain_run(session: Session, caller: RunReader, run_id: str) -> schemas.Explanation:
    """Why the run's next item waits, which quota node blocks it and by how much, and what would start it now."""
    return await explanations.of_run(session, await runs.get(session, caller, run_id))


@router.get("/{run_id}/chunks", responses=documented(404))
async def list_chunks(session: Session, caller: RunReader, paging: Page, run_id: str) -> schemas.Page[schemas.Chunk]:
    """Committed chunks that are there, in order of seq. Those of an evaluation need the scope `trajectories`."""
    run = await runs.get(session, caller, run_id)
    runs.require_trajectories(caller, run)
    rows, cursor = await page(session, runs.chunks(run), Chunk.seq, cursor=paging.cursor, limit=paging.limit)
    return schemas.Page[schemas.Chunk](items=[runs.show_chunk(row) for row in rows], next_cursor=cursor)


@router.get(
    "/{run_id}/chunks/{seq}",
    response_class=StreamingResponse,
    responses={200: {"content": {CHUNK_TYPE: {}}}, **documented(404, 410, 503)},
)
async def get_chunk(session: Session, caller: RunReader, run_id: str, seq: int) -> Response:
    """The bytes of one chunk; docs/decisions/0003-chunk-format.md has the format."""
    run = await runs.get(session, caller, run_id)
    runs.require_trajectories(caller, run)
    chunk = await runs.chunk(session, run, seq)
    body = store.read(await runs.store_url(session, chunk), chunk.object_key)
    return StreamingResponse(
        await stream.primed(body),
        media_type=CHUNK_TYPE,
        headers={"Content-Length": str(chunk.bytes), "ETag": f'"{chunk.sha256}"'},
    )


@router.get(
    "/{run_id}/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {stream.FRAMES: {}, stream.EVENTS: {}}}, **documented(404, 409, 410, 503)},
)
async def stream_run(
    request: Request,
    parts: PartsDep,
    caller: RunReader,
    shared: Shared,
    run_id: str,
    after: Annotated[
        int,
        Query(ge=0, lt=2**63, description="seq of the last chunk that you have; where a group that is new begins"),
    ] = 0,
    accept: Annotated[str, Header()] = stream.FRAMES,
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
) -> Response:
    """Every committed chunk after `after` in order of seq, then those to come, until the run ends.

    Frames by default; server-sent events with progress for `Accept: text/event-stream`. A stream that closes without an
    `end` was cut: ask again with the last seq. An evaluation has only events, without chunks, unless the key has the
    scope `trajectories`.

    With `group` the consumers of that name share the chunks. Each chunk goes to one of them, which acknowledges it by
    `POST /v1/runs/{run_id}/groups/{group}:ack`. A consumer that connects again gets what it has not acknowledged once
    more; if it stays away for 30 s, another gets it. A second connection of a consumer ends the first with a frame
    `replaced`.
    """
    if shared is not None and stream.EVENTS in accept:
        raise Invalid("events are not shared", errors=[("query.group", f"goes with Accept: {stream.FRAMES}")])
    async with parts.sessions.begin() as session:
        run = await runs.get(session, caller, run_id)
        if stream.EVENTS in accept:
            if last_event_id:
                after = max(after, _seq(last_event_id))
            whole = run.purpose == "train" or "trajectories" in caller.scopes
            body, media_type = stream.events(parts, run, after, chunks=whole), stream.EVENTS
        else:
            runs.require_trajectories(caller, run)
            reader = await stream.reader(session, run, after, shared)
            body, media_type = stream.frames(parts, run, reader), stream.FRAMES
    return StreamingResponse(
        await stream.primed(body),
        media_type=media_type,
        headers={"Cache-Control": "no-store", "X-Run": show("run", run.id)},
    )


def _seq(last_event_id: str) -> int:
    if not (last_event_id.isascii() and last_event_id.isdigit() and int(last_event_id) < 2**63):
        raise Invalid("there is no such event", errors=[("header.last-event-id", "is the seq of a chunk")])
    return int(last_event_id)
