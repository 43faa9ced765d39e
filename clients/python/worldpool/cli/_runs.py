"""`worldpool run`: rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from enum import StrEnum
from json import loads
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast, get_args

import typer

from worldpool import _calls
from worldpool._progress import ProgressBar
from worldpool._runs import Run
from worldpool.cli import _envs
from worldpool.cli._output import RUN_FAILED, Json, Limit, note, pairs, show_list, show_record
from worldpool.errors import NotFound, WorldpoolError

T = TypeVar("T")
app = typer.Typer(help="Runs: rollouts of a policy in the environments of a subset.", no_args_is_help=True)

RunId = Annotated[str, typer.Argument(help="A run's id.")]
Timeout = Annotated[float | None, typer.Option("--timeout", min=0, help="Give up waiting after this many seconds.")]

_LISTED = ("id", "state", "created_at", "steps_done", "steps_expected", "environments")
_SUMMARISED = ("ref", "domain", "episodes", "steps", "length_mean", "return_mean", "steps_per_s")


_By = StrEnum("_By", {key: key for key in get_args(_calls.ReportKey)})  # type: ignore[misc]


@app.command()
def create(
    subset: Annotated[str | None, typer.Option(help="A subset's id, digest or name.")] = None,
    ref: Annotated[list[str] | None, typer.Option(help="Environments without a subset; repeat for more.")] = None,
    policy: Annotated[
        list[str] | None, typer.Option(help="random (default), still, or an uploaded policy's digest; repeat for more.")
    ] = None,
    episodes: Annotated[int | None, typer.Option(help="Episodes of every environment.")] = None,
    steps_per_env: Annotated[int | None, typer.Option(help="Steps of every environment.")] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="Equal seeds give equal rollouts; 0 by default; repeat for more.")
    ] = None,
    max_parallel: Annotated[int | None, typer.Option(help="Work items of it that run at once, at most.")] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="A group of readers that is there from the start; repeat for more.")
    ] = None,
    max_unread: Annotated[
        int | None, typer.Option(help="Run no more while its slowest reader is so many chunks behind.")
    ] = None,
    abandon_after: Annotated[
        int | None, typer.Option(help="Run no more after so many seconds without a stream, once there was one.")
    ] = None,
    retention: Annotated[
        str | None,
        typer.Option(help="When chunks are deleted: keep (default), acknowledged, or so many seconds after its end."),
    ] = None,
    record: Annotated[
        str | None, typer.Option(help='What is kept, as JSON: {"columns": ["actions"], "infos": ["x_position"]}.')
    ] = None,
    name: Annotated[str | None, typer.Option(help="The same request under the same name is the same run.")] = None,
    reuse: Annotated[bool, typer.Option("--reuse", help="Answer with an earlier run of equal content.")] = False,
    label: Annotated[list[str] | None, typer.Option(help="key=value; repeat for more.")] = None,
    evaluate: Annotated[
        bool, typer.Option("--evaluate", help="Held-out environments too, for their scores alone.")
    ] = False,
    carve: Annotated[bool, typer.Option("--carve", help="Cut what is held out from distributions.")] = False,
    wait_: Annotated[bool, typer.Option("--wait", help="Wait for its end.")] = False,
    json: Json = False,
) -> None:
    """Ask for rollouts."""
    if (subset is None) == (not ref):
        raise typer.BadParameter("give either --subset or --ref")
    if (episodes is None) == (steps_per_env is None):
        raise typer.BadParameter("give either --episodes or --steps-per-env")
    with _envs.pool() as pool:
        run = pool.runs.create(
            subset=subset,
            refs=ref or None,
            policy=_one("random", policy),
            episodes=episodes,
            steps_per_env=steps_per_env,
            seed=_one(0, seed),
            max_parallel=max_parallel,
            groups=group or None,
            max_unread=max_unread,
            abandon_after_s=abandon_after,
            retention=_retention(retention),
            record=_record(record),
            name=name,
            reuse=reuse or None,
            labels=pairs(label or [], "=", "--label"),
            purpose="evaluate" if evaluate else "train",
            holdout="carve" if carve else "refuse",
        )
        _finish(_wait(run, None) if wait_ else run, json=json)


def _retention(text: str | None) -> Any:
    if text is None or text in ("keep", "acknowledged"):
        return text
    if not (text.isascii() and text.isdigit()):
        raise typer.BadParameter(f"{text!r} is not keep, acknowledged or a number of seconds", param_hint="--retention")
    return {"after_end_s": int(text)}


def _record(text: str | None) -> Any:
    try:
        found = None if text is None else loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"not JSON: {error}", param_hint="--record") from None
    if text is not None and not isinstance(found, dict):
        raise typer.BadParameter("give a JSON object", param_hint="--record")
    return found


@app.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help="queued, running, succeeded, failed or cancelled.")] = None,
    label: Annotated[str | None, typer.Option(help="key=value: runs with this label.")] = None,
    limit: Limit = 20,
    json: Json = False,
) -> None:
    """List this cell's runs."""
    with _envs.pool() as pool:
        labels = pairs([label] if label else [], "=", "--label")
        runs = pool.runs.list(state=state, label=next(iter(labels.items()), None), limit=limit)
        show_list(runs, _LISTED, json=json, limit=limit)


@app.command()
def get(run: RunId, json: Json = False) -> None:
    """Show a run as it stands now."""
    with _envs.pool() as pool:
        show_record(pool.runs.get(run), json=json)


@app.command()
def wait(run: RunId, timeout: Timeout = None, json: Json = False) -> None:
    """Wait for the end of a run. Exit code 3 if it failed or was cancelled."""
    with _envs.pool() as pool:
        _finish(_wait(pool.runs.get(run), timeout), json=json)


@app.command()
def cancel(run: RunId, json: Json = False) -> None:
    """Stop a run; its finished chunks stay."""
    with _envs.pool() as pool:
        show_record(pool.runs.cancel(run), json=json)


@app.command()
def delete(run: RunId) -> None:
    """Delete a run and its data."""
    with _envs.pool() as pool:
        pool.runs.delete(run)


@app.command()
def export(
    run: RunId,
    out: Annotated[Path, typer.Option(help="The folder; the same one again takes up what was left.")],
    format: Annotated[Literal["parquet", "minari"], typer.Option(help="What to write.")] = "parquet",
    json: Json = False,
) -> None:
    """Write a run down as files, until it has ended. Exit code 3 if it failed or was cancelled."""
    with _envs.pool() as pool:
        written = pool.runs.get(run).export(out, format=format)
        if json:
            typer.echo(written.model_dump_json(indent=2))
        else:
            note(f"{written.episodes:,} episodes, {written.steps:,} steps, in {out}")
            show_list(written.tables, ("name", "kind", "rows", "refs"), json=False)


@app.command()
def groups(run: RunId, json: Json = False) -> None:
    """Groups that share a run's chunks, and how far they are."""
    with _envs.pool() as pool:
        show_list(pool.runs.groups(run), ("name", "given", "acknowledged", "unacknowledged"), json=json)


@app.command()
def summary(run: RunId, json: Json = False) -> None:
    """Returns and lengths of a run's episodes, by environment."""
    with _envs.pool() as pool:
        figures = pool.runs.get(run).summary()
        if json:
            typer.echo(figures.model_dump_json(indent=2))
        else:
            specs = sorted(figures.specs, key=lambda spec: (spec.domain, spec.ref))
            show_list(specs, _SUMMARISED, json=False)


@app.command()
def scores(run: RunId, json: Json = False) -> None:
    """Return and length of every episode."""
    with _envs.pool() as pool:
        columns = ("ref", "kind", "env_index", "episode_index", "agent", "length", "episode_return")
        show_list(pool.runs.scores(run), columns, json=json)


@app.command()
def report(
    run: RunId,
    split: Annotated[str | None, typer.Option(help="Another split than the run's own.")] = None,
    by: Annotated[
        list[_By] | None, typer.Option(help="What to tell apart; by default kinds, and policies if there are several.")
    ] = None,
    json: Json = False,
) -> None:
    """Results by kind of holdout: what was trained on, interpolation, composition, extrapolation, family."""
    with _envs.pool() as pool:
        found = pool.runs.report(run, split=split, by=[cast(_calls.ReportKey, key.value) for key in by] if by else None)
        typer.echo(found.model_dump_json(indent=2) if json else str(found), nl=json)


@app.command()
def explain(run: RunId, json: Json = False) -> None:
    """Why its next item waits, and what would start it now."""
    with _envs.pool() as pool:
        found = pool.runs.explain(run)
        typer.echo(found.model_dump_json(indent=2) if json else str(found))


def _one(usual: T, given: Sequence[T] | None) -> T | Sequence[T]:
    """What was given, a single one bare."""
    return usual if not given else given[0] if len(given) == 1 else given


def _wait(run: Run, timeout_s: float | None) -> Run:
    try:
        with closing(ProgressBar(None)) as bar:
            for run in run.watch(timeout_s=timeout_s):  # noqa: B020  # each state is a newer one of the same run
                bar.update(run, steps=run.steps_done, episodes=run.episodes_done)
    except (KeyboardInterrupt, WorldpoolError) as end:
        if not isinstance(end, NotFound):
            hint = f"  watch it: worldpool run wait {run.id}\n  stop it:  worldpool run cancel {run.id}"
            note(f"{run.id} goes on\n{hint}")
        raise
    return run


def _finish(run: Run, *, json: bool) -> None:
    show_record(run, json=json)
    if run.state in ("failed", "cancelled"):
        raise typer.Exit(RUN_FAILED)
