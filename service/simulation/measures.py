"""What a record says: how fair, how soon, how full, and whether what is promised was kept. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.simulation.record import SAMPLE_MS, Forecast, Record

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
WINDOW = 60
"""Samples over which Jain's index is taken: 10 minutes."""
QUANTILES = (50, 90, 95, 99, 100)


@dataclass(frozen=True, slots=True)
class Bound:
    """The pair of siblings that came closest to the fairness bound, while something of both waited all the time.

    `apart` is the largest |S_i/w_i - S_j/w_j| over any stretch of that, `bound` is (K + c_max) * d_max / w_min, both in
    core-ms; `credit` is by how much their decayed use per weight differed when the stretch began: what one of them is
    meant to catch up.
    """

    names: tuple[str, str]
    apart: float
    bound: float
    credit: float
    from_ms: int
    for_ms: int

    @property
    def ratio(self) -> float:
        return self.apart / self.bound

    @property
    def ratio_with_credit(self) -> float:
        return self.apart / (self.bound + self.credit)


@dataclass(frozen=True, slots=True)
class Share:
    """A cell: what it is entitled to of the commitment, what it got of that while it had something waiting all the
    time, and of all that was used."""

    name: str
    weight: int
    entitled: float
    got_of_entitled: float | None  # None: nothing of it ever waited for long
    of_all_used: float
    wait_p50_ms: float | None
    wait_p95_ms: float | None


def backlogged(record: Record) -> Bools:
    """By sample and node: whether something waited all the time since the sample before."""
    return record.samples("backlogged") > 0


def served(record: Record) -> Floats:
    """Core-ms by sample and node, since the sample before; 0 in the first."""
    return np.diff(record.samples("served_core_ms"), axis=0, prepend=0.0)


def utilisation(record: Record) -> float | None:
    """Of the whole slots of the commitment, what was used while something waited. What ran beyond them after a loss
    does not count."""
    waits = backlogged(record)[:, 0]
    usable = np.diff(record.column("whole_slots_ms"), prepend=0)
    used = np.minimum(served(record)[:, 0], usable)
    return float(used[waits].sum() / usable[waits].sum()) if usable[waits].sum() else None


def jain(record: Record) -> float | None:
    """Jain's index of use per share among the leaves that wait all through a window of 10 minutes, by all windows with
    two or more of them, each with the weight of their number."""
    leaves = list(record.leaves)
    shares = entitlements(record)[leaves]
    waits, use = backlogged(record)[:, leaves], served(record)[:, leaves]
    total = weight = 0.0
    for start in range(0, len(waits) - WINDOW + 1, WINDOW):
        window = slice(start, start + WINDOW)
        through = waits[window].all(axis=0)
        x = use[window].sum(axis=0)[through] / shares[through]
        if len(x) > 1:
            total += len(x) * (x.sum() ** 2 / (len(x) * (x**2).sum()) if x.any() else 1.0)
            weight += len(x)
    return total / weight if weight else None


def entitlements(record: Record) -> Floats:
    """Of the commitment, by node: its weight among its siblings, of what its parent has."""
    siblings: dict[int | None, int] = {}
    for parent, weight in zip(record.parents, record.weights, strict=True):
        siblings[parent] = siblings.get(parent, 0) + weight
    shares: list[float] = []
    for parent, weight in zip(record.parents, record.weights, strict=True):
        shares.append(1.0 if parent is None else shares[parent] * weight / siblings[parent])
    return np.asarray(shares)


def shares(record: Record) -> list[Share]:
    """By cell, in the order of the tree."""
    waits, use, entitled = backlogged(record), served(record), entitlements(record)
    usable = np.diff(record.column("whole_slots_ms"), prepend=0)
    all_used = use[:, 0].sum()
    leaf, wait = record.column("leaf"), waits_ms(record)
    found: list[Share] = []
    for i in record.leaves:
        due = entitled[i] * usable[waits[:, i]].sum()
        own = wait[leaf == i]
        found.append(
            Share(
                record.names[i],
                record.weights[i],
                float(entitled[i]),
                float(use[waits[:, i], i].sum() / due) if due else None,
                float(use[:, i].sum() / all_used) if all_used else 0.0,
                float(np.percentile(own, 50)) if len(own) else None,
                float(np.percentile(own, 95)) if len(own) else None,
            )
        )
    return found


def waits_ms(record: Record) -> NDArray[np.int64]:
    """From submission to the first start, by start."""
    return record.column("started_ms") - record.column("queued_ms")


def owed_ms(record: Record) -> NDArray[np.int64]:
    """For how long a cell had something waiting that was within nominal, by episode: the delay of reclaim."""
    return record.column("owed_to_ms") - record.column("owed_from_ms")


def quantiles(values: Sequence[float] | NDArray[Any]) -> Mapping[str, float] | None:
    if len(values) == 0:
        return None
    found = np.percentile(np.asarray(values, dtype=float), QUANTILES)
    return {f"p{q}": float(value) for q, value in zip(QUANTILES, found, strict=True)}


# --- the fairness bound


def worst_pair(record: Record, *, credited: bool = False) -> Bound | None:
    """The siblings nearest to their bound; with `credited`, to it and their credit."""
    pairs = list(_pairs(record))
    key = (lambda each: each.ratio_with_credit) if credited else (lambda each: each.ratio)
    return max(pairs, key=key, default=None)


def _pairs(record: Record) -> Iterator[Bound]:
    """Of each two siblings, every stretch in which both wait."""
    waits = backlogged(record)
    total, usage = record.samples("served_core_ms"), record.samples("usage_core_ms")
    limit = float(record.column("limit_mc").max(initial=0))
    for parent in set(record.parents) - {None}:
        siblings = [i for i, each in enumerate(record.parents) if each == parent]
        least = min(record.weights[i] for i in siblings)
        bound = (limit + record.largest_mc) / 1000 * record.longest_ms / least
        for place, i in enumerate(siblings):
            for j in siblings[place + 1 :]:
                apart = total[:, i] / record.weights[i] - total[:, j] / record.weights[j]
                for start, stop in stretches(waits[:, i] & waits[:, j]):
                    # a sample says that they waited since the one before it
                    stretch = apart[max(start - 1, 0) : stop]
                    first = max(start - 1, 0)
                    yield Bound(
                        (record.names[i], record.names[j]),
                        float(np.ptp(stretch)),
                        bound,
                        float(abs(usage[first, i] / record.weights[i] - usage[first, j] / record.weights[j])),
                        first * SAMPLE_MS,
                        (stop - first) * SAMPLE_MS,
                    )


def stretches(flags: Bools) -> list[tuple[int, int]]:
    """Where flags are true without a gap: first, and one past the last."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


# --- estimates of starts


def calibration(forecasts: Sequence[Forecast]) -> Mapping[str, Any] | None:
    """How many starts came within what was said, in all and by the length of what was said."""
    if not forecasts:
        return None
    waited = np.asarray([f.waited_ms for f in forecasts], dtype=float)
    p50 = np.asarray([f.estimate.p50_ms for f in forecasts])
    p90 = np.asarray([f.estimate.p90_ms for f in forecasts])
    edges = [0.0, 10_000.0, 60_000.0, 600_000.0, 3_600_000.0, np.inf]
    classes = []
    for low, high in pairwise(edges):
        chosen = (p50 >= low) & (p50 < high)
        if chosen.any():
            classes.append(
                {
                    "said_ms_from": low,
                    "starts": int(chosen.sum()),
                    "before_p50": float((waited[chosen] <= p50[chosen]).mean()),
                    "before_p90": float((waited[chosen] <= p90[chosen]).mean()),
                }
            )
    return {
        "starts": len(forecasts),
        "before_p50": float((waited <= p50).mean()),
        "before_p90": float((waited <= p90).mean()),
        "p90_over_p50": float(np.median(p90 / p50)),
        "classes": classes,
    }


def summary(record: Record) -> dict[str, Any]:
    """All of it, as written to simulation.json."""
    worst, credited = worst_pair(record), worst_pair(record, credited=True)
    ratios = [share.got_of_entitled for share in shares(record) if share.got_of_entitled is not None]
    return {
        "submitted": record.submitted,
        "done": record.done,
        "plans": record.plans,
        "simulated_ms": record.ended_ms,
        "ceiling_violations": int(record.grants_beyond_limit),
        "debt_ms": record.debt_ms,
        "utilisation_under_backlog": utilisation(record),
        "backlogged_part": float(backlogged(record)[:, 0].mean()) if record.served_core_ms else 0.0,
        "jain": jain(record),
        "least_share_of_entitlement": min(ratios, default=None),
        "wait_ms": quantiles(waits_ms(record)),
        "reclaim_ms": quantiles(owed_ms(record)),
        "claim_ms": quantiles(record.column("claim_ms")),
        "worst_pair": _bound(worst),
        "worst_pair_with_credit": _bound(credited),
        "eta": calibration(record.forecasts),
        "shares": [asdict(share) for share in shares(record)],
    }


def _bound(found: Bound | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {**asdict(found), "ratio": found.ratio, "ratio_with_credit": found.ratio_with_credit}
