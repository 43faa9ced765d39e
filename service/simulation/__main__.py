"""`make simulate`: a week of the scheduler on a clock of its own, beside three baselines. Prints a table, writes
`.worldpool/simulation.json` and `.worldpool/simulation.html`.

`python -m service.simulation --swf FILE` or `--history FILE` replays what was recorded, `--quotas FILE` under the tree
in it. Exit codes: 0 all targets are met, 1 one is not, 2 the input is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from service.simulation import experiment, history, quotas, report, swf, workload
from service.simulation.experiment import Experiment
from service.simulation.quotas import Quota
from service.simulation.workload import DAY_MS, Fleet, Workload

ITEMS_PER_SLOT = 10_000
"""A day, of the made-up workload: with the mean length of 5.3 s six tenths of the pool are asked for."""


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m service.simulation", description="Simulate the scheduler.")
    top.add_argument("--seed", type=int, default=0, help="of what is made up (default: 0)")
    top.add_argument("--cells", type=_positive, default=40, help="cells of the made-up workload (default: 40)")
    top.add_argument("--days", type=float, help="days to simulate (default: 7, or all of a replay)")
    top.add_argument("--slots", type=_positive, help="slots that are committed (default: 6, or what was recorded)")
    source = top.add_mutually_exclusive_group()
    source.add_argument("--swf", type=Path, metavar="FILE", help="replay a trace in the Standard Workload Format")
    source.add_argument("--history", type=Path, metavar="FILE", help="replay our own usage, CSV or Parquet")
    top.add_argument(
        "--quotas", type=Path, metavar="FILE", help="the quota tree, YAML or JSON (default: equal weights)"
    )
    top.add_argument("--learn", action="store_true", help="print the factors of estimates that come of it, no report")
    top.add_argument("--out", type=Path, default=Path(".worldpool"), metavar="DIR", help="where the report goes")
    return top


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    try:
        quota, fleet, work, days = _input(arguments)
    except (quotas.BadQuotas, swf.BadTrace, history.BadHistory, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    made_up = ITEMS_PER_SLOT * (fleet.contributes_mc * fleet.workers * 33 // 100_000)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False) as shown:
        tasks: dict[str, TaskID] = {}

        def progress(name: str, done: float) -> None:
            if name not in tasks:
                tasks[name] = shown.add_task(name, total=1.0)
            shown.update(tasks[name], completed=done)

        if arguments.learn:
            learnt = experiment.learnt(quota, fleet, work, seed=arguments.seed, days=days, progress=progress)
            print(json.dumps(learnt))
            return 0
        found = experiment.run(
            quota, fleet, work, seed=arguments.seed, items_per_day=made_up, days=days, progress=progress
        )
    arguments.out.mkdir(parents=True, exist_ok=True)
    title = f"{work.items:,} items of {len(list(quota.cells()))} cells in {days:.3g} days"
    document = {
        "title": title,
        "seed": arguments.seed,
        "targets": [asdict(target) for target in found.targets],
        "policies": found.summaries,
    }
    (arguments.out / "simulation.json").write_text(json.dumps(document, indent=1) + "\n")
    (arguments.out / "simulation.html").write_text(report.page(title, found))
    _show(title, found)
    return 0 if all(target.met for target in found.targets) else 1


def _input(arguments: argparse.Namespace) -> tuple[Quota, Fleet, Workload, float]:
    if arguments.swf or arguments.history:
        work, fleet = swf.read(arguments.swf) if arguments.swf else history.read(arguments.history)
        names = sorted({campaign.cell for campaign in work.campaigns})
        quota = quotas.read(arguments.quotas) if arguments.quotas else quotas.flat(names)
        missing = sorted(set(names) - set(quota.cells()))
        if missing:
            raise quotas.BadQuotas(f"{arguments.quotas} has no cell {missing[0]}, of which there is work")
        fleet = Fleet.committing(arguments.slots) if arguments.slots else fleet
        days = arguments.days or (work.campaigns[-1].at_ms / DAY_MS + 1 / 24)
        return quota, fleet, work, days
    days = arguments.days or 7.0
    fleet = Fleet.committing(arguments.slots or 6)
    quota = quotas.read(arguments.quotas) if arguments.quotas else workload.quotas(arguments.seed, arguments.cells)
    items = int(ITEMS_PER_SLOT * (arguments.slots or 6) * days)
    work = workload.synthetic(arguments.seed, list(quota.cells()), days=days, items=items, fleet=fleet)
    return quota, fleet, work, days


def _show(title: str, found: Experiment) -> None:
    table = Table(title=title)
    table.add_column("")
    for name in found.summaries:
        table.add_column(name, justify="right")
    for label, row in report.rows(found).items():
        table.add_row(label, *row)
    targets = Table()
    for column in ("target", "found", "wanted", ""):
        targets.add_column(column, justify="right" if column == "found" else "left")
    for target in found.targets:
        value = "nothing to measure" if target.value is None else f"{target.value:,.4g}"
        targets.add_row(target.name, value, target.wanted, "met" if target.met else "MISSED")
    console = Console()
    console.print(table)
    console.print(targets)


if __name__ == "__main__":
    sys.exit(main())
