"""Rollouts: runs the segments of one work item and records them.

Owns the way from an item to a recording. Knows nothing of leases, files or the network.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import cast

from env_registry.seeding import EpisodeSeeds, episode_seeds
from env_registry.simulator import SINGLE_AGENT, Agent, Kind
from workers import contract
from workers.episodes import EpisodeResult, agents_episode, single_episode
from workers.policies import policy
from workers.recording import AgentRows, EpisodeKey, EpisodeRow, Recording, SingleRows
from workers.simulators import SimulatorCache

PROGRESS_S = 0.25
_SEEDS = 256  # derived at once: 200 us, where one alone costs 155 us
_NO_LIMIT = 2**62


class EnvironmentFailure(Exception):
    """The environment, its spec or its policy failed; the message names the ref, the episode and the error."""

    def __init__(self, ref: str, episode: int, error: Exception) -> None:
        super().__init__(f"{ref}, episode {episode}: {type(error).__name__}: {error}")


class EmptyEpisode(RuntimeError):
    """An episode was over before its first step; a budget of steps would never end."""


class Rollout:
    """Runs items one after another, keeping simulators from item to item."""

    def __init__(self, simulators: SimulatorCache) -> None:
        self._simulators = simulators

    def run(self, item: contract.Item, report: Callable[[int], None]) -> Recording:
        """All segments of the item, in order; `report(steps)` is called about every 0.25 s.

        Raises
        ------
        EnvironmentFailure
            A spec cannot be made or recorded, or an episode of it raised.
        MemoryError
            The memory limit was reached.
        """
        recording = Recording()
        tick = _Ticker(report)
        for segment in item.segments:
            _SegmentRun(self._simulators, item, segment, recording, tick).run()
        return recording


class _Ticker:
    def __init__(self, report: Callable[[int], None]) -> None:
        self._report = report
        self._steps = 0
        self._next = time.monotonic() + PROGRESS_S

    def __call__(self, steps: int) -> None:
        self._steps += steps
        now = time.monotonic()
        if now >= self._next:
            self._next = now + PROGRESS_S
            self._report(self._steps)


class _SegmentRun:
    """One segment: whole episodes of one environment, as many or as long as the segment says."""

    def __init__(
        self,
        simulators: SimulatorCache,
        item: contract.Item,
        segment: contract.Segment,
        recording: Recording,
        tick: Callable[[int], None],
    ) -> None:
        self._simulators = simulators
        self._item = item
        self._segment = segment
        self._spec = item.specs[segment.spec]
        self._recording = recording
        self._tick = tick
        self._episode = segment.first_episode

    def run(self) -> None:
        try:
            self._prepare()
            self._run_episodes()
        except (MemoryError, EnvironmentFailure):
            raise
        except Exception as error:  # whatever an engine raises is a result of the item, not a fault of the runner
            self._simulators.drop(self._spec)
            raise EnvironmentFailure(self._spec.ref, self._episode, error) from error

    def _prepare(self) -> None:
        simulator = self._simulator = self._simulators.get(self._spec, self._item.memory_mb, self._item.tables)
        self._policies = {
            agent: policy(self._item.policy, simulator.action_spaces[agent]) for agent in simulator.agents
        }
        self._rows = {agent: self._recording.rows_of(simulator, agent) for agent in simulator.agents}

    def _run_episodes(self) -> None:
        left = _NO_LIMIT if self._segment.steps is None else self._segment.steps
        run_episode = self._single if self._simulator.kind is Kind.SINGLE else self._agents
        for seeds in self._seeds():
            key = EpisodeKey(self._segment.spec, self._segment.env_index, self._episode)
            started = time.perf_counter_ns()
            result = run_episode(seeds, key, left)
            wall_us = (time.perf_counter_ns() - started) // 1000
            if not result.steps:
                raise EmptyEpisode("over before its first step")
            self._note(key, seeds, result, wall_us)
            self._episode += 1
            left -= result.steps
            if not left:
                return

    def _seeds(self) -> Iterator[EpisodeSeeds]:
        first = self._segment.first_episode
        end = _NO_LIMIT if self._segment.episodes is None else first + self._segment.episodes
        while first < end:
            count = min(_SEEDS, end - first)
            yield from episode_seeds(self._item.run_seed, self._spec.digest, self._segment.env_index, first, count)
            first += count

    def _single(self, seeds: EpisodeSeeds, key: EpisodeKey, limit: int) -> EpisodeResult:
        player = self._policies[SINGLE_AGENT].player(seeds.generator("policy"))
        rows = cast(SingleRows, self._rows[SINGLE_AGENT])
        return single_episode(self._simulator, seeds, player, rows, key, limit, self._tick)

    def _agents(self, seeds: EpisodeSeeds, key: EpisodeKey, limit: int) -> EpisodeResult:
        players = {
            agent: self._policies[agent].player(seeds.generator("policy", index))
            for index, agent in enumerate(self._simulator.agents)
        }
        rows = cast(dict[Agent, AgentRows], self._rows)
        return agents_episode(self._simulator, seeds, players, rows, key, limit, self._tick)

    def _note(self, key: EpisodeKey, seeds: EpisodeSeeds, result: EpisodeResult, wall_us: int) -> None:
        drawn = self._simulator.drawn
        drawn = dict(drawn) if drawn else {}
        self._recording.end_episode(key.spec, result.steps, wall_us)
        first = result.agents.get(self._simulator.agents[0])
        if first is not None:
            self._recording.first_returns.setdefault(key.spec, []).append(first.episode_return)
        self._recording.episodes += [
            EpisodeRow(key, agent, seeds.environment, *part, wall_us, drawn) for agent, part in result.agents.items()
        ]
