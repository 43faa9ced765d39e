"""Cards: what was measured about each base task, and what follows for a spec.

Owns the committed file of cards, which is read without any engine. `measure` looks at a spec in two fresh processes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from env_registry.catalogue import base_spec
from env_registry.runtime import runtime
from env_registry.spec import Spec

FILE = Path(__file__).with_name("cards.json")
_TIMEOUT_S = 300


@dataclass(frozen=True, kw_only=True)
class Card:
    """Measurements of `measured`, a base task's ref, under random actions.

    Spaces are JSON by agent, as `spaces.space_json` writes them. They and `agents` are None on the card of a spec whose
    sizes may differ from the base task's.
    """

    measured: str
    agents: list[str] | None
    observation_spaces: Mapping[str, Any] | None
    action_spaces: Mapping[str, Any] | None
    make_ms: float  # with the engine imported
    step_us: float  # resets included, action choice excluded
    memory_mb: int  # peak of a process that runs one such environment, interpreter and engine included
    observation_bytes: int  # a step, all agents together
    horizon: int  # most steps of an episode, declared
    episode_steps: float | None  # mean of the episodes that ended while measuring
    deterministic: bool  # two processes with different hash seeds gave the same bits
    seed_sensitive: bool  # another seed gave other bits under the same actions
    snapshot: str  # "exact" or "replay"
    fingerprint: str  # SHA-256 over 2 seeds x 100 steps
    runtime: str
    engines: Mapping[str, str]  # version by distribution


def measure(spec: Spec) -> Card:
    """The card of a spec without modifiers, from two fresh processes that differ in their hash seed.

    Raises
    ------
    RuntimeError
        A process failed; the message holds what it wrote.
    """
    one, other = (_look(spec.ref, hash_seed) for hash_seed in ("1", "2"))
    here = runtime()
    return Card(
        measured=spec.ref,
        agents=one["agents"],
        observation_spaces=one["observation_spaces"],
        action_spaces=one["action_spaces"],
        make_ms=_rounded(min(one["make_ms"], other["make_ms"])),
        step_us=_rounded(min(one["step_us"], other["step_us"])),
        memory_mb=max(one["memory_mb"], other["memory_mb"]),
        observation_bytes=one["observation_bytes"],
        horizon=spec.source.horizon,
        episode_steps=one["episode_steps"] and _rounded(one["episode_steps"]),
        deterministic=one["fingerprint"] == other["fingerprint"],
        seed_sensitive=one["seed_sensitive"],
        snapshot="exact" if one["exact"] else "replay",
        fingerprint=one["fingerprint"],
        runtime=here.digest,
        engines={
            name: here.versions[name] for name in sorted({spec.source.distribution, "numpy"} & here.versions.keys())
        },
    )


def card_of(spec: Spec) -> Card | None:
    """The card of a spec: its base task's, with what its modifiers change. None where that was not measured."""
    card = _committed().get(base_spec(spec).ref)
    if card is None:
        return None
    plain = {axis.name for axis in spec.source.axes if axis.task or axis.randomisable}
    if any(name not in plain for name, _ in spec.parameters):
        card = replace(card, agents=None, observation_spaces=None, action_spaces=None)
    for use in spec.modifiers:
        card = use.modifier.card(card, dict(use.arguments))
    return card


def read(path: Path = FILE) -> dict[str, Card]:
    """Cards by the ref that was measured."""
    if not path.exists():
        return {}
    return {card["measured"]: Card(**card) for card in json.loads(path.read_text())}


def write(cards: Iterable[Card], path: Path = FILE) -> None:
    """Replace the file at once, sorted by ref."""
    rows = [json.dumps(asdict(card), sort_keys=True) for card in sorted(cards, key=lambda card: card.measured)]
    draft = path.with_suffix(".draft")
    draft.write_text("[\n" + ",\n".join(rows) + "\n]\n")
    draft.replace(path)


@cache
def _committed() -> Mapping[str, Card]:
    return read()


def _look(ref: str, hash_seed: str) -> dict[str, Any]:
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "env_registry", "probe", ref],
        env=os.environ | one_thread | {"PYTHONHASHSEED": hash_seed},
        cwd=FILE.parent.parent,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    if done.returncode:
        raise RuntimeError(f"{ref}: {done.stderr.strip()[-2000:]}")
    findings: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])  # engines may greet before it
    return findings


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
