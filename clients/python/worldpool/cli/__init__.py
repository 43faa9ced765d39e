"""The command `worldpool`: the SDK for shells. Results on stdout, progress and failures on stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from worldpool._version import __version__
from worldpool.cli import _admin, _envs, _policies, _queue, _runs, _splits, _subsets, _tables, _usage, _webhooks
from worldpool.cli._output import EXIT_CODES, INTERRUPTED, PROBLEM, USAGE, Json, exit_code, show_record
from worldpool.errors import WorldpoolError

app = typer.Typer(
    name="worldpool",
    help=f"Choose environments of a Worldpool, run rollouts, see what is used.\n\n{EXIT_CODES}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(_envs.app, name="env")
app.add_typer(_subsets.app, name="subset")
app.add_typer(_splits.app, name="split")
app.add_typer(_tables.app, name="table")
app.add_typer(_policies.app, name="policy")
app.add_typer(_runs.app, name="run")
app.add_typer(_webhooks.app, name="webhook")
app.add_typer(_admin.app, name="admin")
app.command()(_queue.queue)
app.command()(_queue.share)


app.command("usage")(_usage.usage)


@app.command()
def me(json: Json = False) -> None:
    """What this key's cell may use now, and uses.

    1,000 mc (millicores) are one core; 1,000 core_ms are one core for one second.
    decayed_core_ms is use that fades with time; it orders the cells that wait.
    """
    with _envs.pool() as pool:
        show_record(pool.me(), json=json)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"worldpool {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        " ".join(arguments).encode()
    except UnicodeEncodeError as error:
        return _failed(f"{error.object!r} is not UTF-8", USAGE)
    try:
        app(args=arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else PROBLEM
    except WorldpoolError as error:
        return _failed(str(error), exit_code(error))
    except ValueError as error:  # of an argument that cannot be sent
        return _failed(str(error), USAGE)
    except OSError as error:  # of a file
        return _failed(str(error), PROBLEM)
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _failed(sentence: str, code: int) -> int:
    Console(stderr=True).print("[red]error:[/red]", Text(sentence), soft_wrap=True)
    return code
