"""One episode: the loops that step a simulator and write its rows, for a single agent and for several.

Owns the order of observing, acting and paying. Knows nothing of items, chunks or of which policy plays. A loop is a
generator: it yields where its players were asked and may answer when others have been asked as well.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, NamedTuple

import numpy as np

from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import SINGLE_AGENT, Agent, Kind, Simulator
from workers.policies import BLOCK, OpenLoopPlayer, Player
from workers.recording import AgentRows, EpisodeKey, SingleRows

STRIDE = 32
"""Steps between two looks at progress and room in the buffers; BLOCK is a multiple."""
Tick = Callable[[int], None]
"""tick(steps): so many more steps were taken."""


class AgentResult(NamedTuple):
    length: int
    episode_return: float
    terminated: bool
    truncated: bool


class EpisodeResult(NamedTuple):
    """`steps` of the environment, and each agent's own part."""

    steps: int
    agents: dict[Agent, AgentResult]


Waits = Generator[None, None, EpisodeResult]


def single_episode(
    simulator: Simulator,
    seeds: EpisodeSeeds,
    player: Player,
    rows: SingleRows,
    key: EpisodeKey,
    limit: int,
    tick: Tick,
    *,
    watched: bool = False,
) -> Waits:
    """An episode of a single agent, cut after `limit` steps; errors are the simulator's. Infos and pictures are
    recorded of one that is `watched`."""
    observation = simulator.reset(seeds)
    first = rows.rows
    plain = type(simulator).action_mask is Simulator.action_mask and rows.actions.leaves[0].dtype is not None
    if not watched and isinstance(player, OpenLoopPlayer) and plain:
        row, terminated, truncated = _open_loop(simulator, observation, player, rows, limit, tick)
    else:
        row, terminated, truncated = yield from _closed_loop(simulator, observation, player, rows, limit, tick)
    steps = row - first
    truncated = truncated or not terminated  # neither: cut at the limit
    episode_return = float(np.add.accumulate(rows.rewards[first:row])[-1])
    rows.end_episode(key, row, terminated, truncated)
    return EpisodeResult(steps, {SINGLE_AGENT: AgentResult(steps, episode_return, terminated, truncated)})


def _open_loop(
    simulator: Simulator, observation: object, player: OpenLoopPlayer, rows: SingleRows, limit: int, tick: Tick
) -> tuple[int, bool, bool]:
    """The fast loop: no call besides `step` and the write of the observation, no check besides the end."""
    step, step_block = simulator.step, simulator.step_block
    discrete = rows.actions.leaves[0].shape is None
    row = rows.rows
    end = row + limit
    while True:
        block = player.block()
        for at in range(0, BLOCK, STRIDE):
            actions = block[at : at + min(STRIDE, end - row)]
            start = row
            rows.reserve(row + len(actions) + 1)
            rows.actions.block(row, len(actions))[:] = actions
            write, rewards = rows.observations.write, rows.rewards
            if step_block is not None:
                write(row, observation)
                seen = rows.observations.block(row + 1, len(actions))
                count, terminated, truncated = step_block(actions, seen, rewards[row : row + len(actions)])
                row, observation = row + count, seen[count - 1]
            else:
                for action in actions.tolist() if discrete else actions:
                    write(row, observation)
                    observation, reward, terminated, truncated, _ = step(action)
                    rewards[row] = reward
                    row += 1
                    if terminated or truncated:
                        break
            tick(row - start)
            if terminated or truncated or row == end:
                write(row, observation)
                return row, bool(terminated), bool(truncated)


def _closed_loop(
    simulator: Simulator, observation: object, player: Player, rows: SingleRows, limit: int, tick: Tick
) -> Generator[None, None, tuple[int, bool, bool]]:
    """The loop for policies that look, for actions that may be illegal or are text, and for who is watched."""
    beside = rows.beside
    row = rows.rows
    end = row + limit
    while True:
        rows.reserve(row + 2)
        player.ask(observation, simulator.action_mask(SINGLE_AGENT))
        rows.observations.write(row, observation)
        beside.see(simulator)
        yield
        action = player.answer()
        rows.actions.write(row, action)
        beside.compute(row, player.extras)
        observation, reward, terminated, truncated, info = simulator.step(action)
        rows.rewards[row] = reward
        beside.tell(row, info)
        row += 1
        tick(1)
        if terminated or truncated or row == end:
            rows.observations.write(row, observation)
            beside.see(simulator)
            return row, bool(terminated), bool(truncated)


def agents_episode(
    simulator: Simulator,
    seeds: EpisodeSeeds,
    players: Mapping[Agent, Player],
    rows: Mapping[Agent, AgentRows],
    key: EpisodeKey,
    limit: int,
    tick: Tick,
) -> Waits:
    """An episode of several agents, acting at once or in turn, cut after `limit` steps; errors are the simulator's."""
    observations = simulator.reset(seeds)
    for stream in {id(stream): stream for stream in rows.values()}.values():
        stream.start_episode(key)
    live = list(simulator.agents if simulator.kind is Kind.TURN else simulator.actors)
    lengths, returns = dict.fromkeys(live, 0), dict.fromkeys(live, 0.0)
    results: dict[Agent, AgentResult] = {}
    t = 0
    while simulator.actors and t < limit:
        actions: dict[Agent, Any] = {}
        written: dict[Agent, int] = {}
        for agent in simulator.actors:
            players[agent].ask(observations[agent], simulator.action_mask(agent))
        yield
        for agent in simulator.actors:
            action = actions[agent] = players[agent].answer()
            shown = None if written else simulator  # one picture of a moment
            written[agent] = rows[agent].add(agent, t, observations[agent], action, players[agent].extras, shown)
            lengths[agent] += 1
        observations, rewards, terminations, truncations, infos = simulator.step(actions)
        t += 1
        tick(1)
        over, cut = not simulator.actors, t == limit
        for agent in live:
            reward = float(rewards.get(agent, 0.0))
            returns[agent] += reward
            terminated = bool(terminations.get(agent, False))
            truncated = bool(truncations.get(agent, False)) or (cut and not terminated and not over)
            ended = terminated or truncated or over
            row = written.get(agent)
            if row is None and (reward or ended):
                row = rows[agent].add(agent, t - 1, None, None)
            if row is not None:
                rows[agent].pay(row, reward, terminated, truncated)
                rows[agent].beside.tell(row, infos.get(agent) if isinstance(infos, Mapping) else None)
            if ended:
                shown = None if results else simulator
                rows[agent].add_last(agent, t, observations.get(agent), terminated, shown)
                results[agent] = AgentResult(lengths[agent], returns[agent], terminated, truncated)
        live = [agent for agent in live if agent not in results]
    return EpisodeResult(t, results)
