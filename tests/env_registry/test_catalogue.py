"""The enumeration is lazy, stable, capped and free of doubles; the terminal prints it; cards belong to it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from env_registry import EpisodeSeeds, Spec, base_task, card_of, enumerate_specs, families, make, parse
from env_registry.__main__ import main, stats
from env_registry.cards import measure, read, write
from env_registry.catalogue import CAP, base_spec, base_tasks
from env_registry.probe import steps
from env_registry.runtime import runtime

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def catalogue() -> list[Spec]:
    return list(enumerate_specs())


def test_no_two_catalogued_specs_are_the_same(catalogue: list[Spec]) -> None:
    assert len({spec.digest for spec in catalogue}) == len({spec.ref for spec in catalogue}) == len(catalogue)


def test_there_are_five_thousand_specs_and_more_in_three_domains(catalogue: list[Spec]) -> None:
    assert len(catalogue) >= 5000
    domains = Counter(spec.source.domain for spec in catalogue)
    assert set(domains) == {"physics", "social", "symbolic"}


def test_no_base_task_has_more_specs_than_the_cap(catalogue: list[Spec]) -> None:
    counts = Counter(base_task(spec) for spec in catalogue)
    assert max(counts.values()) <= CAP
    assert set(counts) == {base_task(spec) for spec in base_tasks()}


def test_every_base_task_and_every_single_level_is_there(catalogue: list[Spec]) -> None:
    refs = {spec.ref for spec in catalogue}
    for family in families().values():
        assert f"{family.name}@{family.version}" in refs
        for axis in family.axes:
            for level in axis.levels:
                assert Spec.of(family.name, {axis.name: level}).ref in refs


def test_the_order_is_the_same_in_another_process(catalogue: list[Spec]) -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "env_registry", "list"],
        cwd=ROOT,
        env={"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.split() == [spec.ref for spec in catalogue]


def test_a_reader_that_has_enough_ends_the_list_without_a_word() -> None:
    command = [sys.executable, "-m", "env_registry", "list"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == -signal.SIGPIPE


def test_the_enumeration_is_lazy() -> None:
    specs = enumerate_specs()
    assert len(list(islice(specs, 3))) == 3


def test_catalogued_specs_are_read_back_from_their_refs(catalogue: list[Spec]) -> None:
    assert all(parse(spec.ref) == spec for spec in catalogue)


def test_a_sample_of_the_catalogue_can_be_made_and_stepped(catalogue: list[Spec]) -> None:
    for spec in catalogue[:: len(catalogue) // 150]:
        simulator = make(spec)
        for _ in steps(simulator, spec, 0, 5):
            pass
        simulator.close()


def test_a_limit_beyond_the_horizon_is_not_catalogued(catalogue: list[Spec]) -> None:
    limits = [
        (dict(use.arguments)["steps"], spec) for spec in catalogue for use in spec.modifiers if use.name == "time_limit"
    ]
    assert limits
    assert all(steps < spec.source.horizon for steps, spec in limits)  # type: ignore[operator]


def test_a_base_task_is_named_by_its_task_choices() -> None:
    for spec in base_tasks():
        assert base_spec(spec) == spec
        choices = [axis.name for axis in spec.source.axes if axis.task]
        assert base_task(spec).startswith(spec.family)
        assert all(f"{name}=" in base_task(spec) for name in choices)
    assert base_task(parse("classic/pendulum;g=5:delay(steps=2)")) == "classic/pendulum"


def test_stats_count_what_is_enumerated(catalogue: list[Spec], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == stats()
    assert printed["specs"] == len(catalogue) == sum(printed["domains"].values())
    assert printed["base_tasks"] == len({base_task(spec) for spec in catalogue})
    assert printed["families"] == len(families())


def test_stats_for_people_show_the_same_numbers(catalogue: list[Spec], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats"]) == 0
    assert f"{len(catalogue):,}" in capsys.readouterr().out


def test_a_spec_is_shown_with_a_whole_line_for_each_fact(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    spec = parse("mujoco/half_cheetah;gravity=uniform(4,5):delay(steps=2):sticky(p=0.25)")
    assert main(["show", spec.ref]) == 0
    facts = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert (facts["ref"], facts["digest"]) == (spec.ref, spec.digest)
    assert facts["gravity"] == "uniform(4,5) m/s^2"
    assert json.loads(facts["card.agents"]) == ["agent"]


def test_a_wrong_ref_gets_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "classic/pendulun"]) == 2
    assert "did you mean classic/pendulum" in capsys.readouterr().err


def test_every_base_task_has_a_card_and_is_deterministic() -> None:
    cards = read()
    assert set(cards) == {spec.ref for spec in base_tasks()}
    for card in cards.values():
        assert card.deterministic, card.measured
        if card.runtime == runtime().digest:
            assert card.engines["numpy"] == runtime().versions["numpy"]


def test_a_measured_card_agrees_with_the_environment() -> None:
    spec = parse("classic/pendulum")
    card = measure(spec)
    assert card.measured == spec.ref
    assert card.agents == ["agent"]
    assert card.observation_spaces == {
        "agent": {"type": "Box", "dtype": "float32", "shape": [3], "low": [-1.0, -1.0, -8.0], "high": [1.0, 1.0, 8.0]}
    }
    assert card.action_spaces == {"agent": {"type": "Box", "dtype": "float32", "shape": [1], "low": -2.0, "high": 2.0}}
    assert card.observation_bytes == 12
    assert card.horizon == 200
    assert card.episode_steps == 200
    assert card.deterministic
    assert card.seed_sensitive
    assert card.snapshot == "exact"
    assert card.runtime == runtime().digest
    assert card.make_ms > 0
    assert card.step_us > 0
    assert card.memory_mb > 10


def test_a_game_without_chance_is_not_seed_sensitive() -> None:
    assert not measure(parse("pettingzoo/tictactoe")).seed_sensitive


def test_a_card_follows_its_specs_modifiers_and_sizes() -> None:
    base = card_of(parse("classic/pendulum"))
    assert base is not None
    plain = card_of(parse("classic/pendulum;g=5:delay(steps=2)"))
    assert plain == base
    repeated = card_of(parse("classic/pendulum:repeat(k=4):time_limit(steps=20)"))
    assert repeated is not None
    assert repeated.step_us == 4 * base.step_us
    assert repeated.horizon == 20
    noisy = card_of(parse("classic/pendulum:obs_noise(sd=0.1)"))
    assert noisy is not None
    assert noisy.observation_spaces is not None
    assert noisy.observation_spaces["agent"]["low"] == "-inf"
    sized = card_of(parse("mpe/simple_spread;N=5"))
    assert sized is not None
    assert sized.agents is None
    assert sized.observation_spaces is None


def test_cards_come_back_from_their_file(tmp_path: Path) -> None:
    cards = read()
    write(reversed(cards.values()), tmp_path / "cards.json")
    assert read(tmp_path / "cards.json") == cards
    assert (tmp_path / "cards.json").read_text() == (ROOT / "env_registry" / "cards.json").read_text()
    assert read(tmp_path / "none.json") == {}


def test_observations_are_not_overwritten_by_later_steps() -> None:
    """Modifiers, recorders and clients keep observations without a copy."""
    from env_registry.packing import pack

    for family in families().values():
        spec = Spec.of(family.name)
        simulator = make(spec)
        kept = [(answer[0], pack(answer[0])) for answer in steps(simulator, spec, 0, 20)]
        assert all(pack(observation) == before for observation, before in kept), family.name
        simulator.close()


def test_a_fresh_simulator_and_a_used_one_give_the_same_bits_under_every_family() -> None:
    from env_registry.probe import fingerprint

    for family in families().values():
        spec = Spec.of(family.name)
        used = make(spec)
        used.reset(EpisodeSeeds.of(9))
        fresh = make(spec)
        assert fingerprint(used, spec, 0) == fingerprint(fresh, spec, 0), family.name
        used.close()
        fresh.close()
