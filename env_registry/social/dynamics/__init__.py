"""Social dynamics of our own: repeated and networked games, public goods, commons, bargaining, auctions, opinions,
epidemics, congestion and voting, all as rounds in which every player acts.

Each subject has a module that declares families, which imports no engine, and one with its environment, whose docstring
has the dynamics. Tasks are other dynamics or objectives; sizes, probabilities and prices are parameters.
"""

from __future__ import annotations

from env_registry.family import Family
from env_registry.social.dynamics import (
    auctions,
    bargaining,
    commons,
    congestion,
    epidemics,
    matrix_games,
    network_games,
    opinions,
    public_goods,
    voting,
)

FAMILIES: tuple[Family, ...] = (
    *matrix_games.FAMILIES,
    *network_games.FAMILIES,
    *public_goods.FAMILIES,
    *commons.FAMILIES,
    *bargaining.FAMILIES,
    *auctions.FAMILIES,
    *opinions.FAMILIES,
    *epidemics.FAMILIES,
    *congestion.FAMILIES,
    *voting.FAMILIES,
)
