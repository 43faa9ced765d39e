"""`worldpool env`: what environments there are."""

from __future__ import annotations

from typing import Annotated

import typer

from worldpool._client import Client, connect
from worldpool.cli._output import Json, Limit, pairs, show_list, show_record

app = typer.Typer(help="Environments: search the catalogue, see what was measured.", no_args_is_help=True)

LISTED = ("ref", "domain", "kind", "horizon", "step_us")

Domain = Annotated[str | None, typer.Option(help="physics, social or symbolic.")]
Family = Annotated[str | None, typer.Option(help="A family's name, or a prefix ending in *.")]
Tag = Annotated[str | None, typer.Option(help="A tag.")]
Kind = Annotated[str | None, typer.Option(help="single, parallel or turn.")]
Modifier = Annotated[str | None, typer.Option(help="With this modifier; none for those without any.")]
BaseTask = Annotated[str | None, typer.Option(help="A base task.")]
Split = Annotated[
    str | None, typer.Option(help="train, heldout, interpolation, extrapolation, composition, family or any.")
]
MaxStepUs = Annotated[float | None, typer.Option(help="At most this many microseconds a step.")]
Param = Annotated[list[str] | None, typer.Option(help="A range, such as gravity:5..15; either end may be left out.")]


def pool(*, operator: bool = False) -> Client:
    return connect(operator=operator)


def ranges(texts: list[str] | None) -> dict[str, tuple[float | None, float | None]]:
    """`name:low..high` options."""
    found = {}
    for name, text in pairs(texts or [], ":", "--param").items():
        low, dots, high = text.partition("..")
        try:
            least, most = float(low) if low else None, float(high) if high else None
        except ValueError:
            dots = ""
        if not dots:
            raise typer.BadParameter(f"{name}:{text} is not name:low..high", param_hint="--param")
        if least is not None and most is not None and least > most:
            raise typer.BadParameter(f"{name}:{text}: {low} is above {high}", param_hint="--param")
        found[name] = (least, most)
    return found


@app.command()
def search(
    text: Annotated[str | None, typer.Argument(help="Words to look for in refs, tags and descriptions.")] = None,
    domain: Domain = None,
    family: Family = None,
    tag: Tag = None,
    kind: Kind = None,
    modifier: Modifier = None,
    base_task: BaseTask = None,
    max_step_us: MaxStepUs = None,
    split: Split = None,
    param: Param = None,
    limit: Limit = 20,
    json: Json = False,
) -> None:
    """List environments of the catalogue that meet all conditions."""
    with pool() as client:
        found = client.environments.search(
            text=text,
            domain=domain,
            family=family,
            tag=tag,
            kind=kind,
            modifier=modifier,
            base_task=base_task,
            max_step_us=max_step_us,
            split=split,
            parameters=ranges(param),
            limit=limit,
        )
        show_list(found, LISTED, json=json, limit=limit)


@app.command()
def show(
    ref: Annotated[str, typer.Argument(help="A ref, such as 'mujoco/half_cheetah@1;gravity=4.9', or a digest.")],
    json: Json = False,
) -> None:
    """Show an environment and its card. Any valid ref will do, catalogued or not."""
    with pool() as client:
        show_record(client.environments.get(ref), json=json)
