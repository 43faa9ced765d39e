"""The report of an experiment: one page of HTML with its plots in it."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from service.simulation import measures
from service.simulation.experiment import OWN, Experiment
from service.simulation.record import SAMPLE_MS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HOUR = 3_600_000 // SAMPLE_MS
"""Samples of an hour."""
COLOURS = ("#0b6e4f", "#c0392b", "#8e6bbf", "#d68910")


def rows(found: Experiment) -> Mapping[str, Sequence[str]]:
    """The table: what is measured, and each policy's value as text."""
    made: dict[str, list[str]] = {}
    for summary in found.summaries.values():
        wait, back, worst = summary["wait_ms"], summary["reclaim_ms"], summary["worst_pair"]
        credited = summary["worst_pair_with_credit"]
        for label, value in (
            ("items started and ended", f"{summary['done']:,}"),
            ("grants beyond the commitment", str(summary["ceiling_violations"])),
            ("utilisation under backlog", _number(summary["utilisation_under_backlog"])),
            ("Jain's index of use per share", _number(summary["jain"])),
            ("least share got of entitlement", _number(summary["least_share_of_entitlement"])),
            ("worst pair, of the fairness bound", _number(worst and worst["ratio"])),
            ("  with what it is meant to catch up", _number(credited and credited["ratio_with_credit"])),
            ("wait P50 / P95, s", _seconds(wait, "p50", "p95")),
            ("reclaim P50 / P95 / most, s", _seconds(back, "p50", "p95", "p100")),
            ("starts before P50 / P90", _calibrated(summary["eta"])),
            ("processor / wall seconds", f"{summary['cpu_s']:.0f} / {summary['wall_s']:.0f}"),
        ):
            made.setdefault(label, []).append(value)
    return made


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _seconds(found: Mapping[str, float] | None, *names: str) -> str:
    return "" if found is None else " / ".join(f"{found[name] / 1000:,.1f}" for name in names)


def _calibrated(eta: Mapping[str, Any] | None) -> str:
    return "" if eta is None else f"{eta['before_p50']:.3f} / {eta['before_p90']:.3f}"


def page(title: str, found: Experiment) -> str:
    """A document that needs nothing beside itself."""
    table = "".join(
        f"<tr><th>{html.escape(label)}</th>{''.join(f'<td>{html.escape(value)}</td>' for value in row)}</tr>"
        for label, row in rows(found).items()
    )
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in found.summaries)
    targets = "".join(
        f"<tr><th>{html.escape(t.name)}</th><td>{'' if t.value is None else f'{t.value:,.4g}'}</td>"
        f"<td>{html.escape(t.wanted)}</td><td>{'met' if t.met else '<b>missed</b>'}</td></tr>"
        for t in found.targets
    )
    image = base64.b64encode(picture(found)).decode()
    return _PAGE.format(title=html.escape(title), heads=heads, table=table, targets=targets, image=image)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Simulation: {title}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; color: #222 }}
table {{ border-collapse: collapse; margin: 1em 0 }}
th, td {{ padding: .25em .9em; border-bottom: 1px solid #ddd; text-align: right }}
th:first-child {{ text-align: left; font-weight: normal; white-space: pre }}
img {{ width: 100% }}
</style></head><body>
<h1>{title}</h1>
<p>The scheduler and three others on the same clock and the same work. What is simulated, and what is not:
docs/decisions/0019-simulator.md.</p>
<table><tr><th></th>{heads}</tr>{table}</table>
<table><tr><th>target</th><th>found</th><th>wanted</th><th></th></tr>{targets}</table>
<img alt="Use over time, waits, reclaim, shares, fairness and estimates" src="data:image/png;base64,{image}">
</body></html>
"""


def picture(found: Experiment) -> bytes:
    """Six plots, as PNG."""
    import matplotlib  # of the tools, not of the service

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(3, 2, figsize=(13, 14), constrained_layout=True)
    for draw, each in zip((_use, _waits, _reclaim, _shares, _fairness, _estimates), axes.flat, strict=True):
        draw(each, found)
        each.spines[["top", "right"]].set_visible(False)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    plt.close(figure)
    return stream.getvalue()


def _use(axes: Axes, found: Experiment) -> None:
    record = found.records[OWN]
    hours = len(record.served_core_ms) // HOUR
    if hours == 0:
        return
    used = measures.served(record)[: hours * HOUR, 0].reshape(hours, HOUR).sum(axis=1) / 3_600_000
    limit = np.diff(record.column("whole_slots_ms"), prepend=0)[: hours * HOUR].reshape(hours, HOUR).sum(axis=1) / 3.6e6
    waits = measures.backlogged(record)[: hours * HOUR, 0].reshape(hours, HOUR).mean(axis=1)
    days = np.arange(hours) / 24
    axes.step(days, limit, where="post", color="black", linewidth=1.2, label="committed slots")
    axes.fill_between(days, used, step="post", color=COLOURS[0], alpha=0.35, label="used")
    axes.step(days, waits * limit, where="post", color=COLOURS[3], linewidth=1, label="part of the hour with a backlog")
    axes.set(title="Use of the commitment", xlabel="day", ylabel="slots, by hour", ylim=(0, limit.max() * 1.3))
    axes.legend(loc="upper right", ncols=3, frameon=False, fontsize=8)


def _curve(axes: Axes, values: Any, **style: Any) -> None:
    """How many values are at most so large, in seconds."""
    if len(values):
        ordered = np.maximum(np.sort(np.asarray(values, dtype=float)) / 1000, 0.01)
        at = np.linspace(0, len(ordered) - 1, min(len(ordered), 2000)).astype(int)
        axes.plot(ordered[at], (at + 1) / len(ordered), **style)


def _waits(axes: Axes, found: Experiment) -> None:
    for (name, record), colour in zip(found.records.items(), COLOURS, strict=True):
        _curve(axes, measures.waits_ms(record), color=colour, label=name)
    axes.set(title="Waits until the start", xlabel="seconds (0.01: at once)", ylabel="part of items", xscale="log")
    axes.legend(frameon=False, fontsize=8)


def _reclaim(axes: Axes, found: Experiment) -> None:
    for (name, record), colour in zip(found.records.items(), COLOURS, strict=True):
        _curve(axes, measures.owed_ms(record), color=colour, label=name)
    _curve(axes, measures.owed_ms(found.reclaim), color=COLOURS[0], linestyle=":", label=f"{OWN}, items of 5 s")
    axes.axvline(10, color="grey", linewidth=0.8)
    title = "Reclaim: how long work within nominal waits"
    axes.set(title=title, xlabel="seconds (0.01: at once)", ylabel="part of episodes", xscale="log")
    axes.legend(frameon=False, fontsize=8)


def _shares(axes: Axes, found: Experiment) -> None:
    for (name, record), colour in zip(found.records.items(), COLOURS, strict=True):
        got = sorted(s.got_of_entitled for s in measures.shares(record) if s.got_of_entitled is not None)
        axes.plot(range(len(got)), got, ".-", color=colour, markersize=4, linewidth=0.8, label=name)
    axes.axhline(1, color="grey", linewidth=0.8)
    axes.set(
        title="Use while waiting, of what the cell is entitled to", xlabel="cells, sorted", ylabel="times entitlement"
    )
    axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=8)


def _fairness(axes: Axes, found: Experiment) -> None:
    names = list(found.summaries)
    for place, (shift, key, ratio, label) in enumerate(
        (
            (-0.2, "worst_pair", "ratio", "of the bound"),
            (0.2, "worst_pair_with_credit", "ratio_with_credit", "of the bound and what is to be caught up"),
        )
    ):
        pairs = [found.summaries[name][key] for name in names]
        heights = [pair[ratio] if pair else 0.0 for pair in pairs]
        axes.bar(np.arange(len(names)) + shift, heights, 0.36, color=COLOURS[0] if place else "#9ec9b8", label=label)
    axes.axhline(1, color="black", linewidth=1)
    axes.set(title="Two cells that both wait: how far apart, at worst", ylabel="of the bound")
    axes.set_xticks(range(len(names)), names, fontsize=8)
    axes.legend(frameon=False, fontsize=8)


def _estimates(axes: Axes, found: Experiment) -> None:
    forecasts = found.records[OWN].forecasts
    if not forecasts:
        return
    said = np.asarray([f.estimate.p50_ms for f in forecasts]) / 1000
    latest = np.asarray([f.estimate.p90_ms for f in forecasts]) / 1000
    waited = np.maximum(np.asarray([f.waited_ms for f in forecasts]) / 1000, 0.01)
    late = waited > latest
    axes.plot(said[~late], waited[~late], ".", color=COLOURS[0], markersize=2, alpha=0.5, label="before its P90")
    axes.plot(said[late], waited[late], ".", color=COLOURS[1], markersize=2, alpha=0.6, label="after its P90")
    ends = [min(said.min(), 1), said.max()]
    axes.plot(ends, ends, color="black", linewidth=0.8)
    axes.set(title="Starts: said and then seen", xlabel="P50 that was said, s", ylabel="waited, s", xscale="log")
    axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=8, markerscale=5)
