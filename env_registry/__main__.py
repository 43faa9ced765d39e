"""The registry at a terminal: `python -m env_registry stats | list | show REF | measure`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from env_registry import cards
from env_registry.catalogue import base_task, base_tasks, enumerate_specs
from env_registry.family import families
from env_registry.modifiers import modifiers
from env_registry.problems import RefProblem
from env_registry.runtime import runtime
from env_registry.spec import Spec, parse


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m env_registry", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("stats", help="how much there is").add_argument("--json", action="store_true")
    commands.add_parser("list", help="every catalogued ref, one a line")
    commands.add_parser("show", help="one spec and its card").add_argument("ref")
    commands.add_parser("measure", help="write the cards of base tasks that have none of this runtime")
    commands.add_parser("probe", help="look at one spec in this process, as JSON").add_argument("ref")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except RefProblem as problem:
        print(problem, file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    match options.command:
        case "stats":
            _stats(as_json=options.json)
        case "list":
            for spec in enumerate_specs():
                print(spec.ref)
        case "show":
            _show(parse(options.ref))
        case "measure":
            return _measure()
        case "probe":
            from env_registry.probe import look

            print(json.dumps(look(parse(options.ref)).json()))
    return 0


def stats() -> dict[str, Any]:
    """Numbers of what is enumerated; specs and base tasks always together."""
    domains: Counter[str] = Counter()
    tasks = set()
    for spec in enumerate_specs():
        domains[spec.source.domain] += 1
        tasks.add(base_task(spec))
    return {
        "specs": domains.total(),
        "domains": dict(sorted(domains.items())),
        "families": len(families()),
        "base_tasks": len(tasks),
        "modifiers": len({name for name, _ in modifiers()}),
    }


def _stats(*, as_json: bool) -> None:
    found = stats()
    if as_json:
        print(json.dumps(found))
        return
    table = Table("", "count")
    for name in ("specs", "base_tasks", "families", "modifiers"):
        table.add_row(name.replace("_", " "), f"{found[name]:,}")
    for domain, count in found["domains"].items():
        table.add_row(f"specs in {domain}", f"{count:,}")
    Console().print(table)


def _show(spec: Spec) -> None:
    table = Table(show_header=False)
    table.add_row("ref", spec.ref)
    table.add_row("digest", spec.digest)
    table.add_row("base task", base_task(spec))
    table.add_row("description", spec.source.description)
    for name, value in spec.values.items():
        axis = spec.source.axis(name)
        table.add_row(name, f"{value} {axis.unit if axis else ''}".strip())
    card = cards.card_of(spec)
    for name, value in vars(card).items() if card else ():
        table.add_row(name, str(value))
    Console().print(table)


def _measure() -> int:
    """Resumable: what this runtime has measured stays, and each new card replaces an old one as it comes in."""
    wanted = {spec.ref: spec for spec in base_tasks()}
    done = {ref: card for ref, card in cards.read().items() if ref in wanted}
    missing = [spec for ref, spec in wanted.items() if ref not in done or done[ref].runtime != runtime().digest]
    failures = []
    progress = Progress(
        *Progress.get_default_columns(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True)
    )
    with ThreadPoolExecutor(os.cpu_count()) as pool, progress:
        bar = progress.add_task("measuring", total=len(missing))
        for future in _completed(pool, missing):
            try:
                card = future.result()
            except RuntimeError as error:
                failures.append(str(error))
            else:
                done[card.measured] = card
                cards.write(done.values())
            progress.advance(bar)
    cards.write(done.values())  # without those of tasks that are no more
    print(f"{len(done)} cards, {len(failures)} failures", *failures, sep="\n", file=sys.stderr)
    return 1 if failures else 0


def _completed(pool: ThreadPoolExecutor, specs: list[Spec]) -> Iterator[Future[cards.Card]]:
    yield from as_completed([pool.submit(cards.measure, spec) for spec in specs])


if __name__ == "__main__":
    sys.exit(main())
