"""`worldpool webhook`: addresses that are told of holds, debts and budgets."""

from __future__ import annotations

from typing import Annotated

import typer

from worldpool.cli import _envs
from worldpool.cli._output import Json, Limit, show_list, show_record

app = typer.Typer(help="Webhooks: be told of holds, debts and budgets.", no_args_is_help=True)

WebhookId = Annotated[str, typer.Argument(help="A webhook's id.")]
Everyone = Annotated[bool, typer.Option("--all", help="Of all cells, with the operator's key.")]


@app.command()
def create(
    url: Annotated[str, typer.Argument(help="Where events are sent, by POST.")],
    event: Annotated[list[str] | None, typer.Option(help="Such as hold.set; repeat for more; all by default.")] = None,
    everyone: Everyone = False,
    json: Json = False,
) -> None:
    """Have an address told of events. The secret that signs them is shown only now."""
    with _envs.pool(operator=everyone) as pool:
        show_record(pool.webhooks.create(url=url, events=event or None), json=json)  # type: ignore[arg-type]


@app.command("list")
def list_(everyone: Everyone = False, json: Json = False) -> None:
    """List webhooks, and how many of their events wait, arrived or were given up."""
    with _envs.pool(operator=everyone) as pool:
        columns = ("id", "waiting", "delivered", "dead", "node", "url", "events")
        show_list(pool.webhooks.list(), columns, json=json)


@app.command()
def delete(webhook: WebhookId, everyone: Everyone = False) -> None:
    """Send nothing more to a webhook."""
    with _envs.pool(operator=everyone) as pool:
        pool.webhooks.delete(webhook)


@app.command()
def deliveries(
    webhook: WebhookId,
    state: Annotated[str | None, typer.Option(help="waiting, delivered or dead.")] = None,
    everyone: Everyone = False,
    limit: Limit = 20,
    json: Json = False,
) -> None:
    """List what a webhook was or is to be told, newest first, and what became of it."""
    with _envs.pool(operator=everyone) as pool:
        found = pool.webhooks.deliveries(webhook, state=state, limit=limit)  # type: ignore[arg-type]
        columns = ("id", "event", "state", "attempts", "created_at", "failure")
        show_list(found, columns, json=json, limit=limit)


@app.command()
def redeliver(
    webhook: WebhookId,
    event: Annotated[str, typer.Argument(help="The id of a dead event.")],
    everyone: Everyone = False,
    json: Json = False,
) -> None:
    """Try a dead event anew."""
    with _envs.pool(operator=everyone) as pool:
        show_record(pool.webhooks.redeliver(webhook, event), json=json)
