"""How commands answer: text for people, JSON for programs, and exit codes for both.

Text is the same in a terminal and in a pipe, but that columns that do not fit into a terminal are left out. Names of
fields are those of the JSON and of the SDK, units included. A value stays whole and on its line: it may be copied.
"""

from __future__ import annotations

import json as jsonlib
import shutil
import sys
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from worldpool.errors import ConfigurationError, ConnectionFailed, PoolNotFound, RunFailed, WorldpoolError

Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Limit = Annotated[int, typer.Option(min=1, help="Most entries to show.")]

PROBLEM, USAGE, RUN_FAILED, NO_POOL, INTERRUPTED = 1, 2, 3, 4, 130
EXIT_CODES = (
    "Exit codes: 0 done; 1 the pool refused, or --timeout is over; 2 wrong usage, address or key; "
    "3 the run failed or was cancelled; 4 no pool found, or it does not answer; 130 interrupted."
)


def exit_code(error: WorldpoolError) -> int:
    if isinstance(error, PoolNotFound | ConnectionFailed):
        return NO_POOL
    if isinstance(error, ConfigurationError):
        return USAGE
    return RUN_FAILED if isinstance(error, RunFailed) else PROBLEM


def note(text: str) -> None:
    """A sentence beside the results."""
    typer.echo(text, err=True)


def show_record(model: BaseModel, *, json: bool, without: Collection[str] = ()) -> None:
    """One thing: a line for each field; JSON has those in `without` too."""
    if json:
        typer.echo(model.model_dump_json(indent=2))
        return
    fields = model.model_dump(exclude=set(without)).items()
    lines = [line for name, value in fields for line in _lines(name, value)]
    width = max(len(name) for name, _ in lines)
    for name, text in lines:
        typer.echo(f"{name:<{width}}  {text}")


def show_list(models: Iterable[BaseModel], columns: Sequence[str], *, json: bool, limit: int | None = None) -> None:
    """Many things: a JSON array, or a line of some attributes for each, what identifies it first."""
    models = list(models)
    if json:
        typer.echo(jsonlib.dumps([model.model_dump(mode="json") for model in models], indent=2))
        return
    show_table(columns, [[getattr(model, column) for column in columns] for model in models])
    if len(models) == limit:
        note(f"the first {limit:,}; there may be more: --limit")


def show_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """For people: a line for each row."""
    if not rows:
        note("nothing found")
        return
    _print_table([columns, *([_cell(value) for value in row] for row in rows)])


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    shown = _fitting(widths, shutil.get_terminal_size().columns) if sys.stdout.isatty() else len(widths)
    more = " …" if shown < len(widths) else ""
    for number, row in enumerate(rows):
        line = "  ".join(f"{cell:<{width}}" for cell, width in zip(row[:shown], widths, strict=False)).rstrip()
        typer.echo(line if number else typer.style(line + more, bold=True))


def _fitting(widths: Sequence[int], edge: int) -> int:
    """How many of the first columns fit whole, at least one: half an id or number would be a wrong one."""
    ends = list(accumulate(width + 2 for width in widths))
    if ends[-1] - 2 <= edge:
        return len(ends)
    return max(1, bisect_right(ends, edge))


def _lines(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """A field's name and text; an object in it becomes lines of its own, with exact values."""
    if not isinstance(value, Mapping) or not value:
        rounded = "." not in name and name != "seed" and not isinstance(value, datetime)
        yield name, _cell(value) if rounded else _exact(value)
        return
    for key, inner in value.items():
        yield from _lines(f"{name}.{key}", inner)


def _cell(value: Any) -> str:
    """For people: numbers rounded and grouped, times to the minute."""
    if value in (None, "", [], {}):
        return "-"
    match value:
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%MZ}"
        case bool() | str():
            return _exact(value)
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
        case [*items] if not any(isinstance(item, Mapping | list) for item in items):
            return ", ".join(map(_exact, items))
        case Mapping():
            return ", ".join(f"{_exact(key)}={_exact(inner)}" for key, inner in value.items())
        case _:
            return _exact(value)


def _exact(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
    text = value if isinstance(value, str) else jsonlib.dumps(value, ensure_ascii=False)
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def pairs(texts: Iterable[str], separator: str, option: str) -> dict[str, str]:
    """`name=value` options as a dict; anything else is a usage error."""
    found: dict[str, str] = {}
    for text in texts:
        name, found_separator, value = text.partition(separator)
        if not name or not found_separator:
            raise typer.BadParameter(f"{text!r} is not name{separator}value", param_hint=option)
        if name in found:
            raise typer.BadParameter(f"{name} is given twice", param_hint=option)
        found[name] = value
    return found
