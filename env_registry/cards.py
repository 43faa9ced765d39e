"""Cards: what was measured about each catalogued spec, and what follows for any other.

Owns the reading of the committed files; reads them without any engine.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

from env_registry.catalogue import COSTS, SPECS, base_spec, columns, refs
from env_registry.costs import unquantised
from env_registry.family import family_versions
from env_registry.spec import Spec

PER_TASK = ("observation_bytes", "episode_steps", "random_return", "reward_low", "reward_high", "seed_sensitive")
COLUMNS = [*PER_TASK, "exact", "spaces", "fingerprint", "effect"]
"""Of the file of specs: what is read; every process that shows cards holds them."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """Measurements under random actions, of the spec itself where it is catalogued, else estimated from its base task.

    Spaces are JSON by agent, as `spaces.space_json` writes them. They and `agents` are None on the card of a spec that
    is not catalogued and whose sizes may differ from the base task's. `measured` is the ref that was measured.
    """

    measured: str
    agents: list[str] | None
    observation_spaces: Mapping[str, Any] | None
    action_spaces: Mapping[str, Any] | None
    make_ms: float  # with the engine imported
    step_us: float  # resets included, action choice excluded
    memory_mb: int  # at most, of a process that runs one such environment, interpreter and engine included
    observation_bytes: int  # a step, all agents together
    horizon: int  # most steps of an episode, declared
    episode_steps: float | None  # mean of the episodes that ended within 1000 steps
    random_return: float | None  # mean of those episodes, of the first agent, random actions
    reference_return: float | None  # of an episode, by the family's source; None beside the base task
    reward_low: float
    reward_high: float
    seed_sensitive: bool  # another seed gave other bits under the same actions
    snapshot: str  # "exact" or "replay"
    fingerprint: str | None  # 32 hexadecimal digits; see `probe.fingerprint`; None where the spec is not catalogued
    effect: float | None  # of the single level or modifier on its base task; see `effects`
    engines: Mapping[str, str]  # version by distribution


def card_of(spec: Spec) -> Card | None:
    """The card of a spec. None where not even its base task was measured."""
    known = _committed()
    row = known.rows.get(spec.ref)
    base = base_spec(spec)
    card = _of_task(base)
    if card is None:
        return None
    if spec == base:
        return card
    changes: dict[str, Any] = {"reference_return": None, "horizon": spec.source.horizon_of(spec.values)}
    if any(name not in _plain(spec.family, spec.version) for name, _ in spec.parameters):
        changes |= {"agents": None, "observation_spaces": None, "action_spaces": None}
    if spec.modifiers:
        card, changes = replace(card, **changes), {}
    for use in spec.modifiers:
        card = use.modifier.card(card, dict(use.arguments))
    own = {"fingerprint": None} if row is None else {"measured": spec.ref, **known.own(row)}
    return replace(card, **{**changes, **own})


@cache
def _plain(family: str, version: int) -> frozenset[str]:
    """Axes that change no sizes."""
    source = family_versions()[family, version]
    return frozenset(axis.name for axis in source.axes if axis.task or axis.randomisable)


class _Committed:
    """The files' columns; rows are turned into cards when asked for."""

    def __init__(self) -> None:
        specs, costs = columns(SPECS, COLUMNS), columns(COSTS)
        self.versions: Mapping[str, str] = json.loads(specs.schema.metadata[b"runtime"])
        self._columns = {name: table[name].to_pylist() for table in (specs, costs) for name in table.column_names}
        self._columns["spaces"] = [sys.intern(text) for text in self._columns["spaces"]]  # many specs have the same
        self.rows = {ref: row for row, ref in enumerate(refs())}

    def own(self, row: int) -> dict[str, Any]:
        """What was measured of every catalogued spec."""
        value = self._columns
        return {
            **_spaces(value["spaces"][row]),
            "fingerprint": value["fingerprint"][row].hex(),
            "effect": value["effect"][row],
            "make_ms": unquantised(value["make_us"][row]) / 1e3,
            "step_us": unquantised(value["step_us"][row]),
        }

    def card(self, task: Spec, row: int) -> Card:
        """Of a base task."""
        value = self._columns
        source = task.source
        return Card(
            measured=task.ref,
            memory_mb=value["memory_mb"][row],
            horizon=source.horizon_of(task.values),
            reference_return=source.reference_return,
            snapshot="exact" if value["exact"][row] else "replay",
            engines={
                name: self.versions[name] for name in sorted({source.distribution, "numpy"} & self.versions.keys())
            },
            **{name: value[name][row] for name in PER_TASK},
            **self.own(row),
        )


@lru_cache(maxsize=10_000)
def _of_task(base: Spec) -> Card | None:
    known = _committed()
    row = known.rows.get(base.ref)
    return None if row is None else known.card(base, row)


@cache
def _spaces(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


@cache
def _committed() -> _Committed:
    return _Committed()
