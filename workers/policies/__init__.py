"""Policies: what chooses the actions of a rollout.

`Policies` reads a policy's document (docs/decisions/0015-policies.md) and gives each agent its own. A new kind of
policy is a new `Policy` subclass and a case in `Policies`. Knows nothing of items, chunks or engines.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers.policies.base import BLOCK, NO_LIMIT, OpenLoopPlayer, Player, Policy, PolicyProblem
from workers.policies.fixed import Constant, Plan, Still
from workers.policies.onnx import Batch, Graph, OnnxPolicy
from workers.policies.random import random_policy

if TYPE_CHECKING:
    import gymnasium

__all__ = ["BLOCK", "NO_LIMIT", "OpenLoopPlayer", "Player", "Policies", "Policy", "PolicyProblem"]

Document = Mapping[str, Any]


class Policies:
    """The policies of environments that are simulated together, made from one document.

    `files` holds where uploaded parts lie, by digest. `rows` is how many agents may share a graph.
    """

    def __init__(self, document: Document, files: Mapping[str, Path], rows: int) -> None:
        self._document = document
        self._files = files
        self._rows = rows
        self._batches: dict[tuple[Any, ...], Batch] = {}

    def of(self, agent: str, observations: gymnasium.Space[Any], actions: gymnasium.Space[Any]) -> Policy:
        """An agent's policy in one environment.

        Raises
        ------
        PolicyProblem
            No policy is meant for the agent, or the one that is cannot act here.
        """
        document = _meant(self._document, agent)
        match document["kind"]:
            case "random":
                return random_policy(actions)
            case "still":
                return Still(actions)
            case "constant":
                return Constant(actions, document["action"])
            case "actions":
                return Plan(actions, self._files[document["sha256"]])
            case "onnx":
                return self._seat(document["sha256"], observations, actions)
            case kind:
                raise PolicyProblem(f"no policy {kind!r}")

    def infer(self) -> None:
        """Answer what players were asked since the last time."""
        for batch in self._batches.values():
            if batch.waiting:
                batch.run()

    def _seat(self, digest: str, observations: gymnasium.Space[Any], actions: gymnasium.Space[Any]) -> Policy:
        graph = _graph(self._files[digest])
        key = digest, repr(observations), repr(actions)
        if key not in self._batches:
            self._batches[key] = Batch(graph, observations, actions, self._rows)
        return OnnxPolicy(self._batches[key], graph.extras)


def _meant(document: Document, agent: str) -> Document:
    """The part of a document that is meant for an agent: of several the first whose pattern matches its name."""
    if document["kind"] != "agents":
        return document
    for pattern, part in document["policies"]:
        if fnmatchcase(agent, pattern):
            return _meant(part, agent)
    raise PolicyProblem(f"no policy is meant for the agent {agent!r}")


@lru_cache(maxsize=8)
def _graph(path: Path) -> Graph:
    """Loaded once; graphs are files named by their digest, so that one path is one graph."""
    return Graph(path)
