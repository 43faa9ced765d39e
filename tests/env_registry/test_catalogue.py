"""The enumeration is lazy, stable, capped and free of doubles; the terminal prints it; cards belong to it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import gymnasium
import pyarrow.parquet as pq
import pytest

import env_registry.__main__
from env_registry import EpisodeSeeds, Spec, base_task, card_of, enumerate_specs, families, parse
from env_registry.__main__ import main, stats
from env_registry.catalogue import SPECS, base_spec, base_tasks, cap, refs
from env_registry.packing import pack
from env_registry.probe import Probe, fingerprint
from env_registry.runtime import runtime
from env_registry.verify import sample, verify

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def catalogue() -> list[Spec]:
    return list(enumerate_specs())


def test_no_two_catalogued_specs_are_the_same(catalogue: list[Spec]) -> None:
    assert len({spec.digest for spec in catalogue}) == len({spec.ref for spec in catalogue}) == len(catalogue)


def test_no_base_task_has_more_specs_than_the_cap(catalogue: list[Spec]) -> None:
    counts = Counter(base_spec(spec) for spec in catalogue)
    assert all(count <= cap(task) <= 300 for task, count in counts.items())


def test_no_spec_has_more_than_two_modifiers(catalogue: list[Spec]) -> None:
    assert max(len(spec.modifiers) for spec in catalogue) == 2


def test_no_two_fingerprints_are_equal() -> None:
    fingerprints = pq.read_table(SPECS)["fingerprint"].to_pylist()
    assert len(set(fingerprints)) == len(fingerprints)


def test_a_specs_base_task_is_catalogued_too(catalogue: list[Spec]) -> None:
    listed = set(catalogue)
    assert all(base_spec(spec) in listed for spec in catalogue)


@pytest.mark.timeout(600)
def test_a_sample_behaves_as_the_file_says() -> None:
    """Another one each day."""
    seed = int(f"{datetime.now(UTC):%Y%m%d}")
    sys.stdout.write(f"sample of seed {seed}\n")
    assert verify(sample(200, seed)) == [], f"python -m env_registry verify --sample 200 --seed {seed}"


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


def test_catalogued_specs_are_read_back_from_their_refs(catalogue: list[Spec]) -> None:
    assert [spec.ref for spec in catalogue] == list(refs())


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
    apart = [spec for spec in catalogue if spec.traits.single_turn]
    counted = [spec for spec in catalogue if not spec.traits.single_turn]
    assert printed["specs"] == len(counted) == sum(printed["domains"].values())
    assert printed["base_tasks"] == len({base_task(spec) for spec in counted})
    assert printed["families"] == len({spec.family for spec in counted})
    assert printed["single_turn"] == len(apart)
    assert printed["single_turn_base_tasks"] == len({base_task(spec) for spec in apart})
    assert printed["unique_fingerprints"] == len(catalogue)


def test_stats_count_tasks_of_a_single_turn_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    before = stats()
    listed = [parse("reasoning_gym/gcd"), parse("reasoning_gym/gcd;value=1"), parse("reasoning_gym/lcm")]
    others = [spec for spec in enumerate_specs() if not spec.traits.single_turn]
    monkeypatch.setattr(env_registry.__main__, "enumerate_specs", lambda: iter([*others, *listed]))
    added = {"single_turn": 3, "single_turn_base_tasks": 2}
    assert stats() == before | added


def test_stats_for_people_show_the_same_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats"]) == 0
    assert f"{stats()['specs']:,}" in capsys.readouterr().out


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


def test_every_catalogued_spec_has_a_card_of_its_own(catalogue: list[Spec]) -> None:
    for spec in catalogue[:: len(catalogue) // 1000 or 1]:
        card = card_of(spec)
        assert card is not None
        assert card.measured == spec.ref
        assert card.agents
        assert card.fingerprint
        assert card.step_us > 0
        assert card.memory_mb > 10
        assert card.engines["numpy"] == runtime().versions["numpy"]


def test_a_card_agrees_with_the_environment() -> None:
    card = card_of(parse("classic/pendulum"))
    assert card is not None
    assert card.agents == ["agent"]
    assert card.observation_spaces == {
        "agent": {"type": "Box", "dtype": "float32", "shape": [3], "low": [-1.0, -1.0, -8.0], "high": [1.0, 1.0, 8.0]}
    }
    assert card.action_spaces == {"agent": {"type": "Box", "dtype": "float32", "shape": [1], "low": -2.0, "high": 2.0}}
    assert card.observation_bytes == 12
    assert card.horizon == 200
    assert card.episode_steps == 200
    assert card.random_return is not None
    assert -2500 < card.random_return < -500
    assert -16.3 < card.reward_low < card.reward_high <= 0
    assert card.seed_sensitive
    assert card.snapshot == "exact"
    assert card.fingerprint == fingerprint(Probe(parse("classic/pendulum"))).fingerprint


def test_a_game_without_chance_is_not_seed_sensitive() -> None:
    card = card_of(parse("pettingzoo/tictactoe"))
    assert card is not None
    assert not card.seed_sensitive


def test_the_card_of_what_is_not_catalogued_follows_its_modifiers_and_sizes() -> None:
    base = card_of(parse("classic/pendulum"))
    assert base is not None
    plain = card_of(parse("classic/pendulum;g=7.123:delay(steps=7)"))
    assert plain == replace(base, fingerprint=None)
    repeated = card_of(parse("classic/pendulum:repeat(k=3):time_limit(steps=19)"))
    assert repeated is not None
    assert repeated.step_us == 3 * base.step_us
    assert repeated.horizon == 19
    noisy = card_of(parse("classic/pendulum:obs_noise(sd=0.123)"))
    assert noisy is not None
    assert noisy.observation_spaces is not None
    assert noisy.observation_spaces["agent"]["low"] == "-inf"
    sized = card_of(parse("mpe/simple_spread;N=7"))
    assert sized is not None
    assert sized.agents is None
    assert sized.observation_spaces is None


def test_observations_are_not_overwritten_by_later_steps() -> None:
    """Modifiers, recorders and clients keep observations without a copy."""
    for family in families().values():
        probe = Probe(Spec.of(family.name))
        kept = [(answer[0], pack(answer[0])) for answer in probe.answers(probe.random, 0, 20)]
        assert all(pack(observation) == before for observation, before in kept), family.name
        probe.close()


def test_a_fresh_simulator_and_a_used_one_give_the_same_bits_under_every_family() -> None:
    for family in families().values():
        used, fresh = Probe(Spec.of(family.name)), Probe(Spec.of(family.name))
        used.simulator.reset(EpisodeSeeds.of(9))
        one, other = ([pack(a) for a in probe.answers(probe.random, 0, 100)] for probe in (used, fresh))
        assert one == other, family.name
        used.close()
        fresh.close()


@pytest.mark.parametrize(
    ("family", "id"),
    [
        *((f"mujoco/{name}", f"{id}-v5") for name, id in (("ant", "Ant"), ("half_cheetah", "HalfCheetah"))),
        *((f"mujoco/{name}", f"{id}-v5") for name, id in (("hopper", "Hopper"), ("swimmer", "Swimmer"))),
        *((f"mujoco/{name}", f"{id}-v5") for name, id in (("reacher", "Reacher"), ("pusher", "Pusher"))),
        ("mujoco/inverted_pendulum", "InvertedPendulum-v5"),
        ("mujoco/inverted_double_pendulum", "InvertedDoublePendulum-v5"),
        ("classic/acrobot", "Acrobot-v1"),
        ("classic/cartpole", "CartPole-v1"),
        ("classic/mountain_car", "MountainCar-v0"),
        ("classic/mountain_car_continuous", "MountainCarContinuous-v0"),
        ("box2d/lunar_lander", "LunarLander-v3"),
        ("box2d/bipedal_walker", "BipedalWalker-v3"),
        ("toytext/frozen_lake", "FrozenLake-v1"),
        ("toytext/taxi", "Taxi-v4"),
    ],
)
def test_reference_returns_are_gymnasiums_thresholds(family: str, id: str) -> None:
    assert families()[family].reference_return == gymnasium.spec(id).reward_threshold


def test_a_reference_return_holds_for_the_base_task_alone() -> None:
    base, heavier, late = (
        card_of(parse(f"classic/cartpole{more}")) for more in ("", ";masspole=0.2", ":delay(steps=1)")
    )
    assert base is not None
    assert heavier is not None
    assert late is not None
    assert (base.reference_return, heavier.reference_return, late.reference_return) == (475, None, None)
