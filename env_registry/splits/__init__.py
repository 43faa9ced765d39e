"""Splits: rules that put specs out of reach of training, and why a spec is held out.

Membership is a pure function of (split, spec), for every valid spec, catalogued or not. Rules hold out regions, never
points, and look at amounts, not at spellings. Knows nothing of databases or cells.
"""

from env_registry.splits.carving import Carved, carve
from env_registry.splits.default import DEFAULT, NAME
from env_registry.splits.reasons import Nearest, Reason, distance, nearest, reasons
from env_registry.splits.rule import HARDNESS, Kind, Rule, RuleProblem
from env_registry.splits.split import Split, unseen_parts

__all__ = [
    "DEFAULT",
    "HARDNESS",
    "NAME",
    "Carved",
    "Kind",
    "Nearest",
    "Reason",
    "Rule",
    "RuleProblem",
    "Split",
    "carve",
    "distance",
    "nearest",
    "reasons",
    "unseen_parts",
]
