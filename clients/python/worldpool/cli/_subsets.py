"""`worldpool subset`: lists of environments to run."""

from __future__ import annotations

import json as jsonlib
from typing import Annotated, Any

import typer

from worldpool.cli import _envs
from worldpool.cli._output import Json, Limit, pairs, show_list, show_record

app = typer.Typer(help="Subsets: immutable lists of environments.", no_args_is_help=True)

SubsetId = Annotated[str, typer.Argument(help="A subset's id, digest or name.")]


@app.command()
@_envs.searching
def create(
    conditions: dict[str, Any],
    ref: Annotated[list[str] | None, typer.Option(help="These refs instead of conditions.")] = None,
    vary: Annotated[
        list[str] | None, typer.Option(help="A grid over --family instead, such as gravity=4.9,9.8; repeat for more.")
    ] = None,
    union: Annotated[list[str] | None, typer.Option(help="All of these subsets instead; repeat for more.")] = None,
    difference: Annotated[
        list[str] | None, typer.Option(help="The first of these subsets without the others instead; repeat.")
    ] = None,
    intersection: Annotated[
        list[str] | None, typer.Option(help="What all of these subsets have instead; repeat.")
    ] = None,
    size: Annotated[int | None, typer.Option(min=1, help="How many to pick; default: all that match.")] = None,
    strategy: Annotated[str, typer.Option(help="stratified, diverse or random.")] = "stratified",
    seed: Annotated[int, typer.Option(help="Equal seeds pick equal environments.")] = 0,
    catalogue: Annotated[str | None, typer.Option(help="The version that the catalogue must have.")] = None,
    name: Annotated[str | None, typer.Option(help="A name to find it by.")] = None,
    json: Json = False,
) -> None:
    """Choose environments: by conditions (none: the whole catalogue), by --ref, as a grid with --vary, or out of other
    subsets with --union, --difference or --intersection.

    Conditions leave out what is held out of training, unless there is a --split; left_out says how many.
    """
    where = conditions | ({"parameters": _wanted(conditions["parameters"])} if "parameters" in conditions else {})
    family = where.pop("family", None) if vary else None
    others = {"union": union or None, "difference": difference or None, "intersection": intersection or None}
    instead = ref or vary or any(others.values())
    if where and instead:
        raise typer.BadParameter("conditions do not go with --ref, --vary, --union, --difference and --intersection")
    with _envs.pool() as pool:
        subset = pool.subsets.create(
            where=None if instead else where,
            refs=ref or None,
            grid=_grid(family, vary) if vary else None,
            size=size,
            strategy=strategy,  # type: ignore[arg-type]  # the pool names what it knows
            seed=seed,
            catalogue=catalogue,
            name=name,
            **others,
        )
        show_record(subset, json=json)


def _wanted(parameters: dict[str, _envs.Wanted]) -> dict[str, Any]:
    return {
        name: {"equals": wanted} if isinstance(wanted, str) else {"min": wanted[0], "max": wanted[1]}
        for name, wanted in parameters.items()
    }


def _grid(family: str | None, vary: list[str]) -> dict[str, Any]:
    if family is None:
        raise typer.BadParameter("a grid is over one --family", param_hint="--vary")
    values = pairs(vary, "=", "--vary")
    parameters = {name: [_value(part) for part in text.split(",")] for name, text in values.items()}
    return {"family": family, "parameters": parameters}


def _value(text: str) -> Any:
    """Numbers and true/false as such, anything else as text."""
    try:
        return jsonlib.loads(text)
    except ValueError:
        return text


@app.command("list")
def list_(limit: Limit = 20, json: Json = False) -> None:
    """List this cell's subsets."""
    with _envs.pool() as pool:
        columns = ("id", "name", "size", "created_at", "domains")
        show_list(pool.subsets.list(limit=limit), columns, json=json, limit=limit)


@app.command()
def show(
    subset: SubsetId,
    environments: Annotated[bool, typer.Option("--environments", help="List its environments.")] = False,
    limit: Limit = 1000,
    json: Json = False,
) -> None:
    """Show a subset, or the environments in it."""
    with _envs.pool() as pool:
        if environments:
            found = pool.subsets.environments(subset, limit=limit)
            show_list(found, _envs.LISTED, json=json, limit=limit)
        else:
            show_record(pool.subsets.get(subset), json=json)
