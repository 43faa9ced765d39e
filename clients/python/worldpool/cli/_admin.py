"""`worldpool admin`: what operators see and change. Uses the operator's key."""

from __future__ import annotations

import json as jsonlib
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from worldpool._client import Client
from worldpool._resources import Sites, Workers
from worldpool.cli import _envs, _quotas, _usage
from worldpool.cli._output import Json, Limit, note, pairs, show_list, show_record
from worldpool.cli._quotas import Reason, Yes, agree

app = typer.Typer(
    help="For operators: cells, keys, quotas, the commitment, sites and workers; cordon and drain.",
    no_args_is_help=True,
)
cells = typer.Typer(help="Teams.", no_args_is_help=True)
keys = typer.Typer(help="API keys.", no_args_is_help=True)
commitment = typer.Typer(help="The share of the pool that is committed.", no_args_is_help=True)
sites = typer.Typer(help="Members of the federation.", no_args_is_help=True)
workers = typer.Typer(help="Worker processes.", no_args_is_help=True)
splits = typer.Typer(help="What is held out of training, and who has looked at it.", no_args_is_help=True)
for name, group in (
    ("cells", cells),
    ("keys", keys),
    ("quota", _quotas.app),
    ("commitment", commitment),
    ("sites", sites),
    ("workers", workers),
    ("splits", splits),
):
    app.add_typer(group, name=name)
app.command()(_quotas.hold)
app.command()(_quotas.release)
app.command("statement")(_usage.statement)


MOMENT = "such as 2027-01-31T18:00:00Z"


def _moment(option: str, text: str | None) -> datetime | None:
    try:
        moment = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{option} takes a time {MOMENT}, not {text}") from None
    if moment is not None and moment.tzinfo is None:
        raise typer.BadParameter(f"{option} takes a time with its offset, {MOMENT}")
    return moment


def _pool() -> Client:
    return _envs.pool(operator=True)


@cells.command("list")
def list_cells(json: Json = False) -> None:
    """List all cells."""
    with _pool() as pool:
        show_list(pool.admin.cells.list(), ("id", "name", "created_at"), json=json)


@cells.command("create")
def create_cell(
    name: str,
    weight: Annotated[int, typer.Option(help="Share among its siblings.")] = 1,
    group: Annotated[str | None, typer.Option(help="A group's name or id, such as guests.")] = None,
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Add a team. It needs a key as well: `admin keys create --cell NAME`."""
    with _pool() as pool:
        show_record(pool.admin.cells.create(name=name, weight=weight, group=group, reason=reason), json=json)


@keys.command("list")
def list_keys(json: Json = False) -> None:
    """List all keys, without secrets."""
    columns = ("id", "cell", "site", "steward_of", "revoked_at", "label", "expires_at", "scopes")
    with _pool() as pool:
        show_list(pool.admin.keys.list(), columns, json=json)


@keys.command("create")
def create_key(
    cell: Annotated[str | None, typer.Option(help="A cell's id or name.")] = None,
    site: Annotated[str | None, typer.Option(help="A site's name, for its workers.")] = None,
    steward_of: Annotated[str | None, typer.Option(help="A group's name or id, for who divides it.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="Default: all that fit the owner; repeat for more.")] = None,
    label: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    run_label: Annotated[
        list[str] | None, typer.Option(help="key=value, of all its runs and their usage; repeat for more.")
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"], help="When it ends, UTC; a steward's key needs one."),
    ] = None,
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Make a key for a cell, a site, a steward or (with none) an operator. The secret is shown only now."""
    with _pool() as pool:
        key = pool.admin.keys.create(
            cell=cell,
            site=site,
            steward_of=steward_of,
            scopes=scope or None,
            label=label,
            labels=pairs(run_label or [], "=", "--run-label") or None,
            expires_at=until and until.replace(tzinfo=UTC),
            reason=reason,
        )
        show_record(key, json=json)


@keys.command("revoke")
def revoke_key(key: Annotated[str, typer.Argument(help="A key's id.")], reason: Reason = None) -> None:
    """End a key at once."""
    with _pool() as pool:
        pool.admin.keys.revoke(key, reason=reason)


@commitment.command("show")
def show_commitment(json: Json = False) -> None:
    """Show the share of the pool that is committed, and what it is at the present capacity."""
    with _pool() as pool:
        show_record(pool.admin.commitment.get(), json=json)


@commitment.command("set")
def set_commitment(
    numerator: Annotated[int | None, typer.Option(help="The share's upper part, such as 33.")] = None,
    denominator: Annotated[int | None, typer.Option(help="The share's lower part, such as 100.")] = None,
    half_life_s: Annotated[int | None, typer.Option(help="Seconds until use counts half.")] = None,
    cooldown_s: Annotated[
        int | None, typer.Option(help="Seconds in which a cell that got back what it had lent lends nothing.")
    ] = None,
    min_slots: Annotated[
        int | None, typer.Option(help="Commit so many slots to a pool too small for its share; 0 ends it.")
    ] = None,
    min_slots_until: Annotated[str | None, typer.Option(help=f"When that ends, {MOMENT}.")] = None,
    shares_visible: Annotated[
        str | None, typer.Option(help="What cells see of the shares of others: own (none), groups or cells.")
    ] = None,
    window: Annotated[
        str | None, typer.Option(help="hour, day, week or month: of budgets and statements, after the open one.")
    ] = None,
    reason: Reason = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Change the share of the pool that is committed. What would follow from less is shown and asked about first."""
    asked: dict[str, Any] = {
        "numerator": numerator,
        "denominator": denominator,
        "half_life_s": half_life_s,
        "cooldown_s": cooldown_s,
        "min_slots": min_slots,
        "min_slots_until": _moment("--min-slots-until", min_slots_until),
        "shares_visible": shares_visible,
        "window": window,
    }
    wanted = {name: value for name, value in asked.items() if value is not None}
    if not wanted:
        raise typer.BadParameter("give one of the options: see --help")
    with _pool() as pool:
        version = pool.admin.commitment.get().version
        shown = pool.admin.quotas.what_if(commitment=wanted)
        agree(shown, yes=yes or not shown.needed)
        changed = pool.admin.commitment.update(version=version, what_if=shown, reason=reason, **wanted)
        show_record(changed, json=json)


@commitment.command("epochs")
def list_epochs(json: Json = False) -> None:
    """List how the pool's capacity changed."""
    with _pool() as pool:
        epochs = pool.admin.commitment.epochs()
        show_list(epochs, ("epoch", "at", "capacity_mc", "limit_mc", "cause"), json=json)


@sites.command("list")
def list_sites(json: Json = False) -> None:
    """List all sites."""
    with _pool() as pool:
        show_list(pool.admin.sites.list(), ("id", "name", "state", "workers", "slots", "store_url"), json=json)


@sites.command("create")
def create_site(
    name: str,
    redis_url: Annotated[str, typer.Option(help="The site's broker.")],
    store_url: Annotated[str, typer.Option(help="The site's object store.")],
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Add a member. Its workers need a key as well: `admin keys create --site NAME`."""
    with _pool() as pool:
        made = pool.admin.sites.create(name=name, redis_url=redis_url, store_url=store_url, reason=reason)
        show_record(made, json=json)


@workers.command("list")
def list_workers(json: Json = False) -> None:
    """List all worker processes."""
    columns = ("id", "name", "site", "state", "cordoned", "slots", "busy", "contributes_mc", "seen_at")
    with _pool() as pool:
        show_list(pool.admin.workers.list(), columns, json=json)


# --- cordon and drain

Target = Annotated[str, typer.Argument(help="worker/ID, worker/NAME or site/NAME.", metavar="worker/… | site/…")]


def _target(pool: Client, target: str) -> tuple[Workers | Sites, str]:
    kind, _, name = target.partition("/")
    nouns: dict[str, Workers | Sites] = {"worker": pool.admin.workers, "site": pool.admin.sites}
    if kind not in nouns or not name:
        raise typer.BadParameter(f"name worker/… or site/…, not {target}")
    return nouns[kind], name


@app.command("cordon")
def cordon(target: Target, reason: Reason = None, json: Json = False) -> None:
    """Let nothing new start there; capacity counts on. Of a site: on all its workers, also those that come later."""
    with _pool() as pool:
        noun, name = _target(pool, target)
        show_record(noun.cordon(name, reason=reason), json=json)


@app.command("uncordon")
def uncordon(target: Target, reason: Reason = None, json: Json = False) -> None:
    """End a cordon or a drain."""
    with _pool() as pool:
        noun, name = _target(pool, target)
        show_record(noun.uncordon(name, reason=reason), json=json)


@app.command("drain")
def drain(
    target: Target,
    departs_at: Annotated[
        str | None, typer.Option(help=f"When it goes whatever runs there, {MOMENT}. Default: when all has ended.")
    ] = None,
    reason: Reason = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Cordon it and let its capacity leave as soon as nothing needs it. What would follow is shown and asked about."""
    at = _moment("--departs-at", departs_at)
    with _pool() as pool:
        noun, name = _target(pool, target)
        which = "workers" if noun is pool.admin.workers else "sites"
        shown = pool.admin.quotas.what_if(drain={which: [name], **({} if at is None else {"departs_at": at})})
        agree(shown, yes=yes)
        show_record(noun.drain(name, departs_at=at, what_if=shown, reason=reason), json=json)


@splits.command("declare")
def declare_split(
    name: str,
    rules: Annotated[
        typer.FileText, typer.Argument(help="JSON: a list of rules, as `split show` has them; - is stdin.")
    ],
    note: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    budget: Annotated[int | None, typer.Option(help="Evaluations of held-out environments for each cell.")] = None,
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Declare a split, or the next version of one. It holds nothing out before it is activated."""
    try:
        given = jsonlib.load(rules)
    except ValueError as error:
        raise typer.BadParameter(f"is not JSON: {error}", param_hint="RULES") from None
    if not isinstance(given, list):
        raise typer.BadParameter("is not a list of rules", param_hint="RULES")
    with _pool() as pool:
        made = pool.admin.splits.declare(name=name, rules=given, note=note, budget=budget, reason=reason)
        show_record(made, json=json)


@splits.command("activate")
def activate_split(
    name: Annotated[str, typer.Argument(help="name@version")], reason: Reason = None, json: Json = False
) -> None:
    """Hold all training that is submitted from now on to this split."""
    with _pool() as pool:
        show_record(pool.admin.splits.activate(name, reason=reason), json=json)


@splits.command("budget")
def set_budget(
    name: Annotated[str, typer.Argument(help="name@version")],
    cell: Annotated[str, typer.Argument(help="A cell's id or name.")],
    allowed: Annotated[int, typer.Argument(help="Evaluations of held-out environments, in all.")],
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Set how many evaluations of a split's holdouts a cell may ask for."""
    with _pool() as pool:
        show_record(pool.admin.splits.set_budget(name, cell=cell, allowed=allowed, reason=reason), json=json)


@splits.command("exposures")
def list_exposures(limit: Limit = 20, json: Json = False) -> None:
    """List which cell evaluated how many held-out environments, newest first."""
    columns = ("at", "cell", "split", "specs", "episodes", "run", "key", "kinds")
    with _pool() as pool:
        show_list(pool.admin.exposures.list(limit=limit), columns, json=json, limit=limit)


@app.command("audit")
def list_audit(
    actor: Annotated[str | None, typer.Option(help="A key's id.")] = None,
    action: Annotated[str | None, typer.Option(help="Such as quota.edit, or quota for all of quotas.")] = None,
    target: Annotated[str | None, typer.Option(help="An id, or the name of a cell or group.")] = None,
    since: Annotated[str | None, typer.Option(help="A time with its zone, such as 2027-01-01T08:00:00Z.")] = None,
    limit: Limit = 20,
    json: Json = False,
) -> None:
    """List what operators changed, who did it and why, newest first."""
    columns = ("at", "action", "target", "actor", "reason", "change")
    with _pool() as pool:
        found = pool.admin.audit.list(actor=actor, action=action, target=target, since=since, limit=limit)
        show_list(found, columns, json=json, limit=limit)


@app.command("loans")
def show_loans(json: Json = False) -> None:
    """List who runs beyond its nominal now, and whose nominal it is."""
    with _pool() as pool:
        found = pool.admin.loans.get()
    if json:
        show_record(found, json=True)
        return
    show_list(found.borrowers, ("name", "borrowed_mc", "since", "nominal_mc", "used_mc"), json=False)
    if found.lenders:
        show_list(found.lenders, ("name", "lent_mc", "nominal_mc", "used_mc"), json=False)
    if found.unlent_mc:
        note(f"{found.unlent_mc:,} mc are in use beyond the whole commitment, since capacity was lost")
