"""Puzzles of our own: small, seeded, mostly with a plan that solves them known.

One family module declares tasks and axes, one environment module computes.
"""

from __future__ import annotations

from env_registry.symbolic.puzzles import (
    bandits,
    blocks,
    codes,
    fillings,
    graphs,
    hanoi,
    lights,
    loads,
    mazes,
    merging,
    mines,
    pegs,
    permutations,
    pictures,
    placements,
    sliding,
    sokoban,
    streams,
    tours,
)

FAMILIES = (
    *permutations.FAMILIES,
    *lights.FAMILIES,
    *sliding.FAMILIES,
    *pegs.FAMILIES,
    *hanoi.FAMILIES,
    *blocks.FAMILIES,
    *mazes.FAMILIES,
    *sokoban.FAMILIES,
    *streams.FAMILIES,
    *bandits.FAMILIES,
    *tours.FAMILIES,
    *placements.FAMILIES,
    *pictures.FAMILIES,
    *graphs.FAMILIES,
    *codes.FAMILIES,
    *mines.FAMILIES,
    *merging.FAMILIES,
    *fillings.FAMILIES,
    *loads.FAMILIES,
)
