"""Games of OpenSpiel: chance is explicit, so every random outcome comes from the episode's seed.

Left out are mean-field games and games without a tensor to observe. `chess_games`, `strategy_games` and `card_games`
have families of their own.
"""

from __future__ import annotations

from env_registry.family import Family
from env_registry.social.openspiel import board_games, hidden_information, simultaneous

FAMILIES: tuple[Family, ...] = board_games.FAMILIES + hidden_information.FAMILIES + simultaneous.FAMILIES
