"""What is measured, on records written by hand; and the whole command, small."""

from __future__ import annotations

import json
from array import array
from pathlib import Path

import numpy as np
import pytest

from service.scheduler.eta import Estimate
from service.simulation import measures
from service.simulation.__main__ import main
from service.simulation.record import SAMPLE_MS, Forecast, Record

LONG = 2 * measures.WINDOW + 1
"""Samples: two windows, and the first, which is of time 0."""


def record(rates: list[list[float]], *, weights: list[int], waits: list[list[bool]] | None = None) -> Record:
    """Cells below the root that use so many slots in each sample, of a commitment of 4."""
    use = np.asarray(rates) * SAMPLE_MS
    use[0] = 0
    total = np.cumsum(np.column_stack([use.sum(axis=1), use]), axis=0)
    cells = len(weights)
    waiting = np.ones(use.shape, dtype=bool) if waits is None else np.asarray(waits)
    return Record(
        names=["commitment", *(f"cell-{i}" for i in range(cells))],
        weights=[1, *weights],
        parents=[None, *[0] * cells],
        leaves=list(range(1, cells + 1)),
        served_core_ms=total.tolist(),
        usage_core_ms=np.zeros_like(total).tolist(),
        backlogged=np.column_stack([waiting.any(axis=1), waiting]).tolist(),
        limit_mc=array("q", [4000] * len(use)),
        whole_slots_ms=array("q", [4 * SAMPLE_MS * i for i in range(len(use))]),
        longest_ms=60_000,
        largest_mc=1000,
    )


def test_jains_index_is_one_where_use_follows_weight_and_one_nth_where_one_has_all() -> None:
    assert measures.jain(record([[1, 3]] * LONG, weights=[1, 3])) == pytest.approx(1)
    assert measures.jain(record([[4, 0, 0, 0]] * LONG, weights=[1] * 4)) == pytest.approx(0.25)
    assert measures.jain(record([[4, 0]] * LONG, weights=[1, 1], waits=[[True, False]] * LONG)) is None


def test_the_distance_of_two_cells_is_the_largest_over_any_stretch_in_which_both_wait() -> None:
    rates = [[2.0, 2.0]] * 5 + [[4.0, 0.0]] * 10 + [[0.0, 4.0]] * 30
    waits = [[True, True]] * 25 + [[True, False]] * 20
    worst = measures.worst_pair(record(rates, weights=[1, 1], waits=waits))
    assert worst is not None
    assert worst.bound == (4 + 1) * 60_000
    assert worst.apart == 4 * 10 * SAMPLE_MS
    longer = measures.worst_pair(record(rates, weights=[1, 1], waits=[[True, True]] * 45))
    assert longer is not None
    assert longer.apart == 4 * 30 * SAMPLE_MS


def test_the_distance_is_by_weight_and_the_bound_by_the_smallest() -> None:
    worst = measures.worst_pair(record([[3.0, 1.0]] * 20, weights=[6, 2]))
    assert worst is not None
    assert (worst.apart, worst.bound) == (0, (4 + 1) * 60_000 / 2)


def test_use_counts_as_full_only_while_something_waits_and_no_further_than_the_commitment() -> None:
    rates, waits = [[0.0], [4.0], [2.0], [6.0], [0.0]], [[True], [True], [True], [True], [False]]
    assert measures.utilisation(record(rates, weights=[1], waits=waits)) == pytest.approx((4 + 2 + 4) / 12)


def test_a_share_is_what_was_got_of_the_entitlement_while_something_waited() -> None:
    waits = [[True, True]] * 3 + [[False, True]] * 2
    one, two = measures.shares(record([[1.0, 3.0]] * 3 + [[0.0, 4.0]] * 2, weights=[1, 1], waits=waits))
    assert one.got_of_entitled == pytest.approx(2 / 4)  # of three samples, one of time 0
    assert two.got_of_entitled == pytest.approx((3 + 3 + 4 + 4) / 8)
    assert one.of_all_used == pytest.approx(2 / 16)


def test_calibration_counts_starts_before_what_was_said() -> None:
    told = Estimate(1000.0, 5000.0, 1000.0)
    found = measures.calibration([Forecast(1, 0, told, waited) for waited in (500, 1000, 3000, 9000)])
    assert found is not None
    assert (found["before_p50"], found["before_p90"]) == (0.5, 0.75)


def test_the_command_writes_its_report_and_says_which_targets_are_met(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--days", "0.01", "--cells", "5", "--slots", "2", "--out", str(tmp_path)]) in (0, 1)
    document = json.loads((tmp_path / "simulation.json").read_text())
    assert set(document["policies"]) == {"worldpool", "FIFO, static quotas", "instantaneous DRF", "decayed fair share"}
    assert all(policy["ceiling_violations"] == 0 for policy in document["policies"].values())
    page = (tmp_path / "simulation.html").read_text()
    assert "data:image/png;base64," in page
    assert "http" not in page  # it needs nothing beside itself
    assert "grants beyond the" in capsys.readouterr().out


def test_wrong_input_ends_with_2_and_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = tmp_path / "quotas.yaml"
    tree.write_text("{commitment: {numerator: 33, denominator: 100, half_life_s: 900}, cells: {group-8: {}}}")
    jobs = tmp_path / "trace.swf"
    jobs.write_text("1 0 0 60 1 -1 -1 1 60 -1 1 1 7 1 1 -1 -1 -1\n")
    assert main(["--swf", str(tmp_path / "none.swf")]) == 2
    assert main(["--swf", str(jobs), "--quotas", str(tree)]) == 2
    said = capsys.readouterr().err
    assert "none.swf" in said
    assert "no cell group-7" in said
