"""`worldpool queue` and `worldpool share`: what squeue and sshare tell of a cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from worldpool.cli import _envs
from worldpool.cli._output import Json, Limit, show_list

Everyone = Annotated[bool, typer.Option("--all", help="Of all cells, with the operator's key.")]

QUEUED = ("run", "running", "waiting", "reason", "ahead", "slurm", "since", "cell", "name")
SHARED = ("name", "weight", "nominal_mc", "used_mc", "borrowed_mc", "order", "decayed_core_ms", "share_mc")


def queue(everyone: Everyone = False, limit: Limit = 100, json: Json = False) -> None:
    """What waits and runs, by run, and why it waits.

    running and waiting are work items; ahead are those of the cell that come before. slurm is what squeue would say.
    """
    with _envs.pool(operator=everyone) as pool:
        columns = ("cell", *(column for column in QUEUED if column != "cell")) if everyone else QUEUED
        show_list(pool.queue(limit=limit), columns, json=json, limit=limit)


def share(everyone: Everyone = False, json: Json = False) -> None:
    """Who is entitled to how much, and uses how much; of other cells what the operators allow.

    1,000 mc (millicores) are one core. order is the turn among siblings; decayed_core_ms, by share, decides it.
    """
    with _envs.pool(operator=everyone) as pool:
        shares = list(pool.shares())
        if not json:
            shares = [share.model_copy(update={"name": "  " * share.depth + share.name}) for share in shares]
        show_list(shares, SHARED, json=json)
