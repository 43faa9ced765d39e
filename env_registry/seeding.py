"""Seeds: every episode's random streams, derived so that any episode can run anywhere, in any order.

Owns the derivation, which is numpy's `SeedSequence([run_seed, *digest, env_index, episode]).spawn(5)` bit for bit,
computed for many episodes at once because numpy's own costs about 100 us an episode. Knows nothing of engines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

Stream = Literal["environment", "policy", "modifiers", "partners", "randomisation"]
_STREAMS: dict[str, int] = {"environment": 0, "policy": 1, "modifiers": 2, "partners": 3, "randomisation": 4}

# Constants and mixing of numpy's SeedSequence, after O'Neill's seed_seq_fe; numpy promises never to change them.
_INIT_A, _MULT_A = 0x43B0D7E5, 0x931E8875
_INIT_B, _MULT_B = 0x8B51F9DD, 0x58F38DED
_MIX_L, _MIX_R = 0xCA01F9DD, 0x4973F715
_MASK = 0xFFFFFFFF

_Lane: TypeAlias = Any  # an int below 2**32, or such numbers as an array over episodes


class EpisodeSeeds:
    """The random streams of one episode.

    `environment` is the 31-bit seed that the engine is reset with. `generator(stream)` starts another stream from its
    beginning at every call. `origin` is the entropy that everything derives from: see `from_origin`.
    """

    __slots__ = ("_batch", "_row")

    def __init__(self, batch: _Batch, row: int) -> None:
        self._batch = batch
        self._row = row

    @classmethod
    def of(cls, seed: int) -> EpisodeSeeds:
        """Streams of an episode that a client seeds itself: `environment` is the seed (31 bits, at least 0)."""
        if not 0 <= seed < 2**31:
            raise ValueError("seed: must be an integer from 0 to 2147483647")
        return cls(_Batch(_Pool.of([seed]), (seed,), range(1), environment=[seed]), 0)

    @classmethod
    def from_origin(cls, origin: Sequence[int]) -> EpisodeSeeds:
        if len(origin) == 1:
            return cls.of(origin[0])
        run_seed, *words, env_index, episode = origin
        return _episodes(run_seed, words, env_index, range(episode, episode + 1))[0]

    @property
    def environment(self) -> int:
        return self._batch.environment[self._row]

    @property
    def origin(self) -> tuple[int, ...]:
        batch = self._batch
        return batch.origin if len(batch.origin) == 1 else (*batch.origin, batch.episodes[self._row])

    def generator(self, stream: Stream, *spawn_index: int) -> np.random.Generator:
        """The stream as numpy gives it; with `spawn_index` n the stream's n-th spawned child."""
        words = self._batch.states(_STREAMS[stream], *spawn_index)[self._row]
        bits = np.random.PCG64(_KnownState(words))  # type: ignore[arg-type]  # numpy's stubs forget ISeedSequence
        return np.random.Generator(bits)


def episode_seeds(run_seed: int, digest: str, env_index: int, first_episode: int, count: int) -> list[EpisodeSeeds]:
    """Seeds of `count` consecutive episodes of one environment of a run; cheapest in batches of some hundred.

    Raises
    ------
    ValueError
        A number is out of range, or the digest is not 64 hexadecimal digits.
    """
    words = np.frombuffer(bytes.fromhex(digest), dtype=">u4").tolist()
    if len(words) != 8:
        raise ValueError("digest: must be 64 hexadecimal digits")
    return _episodes(run_seed, words, env_index, range(first_episode, first_episode + count))


def _episodes(run_seed: int, words: Sequence[int], env_index: int, episodes: range) -> list[EpisodeSeeds]:
    if not 0 <= run_seed < 2**63:
        raise ValueError("run_seed: must be an integer from 0 to 2**63 - 1")
    if not (0 <= env_index <= _MASK and episodes.start >= 0 and episodes.stop <= _MASK + 1):
        raise ValueError("env_index, episode: must be integers from 0 to 2**32 - 1")
    # numpy writes an integer as its 32-bit words, lowest first, and drops leading zero words.
    run_words = [run_seed & _MASK, run_seed >> 32] if run_seed > _MASK else [run_seed]
    pool = _Pool.of([*run_words, *words, env_index]).absorb(np.arange(episodes.start, episodes.stop, dtype=np.uint32))
    batch = _Batch(pool, (run_seed, *words, env_index), episodes)
    return [EpisodeSeeds(batch, row) for row in range(len(episodes))]


class _Batch:
    """Episodes whose streams are derived together, each stream when it is first asked for."""

    __slots__ = ("_environment", "_pool", "_states", "episodes", "origin")

    def __init__(
        self, pool: _Pool, origin: tuple[int, ...], episodes: range, *, environment: list[int] | None = None
    ) -> None:
        self._pool = pool
        self._environment = environment
        self._states: dict[tuple[int, ...], NDArray[np.uint64]] = {}
        self.origin = origin
        self.episodes = episodes

    @property
    def environment(self) -> list[int]:
        if self._environment is None:
            first_words = self.states(_STREAMS["environment"])[:, 0] & np.uint64(_MASK)
            self._environment = (first_words >> np.uint64(1)).tolist()
        return self._environment

    def states(self, *spawn_key: int) -> NDArray[np.uint64]:
        """`generate_state(4, uint64)` of that child of every episode: episodes x 4."""
        known = self._states.get(spawn_key)
        if known is None:
            pool = self._pool
            for index in spawn_key:
                pool = pool.absorb(index)
            known = self._states[spawn_key] = pool.state()
        return known


class _Pool:
    """SeedSequence's entropy pool: four lanes, each a number or one per episode, and the running hash constant."""

    __slots__ = ("_constant", "_lanes")

    def __init__(self, lanes: list[_Lane], constant: int) -> None:
        self._lanes = lanes
        self._constant = constant

    @classmethod
    def of(cls, words: Sequence[int]) -> _Pool:
        first, rest = [*words, 0, 0, 0][:4], words[4:]
        lanes: list[_Lane] = []
        constant = _INIT_A
        for word in first:
            lane, constant = _hash(word, constant, _MULT_A)
            lanes.append(lane)
        for source in range(4):
            for target in range(4):
                if source != target:
                    hashed, constant = _hash(lanes[source], constant, _MULT_A)
                    lanes[target] = _mix(lanes[target], hashed)
        pool = cls(lanes, constant)
        for word in rest:
            pool = pool.absorb(word)
        return pool

    def absorb(self, word: _Lane) -> _Pool:
        """The pool after one more word of entropy, which spawning a child is, too."""
        constant = self._constant
        lanes = []
        for lane in self._lanes:
            hashed, constant = _hash(word, constant, _MULT_A)
            lanes.append(_mix(lane, hashed))
        return _Pool(lanes, constant)

    def state(self) -> NDArray[np.uint64]:
        words = []
        constant = _INIT_B
        for index in range(8):
            word, constant = _hash(self._lanes[index % 4], constant, _MULT_B)
            words.append(np.atleast_1d(word))
        little_endian = np.ascontiguousarray(np.stack(words, axis=-1), dtype="<u4")
        return little_endian.view("<u8").astype(np.uint64, copy=False)


def _hash(word: _Lane, constant: int, multiplier: int) -> tuple[_Lane, int]:
    next_constant = constant * multiplier & _MASK
    hashed = (word ^ constant) * next_constant & _MASK
    return hashed ^ (hashed >> 16), next_constant


def _mix(x: _Lane, y: _Lane) -> _Lane:
    mixed = (x * _MIX_L & _MASK) - (y * _MIX_R & _MASK) & _MASK
    return mixed ^ (mixed >> 16)


class _KnownState(ISeedSequence):
    """Hands a generator the state that was derived in the batch."""

    __slots__ = ("_words",)

    def __init__(self, words: NDArray[np.uint64]) -> None:
        self._words = words

    def generate_state(self, n_words: int, dtype: object = np.uint32) -> NDArray[np.uint64]:
        return self._words
