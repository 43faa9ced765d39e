"""`worldpool table`: joint samples of parameters for environments to draw from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worldpool.cli import _envs
from worldpool.cli._output import Json, Limit, show_list, show_record

app = typer.Typer(help="Tables: joint samples of parameters.", no_args_is_help=True)


@app.command()
def create(
    file: Annotated[
        Path, typer.Argument(help="*.csv, *.parquet or *.arrow; a column for each parameter.", exists=True)
    ],
    weight: Annotated[str | None, typer.Option(help="The column that says how likely each row is.")] = None,
    json: Json = False,
) -> None:
    """Upload a table; refs draw from it by gravity=table(DIGEST,COLUMN)."""
    with _envs.pool() as pool:
        show_record(pool.tables.create(file, weight=weight), json=json)


@app.command("list")
def list_(limit: Limit = 20, json: Json = False) -> None:
    """List this cell's tables."""
    with _envs.pool() as pool:
        columns = ("digest", "rows", "columns", "weighted", "bytes", "created_at")
        show_list(pool.tables.list(limit=limit), columns, json=json, limit=limit)


@app.command()
def show(digest: Annotated[str, typer.Argument(help="A table's digest.")], json: Json = False) -> None:
    """Show a table with its content."""
    with _envs.pool() as pool:
        show_record(pool.tables.get(digest), json=json)
