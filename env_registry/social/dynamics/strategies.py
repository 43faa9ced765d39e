"""Names of the partners in repeated matrix games, and the fixed strategies among them as data."""

from __future__ import annotations

MEMORY_ONE: dict[str, tuple[float, float, float, float, float]] = {
    "tit_for_tat": (1.0, 1.0, 0.0, 1.0, 0.0),
    "suspicious_tit_for_tat": (0.0, 1.0, 0.0, 1.0, 0.0),
    "generous_tit_for_tat": (1.0, 1.0, 1 / 3, 1.0, 1 / 3),
    "firm_but_fair": (1.0, 1.0, 0.0, 1.0, 2 / 3),
    "grim": (1.0, 1.0, 0.0, 0.0, 0.0),
    "win_stay_lose_shift": (1.0, 1.0, 0.0, 0.0, 1.0),
    "bully": (0.0, 0.0, 1.0, 0.0, 1.0),
    "alternator": (1.0, 0.0, 0.0, 1.0, 1.0),
    "extortionate": (0.0, 11 / 13, 1 / 2, 7 / 26, 0.0),
    "always_cooperate": (1.0, 1.0, 1.0, 1.0, 1.0),
    "always_defect": (0.0, 0.0, 0.0, 0.0, 0.0),
    "random": (0.5, 0.5, 0.5, 0.5, 0.5),
}
"""Probabilities to cooperate: at first, and after CC, CD, DC and DD, the strategy's own action first.

`extortionate` is the zero-determinant strategy with factor 3 for the payoffs 3, 0, 5, 1 of Press and Dyson
(https://doi.org/10.1073/pnas.1206569109); the others stand in Nowak, Evolutionary Dynamics (2006), chapter 5, and in
Axelrod's tournaments."""

LEARNERS = (
    "reinforcement",
    "fictitious_play",
    "smooth_fictitious_play",
    "q_learning",
    "best_reply",
    "satisficing",
)

MIXED = "mixed"
"""Drawn anew for every episode, from all the others that are offered."""
