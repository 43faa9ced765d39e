"""The registry at a terminal: `python -m env_registry stats | list | show REF | measure`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from env_registry import cards
from env_registry.axes import format_value
from env_registry.catalogue import REJECTED, SPECS, base_task, base_tasks, enumerate_specs
from env_registry.modifiers import modifiers
from env_registry.problems import RefProblem
from env_registry.spec import Spec, parse


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m env_registry", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("stats", help="how much there is").add_argument("--json", action="store_true")
    commands.add_parser("list", help="every catalogued ref, one a line")
    commands.add_parser("show", help="one spec and its card").add_argument("ref")
    measure = commands.add_parser(
        "measure", help="measure what was not yet, and write the catalogue's files; resumable"
    )
    measure.add_argument("only", nargs="*", help="beginnings of families' names; the others are left as they are")
    verify = commands.add_parser("verify", help="measure a random sample again and hold it against the files")
    verify.add_argument("--sample", type=int, default=2000)
    verify.add_argument("--seed", type=int, default=int(f"{datetime.now(UTC):%Y%m%d}"), help="default: today's date")
    commands.add_parser("check", help="whether a family keeps its promises").add_argument("family_or_ref")
    commands.add_parser("answer", help="measure what stdin asks, for `measure`")
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
            return _measure(options.only)
        case "verify":
            return _verify(options.sample, options.seed)
        case "check":
            return _check(options.family_or_ref)
        case "answer":
            from env_registry import sweep

            answers = os.fdopen(os.dup(1), "w")
            os.dup2(2, 1)  # engines may greet
            sweep.serve(sys.stdin, answers)
    return 0


def stats() -> dict[str, Any]:
    """Numbers of the committed files; specs and base tasks always together, those of a single turn apart."""
    domains: Counter[str] = Counter()
    tasks, listed, single_turn = set(), set(), Counter[str]()
    for spec in enumerate_specs():
        if spec.traits.single_turn:
            single_turn[base_task(spec)] += 1
            continue
        domains[spec.source.domain] += 1
        tasks.add(base_task(spec))
        listed.add(spec.family)
    return {
        "specs": domains.total(),
        "domains": dict(sorted(domains.items())),
        "families": len(listed),
        "base_tasks": len(tasks),
        "modifiers": len({name for name, _ in modifiers()}),
        "single_turn": single_turn.total(),
        "single_turn_base_tasks": len(single_turn),
        **_measured(),
    }


def _measured() -> dict[str, Any]:
    import pyarrow.parquet as pq

    fingerprints = pq.read_table(SPECS, columns=["fingerprint"])["fingerprint"]
    rejected = pq.read_table(REJECTED, columns=["rule"])["rule"]
    return {
        "unique_fingerprints": len(fingerprints.unique()),
        "rejected": dict(sorted(Counter(rejected.to_pylist()).items())),
    }


def _stats(*, as_json: bool) -> None:
    found = stats()
    if as_json:
        print(json.dumps(found))
        return
    names = (
        "specs",
        "base_tasks",
        "families",
        "modifiers",
        "single_turn",
        "single_turn_base_tasks",
        "unique_fingerprints",
    )
    counts = {name.replace("_", " "): found[name] for name in names}
    counts |= {f"specs in {domain}": count for domain, count in found["domains"].items()}
    counts |= {f"rejected: {rule.replace('_', ' ')}": count for rule, count in found["rejected"].items()}
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


def _check(family_or_ref: str) -> int:
    from env_registry.conformance import check

    broken = 0
    console = Console(soft_wrap=True, highlight=False)
    for verdict in check(family_or_ref):
        broken += verdict.problem is not None
        mark = "[green]ok[/]" if verdict.problem is None else "[red]no[/]"
        console.print(f"{mark}  {verdict.check}: {escape(verdict.subject)} {escape(verdict.problem or '')}")
    console.print("conforms" if not broken else f"{broken} checks failed")
    return 1 if broken else 0


def _verify(count: int, seed: int) -> int:
    from env_registry import verify

    refs = verify.sample(count, seed)
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task(f"{count} specs, seed {seed}", total=2 * count)
        problems = verify.verify(refs, lambda: progress.advance(bar))
    print(*problems, f"{count} specs in two processes (seed {seed}): {len(problems)} differ", sep="\n")
    return 1 if problems else 0


def _measure(only: list[str]) -> int:
    """Resumable: see `sweep`."""
    from env_registry import sweep

    journal = sweep.Journal()
    tasks = list(base_tasks())
    sweep.sweep(journal, [task for task in tasks if task.family.startswith(tuple(only) or "")])
    sweep.write(journal, tasks)
    _stats(as_json=False)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # ends without a word when `head` has read enough
    sys.exit(main())
