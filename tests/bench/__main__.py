"""`make bench`: measures the pool against something real in the same run. Prints a table, writes
`.worldpool/bench.json`.

`python -m tests.bench [PREFIX …]` runs the measurements whose name begins with a prefix (`rollouts`,
`rollouts/cartpole`).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import catalogue, randomisation, rollouts, scheduler, subsets
from tests.bench.measurement import Measurement

OUTPUT = Path(".worldpool/bench.json")
GROUPS = (rollouts, catalogue, subsets, randomisation, scheduler)


def main(prefixes: list[str]) -> int:
    found: list[Measurement] = []
    for group in GROUPS:
        found += group.measure(
            lambda name: not prefixes or any(name.startswith(p) or p.startswith(name) for p in prefixes)
        )
    if not found:
        print(f"nothing is named {' '.join(prefixes)}", file=sys.stderr)
        return 2
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps([m.json() for m in found], indent=1) + "\n")
    Console().print(_table(found))
    return 0


def _table(found: list[Measurement]) -> Table:
    table = Table(title="medians of interleaved repeats")
    for column in ("name", "value", "unit", "baseline", "ratio", "repeats"):
        table.add_column(column, justify="left" if column in ("name", "unit") else "right")
    for m in found:
        table.add_row(m.name, f"{m.value:,.4g}", m.unit, f"{m.baseline:,.4g}", f"{m.ratio:.3f}", str(m.repeats))
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
