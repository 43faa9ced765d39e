"""Formal systems of our own: automata, networks, words, languages, machines, circuits and decision processes.

One family module declares tasks and axes, one environment module computes.
"""

from __future__ import annotations

from env_registry.symbolic.formal import (
    boolean_networks,
    circuits,
    decision_processes,
    languages,
    life,
    machines,
    rewriting,
    rings,
)

FAMILIES = (
    *life.FAMILIES,
    *rings.FAMILIES,
    *boolean_networks.FAMILIES,
    *rewriting.FAMILIES,
    *languages.FAMILIES,
    *machines.FAMILIES,
    *circuits.FAMILIES,
    *decision_processes.FAMILIES,
)
