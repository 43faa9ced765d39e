"""Splits, evaluations and reports through both clients and the command."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
import worldpool
from rich.console import Console
from worldpool.cli import main

from tests.clients.conftest import Twin
from tests.clients.pool_double import PoolDouble
from tests.clients.test_cli import answer, shell  # noqa: F401  # a fixture

RULE = {"name": "heavy", "kind": "extrapolation", "axis": "gravity", "trained": [None, 16]}


def test_splits_are_listed_read_declared_and_put_in_force(double: PoolDouble, twin: Twin) -> None:
    (listed,) = twin(lambda pool: pool.splits.list())
    assert isinstance(listed, worldpool.Split)
    assert listed.counts["extrapolation"] == 5
    assert twin(lambda pool: pool.splits.get("default@1")).ref == "default@1"
    assert twin(lambda pool: pool.admin.splits.declare(name="mine", rules=[RULE], budget=7)).budget == 7
    assert double.seen[-1].body == {"name": "mine", "rules": [RULE], "budget": 7}
    assert "idempotency-key" in double.seen[-1].headers
    assert twin(lambda pool: pool.admin.splits.activate("mine@1")).unfinished == ["run_1"]
    assert double.seen[-1].path == "/v1/admin/splits/mine@1:activate"
    assert twin(lambda pool: pool.admin.splits.set_budget("mine@1", cell="team", allowed=3)).allowed == 3
    assert double.seen[-1].path == "/v1/admin/splits/mine@1/budgets/team"
    assert [row.kinds for row in twin(lambda pool: pool.admin.exposures.list(limit=5))] == [{"family": 1}]


def test_what_is_wanted_of_a_split_is_said(double: PoolDouble, twin: Twin) -> None:
    twin(lambda pool: pool.environments.search(split="heldout", limit=1))
    assert double.seen[-1].query["split"] == ["heldout"]
    twin(lambda pool: pool.runs.create(refs=["a@1"], episodes=1, purpose="evaluate"))
    assert double.seen[-1].body["purpose"] == "evaluate"
    twin(lambda pool: pool.runs.create(refs=["a@1"], episodes=1, holdout="carve"))
    assert (double.seen[-1].body["purpose"], double.seen[-1].body["holdout"]) == ("train", "carve")


def test_a_run_gives_scores_and_a_report(double: PoolDouble, twin: Twin) -> None:
    scores = twin.with_run(lambda run: run.scores())
    assert [(score.episode_index, score.episode_return) for score in scores] == [(0, None), (1, None)]
    report = twin.with_run(lambda run: run.report(split="default@1"))
    assert double.seen[-1].query == {"split": ["default@1"]}
    assert report.by_kind["train"].mean_interval.high == 0.75
    assert report.by_kind["extrapolation"].mean_interval is None


def test_a_report_reads_well(twin: Twin) -> None:
    report = twin.with_run(lambda run: run.report())
    lines = str(report).splitlines()
    (train,) = [line.split() for line in lines if line.split()[:1] == ["train"]]
    assert train == ["train", "3", "6", "2", "0.500", "0.250", "to", "0.750", "0.250"]
    assert "95 % over environments" in str(report)
    with Console(file=StringIO(), width=200) as console, console.capture() as printed:
        console.print(report)
    assert "extrapolation" in printed.get()


def test_the_command_shows_and_declares_splits(
    shell: PoolDouble,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    assert answer(capsys, "split", "list")[0]["ref"] == "default@1"
    assert answer(capsys, "split", "show")["rules"] == [RULE]
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps([RULE]))
    assert answer(capsys, "admin", "splits", "declare", "mine", str(rules), "--budget", "5")["budget"] == 5
    assert answer(capsys, "admin", "splits", "activate", "mine@1")["split"] == "mine@1"
    assert answer(capsys, "admin", "splits", "budget", "mine@1", "team", "9") == {"allowed": 9}
    assert answer(capsys, "admin", "splits", "exposures")[0]["run"] == "run_1"
    for wrong, why in (("{", "is not JSON"), ("{}", "is not a list")):
        rules.write_text(wrong)
        assert main(["admin", "splits", "declare", "mine", str(rules)]) == 2
        assert why in capsys.readouterr().err


def test_the_command_evaluates_and_reports(shell: PoolDouble, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    answer(capsys, "run", "create", "--ref", "a@1", "--episodes", "1", "--evaluate")
    assert shell.seen[-1].body["purpose"] == "evaluate"
    answer(capsys, "run", "create", "--ref", "a@1", "--episodes", "1", "--carve")
    assert shell.seen[-1].body["holdout"] == "carve"
    answer(capsys, "subset", "create", "--split", "heldout")
    assert shell.seen[-1].body["where"] == {"split": "heldout"}
    assert len(answer(capsys, "run", "scores", "run_1")) == 2
    assert [line["group"]["kind"] for line in answer(capsys, "run", "report", "run_1")["lines"]] == [
        "train",
        "extrapolation",
    ]
    assert main(["run", "report", "run_1"]) == 0
    assert "0.250 to 0.750" in capsys.readouterr().out
    assert main(["env", "search", "--split", "train"]) == 0
    assert shell.seen[-1].query["split"] == ["train"]
