"""Our own history as a workload: usage segments or leases, exported as CSV or Parquet, one row an item.

| column | meaning |
| --- | --- |
| `node`, or `node_name`, `cell` | the cell |
| `started_at` | when it started, ISO 8601 with an offset (CSV) or a timestamp |
| `duration_ms`, or `ended_at` | how long it took |
| `queued_at`, or `submitted_at` | when it was submitted; without it, when it started |
| `mc` | millicores; without it 1,000 |

Other columns are ignored. Rows of one cell that were submitted at one time are one campaign.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from service.simulation.workload import Campaign, Fleet, Workload

_MS = 1000


class BadHistory(ValueError):
    """The file has no such rows; the message names the column."""


def read(path: Path) -> tuple[Workload, Fleet]:
    """The rows as a workload, the first submission at time 0, and a fleet that commits the most slots that were in use
    at once.

    Raises
    ------
    BadHistory
        A column is missing, empty in a row, or no time where a time is meant.
    """
    table = _table(path)
    names = set(table)
    cells = table[_one_of(names, "node", "node_name", "cell", path=path)]
    started = _times(table, "started_at", path=path)
    if "duration_ms" in names:
        lengths = [int(_given(value, "duration_ms", path)) for value in table["duration_ms"]]
    else:
        ended = _times(table, _one_of(names, "ended_at", path=path), path=path)
        lengths = [end - start for start, end in zip(started, ended, strict=True)]
    queued = next((_times(table, name, path=path) for name in ("queued_at", "submitted_at") if name in names), started)
    cores = [int(_given(value, "mc", path)) for value in table["mc"]] if "mc" in names else [1000] * len(started)
    if not started:
        raise BadHistory(f"{path} has no rows")
    grouped: dict[tuple[int, str, int], list[int]] = {}
    for cell, at, mc, length in zip(cells, queued, cores, lengths, strict=True):
        if length < 0 or mc < 1:
            raise BadHistory(f"{path}: a row of {cell} takes {length} ms of {mc} mc")
        grouped.setdefault((at, str(_given(cell, "node", path)), mc), []).append(max(length, 1))
    begin = min(queued)
    campaigns = [
        Campaign(
            at_ms=at - begin,
            cell=cell,
            lengths_ms=own,
            mc=mc,
            memory_mb=1,  # usage does not say
            estimate_ms=max(sum(own) // len(own), 1),
            max_ms=max(own),
        )
        for (at, cell, mc), own in sorted(grouped.items())
    ]
    return Workload(campaigns), Fleet.committing(-(-_most_at_once(started, lengths, cores) // 1000))


def _table(path: Path) -> dict[str, Sequence[Any]]:
    if path.suffix == ".parquet":
        import pyarrow.parquet

        found = pyarrow.parquet.read_table(path)
    else:
        import pyarrow.csv

        found = pyarrow.csv.read_csv(path)
    return dict(found.to_pydict())


def _one_of(names: set[str], *wanted: str, path: Path) -> str:
    found = next((name for name in wanted if name in names), None)
    if found is None:
        raise BadHistory(f"{path} has no column {' or '.join(wanted)}; it has {', '.join(sorted(names))}")
    return found


def _given(value: Any, name: str, path: Path) -> Any:
    if value is None or value == "":
        raise BadHistory(f"{path}: {name} is empty in a row")
    return value


def _times(table: dict[str, Sequence[Any]], name: str, *, path: Path) -> list[int]:
    """Milliseconds since 1970."""
    _one_of(set(table), name, path=path)
    return [_time(_given(value, name, path), name, path) for value in table[name]]


def _time(value: Any, name: str, path: Path) -> int:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise BadHistory(f"{path}: {name} is {value!r}, which is no ISO 8601 time") from None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise BadHistory(f"{path}: {name} is {value!r}, which is no time with an offset from UTC")
    return round(value.timestamp() * _MS)


def _most_at_once(started: Sequence[int], lengths: Sequence[int], cores: Sequence[int]) -> int:
    moves = [(at, mc) for at, mc in zip(started, cores, strict=True)]
    moves += [(at + length, -mc) for at, length, mc in zip(started, lengths, cores, strict=True)]
    most = used = 0
    for _, mc in sorted(moves):
        used += mc
        most = max(most, used)
    return most
