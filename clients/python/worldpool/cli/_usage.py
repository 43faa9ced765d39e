"""`worldpool usage`, what sacct tells of a cluster, and `worldpool admin statement`: what was used, and by whom."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from worldpool.cli import _envs
from worldpool.cli._output import Json, Limit, note, show_list, show_record, show_table
from worldpool.cli._queue import Everyone

WINDOW_FIGURES = ("starts_at", "ends_at", "settled_core_ms")
CELL_FIGURES = (
    "cell",
    "entitled_core_ms",
    "settled_core_ms",
    "borrowed_core_ms",
    "lent_core_ms",
    "budget_core_ms",
    "debt_core_ms",
)
OVERAGE_FIGURES = ("starts_at", "ends_at", "highest_mc", "core_ms", "cause")


def usage(
    by: Annotated[
        list[str] | None, typer.Option(help="window, cell, run, payer or label:NAME; repeat for more.")
    ] = None,
    since: Annotated[datetime | None, typer.Option("--from", help="In UTC; by default 30 days ago.")] = None,
    until: Annotated[datetime | None, typer.Option("--to", help="In UTC.")] = None,
    everyone: Everyone = False,
    limit: Limit = 200,
    json: Json = False,
) -> None:
    """Sum up what this key's cell used: a line for each window, or for what --by names.

    1,000 core_ms are one core for one second; a lease is one attempt of a work item. What runs now is not in it.
    """
    names = by or (["window", "cell"] if everyone else ["window"])
    with _envs.pool(operator=everyone) as pool:
        rows = list(pool.usage.list(by=names, since=since, until=until, limit=limit))
    if json:
        show_list(rows, (), json=True)
        return
    figures = [[row.core_ms, row.leases, row.started_at, row.ended_at] for row in rows]
    lines = [[*row.group.values(), *line] for row, line in zip(rows, figures, strict=True)]
    show_table([*names, "core_ms", "leases", "started_at", "ended_at"], lines)
    if len(rows) == limit:
        note(f"the first {limit:,}; there may be more: --limit")


def statement(
    window: Annotated[
        str | None,
        typer.Argument(help="An instant in it, such as 2026-01-01 or 2026-01-01T10:00; by default the newest."),
    ] = None,
    all_: Annotated[bool, typer.Option("--list", help="List the windows that have statements.")] = False,
    export: Annotated[
        Path | None, typer.Option(help="Write it into this folder, with the segments and epochs that it follows from.")
    ] = None,
    format: Annotated[Literal["csv", "parquet"], typer.Option(help="Of the files.")] = "csv",
    limit: Limit = 20,
    json: Json = False,
) -> None:
    """Show what the commitment was in a window, what was used of it, and by whom."""
    with _envs.pool(operator=True) as pool:
        if all_:
            show_list(pool.admin.statements.list(limit=limit), WINDOW_FIGURES, json=json, limit=limit)
            return
        if window is None:
            newest = next(iter(pool.admin.statements.list(limit=1)), None)
            if newest is None:
                note("no window has begun")
                return
            window = newest.starts_at.isoformat()
        found = pool.admin.statements.get(window)
        files = pool.admin.statements.export(window, export, format=format) if export else []
    if json:
        show_record(found, json=True)
    else:
        show_record(found, json=False, without=("cells", "overages"))
        typer.echo()
        show_list(found.cells, CELL_FIGURES, json=False)
        if found.overages:
            typer.echo()
            show_list(found.overages, OVERAGE_FIGURES, json=False)
    for file in files:
        note(f"wrote {file}")
