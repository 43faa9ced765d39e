"""PPO through a Worldpool: the pool acts, this script learns.

Trains one policy on variations of CartPole and measures it, before and after, on these and on what the pool's default
split holds out of training, by kind of holdout. An iteration uploads the policy as an ONNX graph, asks for one run, and
learns from what streams back (Schulman et al., 2017, arXiv:1707.06347). Needs a running pool (`make up`) and
`pip install "worldpool[examples]"`.

Killed at any moment and started again with the same `--out`, it ends with bitwise equal weights: runs are found by
name, equal requests give equal rollouts, and the checkpoint is replaced whole or not at all.
"""

from __future__ import annotations

import argparse
import csv
import os
import secrets
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch
import worldpool
from actor_critic import ActorCritic
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import nn

CARTPOLE = "classic/cartpole"
VARIATIONS = (
    *(";gravity=4.9", ";gravity=14.7", ";length=0.25", ";length=1", ";masscart=0.5", ";masscart=2"),
    *(";force_mag=5", ";force_mag=15", ";tau=0.04", ":sticky(p=0.25)", ":reward_noise(sd=0.3)"),
    *(":obs_delay(steps=1)", ":obs_delay(steps=2)", ":obs_drop(p=0.1)", ":obs_drop(p=0.4)"),
)
UNSEEN = (
    *(":obs_drop(p=0.2)", ":obs_drop(p=0.25)", ":obs_drop(p=0.3)"),  # interpolation
    *(":obs_delay(steps=1):reward_noise(sd=0.3)", ":obs_delay(steps=2):reward_noise(sd=0.3)"),  # composition
    *(";gravity=19.6", ";gravity=25", ":obs_delay(steps=4)", ":obs_delay(steps=5)"),  # extrapolation
)
TRAINED = [CARTPOLE, *(CARTPOLE + variation for variation in VARIATIONS)]
HELD_OUT = [CARTPOLE + variation for variation in UNSEEN]
OTHER_FAMILY, ITS_OBSERVATIONS = "classic/acrobot", 6
OBSERVATIONS, ACTIONS, TIME_LIMIT = 4, 2, 500
STEPS_PER_ENV, EVALUATION_EPISODES = 1000, 20
GAMMA, LAMBDA, CLIP, ENTROPY_BONUS = 0.99, 0.95, 0.2, 0.005
LEARNING_RATE, EPOCHS, MINIBATCH, MAX_GRADIENT = 1e-3, 8, 500, 0.5

console = Console(soft_wrap=True)  # names stay whole, also in pipes and narrow terminals


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a policy through the pool; goes on where --out has stopped.")
    parser.add_argument("--iterations", type=int, default=40, help="in all, with those of the checkpoint")
    parser.add_argument("--out", type=Path, default=Path("ppo-cartpole"), help="folder of the checkpoint and the curve")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.iterations < 1:
        parser.error("--iterations must be at least 1")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    experiment = Experiment(arguments.out, arguments.seed)
    console.print(f"{experiment.name} begins, or goes on, after iteration {len(experiment.history)}")
    with worldpool.connect() as pool:
        before = evaluate(pool, f"{experiment.name}-before", untrained(arguments.seed))
        while len(experiment.history) < arguments.iterations:
            experiment.iterate(pool)
        after = evaluate(pool, f"{experiment.name}-after-{len(experiment.history)}", experiment.network)
    save_curve(experiment.history, before, after, arguments.out)
    console.print(results_table(before, after))
    console.print(f"checkpoint.pt, curve.csv and curve.png are in [bold]{arguments.out}[/bold]")


class Experiment:
    """All that lasts, in one file: weights, optimiser, history, name. Random numbers come from seed and iteration."""

    def __init__(self, folder: Path, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "checkpoint.pt"
        self.seed, self.name = seed, f"ppo-{secrets.token_hex(4)}"
        self.network = untrained(seed)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=LEARNING_RATE)
        self.history: list[dict[str, float]] = []
        if self.file.exists():
            self.load()
        else:
            self.save()  # the name, before anything is called by it

    def load(self) -> None:
        saved = torch.load(self.file, weights_only=True)
        if saved["seed"] != self.seed:
            sys.exit(f"{self.file} was made with --seed {saved['seed']}: give that, or another --out")
        self.name, self.history = saved["name"], saved["history"]
        self.network.load_state_dict(saved["network"])
        self.optimiser.load_state_dict(saved["optimiser"])

    def save(self) -> None:
        lasting = {"name": self.name, "seed": self.seed, "history": self.history}
        states = {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}
        new = self.file.with_suffix(".new")
        with new.open("wb") as file:
            torch.save(lasting | states, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.file)

    def iterate(self, pool: worldpool.Client) -> None:
        began, iteration = time.monotonic(), len(self.history)
        run = pool.runs.get_or_create(
            name=f"{self.name}-{iteration}",
            subset=pool.subsets.create(refs=TRAINED, name=f"{self.name}-trained"),  # the same each time, by its name
            policy=pool.policies.onnx(self.network.onnx()),
            steps_per_env=STEPS_PER_ENV,
            seed=1000 * self.seed + iteration,
        )
        experience = collect(run, self.network)
        entropy = learn(self.network, self.optimiser, experience, np.random.default_rng([self.seed, iteration]))
        steps = len(experience.actions) + (self.history[-1]["steps"] if self.history else 0)
        mean_return = float(np.mean(experience.returns))
        self.history.append({"iteration": iteration + 1, "steps": steps, "return": mean_return, "entropy": entropy})
        self.save()
        shown = f"iteration {iteration + 1:3}  {steps:9,} steps  return {mean_return:6.1f}  entropy {entropy:.3f}"
        console.print(f"{shown}  {time.monotonic() - began:.1f} s")


def untrained(seed: int) -> ActorCritic:
    torch.manual_seed(seed)
    return ActorCritic(OBSERVATIONS, ACTIONS)


@dataclass(frozen=True)
class Experience:
    """What an iteration learns from. Rows are steps; `targets` are what the values should have been."""

    observations: torch.Tensor
    actions: torch.Tensor
    log_probs: torch.Tensor
    advantages: torch.Tensor
    targets: torch.Tensor
    returns: list[float]
    """Of the episodes that the budget of steps did not cut off."""


def collect(run: worldpool.Run, network: ActorCritic) -> Experience:
    """The run's steps in an order of their own: chunks arrive as they are done, and sums depend on their order."""
    episodes = [episode for batch in run.stream(progress=False) for episode in batch.to_episodes()]
    episodes.sort(key=lambda episode: (episode.ref, episode.env_index, episode.episode_index))
    with torch.no_grad():
        _, final_values = network(as_tensor(np.stack([episode.observations[-1] for episode in episodes])))
    columns: defaultdict[str, list[Any]] = defaultdict(list)
    returns = []
    for episode, final_value in zip(episodes, final_values.tolist(), strict=True):
        over = bool(episode.is_terminal[-1])  # else it was cut off, and would have gone on
        values = episode.policy["value"][:-1].astype(np.float64)
        advantages = gae(episode.rewards[:-1], values, 0.0 if over else final_value)
        columns["observations"].append(episode.observations[:-1])
        columns["actions"].append(episode.actions[:-1])
        columns["log_probs"].append(episode.policy["log_prob"][:-1])
        columns["advantages"].append(advantages)
        columns["targets"].append(values + advantages)
        if over or len(values) == TIME_LIMIT:
            returns.append(float(episode.rewards[:-1].sum()))
    return Experience(**{name: as_tensor(np.concatenate(parts)) for name, parts in columns.items()}, returns=returns)


def as_tensor(rows: NDArray[Any]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.int64 if rows.dtype.kind == "i" else torch.float32)


def gae(rewards: NDArray[np.float64], values: NDArray[np.float64], final_value: float) -> NDArray[np.float64]:
    """Generalised advantage estimation over one episode (Schulman et al., 2016, arXiv:1506.02438)."""
    advantages = rewards + GAMMA * np.append(values[1:], final_value) - values
    for t in reversed(range(len(advantages) - 1)):
        advantages[t] += GAMMA * LAMBDA * advantages[t + 1]
    return advantages


def learn(network: ActorCritic, optimiser: torch.optim.Adam, given: Experience, rng: np.random.Generator) -> float:
    """Some epochs of PPO; the policy's mean entropy in the last, in nats."""
    for _ in range(EPOCHS):
        entropies = []
        for rows in torch.from_numpy(rng.permutation(len(given.actions))).split(MINIBATCH):
            log_probs, values = network(given.observations[rows])
            taken = log_probs.gather(1, given.actions[rows, None]).squeeze(1)
            ratio = (taken - given.log_probs[rows]).exp()
            advantages = given.advantages[rows]
            advantages = (advantages - advantages.mean()) / (advantages.std(correction=0) + 1e-8)
            gain = torch.min(ratio * advantages, ratio.clamp(1 - CLIP, 1 + CLIP) * advantages).mean()
            entropy = -(log_probs.exp() * log_probs).sum(1).mean()
            error = (values - given.targets[rows]).square().mean()
            optimiser.zero_grad()
            (0.5 * error - gain - ENTROPY_BONUS * entropy).backward()
            nn.utils.clip_grad_norm_(network.parameters(), MAX_GRADIENT)
            optimiser.step()
            entropies.append(entropy.item())
    network.observe(given.observations)
    return float(np.mean(entropies))


Results = dict[str, tuple[int, float, float]]
"""By kind of holdout: how many environments, the mean return of their episodes, the mean of their scores."""


def evaluate(pool: worldpool.Client, name: str, network: ActorCritic) -> Results:
    """How the policy does where it was trained and where it was not. Each time in the same episodes, and found by name
    when the script starts again: every evaluation counts against the budget of exposures."""
    found: Results = {}
    with evaluator(pool) as judge:
        for part, refs, width in ("", TRAINED + HELD_OUT, None), ("-family", [OTHER_FAMILY], ITS_OBSERVATIONS):
            run = judge.runs.get_or_create(
                name=name + part,
                refs=refs,
                policy=pool.policies.onnx(network.onnx(width)),
                episodes=EVALUATION_EPISODES,
                seed=2**31 - 1,  # no iteration's
                purpose="evaluate",
            ).wait()
            if run.state != "succeeded":
                raise worldpool.RunFailed(run)
            returns = defaultdict(list)
            for score in run.scores():
                returns[score.kind or "train"].append(score.episode_return)
            lines = run.report().by_kind
            found |= {kind: (lines[kind].specs, float(np.mean(of)), lines[kind].mean) for kind, of in returns.items()}
    return {kind: found[kind] for kind in lines}  # mildest first


@contextmanager
def evaluator(pool: worldpool.Client) -> Iterator[worldpool.Client]:
    """The pool, met with a key that may evaluate: our own, or one that we make for an hour as its operator."""
    me = pool.me()
    if "evaluate" in me.scopes:
        yield pool
        return
    try:
        operator = worldpool.connect(operator=True)
    except worldpool.ConfigurationError:
        scopes = " ".join(f"--scope {scope}" for scope in (*me.scopes, "evaluate"))
        sys.exit(f"this key may not evaluate; operators run: worldpool admin keys create --cell {me.cell} {scopes}")
    with operator:
        soon = datetime.now(UTC) + timedelta(hours=1)  # should we be killed
        scopes = ["runs:read", "runs:write", "evaluate"]
        key = operator.admin.keys.create(cell=me.cell, scopes=scopes, label="ppo", expires_at=soon)
        try:
            with worldpool.connect(api_key=key.secret) as judge:
                yield judge
        finally:
            operator.admin.keys.revoke(key)


def results_table(before: Results, after: Results) -> Table:
    table = Table("kind", caption="score = (return - random) / |random|")
    for header in ("environments", "return before", "after", "score before", "after"):
        table.add_column(header, justify="right")
    for kind, (environments, *first) in before.items():
        figures = [f"{value:,.1f}" for pair in zip(first, after[kind][1:], strict=True) for value in pair]
        table.add_row(kind, str(environments), *figures)
    return table


def save_curve(history: list[dict[str, float]], before: Results, after: Results, folder: Path) -> None:
    with (folder / "curve.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, history[0])
        writer.writeheader()
        writer.writerows(history)
    figure, (curve, bars) = plt.subplots(1, 2, figsize=(10, 3.6))
    curve.plot([line["steps"] / 1000 for line in history], [line["return"] for line in history], color="#0072B2")
    curve.set(xlabel="thousand steps", ylabel="mean return", title=f"Training on {len(TRAINED)} variations of CartPole")
    places = np.arange(len(before))
    for shift, results, label, colour in ((-0.2, before, "before", "0.7"), (0.2, after, "after", "#0072B2")):
        bars.barh(places + shift, [results[kind][2] for kind in before], 0.4, label=label, color=colour)
    bars.set_yticks(places, before)
    bars.invert_yaxis()
    bars.set(xlabel="score: (return - random) / |random|", title="Evaluation by kind of holdout")
    bars.legend()
    figure.tight_layout()
    figure.savefig(folder / "curve.png", dpi=90)
    plt.close(figure)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
