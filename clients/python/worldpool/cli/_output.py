"""How commands answer: tables for people, JSON for programs, and exit codes for both."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from worldpool.errors import ConnectionFailed, PoolNotFound, RunFailed, WorldpoolError

Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Limit = Annotated[int, typer.Option(min=1, help="Most entries to show.")]

OK, PROBLEM, USAGE, RUN_FAILED, NO_POOL = 0, 1, 2, 3, 4
EXIT_CODES = (
    "Exit codes: 0 done; 1 the pool refused; 2 wrong usage; 3 the run failed or was cancelled; "
    "4 no pool found, or it does not answer; 130 interrupted."
)


def exit_code(error: WorldpoolError) -> int:
    if isinstance(error, PoolNotFound | ConnectionFailed):
        return NO_POOL
    return RUN_FAILED if isinstance(error, RunFailed) else PROBLEM


def show_record(model: BaseModel, *, json: bool) -> None:
    """One thing: a line for each field."""
    if json:
        typer.echo(model.model_dump_json(indent=2))
        return
    table = Table(show_header=False, box=None)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in model.model_dump(mode="json").items():
        table.add_row(name, escape(_cell(value)))
    Console().print(table)


def show_list(models: Iterable[BaseModel], columns: Iterable[str], *, json: bool) -> None:
    """Many things: a JSON array, or a table of some of their fields."""
    if json:
        typer.echo(jsonlib.dumps([model.model_dump(mode="json") for model in models], indent=2))
        return
    table = Table(header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for model in models:
        record = model.model_dump(mode="json")
        table.add_row(*(escape(_cell(record[column])) for column in columns))
    Console().print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int | float):
        return f"{value:,}"
    return jsonlib.dumps(value, ensure_ascii=False) if isinstance(value, Mapping | list) else str(value)


def pairs(texts: Iterable[str], separator: str, option: str) -> dict[str, str]:
    """`name=value` options as a dict; anything else is a usage error."""
    found = {}
    for text in texts:
        name, found_separator, value = text.partition(separator)
        if not name or not found_separator:
            raise typer.BadParameter(f"{text!r} is not name{separator}value", param_hint=option)
        found[name] = value
    return found
