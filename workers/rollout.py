"""Rollouts: runs the segments of one work item and records them.

Owns the way from an item to a recording. Knows nothing of leases, files or the network.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from env_registry.seeding import EpisodeSeeds, episode_seeds
from env_registry.simulator import SINGLE_AGENT, Agent, Kind
from workers import contract
from workers.columns import Leaf
from workers.episodes import EpisodeResult, Waits, agents_episode, single_episode
from workers.policies import NO_LIMIT, Policies, Policy
from workers.recording import AgentRows, EpisodeKey, EpisodeRow, Recording, SingleRows
from workers.simulators import SimulatorCache, data_mb

PROGRESS_S = 0.25
_SEEDS = 256  # derived at once: 200 us, where one alone costs 155 us


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

    def run(
        self, item: contract.Item, report: Callable[[int], None], files: Mapping[str, Path] | None = None
    ) -> Recording:
        """All segments of the item, in order; `report(steps)` is called about every 0.25 s. `files` are the uploaded
        parts of its policy.

        Raises
        ------
        EnvironmentFailure
            A spec cannot be made or recorded, or an episode of it raised.
        MemoryError
            The memory limit was reached.
        """
        recording = Recording()
        tick = _Ticker(report)
        waiting = deque(item.segments)
        while waiting:
            runs = self._group(item, waiting, recording, tick)
            _run_in_step(runs, item, files or {})
            if item.batch > 1:
                for run in runs:
                    recording.extend(run.recording)
        return recording

    def _group(
        self, item: contract.Item, waiting: deque[contract.Segment], recording: Recording, tick: _Ticker
    ) -> list[_SegmentRun]:
        """The next segments to be simulated in step: a batch, or fewer where memory is short; no bit depends on it."""
        self._simulators.release()
        copies: Counter[int] = Counter()
        group: list[_SegmentRun] = []
        while waiting and len(group) < item.batch and (not group or data_mb() < item.memory_mb / 2):
            segment = waiting.popleft()
            own = recording if item.batch == 1 else Recording()  # rows of an episode stand together
            group.append(_SegmentRun(self._simulators, item, segment, copies[segment.spec], own, tick))
            copies[segment.spec] += 1
            group[-1].prepare()
        return group


def _run_in_step(runs: list[_SegmentRun], item: contract.Item, files: Mapping[str, Path]) -> None:
    """Segments together: each goes on until its policy is asked, then the policy answers all."""
    agents = max(len(run.simulator.agents) for run in runs)
    policies = Policies(item.policy.document, files, item.batch * agents)
    live = [run.run(policies) for run in runs]
    while live:
        live = [run for run in live if _goes_on(run)]
        with runs[0].failing():
            policies.infer()


def _goes_on(run: Iterator[None]) -> bool:
    for _ in run:
        return True
    return False


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
        copy: int,
        recording: Recording,
        tick: Callable[[int], None],
    ) -> None:
        self._simulators = simulators
        self._item = item
        self._segment = segment
        self._copy = copy
        self._spec = item.specs[segment.spec]
        self.recording = recording
        self._tick = tick
        self._episode = segment.first_episode

    def prepare(self) -> None:
        """Make the simulator, or take one that was made before."""
        item = self._item
        with self.failing():
            self.simulator = self._simulators.get(self._spec, item.memory_mb, item.tables, self._copy)
            self.simulator.inform(bool(item.record.infos))

    def run(self, policies: Policies) -> Iterator[None]:
        """Yields where its players are asked."""
        with self.failing():
            self._seat(policies)
            yield from self._run_episodes()

    @contextmanager
    def failing(self) -> Iterator[None]:
        """What goes wrong inside is the item's result, under this segment's name."""
        try:
            yield
        except (MemoryError, EnvironmentFailure):
            raise
        except Exception as error:  # whatever an engine raises is a result of the item, not a fault of the runner
            self._simulators.drop(self._spec, self._copy)
            raise EnvironmentFailure(self._spec.ref, self._episode, error) from error

    def _seat(self, policies: Policies) -> None:
        simulator = self.simulator
        self._policies = {
            agent: policies.of(agent, simulator.observation_spaces[agent], simulator.action_spaces[agent])
            for agent in simulator.agents
        }
        self._horizon = min(policy.horizon for policy in self._policies.values())
        self._rows = {
            agent: self.recording.rows_of(simulator, agent, _leaves(policy), self._item.record)
            for agent, policy in self._policies.items()
        }
        for rows in self._rows.values():  # at once: buffers that grow are copied, and touch twice the memory
            rows.reserve(rows.rows + (self._segment.steps or 0))

    def _run_episodes(self) -> Iterator[None]:
        left = NO_LIMIT if self._segment.steps is None else self._segment.steps
        run_episode = self._single if self.simulator.kind is Kind.SINGLE else self._agents
        for seeds in self._seeds():
            key = EpisodeKey(self._segment.spec, self._segment.env_index, self._episode)
            started = time.perf_counter_ns()
            result = yield from run_episode(seeds, key, min(left, self._horizon))
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
        end = NO_LIMIT if self._segment.episodes is None else first + self._segment.episodes
        while first < end:
            count = min(_SEEDS, end - first)
            yield from episode_seeds(self._item.run_seed, self._spec.digest, self._segment.env_index, first, count)
            first += count

    def _single(self, seeds: EpisodeSeeds, key: EpisodeKey, limit: int) -> Waits:
        player = self._policies[SINGLE_AGENT].player(seeds.generator("policy"), key.episode_index)
        rows = cast(SingleRows, self._rows[SINGLE_AGENT])
        return single_episode(
            self.simulator, seeds, player, rows, key, limit, self._tick, watched=self._item.record.watches
        )

    def _agents(self, seeds: EpisodeSeeds, key: EpisodeKey, limit: int) -> Waits:
        players = {
            agent: self._policies[agent].player(seeds.generator("policy", index), key.episode_index)
            for index, agent in enumerate(self.simulator.agents)
        }
        rows = cast(dict[Agent, AgentRows], self._rows)
        return agents_episode(self.simulator, seeds, players, rows, key, limit, self._tick)

    def _note(self, key: EpisodeKey, seeds: EpisodeSeeds, result: EpisodeResult, wall_us: int) -> None:
        drawn = self.simulator.drawn
        drawn = dict(drawn) if drawn else {}
        self.recording.end_episode(key.spec, result.steps, wall_us)
        first = result.agents.get(self.simulator.agents[0])
        if first is not None:
            self.recording.first_returns.setdefault(key.spec, []).append(first.episode_return)
        self.recording.episodes += [
            EpisodeRow(key, agent, seeds.environment, *part, wall_us, drawn) for agent, part in result.agents.items()
        ]


def _leaves(policy: Policy) -> tuple[Leaf, ...]:
    return tuple(Leaf((name,), dtype, shape) for name, dtype, shape in policy.extras)
