"""The simulator around a dataset of reasoning-gym: a question is seen, one answer is given, its score is paid."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from typing import Any

from gymnasium.spaces import Text

from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import SINGLE_AGENT, Kind, Simulator

ITEMS = 2**31
"""Of every dataset: one for each seed that an episode can have."""
LONGEST_QUESTION, LONGEST_ANSWER = 1 << 17, 1 << 15
"""Characters. The longest of what is offered are drawings of circuits (76,000), and matrices of 100 x 100 (20,000) that
are to be rotated."""
CHARACTERS = "".join(
    (
        *("\n", *map(chr, range(32, 127))),
        "\xa0£¬°·×÷àÀçÇéÉêÊëËïÏôÔûÛμσ—‘’“”•€™↑→↓↔⇒∠∧∨∫≤⊕",
        "─│┌┐└┘├┤┬┴┼═║╔╗╚╝╠╣╦╩╬▀▄█▌▐░▒▓▪✅❌❔�",
    )
)
"""All that occurs in the library's texts and drawings, but for the emoji of one dataset that is left out."""


class QuestionSimulator(Simulator):
    """The episode's seed is the number of the item. Its question is observed before the answer and after it.

    The step's info holds the library's own answer (None where there are many) and what it knows of the item.
    """

    kind = Kind.SINGLE
    agents = (SINGLE_AGENT,)

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.observation_spaces = {SINGLE_AGENT: Text(LONGEST_QUESTION, charset=CHARACTERS)}
        self.action_spaces = {SINGLE_AGENT: Text(LONGEST_ANSWER, min_length=0, charset=CHARACTERS)}
        self.actors = ()
        self._number = 0
        self._item: dict[str, Any] = {}

    def reset(self, seeds: EpisodeSeeds) -> str:
        self._pose(seeds.environment)
        self.actors = self.agents
        return str(self._item["question"])

    def step(self, action: Any) -> tuple[str, float, bool, bool, dict[str, Any]]:
        if not self.action_spaces[SINGLE_AGENT].contains(action):
            raise ValueError(f"an answer is text of at most {LONGEST_ANSWER} characters that occur in questions")
        self.actors = ()
        known = {"answer": self._item["answer"], "metadata": self._item["metadata"]}
        return str(self._item["question"]), self._score(str(action)), True, False, known

    def save(self) -> dict[str, Any]:
        return {"number": self._number, "acting": bool(self.actors)}

    def load(self, state: dict[str, Any]) -> None:
        self._pose(state["number"])
        self.actors = self.agents if state["acting"] else ()

    def _pose(self, number: int) -> None:
        self._number = number
        self._item = self.dataset[number]

    def _score(self, answer: str) -> float:
        try:
            return float(self.dataset.score_answer(answer, self._item))
        except Exception:  # three datasets raise on answers that they cannot read, to which all others give nothing
            return 0.0


def make_dataset(module: str, name: str, levels: Mapping[str, Any]) -> Any:
    """The library's dataset with each attribute of its curriculum at a level; one has a curriculum if it is offered."""
    _import(module)
    from reasoning_gym.factory import CURRICULA, DATASETS

    curriculum = CURRICULA[name]()
    for attribute, level in levels.items():
        curriculum.set_attr_level(attribute, level)
    dataset, _ = DATASETS[name]
    return dataset(curriculum.generate_configuration({"seed": 0, "size": ITEMS}))


def _import(module: str) -> None:
    """Import one module of a dataset, which registers it, and not its packages' `__init__`: they import all datasets
    and all that those need, of which some cannot be installed without a compiler."""
    category = module.partition(".")[0]
    for package in ("reasoning_gym", f"reasoning_gym.{category}"):
        if package not in sys.modules:
            found = find_spec(package)
            assert found is not None
            sys.modules[package] = module_from_spec(found)
    import_module("reasoning_gym.coaching")  # before the datasets, because it and their factory import each other
    import_module(f"reasoning_gym.{module}")
