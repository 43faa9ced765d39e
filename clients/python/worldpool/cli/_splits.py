"""`worldpool split`: what is held out of training."""

from __future__ import annotations

from typing import Annotated

import typer

from worldpool.cli import _envs
from worldpool.cli._output import Json, show_list, show_record

app = typer.Typer(help="Splits: what is held out of training, and why.", no_args_is_help=True)


@app.command("list")
def list_(json: Json = False) -> None:
    """List every version of every split."""
    with _envs.pool() as pool:
        show_list(pool.splits.list(), ("ref", "in_force", "created_at", "note", "counts"), json=json)


@app.command()
def show(name: Annotated[str, typer.Argument(help="A name, or name@version.")] = "default", json: Json = False) -> None:
    """Show a split: its rules, and what they hold out of the catalogue."""
    with _envs.pool() as pool:
        show_record(pool.splits.get(name), json=json)
