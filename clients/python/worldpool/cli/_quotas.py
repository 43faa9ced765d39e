"""`worldpool admin quota`: the entitlement tree, by edits and as a document. What would follow is shown first."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer
import yaml

from worldpool._calls import quota_fields
from worldpool._client import Client
from worldpool.cli import _envs
from worldpool.cli._output import Json, note, show_list, show_record
from worldpool.models import Quota, WhatIf

app = typer.Typer(help="The entitlement tree.", no_args_is_help=True)

Node = Annotated[str, typer.Argument(help="A node's name or id.")]
Reason = Annotated[str | None, typer.Option(help="Why, for the audit.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
File = Annotated[typer.FileText, typer.Option("--file", "-f", help="A document as `export` writes it; - is stdin.")]
Time = Annotated[str | None, typer.Option(help="A time with its zone, such as 2027-01-01T08:00:00Z.")]
Weight = Annotated[int | None, typer.Option(help="Share among its siblings.")]
State = Annotated[str | None, typer.Option(help="active, hold or hold_and_drain.")]
Borrowing = Annotated[str | None, typer.Option(help="Millicores that it may use beyond its nominal, or unlimited.")]
Lending = Annotated[str | None, typer.Option(help="Idle millicores that others may use, or unlimited.")]
MaxLoan = Annotated[str | None, typer.Option(help="Milliseconds of the longest item beyond its nominal, or unlimited.")]
ReclaimFirst = Annotated[
    bool | None, typer.Option(help="Whether its sessions on a loan are asked back before those of others.")
]
WindowBudget = Annotated[str | None, typer.Option(help="Core-milliseconds that it may use in a window, or unlimited.")]
Parent = Annotated[str | None, typer.Option(help="The group to move it to; commitment is the root.")]


def _limit(option: str, text: str | None) -> int | Literal["unlimited"] | None:
    if text is None or text == "unlimited":
        return text  # type: ignore[return-value]
    if not text.isdecimal():
        raise typer.BadParameter(f"{option} takes a whole number or unlimited, not {text}")
    return int(text)


def _fields(
    weight: int | None,
    state: str | None,
    borrowing_limit: str | None,
    lending_limit: str | None,
    max_loan: str | None,
    reclaim_first: bool | None,
    window_budget: str | None,
    parent: str | None,
) -> dict[str, Any]:
    """What the options say, as the pool has it."""
    found = quota_fields(
        weight=weight,
        state=state,
        borrowing_limit_mc=_limit("--borrowing-limit", borrowing_limit),
        lending_limit_mc=_limit("--lending-limit", lending_limit),
        max_loan_ms=_limit("--max-loan", max_loan),
        reclaim_first=reclaim_first,
        window_budget_core_ms=_limit("--window-budget", window_budget),
        parent=parent,
    )
    if not found:
        options = "--weight, --state, --borrowing-limit, --lending-limit, --max-loan, --reclaim-first, --window-budget"
        raise typer.BadParameter(f"name what to change: {options}, --parent")
    return found


def _find(pool: Client, name_or_id: str) -> Quota:
    if name_or_id.startswith("quota_"):
        return pool.admin.quotas.get(name_or_id)
    found = [node for node in pool.admin.quotas.list() if node.name == name_or_id]
    if len(found) != 1:
        what = "there is no quota" if not found else "a group and a cell are both named"
        raise typer.BadParameter(f"{what} {name_or_id}; see `worldpool admin quota list`")
    return found[0]


# --- look


@app.command("list")
def list_quotas(json: Json = False) -> None:
    """List the nodes of the entitlement tree."""
    columns = ("id", "name", "weight", "state", "nominal_mc", "used_mc", "used_core_ms", "kind")
    with _envs.pool(operator=True) as pool:
        show_list(pool.admin.quotas.list(), columns, json=json)


@app.command("show")
def show_quota(quota: Node, json: Json = False) -> None:
    """Show a node: what is set, who set it when and why, and what follows from it now."""
    with _envs.pool(operator=True) as pool:
        show_record(_find(pool, quota), json=json)


# --- single edits


@app.command("set")
def set_quota(
    quota: Node,
    weight: Weight = None,
    state: State = None,
    borrowing_limit: Borrowing = None,
    lending_limit: Lending = None,
    max_loan: MaxLoan = None,
    reclaim_first: ReclaimFirst = None,
    window_budget: WindowBudget = None,
    parent: Parent = None,
    at: Time = None,
    until: Time = None,
    reason: Reason = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Change a node, or move it. What takes something away is shown and asked about first.

    With --at it changes then, with --until it becomes what it was then, unless somebody edits it meanwhile.
    """
    fields = _fields(weight, state, borrowing_limit, lending_limit, max_loan, reclaim_first, window_budget, parent)
    _edit(quota, fields, at=at, until=until, reason=reason, yes=yes, json=json)


def hold(
    quota: Node,
    drain: Annotated[bool, typer.Option("--drain", help="Ask its sessions back too.")] = False,
    at: Time = None,
    until: Time = None,
    reason: Reason = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Let nothing new start below a node, until `release` or --until. What would follow is shown and asked about."""
    state = "hold_and_drain" if drain else "hold"
    _edit(quota, {"state": state}, at=at, until=until, reason=reason, yes=yes, json=json)


def release(quota: Node, reason: Reason = None, json: Json = False) -> None:
    """End a hold."""
    _edit(quota, {"state": "active"}, at=None, until=None, reason=reason, yes=True, json=json)


def _edit(
    quota: str, fields: dict[str, Any], *, at: str | None, until: str | None, reason: str | None, yes: bool, json: bool
) -> None:
    with _envs.pool(operator=True) as pool:
        node = _find(pool, quota)
        change: dict[str, Any] = {"quotas": [{"quota": node.id, **fields}]}
        shown = pool.admin.quotas.what_if(**change)
        agree(shown, yes=yes or not shown.needed)
        if at or until:
            scheduled = pool.admin.changes.create(change=change, at=at, until=until, what_if=shown, reason=reason)
            show_record(scheduled, json=json)
            return
        unlimited: dict[str, Any] = {name: "unlimited" if value is None else value for name, value in fields.items()}
        changed = pool.admin.quotas.update(node, version=node.version, what_if=shown, reason=reason, **unlimited)
        show_record(changed, json=json)


@app.command("thaw")
def thaw_quota(quota: Node, reason: Reason = None, json: Json = False) -> None:
    """Set the counter of a frozen node to what its leases hold, and let items start below it again."""
    with _envs.pool(operator=True) as pool:
        show_record(pool.admin.quotas.thaw(_find(pool, quota), reason=reason), json=json)


@app.command("create")
def create_group(
    name: str,
    parent: Annotated[str | None, typer.Option(help="The group that it belongs to; the root if not given.")] = None,
    weight: Weight = None,
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Add a group. Cells come into it by `quota set CELL --parent GROUP`."""
    with _envs.pool(operator=True) as pool:
        created = pool.admin.quotas.create(name=name, parent=parent, weight=weight, reason=reason)
        show_record(created, json=json)


@app.command("delete")
def delete_quota(quota: Node, reason: Reason = None) -> None:
    """Delete a group that has nothing in it, or a cell that never had work."""
    with _envs.pool(operator=True) as pool:
        pool.admin.quotas.delete(_find(pool, quota), reason=reason)


# --- the document


@app.command("export")
def export_quotas(json: Json = False) -> None:
    """Print all that is set of the tree as YAML."""
    with _envs.pool(operator=True) as pool:
        document = pool.admin.quotas.document()
    text = jsonlib.dumps(document, indent=2, sort_keys=True) + "\n" if json else yaml.safe_dump(document)
    typer.echo(text, nl=False)


@app.command("diff")
def diff_quotas(file: File, json: Json = False) -> None:
    """Show what a document would change, and what would follow. Changes nothing."""
    with _envs.pool(operator=True) as pool:
        show_what_if(pool.admin.quotas.what_if(document=read_document(file)), json=json)


@app.command("apply")
def apply_quotas(file: File, reason: Reason = None, yes: Yes = False, json: Json = False) -> None:
    """Make the tree what a document says, all of it or nothing. What would follow is shown and asked about first."""
    document = read_document(file)
    with _envs.pool(operator=True) as pool:
        shown = pool.admin.quotas.what_if(document=document)
        if not shown.edits:
            note("nothing to change")
        agree(shown, yes=yes or not shown.edits)
        changed = pool.admin.quotas.apply(document, what_if=shown, reason=reason)
    if json:
        typer.echo(changed.model_dump_json(indent=2))
    else:
        note(f"{len(changed.edits)} values set")


@app.command("what-if")
def what_if(
    quota: Annotated[str | None, typer.Argument(help="A node's name or id.")] = None,
    weight: Weight = None,
    state: State = None,
    borrowing_limit: Borrowing = None,
    lending_limit: Lending = None,
    max_loan: MaxLoan = None,
    reclaim_first: ReclaimFirst = None,
    window_budget: WindowBudget = None,
    parent: Parent = None,
    numerator: Annotated[int | None, typer.Option(help="Of the commitment, such as 33.")] = None,
    denominator: Annotated[int | None, typer.Option(help="Of the commitment, such as 100.")] = None,
    drain_worker: Annotated[list[str] | None, typer.Option(help="A worker's name or id; repeat for more.")] = None,
    drain_site: Annotated[list[str] | None, typer.Option(help="All workers of a site; repeat for more.")] = None,
    departs_at: Annotated[str | None, typer.Option(help="When the workers go at the latest, with its zone.")] = None,
    json: Json = False,
) -> None:
    """Show what would follow from a change of a node, of the commitment, or from a drain. Changes nothing."""
    change: dict[str, Any] = {}
    with _envs.pool(operator=True) as pool:
        if quota is not None:
            fields = _fields(
                weight, state, borrowing_limit, lending_limit, max_loan, reclaim_first, window_budget, parent
            )
            change["quotas"] = [{"quota": _find(pool, quota).id, **fields}]
        if numerator is not None or denominator is not None:
            change["commitment"] = quota_fields(numerator=numerator, denominator=denominator)
        if drain_worker or drain_site:
            change["drain"] = quota_fields(workers=drain_worker, sites=drain_site, departs_at=departs_at)
        if not change:
            raise typer.BadParameter("name a node, --numerator, --denominator, --drain-worker or --drain-site")
        show_what_if(pool.admin.quotas.what_if(**change), json=json)


# --- changes for later


@app.command("changes")
def list_changes(json: Json = False) -> None:
    """List changes that begin or end at a time, newest first."""
    columns = ("id", "state", "at", "until", "by", "reason", "failure", "change")
    with _envs.pool(operator=True) as pool:
        show_list(pool.admin.changes.list(), columns, json=json)


@app.command("cancel")
def cancel_change(
    change: Annotated[str, typer.Argument(help="A change's id.")], reason: Reason = None, json: Json = False
) -> None:
    """Cancel a change: what has not begun never does, what is in force is taken back."""
    with _envs.pool(operator=True) as pool:
        show_record(pool.admin.changes.cancel(change, reason=reason), json=json)


# --- what would follow


def agree(shown: WhatIf, *, yes: bool) -> None:
    """Go on only where whoever sits there has seen what follows and wants it."""
    if yes:
        return
    for title, lines in _tables(shown):
        note(title)
        for line in lines:
            note(f"  {line}")
    typer.confirm("Do it?", abort=True, err=True)


def show_what_if(shown: WhatIf, *, json: bool) -> None:
    if json:
        show_record(shown, json=True)
        return
    if not (shown.edits or shown.effective or shown.waits or shown.drained):
        note("nothing to change")
    for title, lines in _tables(shown):
        typer.echo(title)
        for line in lines:
            typer.echo(f"  {line}")


def _tables(shown: WhatIf) -> list[tuple[str, list[str]]]:
    """What follows, in lines below titles; titles of which nothing is to be said are left out."""
    edits = [f"{line.name}: {line.field} {_said(line.before)} -> {_said(line.after)}" for line in shown.edits]
    limit = [f"{shown.limit_before_mc:,} mc -> {shown.limit_after_mc:,} mc"]
    effective = [
        f"{node.name}: {_mc(node.nominal_before_mc)} -> {_mc(node.nominal_after_mc)}"
        + (f", {node.borrowed_after_mc:,} mc in use beyond it" if node.borrowed_after_mc else "")
        for node in shown.effective
    ]
    waits = [
        f"{wait.cell}: {_turn(wait.starts_before, wait.reason_before, wait.node_before)} -> "
        f"{_turn(wait.starts_after, wait.reason_after, wait.node_after)}"
        for wait in shown.waits
    ]
    drained = []
    if shown.drained is not None:
        ends = f", over by {shown.drained.ended_by.isoformat()}" if shown.drained.ended_by else ""
        drained = [
            f"{shown.drained.workers} workers with {shown.drained.slots} slots, {shown.drained.gone} of them at once; "
            f"{shown.drained.leases} leases run on them{ends}; {shown.drained.outlasting} may outlast their departure"
        ]
    tables = [
        ("sets", edits),
        ("takes something away", [f"it {sentence}" for sentence in shown.takes]),
        ("commitment", limit if shown.limit_before_mc != shown.limit_after_mc else []),
        ("nominal", effective),
        ("next items", waits),
        ("asked back", shown.recalled),
        ("drains", drained),
    ]
    return [(title, lines) for title, lines in tables if lines]


def _said(value: Any) -> str:
    return "-" if value is None else str(value)


def _mc(value: int | None) -> str:
    return "-" if value is None else f"{value:,} mc"


def _turn(starts: int, reason: str | None, node: str | None) -> str:
    waits = f"{reason} at {node}" if node else reason
    return " then ".join(part for part in (f"{starts} start" if starts else None, waits) if part) or "nothing waits"


# --- YAML


class _Loader(yaml.SafeLoader):
    """YAML in which a name is text, and is there once: a line that another one hides would delete a cell."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            line = key.start_mark.line + 1
            if not isinstance(name, str):
                raise typer.BadParameter(f"line {line}: quote {key.value!r}: a name is text")
            if name in seen:
                raise typer.BadParameter(f"line {line}: {name!r} is there twice")
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


def read_document(file: typer.FileText) -> Mapping[str, Any]:
    """The document in a file of YAML (JSON is YAML)."""
    try:
        document = yaml.load(file, Loader=_Loader)
    except yaml.YAMLError as error:
        raise typer.BadParameter(f"is not YAML: {error}", param_hint="--file") from None
    if not isinstance(document, dict):
        raise typer.BadParameter("is not a document as `quota export` writes it", param_hint="--file")
    return document
