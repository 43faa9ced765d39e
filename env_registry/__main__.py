"""The registry at a terminal: `python -m env_registry stats | list | show REF | measure`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from env_registry import cards
from env_registry.axes import format_value
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
    except KeyboardInterrupt:
        return 130


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
    counts = {name.replace("_", " "): found[name] for name in ("specs", "base_tasks", "families", "modifiers")}
    counts |= {f"specs in {domain}": count for domain, count in found["domains"].items()}
    _print_lines({name: f"{count:,}" for name, count in counts.items()})


def _show(spec: Spec) -> None:
    lines = {
        "ref": spec.ref,
        "digest": spec.digest,
        "base task": base_task(spec),
        "description": spec.source.description,
    }
    for name, value in spec.values.items():
        axis = spec.source.axis(name)
        lines[name] = f"{format_value(value)} {axis.unit if axis else ''}".strip()
    card = cards.card_of(spec)
    for name, value in vars(card).items() if card else ():
        lines[f"card.{name}"] = value if isinstance(value, str) else json.dumps(value)
    _print_lines(lines)


def _print_lines(texts: Mapping[str, str]) -> None:
    """A line each, however long: what is copied from a terminal, or searched in a pipe, must be whole."""
    width = max(map(len, texts))
    for name, text in texts.items():
        print(f"{name:<{width}}  {text}")


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
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # ends without a word when `head` has read enough
    sys.exit(main())
