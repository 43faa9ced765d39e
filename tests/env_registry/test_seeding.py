"""Seeds equal numpy's own, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from env_registry import EpisodeSeeds, episode_seeds
from env_registry.seeding import Stream

STREAMS: tuple[Stream, ...] = ("environment", "policy", "modifiers", "partners", "randomisation")
words = st.integers(0, 2**32 - 1)
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)


def numpy_children(run_seed: int, digest: str, env_index: int, episode: int) -> list[np.random.SeedSequence]:
    digest_words = [int(digest[i : i + 8], 16) for i in range(0, 64, 8)]
    return np.random.SeedSequence([run_seed, *digest_words, env_index, episode]).spawn(5)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**63 - 1) | words, digests, words, words.map(lambda n: min(n, 2**32 - 4)), st.integers(1, 4))
def test_every_stream_is_what_numpy_derives(run_seed: int, digest: str, env_index: int, first: int, count: int) -> None:
    batch = episode_seeds(run_seed, digest, env_index, first, count)
    assert len(batch) == count
    for i, seeds in enumerate(batch):
        children = numpy_children(run_seed, digest, env_index, first + i)
        assert seeds.environment == int(children[0].generate_state(1)[0]) >> 1
        for stream, child in zip(STREAMS, children, strict=True):
            assert seeds.generator(stream).bit_generator.state == np.random.PCG64(child).state
        for position, child in enumerate(children[2].spawn(3)):
            assert seeds.generator("modifiers", position).bit_generator.state == np.random.PCG64(child).state


@given(st.integers(0, 2**31 - 1))
def test_a_session_seeds_its_environment_itself(seed: int) -> None:
    seeds = EpisodeSeeds.of(seed)
    assert seeds.environment == seed
    for stream, child in zip(STREAMS, np.random.SeedSequence(seed).spawn(5), strict=True):
        assert seeds.generator(stream).bit_generator.state == np.random.PCG64(child).state


@given(st.integers(0, 2**63 - 1), digests, words)
def test_seeds_come_back_from_their_origin(run_seed: int, digest: str, episode: int) -> None:
    for seeds in (episode_seeds(run_seed, digest, 3, episode, 1)[0], EpisodeSeeds.of(run_seed >> 32)):
        again = EpisodeSeeds.from_origin(list(seeds.origin))
        assert again.environment == seeds.environment
        assert again.generator("policy").bit_generator.state == seeds.generator("policy").bit_generator.state


def test_a_stream_starts_from_its_beginning_at_every_call() -> None:
    seeds = EpisodeSeeds.of(1)
    assert seeds.generator("policy").random(4).tolist() == seeds.generator("policy").random(4).tolist()


@pytest.mark.parametrize(
    ("run_seed", "digest", "env_index", "first", "count"),
    [
        (-1, "0" * 64, 0, 0, 1),
        (2**63, "0" * 64, 0, 0, 1),
        (0, "0" * 62, 0, 0, 1),
        (0, "x" * 64, 0, 0, 1),
        (0, "0" * 64, 2**32, 0, 1),
        (0, "0" * 64, 0, -1, 1),
        (0, "0" * 64, 0, 2**32 - 1, 2),
    ],
)
def test_numbers_out_of_range_are_refused(run_seed: int, digest: str, env_index: int, first: int, count: int) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # bytes.fromhex words its own
        episode_seeds(run_seed, digest, env_index, first, count)


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_session_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="seed"):
        EpisodeSeeds.of(seed)
