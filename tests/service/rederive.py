"""Derives the statement of a window again from its exported files alone: python tests/service/rederive.py FOLDER"""

import csv
import sys
from collections import Counter
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


def read(folder: Path, table: str) -> list[dict[str, Any]]:
    if (folder / f"{table}.parquet").exists():
        return list(pq.ParquetFile(folder / f"{table}.parquet").read().to_pylist())
    with (folder / f"{table}.csv").open(newline="") as file:
        return [{name: typed(name, text) for name, text in row.items()} for row in csv.DictReader(file)]


def typed(name: str, text: str) -> Any:
    is_time = text and (name in ("at", "until") or name.endswith("_at"))
    return datetime.fromisoformat(text) if is_time else int(text) if text.lstrip("-").isdigit() else text


def derive(segments: list[Any], epochs: list[Any], start: datetime, end: datetime) -> dict[str, Any]:
    """Core-milliseconds used, entitled and in use beyond the limit, and the highest ratio of use to limit."""
    change: Counter[datetime] = Counter(dict.fromkeys([start, end, *(max(e["at"], start) for e in epochs)], 0))
    for segment in segments:
        change[segment["started_at"]] += segment["mc"]
        change[segment["ended_at"]] -= segment["mc"]
    mc, entitled, over, ratio, none = 0, Fraction(0), 0, Fraction(0), Counter(denominator=1)
    for left, right in pairwise(sorted(at for at in change if at <= end)):
        us, mc = (right - left) // timedelta(microseconds=1), mc + change[left]
        epoch = max((e for e in epochs if e["at"] <= left), key=lambda e: e["epoch"], default=none)
        share = Fraction(epoch["numerator"] * epoch["capacity_mc"], epoch["denominator"])
        entitled += us * max(share, epoch["limit_mc"])  # which is more where an exception was made for a small pool
        over += max(mc - epoch["limit_mc"], 0) * us
        ratio = max(ratio, Fraction(mc, epoch["limit_mc"])) if epoch["limit_mc"] else ratio
    figures = {"used_core_ms": sum(s["core_ms"] for s in segments), "entitled_core_ms": entitled // 10**6}
    return figures | {"overage_core_ms": -(-over // 10**6), "highest_ratio": float(ratio)}


if __name__ == "__main__":
    told, *_ = read(folder := Path(sys.argv[1]), "summary")
    found = derive(read(folder, "segments"), read(folder, "epochs"), told["starts_at"], told["until"])
    assert found["used_core_ms"] <= found["entitled_core_ms"] + found["overage_core_ms"]
    sys.exit(any(abs(found[name] - float(told[name])) > 1e-9 for name in found))
