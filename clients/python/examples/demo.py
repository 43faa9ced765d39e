"""A new team's first minute with a Worldpool.

Joins the pool as a cell of its own, looks at what there is, picks 24 environments evenly over all domains, streams
random rollouts of them, and shows what came back and what it took. Needs a running pool (`make up`, or `make demo` for
both) and matplotlib for the plot: `pip install "worldpool[demo]"`.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import worldpool
from matplotlib.axes import Axes
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

CELL = "demo-newcomers"
ENVIRONMENTS = 24
SIMULATION_S = 10
"""Seconds of compute to spend, over all environments together."""
PLOT = Path(".worldpool") / "demo-returns.png"
COLOURS = {"physics": "#0072B2", "social": "#D55E00", "symbolic": "#009E73"}  # told apart by colour-blind people too

Returns = dict[str, list[float]]


def main() -> None:
    console = Console(soft_wrap=True)  # refs stay whole, also in pipes and narrow terminals

    console.rule("A cell joins the pool")
    with joined(console) as secret, worldpool.connect(api_key=secret) as pool:
        console.rule("What there is")
        console.print(catalogue_table(pool.catalogue()))

        console.rule(f"{ENVIRONMENTS} environments, evenly over domains, families and tasks")
        subset = pool.subsets.create(where={}, size=ENVIRONMENTS, strategy="stratified", seed=0)
        environments = list(pool.subsets.environments(subset))
        steps = affordable_steps(environments)
        domains = ", ".join(f"{count} {domain}" for domain, count in sorted(subset.domains.items()))
        console.print(f"{domains}; {steps:,} steps of each, {steps * subset.size:,} in all")
        before = pool.me()

        console.rule("Rollouts stream back")
        run = pool.runs.create(subset=subset, policy="random", steps_per_env=steps, seed=0)
        returns = read_returns(run)
        console.print(run.summary())

        save_plot(returns, environments, PLOT)
        console.print(f"returns are plotted in [bold]{PLOT}[/bold]")

        console.rule("What it took")
        console.print(usage_table(before, pool.me()))


@contextmanager
def joined(console: Console) -> Iterator[str]:
    """What an operator does for a new team: a cell, and a key for it. The key is revoked at the end.

    A cell cannot be deleted and counts when shares are divided, so all demos of a pool are one cell.
    """
    with worldpool.connect(operator=True) as operator:
        try:
            operator.admin.cells.create(name=CELL)
            origin = "is new and keeps its share of the pool"
        except worldpool.Conflict:
            origin = "was made by an earlier demo"
        key = operator.admin.keys.create(cell=CELL, label="demo")
        console.print(f"cell [bold]{CELL}[/bold] {origin}; here is a key for {', '.join(key.scopes)}")
        try:
            yield key.secret
        finally:
            operator.admin.keys.revoke(key)


def affordable_steps(environments: list[worldpool.Environment]) -> int:
    """Steps of each environment that fit the time, by the costs that the pool has measured."""
    step_s = sum(environment.step_us for environment in environments) / 1e6
    make_s = sum(environment.make_ms for environment in environments) / 1e3
    return max(200, int((SIMULATION_S - make_s) / step_s) // 100 * 100)


def read_returns(run: worldpool.Run) -> Returns:
    """Returns of all episodes by environment, one for each agent."""
    returns: Returns = defaultdict(list)
    for batch in run.stream():
        # batch.observations, batch.actions, batch.rewards … are what a world model would train on
        episodes = batch.episodes
        for spec, value in zip(episodes.spec_index, episodes.returns, strict=True):
            returns[batch.specs[spec]].append(float(value))
    return returns


def catalogue_table(catalogue: worldpool.Catalogue) -> Table:
    table = Table("domain", show_footer=True)
    table.add_column("environments", f"{catalogue.specs:,}", justify="right")
    table.columns[0].footer = f"{catalogue.families} families, {catalogue.base_tasks} base tasks"
    for domain, specs in sorted(catalogue.domains.items()):
        table.add_row(domain, f"{specs:,}")
    return table


def usage_table(before: worldpool.Me, after: worldpool.Me) -> Table:
    table = Table("cores", *(f"{when} the run" for when in ("before", "after")))
    rows = {
        "committed to all cells": "commitment_mc",
        "entitled": "share_mc",
        "in use": "used_mc",
        "of that borrowed": "borrowed_mc",
    }
    for label, name in rows.items():
        table.add_row(label, *(f"{getattr(me, name) / 1000:g}" for me in (before, after)))
    table.add_row("core-seconds used so far", *(f"{me.used_core_ms / 1000:.1f}" for me in (before, after)))
    return table


def save_plot(returns: Returns, environments: list[worldpool.Environment], path: Path) -> None:
    """One panel a domain, one line an environment. Scales differ, so each line is divided by its largest return."""
    by_domain: dict[str, list[str]] = defaultdict(list)
    for environment in environments:
        by_domain[environment.domain].append(environment.ref)
    domains = sorted(by_domain)
    heights = [len(by_domain[domain]) for domain in domains]
    figure, panels = plt.subplots(
        len(domains), figsize=(11, 1.5 + 0.34 * sum(heights)), height_ratios=heights, sharex=True, squeeze=False
    )
    for panel, domain in zip(panels[:, 0], domains, strict=True):
        draw_domain(panel, domain, {ref: np.array(returns[ref]) for ref in sorted(by_domain[domain])})
    panels[-1, 0].set_xlabel("episode return ÷ largest |return| of that environment")
    figure.suptitle("Returns of a random policy: episodes (dots) and their mean (line)")
    figure.tight_layout()
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def draw_domain(panel: Axes, domain: str, returns: dict[str, NDArray[np.float64]]) -> None:
    jitter = np.random.default_rng(0)
    for row, values in enumerate(returns.values()):
        scale = np.abs(values).max() or 1.0
        height = row + jitter.uniform(-0.28, 0.28, len(values))
        panel.scatter(values / scale, height, s=9, color=COLOURS.get(domain), alpha=0.35, linewidths=0)
        panel.vlines(values.mean() / scale, row - 0.38, row + 0.38, color="black", linewidth=1.6)
        panel.annotate(
            f"{values.mean():,.2f} ± {values.std():,.2f}", (1.06, row), annotation_clip=False, fontsize=7, va="center"
        )
    panel.set_yticks(range(len(returns)), [ref if len(ref) <= 60 else ref[:59] + "…" for ref in returns], fontsize=7)
    panel.set_ylim(len(returns) - 0.4, -0.6)
    panel.set_xlim(-1.05, 1.05)
    panel.axvline(0, color="0.8", linewidth=0.8, zorder=0)
    panel.set_ylabel(domain, color=COLOURS.get(domain), fontweight="bold")
    panel.annotate("mean ± sd", (1.06, -0.62), annotation_clip=False, fontsize=7, va="bottom", color="0.4")
    panel.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
