"""`worldpool policy`: what chooses actions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worldpool.cli import _envs
from worldpool.cli._output import Json, Limit, show_list, show_record

app = typer.Typer(help="Policies: what chooses the actions of a run.", no_args_is_help=True)


@app.command()
def create(
    file: Annotated[
        Path, typer.Argument(help="A graph (*.onnx) or plans of actions (*.npy: plans x steps x action).", exists=True)
    ],
    json: Json = False,
) -> None:
    """Upload a policy; runs name it by its digest."""
    with _envs.pool() as pool:
        match file.suffix:
            case ".onnx":
                policy = pool.policies.onnx(file)
            case ".npy":
                policy = pool.policies.actions(file)
            case _:
                raise typer.BadParameter("give a *.onnx or *.npy file")
        show_record(policy, json=json)


@app.command("list")
def list_(limit: Limit = 20, json: Json = False) -> None:
    """List this cell's policies. `random` and `still` need no upload."""
    with _envs.pool() as pool:
        show_list(pool.policies.list(limit=limit), ("digest", "kind", "created_at"), json=json, limit=limit)


@app.command()
def show(digest: Annotated[str, typer.Argument(help="A policy's digest.")], json: Json = False) -> None:
    """Show a policy with what it takes and gives."""
    with _envs.pool() as pool:
        show_record(pool.policies.get(digest), json=json)
