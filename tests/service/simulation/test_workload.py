"""Where work comes from: made up from a seed, the Standard Workload Format, our own history, and the file of quotas."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from service.simulation import history, quotas, swf, workload
from service.simulation.quotas import BadQuotas, Quota
from service.simulation.workload import Campaign, Fleet

CELLS = [f"cell-{i}" for i in range(10)]
FLEET = Fleet.committing(6)


# --- made up


def test_a_seed_makes_the_same_work_again_and_another_seed_other_work() -> None:
    one, two, other = (workload.synthetic(seed, CELLS, days=1, items=3_000, fleet=FLEET) for seed in (7, 7, 8))
    assert one == two
    assert one != other
    assert one.items == 3_000


def test_chunk_lengths_are_log_normal_and_cut() -> None:
    drawn = workload.lengths_ms(np.random.default_rng(0), 200_000)
    assert (drawn.min(), drawn.max()) == (100, 60_000)
    assert np.median(drawn) == pytest.approx(1000 * np.exp(-0.38), rel=0.03)
    inside = np.log(drawn[(drawn > 100) & (drawn < 60_000)] / 1000)
    assert np.percentile(inside, 90) > 2  # seven seconds: the tail is heavy


def test_days_are_busier_than_nights_and_few_campaigns_are_most_of_the_work() -> None:
    made = workload.synthetic(0, ["one"], days=20, items=60_000, fleet=FLEET)
    hours = np.asarray([c.at_ms / workload.HOUR_MS % 24 for c in made.campaigns])
    assert ((hours > 9) & (hours < 15)).sum() > 3 * ((hours > 21) | (hours < 3)).sum()
    sizes = np.sort([len(c.lengths_ms) for c in made.campaigns])[::-1]
    assert sizes[: len(sizes) // 10].sum() > 0.4 * sizes.sum()


def test_workers_are_lost_together_and_never_all_nor_twice() -> None:
    outages = workload.synthetic(0, CELLS, days=70, items=100, fleet=FLEET).outages
    assert len(outages) > 20
    assert any(len(outage.workers) > 1 for outage in outages)
    assert all(1 <= len(set(o.workers)) == len(o.workers) <= FLEET.workers // 2 for o in outages)
    assert all(first.back_ms < second.at_ms for first, second in pairwise(outages))


@pytest.mark.parametrize("slots", [1, 2, 5, 6, 7, 12, 100])
def test_a_fleet_commits_the_slots_that_it_was_asked_for(slots: int) -> None:
    fleet = Fleet.committing(slots)
    assert 33 * fleet.workers * fleet.contributes_mc // 100 // 1000 == slots
    assert fleet.workers * fleet.slots > slots


# --- Standard Workload Format

JOB = "{id} {submit} 9 {run} {procs} -1 2048 {wanted} {limit} -1 1 {user} {group} 1 1 -1 -1 -1\n"


def trace(tmp_path: Path, *jobs: dict[str, int], header: str = "; MaxProcs: 4\n") -> Path:
    known = {"submit": 100, "run": 60, "procs": 1, "wanted": -1, "limit": -1, "user": 3, "group": 7}
    text = "".join(JOB.format(id=i, **(known | job)) for i, job in enumerate(jobs))
    path = tmp_path / "trace.swf"
    path.write_text("; Version: 2.2\n" + header + "\n" + text)
    return path


def test_a_job_becomes_an_item_with_its_cores_memory_and_cell(tmp_path: Path) -> None:
    work, fleet = swf.read(trace(tmp_path, {"submit": 105, "procs": 2, "limit": 600}, {}))
    assert list(work.campaigns) == [
        Campaign(0, "group-7", [60_000], 1000, 2, 60_000, 60_000),
        Campaign(5_000, "group-7", [60_000], 2000, 4, 600_000, 600_000),
    ]
    assert 33 * fleet.workers * fleet.contributes_mc // 100_000 == 4


def test_what_never_ran_or_never_fits_is_left_out(tmp_path: Path) -> None:
    work, _ = swf.read(trace(tmp_path, {}, {"run": 0}, {"run": -1}, {"procs": 5}, {"procs": -1, "wanted": 3}))
    assert [c.mc for c in work.campaigns] == [1000, 3000]


def test_without_a_group_the_user_is_the_cell_and_without_a_header_the_largest_job_is_the_machine(
    tmp_path: Path,
) -> None:
    work, fleet = swf.read(trace(tmp_path, {"group": -1}, {"procs": 8}, header=""))
    assert [c.cell for c in work.campaigns] == ["user-3", "group-7"]
    assert 33 * fleet.workers * fleet.contributes_mc // 100_000 == 8


@pytest.mark.parametrize(
    ("line", "said"), [("1 2 3", "18 fields, found 3"), ("hello world", "line 2: 'hello world'"), ("", "no job")]
)
def test_a_bad_trace_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "bad.swf"
    path.write_text(f"; MaxProcs: 4\n{line}\n")
    with pytest.raises(swf.BadTrace, match=said):
        swf.read(path)


# --- history

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def table(**more: list[object]) -> pa.Table:
    started = [BEGIN + timedelta(seconds=s) for s in (10, 20, 12)]
    columns = {"node": ["a", "a", "b"], "started_at": started, "duration_ms": [5000, 3000, 1000], "mc": [1000] * 3}
    return pa.table({**columns, **more})


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_history_is_replayed_from_when_it_was_submitted(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"usage.{suffix}"
    rows = table(queued_at=[BEGIN, BEGIN, BEGIN + timedelta(seconds=12)], payer=["cell"] * 3)
    pa.csv.write_csv(rows, path) if suffix == "csv" else pa.parquet.write_table(rows, path)
    work, fleet = history.read(path)
    assert [(c.at_ms, c.cell, c.lengths_ms) for c in work.campaigns] == [
        (0, "a", [5000, 3000]),
        (12_000, "b", [1000]),
    ]
    assert 33 * fleet.workers * fleet.contributes_mc // 100_000 == 2  # a and b ran at once


def test_usage_segments_do_without_submission_and_length(tmp_path: Path) -> None:
    path = tmp_path / "segments.csv"
    rows = table(ended_at=[BEGIN + timedelta(seconds=s) for s in (11, 22, 15)]).drop_columns(["duration_ms", "mc"])
    pa.csv.write_csv(rows, path)
    work, _ = history.read(path)
    assert [(c.at_ms, c.cell, c.lengths_ms, c.mc) for c in work.campaigns] == [
        (0, "a", [1000], 1000),
        (2_000, "b", [3000], 1000),
        (10_000, "a", [2000], 1000),
    ]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"node": [None, "a", "b"]}, "node is empty"),
        ({"started_at": ["soon", "a", "b"]}, "'soon', which is no ISO 8601"),
        ({"started_at": [datetime(2026, 1, 1)] * 3}, "offset from UTC"),  # noqa: DTZ001
        ({"duration_ms": [-1, 1, 1]}, "takes -1 ms"),
    ],
)
def test_bad_history_is_named(tmp_path: Path, columns: dict[str, list[object]], said: str) -> None:
    path = tmp_path / "usage.parquet"
    pa.parquet.write_table(table(**columns), path)
    with pytest.raises(history.BadHistory, match=said):
        history.read(path)


def test_history_without_a_column_says_which(tmp_path: Path) -> None:
    path = tmp_path / "usage.parquet"
    pa.parquet.write_table(table().drop_columns(["duration_ms"]), path)
    with pytest.raises(history.BadHistory, match="no column ended_at"):
        history.read(path)


# --- quotas


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_a_tree_is_read_from_yaml_and_from_json(tmp_path: Path, suffix: str) -> None:
    share = {"numerator": 33, "denominator": 100, "half_life_s": 900, "min_slots_until": None}
    document = {
        "commitment": share,
        "groups": {"axis": {"weight": 3, "lending_limit_mc": 0, "cells": {"b": {}, "a": {}}}, "guests": {}},
        "cells": {"guest": {"borrowing_limit_mc": 2000, "state": "hold"}},
    }
    path = tmp_path / f"quotas.{suffix}"
    path.write_text(json.dumps(document))
    axis = Quota("axis", 3, None, 0, None, (Quota("a"), Quota("b")))
    assert quotas.read(path) == Quota("commitment", children=(axis, Quota("guest", borrowing_limit_mc=2000)))
    assert list(quotas.read(path).cells()) == ["a", "b", "guest"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there are no cells"),
        ("groups: {a: {}}", "there are no cells"),
        ("cells: {b: {weight: 0}}", "cells.b.weight: .*greater than or equal to 1, found 0"),
        ("cells: {b: {wieght: 2}}", "cells.b.wieght: Extra inputs"),
        ("cells: {b: {max_loan_ms: soon}}", "cells.b.max_loan_ms: .*valid integer"),
        ("cells: [b]", "cells: .*valid dict"),
        ("{groups: {a: {cells: {b: {}}}}, cells: {b: {}}}", "cells.b is already at groups.a.cells.b"),
        ("cells: {b: [", "neither YAML nor JSON"),
    ],
)
def test_a_bad_tree_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "quotas.yaml"
    path.write_text("commitment: {numerator: 33, denominator: 100, half_life_s: 900}\n" * (text[:1] != "{") + text)
    if text.startswith("{"):
        path.write_text("{commitment: {numerator: 33, denominator: 100, half_life_s: 900}, " + text[1:])
    with pytest.raises(BadQuotas, match=said):
        quotas.read(path)
