"""Games of OpenSpiel: chance is explicit, so every random outcome comes from the episode's seed.

Left out are games that draw from hidden generators of their own (`negotiation`, `tarok`), mean-field games and games
without a tensor to observe.
"""

from __future__ import annotations

from env_registry.family import Family
from env_registry.social.openspiel import board_games, hidden_information, simultaneous

FAMILIES: tuple[Family, ...] = board_games.FAMILIES + hidden_information.FAMILIES + simultaneous.FAMILIES
