"""The sweep on real measuring processes: what it keeps and rejects, that it resumes, and that it survives engines."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from env_registry import Spec, parse
from env_registry.catalogue import Point, candidates, single_specs, singles
from env_registry.costs import quantised, unquantised
from env_registry.sweep import Journal, MeasuringProcess, kept, select_specs, sweep, write

PENDULUM = parse("classic/pendulum")


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    """A whole sweep of one base task."""
    journal = Journal(tmp_path_factory.mktemp("sweep") / "journal.jsonl")
    sweep(journal, [PENDULUM], jobs=1)
    return journal


def asked(journal: Journal, what: str) -> dict[str, dict[str, Any]]:
    return {ref: answer for (ask, ref), answer in journal.answers.items() if ask == what}


def test_everything_of_a_task_is_measured(journal: Journal) -> None:
    assert set(asked(journal, "look")) == {PENDULUM.ref}
    assert set(asked(journal, "effect")) == {spec.ref for spec in single_specs(PENDULUM)}
    listed = [spec.ref for spec in candidates(PENDULUM, kept(journal.answers, PENDULUM))]
    assert set(asked(journal, "print")) == set(listed)
    assert not any("error" in answer for answer in journal.answers.values())


def test_what_does_nothing_is_not_kept(journal: Journal) -> None:
    points = {point.of(PENDULUM).ref for point in kept(journal.answers, PENDULUM)}
    assert parse("classic/pendulum;g=5").ref in points
    assert parse("classic/pendulum:time_limit(steps=100)").ref in points
    assert parse("classic/pendulum:time_limit(steps=500)").ref not in points


def test_a_sweep_goes_on_where_it_was_stopped(journal: Journal, tmp_path: Path) -> None:
    lines = (journal.path).read_text().splitlines(keepends=True)
    stopped = tmp_path / "journal.jsonl"
    stopped.write_text("".join(lines[:-3]) + lines[-3][:20])  # killed in the middle of a line
    again = Journal(stopped)
    assert len(again.answers) == len(lines) - 3
    sweep(again, [PENDULUM], jobs=1)
    assert {key: answer.get("fingerprint") for key, answer in again.answers.items()} == {
        key: answer.get("fingerprint") for key, answer in journal.answers.items()
    }
    assert len(Journal(stopped).answers) == len(lines)


def test_another_runtimes_answers_do_not_count(journal: Journal, tmp_path: Path) -> None:
    other = tmp_path / "journal.jsonl"
    other.write_text(journal.path.read_text().replace('"runtime":"', '"runtime":"0'))
    assert not Journal(other).answers


def test_the_files_are_the_same_each_time_and_can_be_read(journal: Journal, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(journal, [PENDULUM], tmp_path / name)
    assert (tmp_path / "a/catalogue.parquet").read_bytes() == (tmp_path / "b/catalogue.parquet").read_bytes()
    table = pq.read_table(tmp_path / "a/catalogue.parquet")
    assert len(set(table["fingerprint"].to_pylist())) == len(table) > 100
    first = table.slice(0, 1).to_pylist()[0]
    assert first["ref"] == PENDULUM.ref
    assert first["exact"]
    assert first["seed_sensitive"]
    assert first["episode_steps"] == 200
    assert first["observation_bytes"] == 12
    assert json.loads(first["spaces"])["action_spaces"]["agent"]["type"] == "Box"
    assert len(pq.read_table(tmp_path / "a/costs.parquet")) == len(table)
    rules = set(pq.read_table(tmp_path / "a/rejected.parquet")["rule"].to_pylist())
    assert "no_effect" in rules


def test_a_task_does_not_pay_for_the_memory_of_the_sweep() -> None:
    ballast = np.ones(400 << 20, np.uint8)
    process = MeasuringProcess("1")
    answer = process.ask({"ask": "look", "ref": "reasoning_gym/gcd@1"})
    process.close()
    assert 20 < answer["memory_mb"] < 300 < ballast.nbytes >> 20


def look_alike(spec: Spec, fingerprint: str) -> dict[str, Any]:
    return {"ask": "print", "ref": spec.ref, "fingerprint": fingerprint}


def hand_made(task: Spec, **prints: str) -> dict[tuple[str, str], dict[str, Any]]:
    """A task of which `g=5` alone has an effect; fingerprints as given."""
    level = parse(f"{task.ref};g=5") if task.family == "classic/pendulum" else task
    found = {("look", task.ref): {"fingerprint": prints["look"]}}
    for spec in single_specs(task):
        found["effect", spec.ref] = {"effect": 1.0 if spec == level else 0.0}
    found["print", task.ref] = look_alike(task, prints["base"])
    found["print", level.ref] = look_alike(level, prints.get("level", prints["base"]))
    return found


def rules(answers: dict[tuple[str, str], dict[str, Any]], *tasks: Spec) -> dict[str, str]:
    _, rejected = select_specs(answers, tasks)
    return {each.ref: each.rule for each in rejected if each.rule != "no_effect"}


def test_of_equal_fingerprints_the_plainer_stays() -> None:
    answers = hand_made(PENDULUM, look="a", base="a", level="a")
    chosen, _ = select_specs(answers, [PENDULUM])
    assert chosen == [PENDULUM]
    assert rules(answers, PENDULUM) == {parse("classic/pendulum;g=5").ref: "same_fingerprint"}


def test_a_task_that_differs_between_processes_is_left_out() -> None:
    answers = hand_made(PENDULUM, look="a", base="b", level="c")
    assert select_specs(answers, [PENDULUM])[0] == []
    assert rules(answers, PENDULUM) == {PENDULUM.ref: "not_deterministic"}


def test_a_task_that_does_as_another_one_goes_with_all_its_specs() -> None:
    cartpole = parse("classic/cartpole")
    answers = hand_made(cartpole, look="a", base="a") | hand_made(PENDULUM, look="a", base="a", level="c")
    chosen, _ = select_specs(answers, [cartpole, PENDULUM])
    assert chosen == [cartpole]


def test_what_was_not_measured_or_failed_is_listed_with_its_reason() -> None:
    assert rules({}, PENDULUM) == {PENDULUM.ref: "not_measured"}
    answers = hand_made(PENDULUM, look="a", base="a", level="b")
    answers["print", parse("classic/pendulum;g=5").ref] = {"error": "ValueError: no"}
    assert rules(answers, PENDULUM) == {parse("classic/pendulum;g=5").ref: "failed"}


def test_candidates_are_plain_first_capped_and_have_at_most_two_modifiers() -> None:
    listed = list(candidates(PENDULUM, list(singles(PENDULUM))))
    assert listed[0] == PENDULUM
    assert len(set(listed)) == len(listed) <= 300
    assert all(len(spec.modifiers) <= 2 for spec in listed)
    few = list(candidates(PENDULUM, [Point(levels=(("g", 5.0),)), Point(modifiers=(("delay@1", {}),))]))
    assert [spec.ref for spec in few] == [
        "classic/pendulum@1",
        "classic/pendulum@1;g=5",
        "classic/pendulum@1:delay(steps=2)",
        "classic/pendulum@1;g=5:delay(steps=2)",
    ]


def test_an_engine_that_ends_its_process_is_a_finding() -> None:
    process = MeasuringProcess(hash_seed="0")
    assert "fingerprint" in process.ask({"ask": "print", "ref": PENDULUM.ref})
    assert "UnknownName" in process.ask({"ask": "print", "ref": "no/such"})["error"]
    os.kill(process.pid, signal.SIGKILL)
    assert "ended with status -9" in process.ask({"ask": "print", "ref": PENDULUM.ref})["error"]
    assert not process.alive


def test_an_engine_that_hangs_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("env_registry.sweep.PATIENCE_S", 0.01)  # no process starts in that time
    process = MeasuringProcess(hash_seed="0")
    assert "no answer in 0.01 s" in process.ask({"ask": "print", "ref": PENDULUM.ref})["error"]
    assert not process.alive


@pytest.mark.parametrize("value", [1.0, 3.0, 250.0, 1e6, 1e12])
def test_costs_keep_their_size(value: float) -> None:
    assert unquantised(quantised(value)) == pytest.approx(value, rel=0.1)
