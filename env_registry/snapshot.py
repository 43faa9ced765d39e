"""Snapshots: everything needed to continue or branch an episode bit for bit.

Owns the envelope and the choice between an engine's own state and replay. A snapshot is refused where its bits would
not be the same: in another runtime, or for another spec.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from env_registry.make import make
from env_registry.packing import pack, unpack
from env_registry.runtime import runtime
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import Simulator
from env_registry.spec import Spec
from env_registry.wrapper import Wrapper

FORMAT = 1
_FIELDS = {"format", "ref", "digest", "runtime", "seeds", "elapsed", "actions_digest", "observation", "sections"}


class SnapshotProblem(ValueError):
    """The snapshot cannot be taken, or cannot be continued here."""


@dataclass(frozen=True)
class Header:
    """What a snapshot says about itself. `elapsed` is in steps since the reset."""

    ref: str
    digest: str
    runtime: str
    elapsed: int
    exact: bool  # the engine's own state; otherwise the actions so far, which are played again


class Recording(Wrapper):
    """A spec's simulator of which `take` can make a snapshot at any step.

    `observation` is the latest one. Actions are logged only where the simulator has no state of its own to save.
    """

    def __init__(self, spec: Spec, simulator: Simulator | None = None) -> None:
        super().__init__(simulator or make(spec))
        self.spec = spec
        self.seeds: EpisodeSeeds | None = None
        self.observation: Any = None
        self.elapsed = 0
        self._actions: list[Any] | None = None

    def reset(self, seeds: EpisodeSeeds) -> Any:
        self.observation = self.inner.reset(seeds)
        self.seeds = seeds
        self.elapsed = 0
        self._actions = [] if self.inner.save() is None else None
        return self.observation

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        if self._actions is not None:
            self._actions.append(_own(action))
        answer = self.inner.step(action)
        self.observation = answer[0]
        self.elapsed += 1
        return answer

    def _sections(self) -> dict[str, Any]:
        return {"simulator": self.inner.save()} if self._actions is None else {"actions": self._actions}

    def _continue(self, envelope: dict[str, Any]) -> None:
        seeds = EpisodeSeeds.from_origin(envelope["seeds"])
        self.reset(seeds)
        sections = envelope["sections"]
        if "simulator" in sections:
            self.inner.load(sections["simulator"])
            self.observation = envelope["observation"]
            self.elapsed = envelope["elapsed"]
        else:
            for action in sections["actions"]:
                self.step(action)


def take(recording: Recording) -> bytes:
    """A snapshot of the episode as it stands.

    Raises
    ------
    SnapshotProblem
        The simulator was never reset.
    """
    if recording.seeds is None:
        raise SnapshotProblem("nothing to save before the first reset")
    sections = recording._sections()
    actions = sections.get("actions")
    return pack(
        {
            "format": FORMAT,
            "ref": recording.spec.ref,
            "digest": recording.spec.digest,
            "runtime": runtime().digest,
            "seeds": list(recording.seeds.origin),
            "elapsed": recording.elapsed,
            "actions_digest": None if actions is None else hashlib.sha256(pack(actions)).hexdigest(),
            "observation": recording.observation,
            "sections": sections,
        }
    )


def restore(recording: Recording, snapshot: bytes) -> None:
    """Continue `recording` from a snapshot of the same spec; any number of times, to branch.

    Raises
    ------
    SnapshotProblem
        The bytes are no snapshot, or one of another spec or another runtime.
    """
    envelope = _opened(snapshot)
    if envelope["digest"] != recording.spec.digest:
        raise SnapshotProblem(f"is of {envelope['ref']}, not of {recording.spec.ref}")
    if envelope["runtime"] != runtime().digest:
        raise SnapshotProblem(
            f"was taken in runtime {envelope['runtime'][:12]}; here is {runtime().digest[:12]}, whose bits may differ"
        )
    recording._continue(envelope)


def header(snapshot: bytes) -> Header:
    """What a snapshot is of.

    Raises
    ------
    SnapshotProblem
        The bytes are no snapshot.
    """
    envelope = _opened(snapshot)
    exact = "simulator" in envelope["sections"]
    return Header(envelope["ref"], envelope["digest"], envelope["runtime"], envelope["elapsed"], exact)


def _opened(snapshot: bytes) -> dict[str, Any]:
    try:
        envelope = unpack(snapshot)
    except ValueError as error:
        raise SnapshotProblem(f"is no snapshot: {error}") from error
    if not (isinstance(envelope, dict) and envelope.keys() == _FIELDS):
        raise SnapshotProblem("is no snapshot")
    if envelope["format"] != FORMAT:
        raise SnapshotProblem(f"has format {envelope['format']}; this version reads {FORMAT}")
    return envelope


def _own(action: Any) -> Any:
    """The action as it is now: callers may reuse their arrays."""
    if isinstance(action, dict):
        return {agent: _own(one) for agent, one in action.items()}
    return action.copy() if isinstance(action, np.ndarray) else action
