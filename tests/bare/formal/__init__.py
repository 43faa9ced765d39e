"""Second, independent implementations of the formal systems, in plain Python: cell by cell, word by word.

Only the order of random draws is shared with what they are held against; each environment's module states it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.bare.formal.automata import Life, Ring
from tests.bare.formal.machines import Adder, Circuit
from tests.bare.formal.networks import FissionYeast, RandomNetwork
from tests.bare.formal.processes import Garnet, RiverSwim
from tests.bare.formal.words import Miu, TomitaTwo

BARE: dict[str, Callable[..., Any]] = {
    "formal/life_density": lambda **values: Life("density", **values),
    "formal/life_pattern": lambda **values: Life("pattern", **values),
    "formal/life_rest": lambda **values: Life("rest", **{"rule": "b1-s1", **values}),
    "formal/reversible_automaton": lambda **values: Ring(**{"rule": "1r", **values}),
    "formal/totalistic_automaton": lambda **values: Ring(**{"code": "777", **values}),
    "formal/biological_network": FissionYeast,
    "formal/random_network": RandomNetwork,
    "formal/rewriting": Miu,
    "formal/language_recognition": lambda **values: TomitaTwo("recognition", **values),
    "formal/language_prediction": lambda **values: TomitaTwo("prediction", **values),
    "formal/language_completion": lambda **values: TomitaTwo("completion", **values),
    "formal/register_machine": Adder,
    "formal/logic_circuit": Circuit,
    "formal/named_process": RiverSwim,
    "formal/garnet": Garnet,
}
