"""The command: JSON on stdout, everything else on stderr, exit codes, sentences."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from worldpool.cli import main

from tests.clients.pool_double import KEY, OPERATOR_KEY, PoolDouble, run_state


@pytest.fixture
def shell(double: PoolDouble, monkeypatch: pytest.MonkeyPatch) -> PoolDouble:
    monkeypatch.setenv("WORLDPOOL_URL", double.url)
    monkeypatch.setenv("WORLDPOOL_API_KEY", KEY)
    monkeypatch.setenv("WORLDPOOL_OPERATOR_KEY", OPERATOR_KEY)
    return double


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return json.loads(captured.out)


def test_without_a_pool_it_says_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORLDPOOL_URL", raising=False)
    assert main(["usage"]) == 4
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "make up" in captured.err


def test_a_refusal_ends_with_1_and_its_reason(shell: PoolDouble, capsys: pytest.CaptureFixture[str]) -> None:
    fields = {"detail": "no such family [here]", "errors": [{"field": "path.ref", "reason": "did you mean mujoco/ant"}]}
    shell.refusals = [(404, {}, fields)]
    assert main(["env", "show", "mujoco/aunt"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no such family [here]" in captured.err
    assert "did you mean mujoco/ant" in captured.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["env", "search", "--limit", "0"],
        ["env", "search", "--param", "gravity=5"],
        ["env", "search", "--param", "gravity:low..high"],
        ["run", "create", "--label", "colour"],
        ["subset", "create", "--vary", "gravity=5,10"],
        ["subset", "create", "--ref", "a@1", "--domain", "physics"],
    ],
)
def test_wrong_usage_ends_with_2_before_anything_is_sent(shell: PoolDouble, arguments: list[str]) -> None:
    assert main(arguments) == 2
    assert shell.seen == []


def test_environments_are_searched_and_shown(shell: PoolDouble, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "env", "search", "line", "--param", "gravity:5..", "--limit", "12")
    assert [entry["ref"] for entry in found] == [environment.ref for environment in shell.environments[:12]]
    assert shell.seen[0].query["param"] == ["gravity:5.0.."]
    assert answer(capsys, "env", "show", "a/b@1;x=2")["ref"] == "a/b@1;x=2"


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        (
            ["--domain", "physics", "--param", "g:1..2"],
            {"where": {"domain": "physics", "parameters": {"g": {"min": 1, "max": 2}}}},
        ),
        (["--ref", "a@1", "--ref", "b@1"], {"refs": ["a@1", "b@1"]}),
        (
            ["--family", "f", "--vary", "g=4.9,9", "--vary", "task=run,walk"],
            {"grid": {"family": "f", "parameters": {"g": [4.9, 9], "task": ["run", "walk"]}}},
        ),
        ([], {"where": {}}),
    ],
)
def test_subsets_are_made_of_conditions_refs_and_grids(
    shell: PoolDouble, capsys: pytest.CaptureFixture[str], arguments: list[str], body: dict[str, Any]
) -> None:
    assert answer(capsys, "subset", "create", *arguments)["id"] == "sub_1"
    assert shell.seen[0].body == {"strategy": "stratified", "seed": 0} | body


def test_runs_are_created_listed_and_summarised(shell: PoolDouble, capsys: pytest.CaptureFixture[str]) -> None:
    run = answer(capsys, "run", "create", "--subset", "sub_1", "--episodes", "2", "--label", "a=b")
    assert shell.seen[0].body["labels"] == {"a": "b"}
    assert answer(capsys, "run", "get", run["id"]) == run
    assert answer(capsys, "run", "list") == [run]
    assert len(answer(capsys, "run", "summary", run["id"])["specs"]) == 3
    assert answer(capsys, "run", "cancel", run["id"])["state"] == "cancelled"


def events(*states: str) -> list[bytes]:
    runs = [run_state(state, failure="boom" if state == "failed" else None) for state in states]
    kinds = ["progress"] * (len(runs) - 1) + ["end"]
    return [f"event: {kind}\ndata: {run.model_dump_json()}\n\n".encode() for kind, run in zip(kinds, runs, strict=True)]


def test_waiting_prints_the_end_and_fails_with_3_where_the_run_did(
    shell: PoolDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.events = [events("queued", "running", "succeeded"), events("running", "failed"), events("cancelled")]
    assert answer(capsys, "run", "wait", "run_1")["state"] == "succeeded"
    assert main(["run", "create", "--ref", "a@1", "--episodes", "1", "--wait", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["failure"] == "boom"
    assert main(["run", "wait", "run_1"]) == 3


def test_waiting_no_longer_than_asked_ends_with_1(shell: PoolDouble, capsys: pytest.CaptureFixture[str]) -> None:
    shell.events = [events("queued", "queued")[:1]] * 1000
    assert main(["run", "wait", "run_1", "--timeout", "0.1"]) == 1
    assert "still queued" in capsys.readouterr().err


def test_operators_commands_use_the_operators_key(shell: PoolDouble, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "admin", "cells", "create", "red")["name"] == "red"
    assert answer(capsys, "admin", "keys", "create", "--cell", "red")["secret"] == KEY
    assert answer(capsys, "admin", "commitment", "set", "--numerator", "25")["limit_mc"] == 2000
    assert shell.seen[-1].headers["if-match"] == '"4"'
    assert {seen.headers["authorization"] for seen in shell.seen} == {f"Bearer {OPERATOR_KEY}"}


def test_tables_are_for_people(shell: PoolDouble, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["env", "search"]) == 0
    assert "toy/line_3@1" in capsys.readouterr().out
    assert main(["usage"]) == 0
    assert "1,000" in capsys.readouterr().out


def test_help_documents_the_exit_codes() -> None:
    done = subprocess.run([sys.executable, "-m", "worldpool", "--help"], capture_output=True, text=True, check=True)
    assert "Exit codes" in done.stdout
    assert "failed or was cancelled" in " ".join(done.stdout.replace("│", " ").split())
