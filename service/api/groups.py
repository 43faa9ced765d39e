"""Groups of readers that share a run's chunks: their state, and what they acknowledge."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from service import readers, runs
from service.api import schemas
from service.api.dependencies import RunReader, RunWriter, Session
from service.api.problems import documented
from service.api.routing import StrictRoute

router = APIRouter(
    prefix="/runs/{run_id}/groups", tags=["runs"], route_class=StrictRoute, responses=documented(401, 403, 404, 422)
)
GroupName = Annotated[schemas.Name, Path(description="as in ?group= of the run's stream")]


@router.get("")
async def list_groups(session: Session, caller: RunReader, run_id: str) -> schemas.Page[schemas.Group]:
    """The groups that share this run, oldest first; all on one page."""
    found = await readers.groups(session, await runs.get(session, caller, run_id))
    return schemas.Page[schemas.Group](items=found, next_cursor=None)


@router.post("/{group}:ack", responses=documented(400, 413, 415))
async def acknowledge_chunks(
    session: Session, caller: RunReader, run_id: str, group: GroupName, request: schemas.Acknowledgement
) -> schemas.Group:
    """These chunks are done with: no consumer of the group gets them again. Doing it twice is doing it once."""
    run = await runs.get(session, caller, run_id)
    runs.require_trajectories(caller, run)
    return await readers.acknowledge(session, run, group, request.seqs)


@router.delete("/{group}", status_code=204)
async def delete_group(session: Session, caller: RunWriter, run_id: str, group: GroupName) -> None:
    """Forget a group: nothing waits for it any more. Its open streams end; one that is opened anew makes it anew."""
    await readers.remove(session, await runs.get(session, caller, run_id), group)
