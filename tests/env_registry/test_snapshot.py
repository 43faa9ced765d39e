"""A restored episode goes on bit for bit as the one that was never interrupted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from env_registry import EpisodeSeeds, make, parse
from env_registry.packing import pack, unpack
from env_registry.probe import random_action
from env_registry.snapshot import Recording, SnapshotProblem, header, restore, take

EXACT = [
    "mujoco/ant",
    "mujoco/hopper;gravity=4.905:delay(steps=2):sticky(p=0.25):noise(sd=0.05,of=range)",
    "classic/pendulum;g=uniform(5,15):obs_delay(steps=2):reward_delay(steps=5)",
    "classic/cartpole:repeat(k=2):time_limit(steps=100):reward_sparse(every=5)",
]
REPLAY = [
    "mpe/simple_spread",
    "mpe/simple_spread;damping=uniform(0.1,0.5):sticky(p=0.5):obs_noise(sd=0.1)",
    "pettingzoo/tictactoe:obs_drop(p=0.5)",
]


def play(recording: Recording, count: int, rng: np.random.Generator) -> bytes:
    answers: list[Any] = []
    while recording.actors and len(answers) < count:
        answers.append(recording.step(random_action(recording, rng))[:4])
    return pack(answers)


def begun(ref: str, count: int = 4) -> Recording:
    recording = Recording(parse(ref))
    recording.reset(EpisodeSeeds.of(42))
    play(recording, count, np.random.default_rng(0))
    return recording


@pytest.mark.parametrize("ref", EXACT + REPLAY)
def test_a_restored_episode_continues_with_the_same_bits(ref: str) -> None:
    original, other = begun(ref), Recording(parse(ref))
    snapshot = take(original)
    seen, drawn = pack(original.observation), dict(original.drawn)
    rest = play(original, 60, np.random.default_rng(1))
    for _ in range(2):
        restore(other, snapshot)
        assert pack(other.observation) == seen
        assert other.drawn == drawn
        assert other.elapsed == 4
        assert play(other, 60, np.random.default_rng(1)) == rest
    other.close()


@pytest.mark.parametrize("ref", EXACT + REPLAY)
def test_a_snapshot_says_what_it_is(ref: str) -> None:
    found = header(take(begun(ref)))
    assert (found.ref, found.digest) == (parse(ref).ref, parse(ref).digest)
    assert found.exact == (ref in EXACT)
    assert found.elapsed == 4


@pytest.mark.parametrize("ref", [EXACT[1], REPLAY[1]])
def test_a_snapshot_of_a_restored_episode_is_the_same_snapshot(ref: str) -> None:
    snapshot = take(begun(ref))
    other = Recording(parse(ref))
    restore(other, snapshot)
    assert take(other) == snapshot


@pytest.mark.parametrize("ref", [EXACT[1], REPLAY[1]])
def test_branches_differ_by_their_actions_only(ref: str) -> None:
    snapshot, branch = take(begun(ref)), Recording(parse(ref))
    futures = []
    for action_seed in (1, 2, 1):
        restore(branch, snapshot)
        futures.append(play(branch, 20, np.random.default_rng(action_seed)))
    assert futures[0] == futures[2] != futures[1]


def test_a_recording_changes_nothing() -> None:
    recording, bare = Recording(parse(EXACT[1])), make(EXACT[1])
    assert pack(recording.reset(EpisodeSeeds.of(1))) == pack(bare.reset(EpisodeSeeds.of(1)))
    action = np.full(3, 0.5, np.float32)
    assert pack(recording.step(action)) == pack(bare.step(action))


def test_replay_logs_the_action_as_it_was_when_the_caller_reuses_its_array() -> None:
    ref = "pettingzoo/pistonball"
    original, other = Recording(parse(ref)), Recording(parse(ref))
    original.reset(EpisodeSeeds.of(0))
    shared = {agent: np.zeros(1, np.float32) for agent in original.actors}
    for value in (1.0, -1.0, 0.5):
        for action in shared.values():
            action[:] = value
        original.step(shared)
    restore(other, take(original))
    assert pack(other.observation) == pack(original.observation)


def test_before_the_first_reset_there_is_nothing_to_save() -> None:
    with pytest.raises(SnapshotProblem, match="nothing to save"):
        take(Recording(parse("classic/pendulum")))


def test_a_snapshot_of_another_spec_is_refused() -> None:
    with pytest.raises(SnapshotProblem, match=r"is of classic/pendulum@1;g=5, not of classic/pendulum@1"):
        restore(Recording(parse("classic/pendulum")), take(begun("classic/pendulum;g=5")))


def test_a_snapshot_of_another_runtime_is_refused() -> None:
    envelope = unpack(take(begun("classic/pendulum"))) | {"runtime": "0" * 64}
    with pytest.raises(SnapshotProblem, match="was taken in runtime 000000000000"):
        restore(Recording(parse("classic/pendulum")), pack(envelope))


def test_another_format_is_refused() -> None:
    envelope = unpack(take(begun("classic/pendulum"))) | {"format": 2}
    with pytest.raises(SnapshotProblem, match="has format 2"):
        header(pack(envelope))


@pytest.mark.parametrize("data", [b"", b"nonsense", pack({}), pack([1, 2]), pack({"format": 1})])
def test_bytes_that_are_no_snapshot_are_refused(data: bytes) -> None:
    with pytest.raises(SnapshotProblem, match="is no snapshot"):
        header(data)
