"""Life-like cellular automata with an agent.

Owns which rules count as different tasks and what else may vary; the dynamics are in `life_env`.
"""

from __future__ import annotations

from collections.abc import Iterable

from env_registry.axes import Axis
from env_registry.family import Family
from env_registry.shorthand import number, probability, task
from env_registry.symbolic.formal.shorthand import SLIP, choice, count, family

TIME_LIMIT = 200  # steps

RULES = {
    "b3-s23": "Conway's Life",
    "b1-s012345678": "H-trees",
    "b1-s1": "Gnarl",
    "b1357-s02468": "Fredkin",
    "b1357-s1357": "Replicator",
    "b1358-s0247": "Feux",
    "b2-s": "Seeds",
    "b2-s0": "Live Free or Die",
    "b234-s": "Serviettes",
    "b25678-s5678": "Iceballs",
    "b3-s012345678": "Life without Death",
    "b3-s023": "DotLife",
    "b3-s0248": "Star Trek",
    "b3-s12": "Flock",
    "b3-s1234": "Mazectric",
    "b3-s12345": "Maze",
    "b3-s1237": "SnowLife",
    "b3-s124": "Corrosion of Conformity",
    "b3-s128": "EightFlock",
    "b3-s13": "LowLife",
    "b3-s238": "EightLife",
    "b3-s45678": "Coral",
    "b34-s34": "3-4 Life",
    "b34-s35": "Dance",
    "b34-s456": "Bacteria",
    "b345-s0456": "Never happy",
    "b345-s2": "Blinkers",
    "b345-s4567": "Assimilation",
    "b345-s5": "Long Life",
    "b3457-s4568": "Gems",
    "b34578-s456": "Gems Minor",
    "b35-s234578": "Land Rush",
    "b35-s236": "Eppstein",
    "b3567-s15678": "Bugs",
    "b35678-s34567": "Cheerios",
    "b35678-s4678": "Holstein",
    "b35678-s5678": "Diamoeba",
    "b357-s1358": "Amoeba",
    "b357-s238": "Pseudo Life",
    "b3578-s24678": "Geology",
    "b36-s12": "HighFlock",
    "b36-s125": "2x2",
    "b36-s128": "IronFlock",
    "b36-s23": "HighLife",
    "b36-s234578": "Land Rush 2",
    "b36-s235": "Blinker Life",
    "b36-s238": "IronLife",
    "b36-s245": "Logarithmic replicator",
    "b367-s125678": "Slow Blob",
    "b367-s23": "DrighLife",
    "b3678-s1258": "2x2 2",
    "b3678-s135678": "Castles",
    "b3678-s235678": "Stains",
    "b3678-s34678": "Day & Night",
    "b368-s128": "LowFlockDeath",
    "b368-s236": "Life SkyHigh",
    "b368-s238": "LowDeath",
    "b368-s245": "Morley",
    "b37-s12": "DryFlock",
    "b37-s1234": "Mazectric with Mice",
    "b37-s12345": "Maze with Mice",
    "b37-s23": "DryLife",
    "b378-s012345678": "Plow World",
    "b378-s235678": "Coagulations",
    "b38-s23": "Pedestrian Life",
    "b38-s238": "HoneyLife",
    "b45-s12345": "Electrified Maze",
    "b45678-s2345": "Walled Cities",
    "b4678-s35678": "Vote 4/5",
    "b5678-s45678": "Majority vote",
}
"""Rules that have a name in the literature and are not each other's complement: births, then survivals, by number of
live neighbours."""

SETTLING_RULES = (
    "b3-s23",
    "b1-s012345678",
    "b3-s012345678",
    "b3-s0248",
    "b3-s12",
    "b3-s1234",
    "b3-s12345",
    "b3-s128",
    "b3-s13",
    "b3-s45678",
    "b34-s456",
    "b345-s0456",
    "b345-s2",
    "b345-s4567",
    "b35-s234578",
    "b3567-s15678",
    "b35678-s4678",
    "b35678-s5678",
    "b36-s12",
    "b36-s128",
    "b36-s238",
    "b36-s245",
    "b3678-s135678",
    "b3678-s235678",
    "b3678-s34678",
    "b368-s128",
    "b37-s12",
    "b37-s1234",
    "b37-s12345",
    "b378-s012345678",
    "b38-s23",
    "b38-s238",
    "b4678-s35678",
    "b5678-s45678",
)
"""Rules that come to rest by themselves: in most worlds fewer than one cell in fifteen keeps changing."""

RESTLESS_RULES = tuple(rule for rule in RULES if rule not in SETTLING_RULES)

_COMMON = (
    count("size", 15, 5, 63, (9, 23, 41), "cells", "side of the torus", shapes=True),
    choice("edge", ("torus", "wall"), "whether the torus is cut by a row and a column of cells that are always dead"),
    probability("initial_density", (0.1, 0.25, 0.75), "probability of life in each cell at the start", 0.5),
    probability("noise", (0.002, 0.01, 0.05), "probability that a cell flips by chance, after each update"),
    probability("update_probability", (0.3, 0.6), "probability that a cell takes part in an update", 1.0),
    count("updates_per_step", 1, 1, 16, (2, 4), "updates", "updates of the automaton between two actions"),
    count("brush", 1, 1, 9, (3, 5), "cells", "side of the square that the agent paints"),
    choice("tool", ("flip", "birth", "death"), "what painting does to a cell"),
    count("stride", 1, 1, 16, (2, 4), "cells", "length of a move"),
    number("paint_cost", 0.0, 0.0, 10.0, (0.1, 0.5), "what painting costs", "reward units"),
    count("view_radius", 0, 0, 32, (2, 4), "cells", "how far the agent sees; 0 is the whole torus", shapes=True),
    probability("sensor_noise", (0.02, 0.1), "probability that the agent sees a cell inverted"),
    SLIP,
)
_TARGET = probability("target_density", (0.0, 0.15, 0.6, 1.0), "share of live cells that is the goal", 0.3)
_SOURCE = "https://arxiv.org/abs/0911.2890 (rules as named in https://conwaylife.com/wiki/List_of_Life-like_rules)"


def _family(objective: str, rules: Iterable[str], extra: tuple[Axis, ...], description: str) -> Family:
    rule = task("rule", tuple(rules), "births and survivals by number of live neighbours")
    return family(
        f"life_{objective}",
        "life_env:LifeEnv",
        (rule, *extra, *_COMMON),
        fixed={"objective": objective},
        state=("cells", "goal", "row", "column"),
        time_limit=TIME_LIMIT,
        description=description,
        source=_SOURCE,
        tags=("cellular-automaton", "control"),
    )


FAMILIES = (
    _family("density", RULES, (_TARGET,), "Hold the share of live cells in a life-like automaton by painting cells."),
    _family("pattern", RULES, (), "Paint a life-like automaton into a pattern that the rule itself has made."),
    _family("rest", RESTLESS_RULES, (), "Bring a life-like automaton that keeps changing to rest."),
)
