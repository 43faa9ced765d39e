"""Workloads in the Standard Workload Format, version 2.2 (Feitelson et al.), that of the Parallel Workloads Archive.

Of the 18 fields of a job these are used, by their numbers there:

| field | here |
| --- | --- |
| 2 submit time, s | when the item is submitted |
| 4 run time, s | how long it takes; without it, or at 0, the job is left out: it never ran |
| 5 allocated processors, else 8 requested ones | 1,000 millicores each |
| 9 requested time, s, else the run time | its estimate; its time limit is the longer of both |
| 10 requested memory, else 7 used memory, kB for each processor | its memory |
| 13 group, else 12 user | its cell: `group-7`, `user-31` |

Waits (3), status (11), queues, partitions and dependencies are not: they are what the recorded scheduler made of it.
Of the header, MaxProcs is the number of slots.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from service.simulation.workload import Campaign, Fleet, Workload

FIELDS = 18


class BadTrace(ValueError):
    """A line is no job; the message names it."""


def read(path: Path) -> tuple[Workload, Fleet]:
    """The jobs as a workload, the first at time 0, and a fleet that commits as many slots as the recorded machine had.

    Raises
    ------
    BadTrace
        A line has not 18 numbers, or no job ever ran.
    """
    header: dict[str, str] = {}
    jobs: list[Campaign] = []
    with path.open() as lines:
        for number, line in enumerate(lines, 1):
            text = line.strip()
            if text.startswith(";"):
                key, _, value = text.lstrip("; ").partition(":")
                header[key.strip()] = value.strip()
            elif text:
                jobs += _job(text, where=f"{path}, line {number}")
    if not jobs:
        raise BadTrace(f"{path} has no job that ran")
    begin = min(job.at_ms for job in jobs)
    slots = _number(header.get("MaxProcs", "")) or max(job.mc for job in jobs) // 1000
    fitting = sorted((replace(j, at_ms=j.at_ms - begin) for j in jobs if j.mc <= slots * 1000), key=lambda j: j.at_ms)
    return Workload(fitting), replace(Fleet.committing(slots), memory_mb=2**40)


def _job(text: str, *, where: str) -> Iterator[Campaign]:
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        raise BadTrace(f"{where}: {text[:60]!r} is not a list of numbers") from None
    if len(numbers) != FIELDS:
        raise BadTrace(f"{where}: a job has {FIELDS} fields, found {len(numbers)}")
    _, submit, _, ran, allocated, _, used_kb, requested, limit_s, requested_kb, _, user, group, *_ = numbers
    processors = int(allocated if allocated > 0 else requested)
    if ran <= 0 or processors <= 0:
        return
    length_ms = int(ran * 1000)
    estimate_ms = int(limit_s * 1000) if limit_s > 0 else length_ms
    kb = requested_kb if requested_kb > 0 else max(used_kb, 0)
    yield Campaign(
        at_ms=int(submit * 1000),
        cell=f"group-{int(group)}" if group >= 0 else f"user-{int(user)}",
        lengths_ms=[length_ms],
        mc=processors * 1000,
        memory_mb=max(int(kb * processors / 1024), 1),
        estimate_ms=estimate_ms,
        max_ms=max(estimate_ms, length_ms),
    )


def _number(text: str) -> int | None:
    words = text.split()
    return int(words[0]) if words and words[0].isdecimal() and int(words[0]) > 0 else None
