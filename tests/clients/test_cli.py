"""The command: JSON on stdout, everything else on stderr, exit codes, sentences."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from worldpool.cli import main

from tests.clients.pool_double import KEY, OPERATOR_KEY, PoolDouble, rehearsed, run_state


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


@pytest.mark.parametrize("key", ["", "wp_\u00e9"])
def test_a_pool_without_a_usable_key_ends_with_2_and_a_line_that_names_the_variable(
    shell: PoolDouble, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORLDPOOL_API_KEY", key)
    assert main(["usage"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [line for line in captured.err.splitlines() if "WORLDPOOL_API_KEY" in line] == [captured.err.strip()]
    assert shell.seen == []


def test_a_refusal_ends_with_1_and_its_reason(shell: PoolDouble, capsys: pytest.CaptureFixture[str]) -> None:
    fields = {"detail": "no such family [here]", "errors": [{"field": "path.ref", "reason": "did you mean mujoco/ant"}]}
    shell.refusals = [(404, {}, fields)]
    assert main(["env", "show", "mujoco/aunt"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no such family [here]" in captured.err
    assert "did you mean mujoco/ant" in captured.err


def test_a_reason_is_not_said_twice(shell: PoolDouble, capsys: pytest.CaptureFixture[str]) -> None:
    shell.refusals = [(404, {}, {"detail": "ref: no such", "errors": [{"field": "path.ref", "reason": "no such"}]})]
    assert main(["env", "show", "mujoco/aunt"]) == 1
    assert capsys.readouterr().err.count("no such") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["env", "search", "--limit", "0"],
        ["env", "search", "--param", "gravity=5"],
        ["env", "search", "--param", "gravity:"],
        ["env", "facets", "--max-agents", "two"],
        ["env", "search", "--param", "gravity:low..high"],
        ["env", "search", "--param", "gravity:1..", "--param", "gravity:..5"],
        ["env", "search", "--param", "gravity:9..5"],
        ["subset", "create", "--param", "gravity:9..5"],
        ["env", "show", "\udcff"],
        ["env", "show", "a" * 100_000],
        ["env", "show", "../me"],
        ["env", "show", ""],
        ["run", "create", "--episodes", "1"],
        ["run", "create", "--ref", "a@1"],
        ["run", "create", "--ref", "a@1", "--subset", "sub_1", "--episodes", "1"],
        ["run", "create", "--ref", "a@1", "--episodes", "1", "--steps-per-env", "1"],
        ["run", "create", "--ref", "a@1", "--episodes", "1", "--label", "colour"],
        ["run", "create", "--ref", "a@1", "--episodes", "1", "--retention", "soon"],
        ["run", "create", "--ref", "a@1", "--episodes", "1", "--record", "pixels"],
        ["run", "create", "--ref", "a@1", "--episodes", "1", "--record", "[]"],
        ["run", "get", ""],
        ["run", "delete", ".."],
        ["run", "export", "run_1"],
        ["run", "export", "run_1", "--out", "x", "--format", "csv"],
        ["run", "wait", "run_1", "--timeout", "-1"],
        ["admin", "quota", "set", "quota_1"],
        ["admin", "quota", "set", "quota_1", "--max-loan", "long"],
        ["admin", "quota", "what-if"],
        ["admin", "quota", "diff"],
        ["admin", "quota", "diff", "-f", "nowhere.yaml"],
        ["admin", "commitment", "set"],
        ["usage", "--from", "yesterday"],
        ["admin", "statement", ".."],
        ["admin", "statement", "--format", "xlsx"],
        ["admin", "commitment", "set", "--min-slots", "1", "--min-slots-until", "soon"],
        ["admin", "commitment", "set", "--min-slots", "1", "--min-slots-until", "2027-01-01T00:00:00"],
        ["admin", "cordon", "w"],
        ["admin", "uncordon", "cell/demo"],
        ["admin", "drain", "site/"],
        ["admin", "drain", "site/local", "--departs-at", "later"],
        ["subset", "create", "--vary", "gravity=5,10"],
        ["subset", "create", "--ref", "a@1", "--domain", "physics"],
        ["subset", "create", "--union", "sub_1", "--domain", "physics"],
    ],
)
def test_wrong_usage_ends_with_2_before_anything_is_sent(shell: PoolDouble, arguments: list[str]) -> None:
    assert main(arguments) == 2
    assert shell.seen == []


@pytest.mark.parametrize("ref", ["a" * 100_000, "../me"])
def test_an_argument_that_cannot_be_sent_is_refused_in_a_line(
    shell: PoolDouble, capsys: pytest.CaptureFixture[str], ref: str
) -> None:
    main(["env", "show", ref])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1


def test_environments_are_searched_and_shown(shell: PoolDouble, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "env", "search", "line", "--param", "gravity:5..", "--limit", "12")
    assert [entry["ref"] for entry in found] == [environment.ref for environment in shell.environments[:12]]
    assert shell.seen[0].query["param"] == ["gravity:5.0.."]
    assert answer(capsys, "env", "show", "a/b@1;x=2")["ref"] == "a/b@1;x=2"


def test_environments_are_counted(shell: PoolDouble, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--modifier", "delay", "--modifier", "sticky", "--seed-blind", "--min-agents", "2", "--param", "map:4x4"]
    options += ["--no-single-turn"]
    assert answer(capsys, "env", "facets", "line", *options)["domain"] == {"toy": 25}
    assert shell.seen[0].query == {
        "text": ["line"],
        "min_agents": ["2"],
        "single_turn": ["false"],
        "seed_sensitive": ["false"],
        "modifier": ["delay", "sticky"],
        "param": ["map:4x4"],
    }


def test_a_subset_takes_the_conditions_of_a_search(shell: PoolDouble, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--text", "line", "--actions", "discrete", "--param", "map:4x4", "--param", "gravity:..5"]
    answer(capsys, "subset", "create", *options)
    assert shell.seen[0].body["where"] == {
        "text": "line",
        "actions": "discrete",
        "parameters": {"map": {"equals": "4x4"}, "gravity": {"min": None, "max": 5.0}},
    }


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
        (["--union", "a", "--union", "b"], {"union": ["a", "b"]}),
        (["--difference", "a", "--difference", "b", "--name", "c"], {"difference": ["a", "b"], "name": "c"}),
        (["--intersection", "a", "--intersection", "b"], {"intersection": ["a", "b"]}),
        (["--catalogue", "0" * 64], {"where": {}, "catalogue": "0" * 64}),
        ([], {"where": {}}),
    ],
)
def test_subsets_are_made_of_conditions_refs_grids_and_subsets(
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


def test_a_run_is_created_for_its_readers_and_tells_of_them(
    shell: PoolDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--group", "a", "--group", "b", "--max-unread", "8", "--abandon-after", "60", "--retention", "5"]
    options += ["--record", '{"infos": ["x"]}']
    answer(capsys, "run", "create", "--ref", "a@1", "--episodes", "1", *options)
    body = {"groups": ["a", "b"], "max_unread": 8, "abandon_after_s": 60, "retention": {"after_end_s": 5}}
    body["record"] = {"infos": ["x"]}
    assert body.items() <= shell.seen[0].body.items()
    (group,) = answer(capsys, "run", "groups", "run_1")
    assert (group["name"], group["consumers"][0]["name"]) == ("learners", "one")
    assert main(["run", "groups", "run_1"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["learners", "5", "4", "1"]


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


def test_a_wait_that_the_pool_breaks_off_tells_the_runs_id(
    shell: PoolDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.events = [[b"event: end\ndata: {}\n\n"]]
    assert main(["run", "create", "--ref", "a@1", "--episodes", "1", "--wait"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("run_1 goes on\n")
    assert "not what this version of the client reads: id: Field required" in said


def test_waiting_no_longer_than_asked_ends_with_1(shell: PoolDouble, capsys: pytest.CaptureFixture[str]) -> None:
    shell.events = [events("queued", "queued")[:1]] * 1000
    assert main(["run", "wait", "run_1", "--timeout", "0.1"]) == 1
    captured = capsys.readouterr()
    assert "still queued" in captured.err
    assert "stop it:  worldpool run cancel run_1" in captured.err


@pytest.mark.parametrize(
    "arguments", [["run", "create", "--ref", "a@1", "--episodes", "1", "--wait", "--json"], ["run", "wait", "run_1"]]
)
def test_an_interrupted_wait_ends_with_130_and_says_that_the_run_goes_on(
    shell: PoolDouble, arguments: list[str]
) -> None:
    shell.events = [events("queued", "queued")[:1]] * 1000
    # a shell that starts tests in the background has its children ignore SIGINT
    script = "import signal, worldpool.cli as cli; signal.signal(2, signal.default_int_handler); exit(cli.main())"
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert shell.streaming.wait(60)
        process.send_signal(signal.SIGINT)
        output, said = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, "")
    assert said.splitlines() == [
        "run_1 goes on",
        "  watch it: worldpool run wait run_1",
        "  stop it:  worldpool run cancel run_1",
    ]


def test_operators_commands_use_the_operators_key(shell: PoolDouble, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "admin", "cells", "create", "red")["name"] == "red"
    assert answer(capsys, "admin", "keys", "create", "--cell", "red")["secret"] == KEY
    assert answer(capsys, "admin", "commitment", "set", "--numerator", "25")["limit_mc"] == 2000
    assert shell.seen[-1].headers["if-match"] == '"4"'
    limits = "--borrowing-limit", "1500", "--max-loan", "unlimited", "--window-budget", "3600000"
    assert answer(capsys, "admin", "quota", "set", "quota_1", *limits)["borrowing_limit_mc"] == 2000
    assert shell.seen[-1].body == {"borrowing_limit_mc": 1500, "max_loan_ms": None, "window_budget_core_ms": 3600000}
    assert answer(capsys, "admin", "keys", "create", "--cell", "red", "--run-label", "person=ada")["labels"] == {
        "person": "ada"
    }
    assert answer(capsys, "admin", "commitment", "set", "--window", "hour")["window"] == "day"
    assert shell.seen[-1].body == {"window": "hour"}
    assert answer(capsys, "admin", "quota", "thaw", "quota_1")["frozen"] is None
    assert {seen.headers["authorization"] for seen in shell.seen} == {f"Bearer {OPERATOR_KEY}"}


def test_the_queue_and_the_shares_fit_into_80_columns(shell: PoolDouble) -> None:
    heads, entry = in_a_terminal(80, "queue")
    assert max(map(len, (heads, entry))) <= 80
    assert heads.split()[:5] == ["run", "running", "waiting", "reason", "ahead"]
    assert entry.split() == [f"run_{1:032x}", "2", "1,234", "BEHIND_OTHERS", "56"]
    heads, root, own, others = in_a_terminal(80, "share")
    assert max(map(len, (heads, root, own, others))) <= 80
    assert heads.split()[:6] == ["name", "weight", "nominal_mc", "used_mc", "borrowed_mc", "order"]
    assert [line.split()[0] for line in (root, own, others)] == ["commitment", "demo", "(others)"]
    assert (root[0], own[:3]) == ("c", "  d")


def test_of_all_cells_the_operator_asks(shell: PoolDouble, capsys: pytest.CaptureFixture[str]) -> None:
    (entry,) = answer(capsys, "queue", "--all")
    assert (entry["cell"], entry["slurm"]) == ("team", "Priority")
    assert [row["name"] for row in answer(capsys, "share", "--all")] == ["commitment", "demo", "(others)"]
    assert {seen.headers["authorization"] for seen in shell.seen} == {f"Bearer {OPERATOR_KEY}"}
    assert answer(capsys, "queue")
    assert shell.seen[-1].headers["authorization"] == f"Bearer {KEY}"


def test_a_webhook_is_made_looked_at_revived_and_deleted(shell: PoolDouble, capsys: pytest.CaptureFixture[str]) -> None:
    made = answer(capsys, "webhook", "create", "https://example.org/x", "--event", "hold.set")
    assert (made["url"], made["secret"]) == ("https://example.org/x", "whsec_c2VjcmV0")
    assert answer(capsys, "webhook", "list")[0]["dead"] == 1
    assert answer(capsys, "webhook", "deliveries", "webhook_1", "--state", "dead")[0]["failure"] == "answered 500"
    assert shell.seen[-1].query["state"] == ["dead"]
    assert answer(capsys, "webhook", "redeliver", "webhook_1", "event_1")["state"] == "waiting"
    assert main(["webhook", "delete", "webhook_1"]) == 0
    assert shell.paths("DELETE") == ["/v1/webhooks/webhook_1"]


def test_a_stewards_key_has_a_group_and_a_term(shell: PoolDouble, capsys: pytest.CaptureFixture[str]) -> None:
    answer(capsys, "admin", "keys", "create", "--steward-of", "axis", "--until", "2027-01-01")
    assert shell.seen[-1].body == {"steward_of": "axis", "expires_at": "2027-01-01T00:00:00+00:00"}
    answer(capsys, "admin", "cells", "create", "red", "--group", "guests")
    assert shell.seen[-1].body == {"name": "red", "weight": 1, "group": "guests"}


def test_workers_and_sites_are_cordoned_and_drained_by_one_command(
    shell: PoolDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(capsys, "admin", "cordon", "worker/w")["cordoned"]
    drain = "admin", "drain", "site/local", "--departs-at", "2027-01-01T00:00:00Z"
    assert answer(capsys, *drain, "--yes")["state"] == "drained"
    asked, drained = shell.seen[-2:]
    assert asked.body == {"drain": {"sites": ["local"], "departs_at": "2027-01-01T00:00:00+00:00"}}
    assert drained.body == {"departs_at": "2027-01-01T00:00:00+00:00"}
    assert drained.headers["worldpool-what-if"] == shell.what_if.token
    assert answer(capsys, "admin", "uncordon", "site/local")["state"] == "active"
    until = "--min-slots-until", "2027-01-01T00:00:00Z"
    answer(capsys, "admin", "commitment", "set", "--min-slots", "2", *until, "--cooldown-s", "30")
    assert shell.seen[-1].body == {
        "min_slots": 2,
        "min_slots_until": "2027-01-01T00:00:00+00:00",
        "cooldown_s": 30,
    }
    assert {seen.headers["authorization"] for seen in shell.seen} == {f"Bearer {OPERATOR_KEY}"}


EXPORTED = """\
cells:
  '010': {}
  1e3: {}
commitment:
  denominator: 100
  half_life_s: 900
  numerator: 33
"""


@pytest.fixture
def quotas_yaml(shell: PoolDouble, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """What `export` printed."""
    share = {"numerator": 33, "denominator": 100, "half_life_s": 900}
    shell.quotas = {"commitment": share, "cells": {"1e3": {}, "010": {}}}
    assert main(["admin", "quota", "export"]) == 0
    written = tmp_path / "quotas.yaml"
    written.write_text(capsys.readouterr().out)
    assert written.read_text() == EXPORTED
    return written


def test_what_is_exported_is_sent_as_it_was(
    shell: PoolDouble, quotas_yaml: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["admin", "quota", "apply", "-f", str(quotas_yaml), "--reason", "as it was"]) == 0
    assert "nothing to change" in capsys.readouterr().err
    asked, sent = shell.seen[-2:]
    assert (asked.path, asked.body) == ("/v1/admin/what-if", {"document": shell.quotas})
    assert (sent.method, sent.body, sent.headers["worldpool-reason"]) == ("PUT", shell.quotas, "as it was")
    assert (sent.headers["if-match"], sent.headers["worldpool-what-if"]) == ('"tree"', "1-abc")


FOLLOWS = [
    "sets",
    "  demo: weight 3 -> 1",
    "takes something away",
    "  it lowers weight of demo from 3 to 1",
    "nominal",
    "  demo: 2,000 mc -> 1,000 mc, 1,000 mc in use beyond it",
    "next items",
    "  demo: 1 start -> BORROWING_LIMIT at demo",
]


def test_what_would_follow_is_shown_and_asked_about_before_something_is_taken_away(
    shell: PoolDouble, quotas_yaml: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.what_if = rehearsed(needed=True)
    assert main(["admin", "quota", "diff", "-f", str(quotas_yaml)]) == 0
    assert capsys.readouterr().out.splitlines() == FOLLOWS
    commands = (
        ["quota", "apply", "-f", str(quotas_yaml)],
        ["quota", "set", "demo", "--weight", "1"],
        ["commitment", "set", "--numerator", "1"],
        ["hold", "demo"],
        ["drain", "site/local"],
    )
    for command in commands:
        monkeypatch.setattr("sys.stdin", StringIO("n\n"))
        assert main(["admin", *command]) == 1
        assert capsys.readouterr().err.splitlines()[: len(FOLLOWS)] == FOLLOWS
        assert shell.seen[-1].path == "/v1/admin/what-if"
        monkeypatch.setattr("sys.stdin", StringIO("y\n"))
        assert main(["admin", *command]) == 0
        assert shell.seen[-1].headers["worldpool-what-if"] == "1-abc"
        assert main(["admin", *command, "--yes", "--json"]) == 0
        assert shell.seen[-1].headers["worldpool-what-if"] == "1-abc"
        capsys.readouterr()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cells:\n  red: {}\n  blue: {}\n  red: {weight: 2}\n", "line 4: 'red' is there twice"),
        ("cells:\n  010: {}\n", "line 2: quote '010': a name is text"),
        ("cells:\n  no: {}\n", "line 2: quote 'no': a name is text"),
        ("cells: {", "is not YAML"),
        ("- a\n", "is not a document"),
        ("", "is not a document"),
    ],
)
def test_yaml_that_would_lose_or_mistake_a_name_is_refused_before_anything_is_sent(
    shell: PoolDouble, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (tmp_path / "quotas.yaml").write_text(text)
    assert main(["admin", "quota", "apply", "-f", str(tmp_path / "quotas.yaml")]) == 2
    assert said in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert shell.seen == []


def test_quotas_are_found_by_name_changed_for_a_while_and_asked_about(
    shell: PoolDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    until = "2027-01-01T00:00:00Z"
    found = answer(capsys, "admin", "quota", "set", "demo", "--weight", "2", "--until", until, "--reason", "a sprint")
    assert found["id"] == "change_1"
    assert shell.seen[-1].body == {"change": {"quotas": [{"quota": "quota_1", "weight": 2}]}, "until": until}
    assert shell.seen[-1].headers["worldpool-reason"] == "a sprint"
    assert (
        answer(capsys, "admin", "quota", "what-if", "axis", "--parent", "labs", "--drain-site", "here")["edits"] == []
    )
    asked = {"quotas": [{"quota": "quota_2", "parent": "labs"}], "drain": {"sites": ["here"]}}
    assert shell.seen[-1].body == asked
    assert answer(capsys, "admin", "quota", "changes")[0]["state"] == "scheduled"
    assert answer(capsys, "admin", "quota", "cancel", "change_1")["state"] == "cancelled"
    for verb, state in ((["hold"], "hold"), (["hold", "--drain"], "hold_and_drain"), (["release"], "active")):
        answer(capsys, "admin", *verb, "demo")
        assert (shell.seen[-1].method, shell.seen[-1].body) == ("PATCH", {"state": state})
    assert main(["admin", "quota", "show", "nobody"]) == 2
    assert main(["admin", "quota", "show", "demo"]) == 0
    fields = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert (fields["provenance.weight.reason"], fields["effective.owed_slots"]) == ("a sprint", "-0.333")


def test_the_audit_and_the_loans_are_listed(shell: PoolDouble, capsys: pytest.CaptureFixture[str]) -> None:
    filters = ["--action", "quota", "--target", "demo", "--since", "2026-01-01T00:00:00Z"]
    assert answer(capsys, "admin", "audit", *filters)[0]["reason"] == "a sprint"
    assert shell.seen[-1].query["target"] == ["demo"]
    assert answer(capsys, "admin", "loans")["unlent_mc"] == 1000
    assert main(["admin", "loans"]) == 0
    captured = capsys.readouterr()
    assert [line.split() for line in captured.out.splitlines()] == [
        ["name", "borrowed_mc", "since", "nominal_mc", "used_mc"],
        ["demo", "2,000", "2026-01-02", "03:04Z", "1,000", "3,000"],
        ["name", "lent_mc", "nominal_mc", "used_mc"],
        ["blue", "1,000", "1,000", "0"],
    ]
    assert "1,000 mc are in use beyond the whole commitment" in captured.err


LONG_REF = "toy/line@1;" + ";".join(f"parameter_{n}={n}" for n in range(20))


def test_lists_in_a_pipe_have_a_whole_line_for_each_thing(
    shell: PoolDouble, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    shell.environments[1].ref = LONG_REF
    assert main(["env", "search", "--limit", "3"]) == 0
    captured = capsys.readouterr()
    assert [line.split() for line in captured.out.splitlines()] == [
        ["ref", "domain", "kind", "horizon", "step_us"],
        ["toy/line_0@1", "physics", "single", "100", "10"],
        [LONG_REF, "physics", "single", "100", "10"],
        ["toy/line_2@1", "physics", "single", "100", "10"],
    ]
    assert "--limit" in captured.err
    assert main(["run", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["run_1", "running"]
    assert main(["run", "summary", "run_1"]) == 0
    refs = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert refs == ["ref", LONG_REF, "toy/line_0@1", "toy/line_2@1"]


def in_a_terminal(columns: int, *arguments: str) -> list[str]:
    """The lines that a terminal of that width gets."""
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "worldpool", *arguments]
    with subprocess.Popen(command, stdout=end, env=os.environ | {"COLUMNS": str(columns)}) as process:
        os.close(end)
        written = b""
        with open(terminal, "rb", buffering=0, closefd=True) as reader:
            try:
                while part := reader.read(65536):
                    written += part
            except OSError:  # how Linux ends a terminal that nobody writes to any more
                pass
    assert process.returncode == 0
    return re.sub(r"\x1b\[\d*m", "", written.decode()).splitlines()


def test_in_a_terminal_columns_give_way_and_refs_do_not(shell: PoolDouble) -> None:
    shell.environments[1:] = []
    widest = ["ref           domain   kind    horizon  step_us", "toy/line_0@1  physics  single  100      10"]
    assert in_a_terminal(47, "env", "search") == widest
    assert in_a_terminal(46, "env", "search") == [
        "ref           domain   kind    horizon …",
        "toy/line_0@1  physics  single  100",
    ]
    assert in_a_terminal(5, "env", "search") == ["ref …", "toy/line_0@1"]


def test_a_thing_has_a_line_for_each_field_and_exact_values_below(
    shell: PoolDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run = run_state("failed", seeds=[1234567], steps_done=1234567, failure="boom\n  at line 1", labels={"a": "b"})
    assert main(["run", "get", "run_1"]) == 0
    fields = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert (fields["seeds"], fields["steps_done"]) == ("1234567", "1,234,567")
    assert (fields["failure"], fields["labels.a"]) == (r"boom\n  at line 1", "b")
    assert (fields["episodes"], fields["created_at"]) == ("-", "2026-01-02 03:04:05Z")
    assert main(["env", "show", LONG_REF]) == 0
    fields = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert (fields["ref"], fields["parameters.gravity"], fields["card.cost.step_us"]) == (LONG_REF, "9.81", "10.0")


def test_figures_are_rounded_for_people_and_exact_in_json(
    shell: PoolDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["me"]) == 0
    fields = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert (fields["nominal_mc"], fields["decayed_core_ms"]) == ("1,000", "64,578")
    assert answer(capsys, "me")["decayed_core_ms"] == 64577.89833163388


def test_usage_has_a_line_for_each_group(shell: PoolDouble, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--by", "run", "--by", "label:person", "--from", "2026-01-01", "--to", "2026-02-01T10:00:00"]
    assert main(["usage", *options]) == 0
    assert [line.split()[:4] for line in capsys.readouterr().out.splitlines()] == [
        ["run", "label:person", "core_ms", "leases"],
        ["x", "ada", "123,456", "7"],
    ]
    asked = {"by": ["run", "label:person"], "from": ["2026-01-01T00:00:00"], "to": ["2026-02-01T10:00:00"]}
    assert shell.seen[0].query == asked | {"limit": ["200"]}
    assert answer(capsys, "usage")[0]["core_ms"] == 123_456
    assert shell.seen[1].query["by"] == ["window"]


def test_a_statement_is_shown_and_written_down(
    shell: PoolDouble, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["admin", "statement", "--export", str(tmp_path / "out"), "--format", "parquet"]) == 0
    captured = capsys.readouterr()
    lines = [line.split() for line in captured.out.splitlines()]
    assert ["final", "true"] in lines
    assert ["red", "2,000", "1,000", "0", "0", "-", "0"] in lines
    assert any("w0 fell silent" in line for line in captured.out.splitlines())
    assert (tmp_path / "out" / "summary.parquet").read_text() == "what it says"
    assert [seen.path.split("/")[3:] for seen in shell.seen] == [
        ["statements"],
        ["statements", "2026-01-02T03:04:05%2B00:00"],
        ["statements", "2026-01-02T03:04:05%2B00:00", "export"],
    ]
    assert answer(capsys, "admin", "statement", "2026-01-02")["overages"][0]["cause"] == "w0 fell silent"
    assert answer(capsys, "admin", "statement", "--list")[0]["settled_core_ms"] == 1000


def test_a_list_of_nothing_says_so(shell: PoolDouble, capsys: pytest.CaptureFixture[str]) -> None:
    shell.environments = []
    assert main(["env", "search", "nothing"]) == 0
    assert capsys.readouterr() == ("", "nothing found\n")
    assert answer(capsys, "env", "search", "nothing") == []


def test_help_documents_the_exit_codes() -> None:
    done = subprocess.run([sys.executable, "-m", "worldpool", "--help"], capture_output=True, text=True, check=True)
    assert "Exit codes" in done.stdout
    assert "failed or was cancelled" in " ".join(done.stdout.replace("│", " ").split())
