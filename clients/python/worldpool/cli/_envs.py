"""`worldpool env`: what environments there are."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from worldpool._client import Client, connect
from worldpool.cli._output import Json, Limit, pairs, show_list, show_record

app = typer.Typer(help="Environments: search the catalogue, see what was measured.", no_args_is_help=True)

LISTED = ("ref", "domain", "kind", "horizon", "step_us")

CONDITIONS = {
    "text": Annotated[str | None, typer.Option(help="Words to look for in refs, tags and descriptions.")],
    "domain": Annotated[str | None, typer.Option(help="physics, social or symbolic.")],
    "family": Annotated[str | None, typer.Option(help="A family's name, or a prefix ending in *.")],
    "tag": Annotated[str | None, typer.Option(help="A tag.")],
    "kind": Annotated[str | None, typer.Option(help="single, parallel or turn.")],
    "modifier": Annotated[
        list[str] | None, typer.Option(help="With this modifier; repeat for more; none for those without any.")
    ],
    "base_task": Annotated[str | None, typer.Option(help="A base task.")],
    "min_agents": Annotated[int | None, typer.Option(help="At least so many agents.")],
    "max_agents": Annotated[int | None, typer.Option(help="At most so many agents.")],
    "observations": Annotated[str | None, typer.Option(help="vector, image, discrete, text or mixed.")],
    "actions": Annotated[str | None, typer.Option(help="continuous, discrete, masked or text.")],
    "engine": Annotated[str | None, typer.Option(help="The Python distribution that holds the engine.")],
    "split": Annotated[
        str | None, typer.Option(help="train, heldout, interpolation, extrapolation, composition, family or any.")
    ],
    "param": Annotated[
        list[str] | None,
        typer.Option(help="A range, such as gravity:5..15; either end may be left out. Or a value, such as map:4x4."),
    ],
    "max_step_us": Annotated[float | None, typer.Option(help="At most this many microseconds a step.")],
    "max_make_ms": Annotated[float | None, typer.Option(help="At most this many milliseconds to construct.")],
    "max_memory_mb": Annotated[int | None, typer.Option(help="At most this many megabytes.")],
    "single_turn": Annotated[bool | None, typer.Option(help="Whether an episode is a question and an answer.")],
    "seed_sensitive": Annotated[
        bool | None, typer.Option("--seed-sensitive/--seed-blind", help="Whether another seed gives other bits.")
    ],
    "snapshot": Annotated[str | None, typer.Option(help="exact or replay.")],
    "min_effect": Annotated[float | None, typer.Option(help="Least effect of the one level or modifier.")],
}
"""An option for each condition of a search."""


def searching(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each of CONDITIONS; it gets those that were given as `conditions`, named as in
    the SDK."""
    kept = dict(inspect.signature(command, eval_str=True).parameters)
    del kept["conditions"]
    options = {
        name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in CONDITIONS.items()
        if name not in kept
    }

    @wraps(command)
    def run(**given: Any) -> None:
        conditions = {name: given.pop(name) for name in options}
        conditions["parameters"] = ranges(conditions.pop("param"))
        command(**given, conditions={name: value for name, value in conditions.items() if value not in (None, [], {})})

    run.__signature__ = inspect.Signature([*kept.values(), *options.values()])  # type: ignore[attr-defined]
    return run


def pool(*, operator: bool = False) -> Client:
    return connect(operator=operator)


Wanted = tuple[float | None, float | None] | str


def ranges(texts: list[str] | None) -> dict[str, Wanted]:
    """`name:low..high` and `name:value` options."""
    found: dict[str, Wanted] = {}
    for name, text in pairs(texts or [], ":", "--param").items():
        low, dots, high = text.partition("..")
        if not dots and text:
            found[name] = text
            continue
        try:
            least, most = float(low) if low else None, float(high) if high else None
        except ValueError:
            dots = ""
        if not dots:
            raise typer.BadParameter(f"{name}:{text} is not name:low..high or name:value", param_hint="--param")
        if least is not None and most is not None and least > most:
            raise typer.BadParameter(f"{name}:{text}: {low} is above {high}", param_hint="--param")
        found[name] = (least, most)
    return found


Text = Annotated[str | None, typer.Argument(help="Words to look for in refs, tags and descriptions.")]


@app.command()
@searching
def search(conditions: dict[str, Any], text: Text = None, limit: Limit = 20, json: Json = False) -> None:
    """List environments of the catalogue that meet all conditions."""
    with pool() as client:
        found = client.environments.search(text=text, **conditions, limit=limit)
        show_list(found, LISTED, json=json, limit=limit)


@app.command()
@searching
def facets(conditions: dict[str, Any], text: Text = None, json: Json = False) -> None:
    """Count the environments that meet all conditions, by domain, family, tag and so on."""
    with pool() as client:
        show_record(client.environments.facets(text=text, **conditions), json=json)


@app.command()
def show(
    ref: Annotated[str, typer.Argument(help="A ref, such as 'mujoco/half_cheetah@1;gravity=4.9', or a digest.")],
    json: Json = False,
) -> None:
    """Show an environment and its card. Any valid ref will do, catalogued or not."""
    with pool() as client:
        show_record(client.environments.get(ref), json=json)
