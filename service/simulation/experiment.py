"""One experiment: the scheduler and the baselines on one workload, and the reclaim of loans with items of 5 s."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.simulation import measures, workload
from service.simulation.baselines import BASELINES
from service.simulation.forecasts import Forecaster, factors
from service.simulation.quotas import Quota
from service.simulation.record import Record
from service.simulation.simulator import Decide, Simulation, worldpool
from service.simulation.workload import DAY_MS, Fleet, Workload

OWN = "worldpool"
RECLAIM_DAYS = 1.0
RECLAIM_ITEM_MS = 5_000
UTILISATION = 0.97
RECLAIM_P95_MS = 10_000
WEEK_S = 60.0

Factors = Mapping[int, tuple[float, float]]
Progress = Callable[[str, float], None]
"""What runs, and how much of it is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Target:
    name: str
    value: float | None
    wanted: str
    met: bool


@dataclass(frozen=True, slots=True)
class Experiment:
    """What was found, by the name of who decided."""

    records: Mapping[str, Record]
    summaries: Mapping[str, Mapping[str, Any]]
    reclaim: Record
    targets: Sequence[Target]


def run(
    quota: Quota, fleet: Fleet, work: Workload, *, seed: int, items_per_day: float, days: float, progress: Progress
) -> Experiment:
    """All simulations, one after another: `days` of `work`; what is made up beside it has `items_per_day`."""
    records: dict[str, Record] = {}
    summaries: dict[str, dict[str, Any]] = {}
    policies: dict[str, Decide] = {OWN: worldpool, **BASELINES}
    for name, decide in policies.items():
        forecaster = Forecaster(seed=seed) if name == OWN else None
        began, cpu = time.perf_counter(), time.process_time()
        records[name] = _simulated(
            Simulation(quota, fleet, work, decide, forecaster=forecaster), name, int(days * DAY_MS), progress
        )
        spent = {"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}
        summaries[name] = measures.summary(records[name]) | spent
    own = records[OWN]
    reclaim = _reclaim(quota, fleet, seed=seed, items_per_day=items_per_day, progress=progress)
    return Experiment(
        records,
        summaries,
        reclaim,
        _targets(own, summaries[OWN], reclaim, days=days),
    )


def learnt(quota: Quota, fleet: Fleet, work: Workload, *, seed: int, days: float, progress: Progress) -> Factors:
    """Factors of estimates, as `eta.FACTORS` keeps them, from what came of them in so many days of `work`."""
    simulation = Simulation(quota, fleet, work, forecaster=Forecaster(seed=seed))
    return factors(_simulated(simulation, "learning estimates", int(days * DAY_MS), progress).forecasts)


def _reclaim(quota: Quota, fleet: Fleet, *, seed: int, items_per_day: float, progress: Progress) -> Record:
    work = workload.synthetic(
        seed,
        list(quota.cells()),
        days=RECLAIM_DAYS,
        items=int(RECLAIM_DAYS * items_per_day),
        fleet=fleet,
        constant_ms=RECLAIM_ITEM_MS,
    )
    return _simulated(Simulation(quota, fleet, work), "reclaim, items of 5 s", int(RECLAIM_DAYS * DAY_MS), progress)


def _simulated(simulation: Simulation, name: str, until_ms: int, progress: Progress) -> Record:
    record = simulation.run(until_ms=until_ms, progress=lambda now: progress(name, now / until_ms))
    progress(name, 1.0)
    return record


def _targets(own: Record, summary: Mapping[str, Any], reclaim: Record, *, days: float) -> list[Target]:
    worst, utilisation, eta = summary["worst_pair_with_credit"], summary["utilisation_under_backlog"], summary["eta"]
    back = measures.quantiles(measures.owed_ms(reclaim))
    ratio = worst and worst["ratio_with_credit"]
    before = eta and eta["before_p90"]
    week_s = summary["cpu_s"] * 7 / days
    return [
        Target("grants beyond the commitment", own.grants_beyond_limit, "0", own.grants_beyond_limit == 0),
        Target(
            "worst pair of cells, of its fairness bound and credit", ratio, "at most 1", ratio is None or ratio <= 1
        ),
        Target(
            "utilisation under backlog",
            utilisation,
            f"at least {UTILISATION}",
            utilisation is None or utilisation >= UTILISATION,
        ),
        Target(
            "P95 of reclaim with items of 5 s, ms",
            back["p95"] if back else None,
            f"under {RECLAIM_P95_MS}",
            back is None or back["p95"] < RECLAIM_P95_MS,
        ),
        Target("starts before P90", before, "0.85 to 0.95", before is None or 0.85 <= before <= 0.95),
        Target("processor seconds of a simulated week", week_s, f"under {WEEK_S:.0f}", week_s < WEEK_S),
    ]
