"""What happened in a simulation, as columns: `measures` reads it, nothing else is kept."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.scheduler.eta import Estimate

SAMPLE_MS = 10_000


@dataclass(frozen=True, slots=True)
class Forecast:
    """What an item was told, and what then was. Times in milliseconds."""

    leaf: int
    told_ms: int
    estimate: Estimate
    waited_ms: int


@dataclass(slots=True)
class Record:
    """Columns of one simulation. Nodes are numbers: the root first, parents before children.

    Samples are taken every `SAMPLE_MS`; `backlogged[k, node]` is whether something waited below the node at every
    moment between samples k - 1 and k.
    """

    names: Sequence[str]
    weights: Sequence[int]
    parents: Sequence[int | None]
    leaves: Sequence[int]
    served_core_ms: list[Any] = field(default_factory=list)  # by sample and node, since the beginning
    usage_core_ms: list[Any] = field(default_factory=list)  # by sample and node, decayed
    backlogged: list[Any] = field(default_factory=list)  # by sample and node
    limit_mc: array[int] = field(default_factory=lambda: array("q"))  # by sample
    whole_slots_ms: array[int] = field(default_factory=lambda: array("q"))  # by sample: slots x ms that could be used

    leaf: array[int] = field(default_factory=lambda: array("q"))  # by start, in their order
    mc: array[int] = field(default_factory=lambda: array("q"))
    queued_ms: array[int] = field(default_factory=lambda: array("q"))
    started_ms: array[int] = field(default_factory=lambda: array("q"))

    owed_leaf: array[int] = field(default_factory=lambda: array("q"))  # by episode: something waits within nominal
    owed_from_ms: array[int] = field(default_factory=lambda: array("q"))
    owed_to_ms: array[int] = field(default_factory=lambda: array("q"))
    claim_ms: array[int] = field(
        default_factory=lambda: array("q")
    )  # by claim that ended with a grant: how long it stood

    forecasts: list[Forecast] = field(default_factory=list)
    submitted: int = 0
    done: int = 0
    plans: int = 0
    longest_ms: int = 0
    largest_mc: int = 0
    grants_beyond_limit: int = 0
    debt_ms: int = 0  # for so long more ran than the limit, after losses
    ended_ms: int = 0

    def column(self, name: str) -> NDArray[np.int64]:
        return np.asarray(getattr(self, name), dtype=np.int64)

    def samples(self, name: str) -> NDArray[np.float64]:
        return np.asarray(getattr(self, name), dtype=np.float64).reshape(-1, len(self.names))
