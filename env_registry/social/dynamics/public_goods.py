"""Public goods. Owns which goods there are as tasks; the dynamics are in `public_goods_env`."""

from __future__ import annotations

from env_registry.family import Actions, Family
from env_registry.shorthand import choice, number, probability, size, task
from env_registry.social.dynamics.declared import TOGETHER, family

GOODS = (
    "linear",
    "concave",
    "threshold",
    "refund",
    "weakest_link",
    "best_shot",
    "club",
    "punishment",
    "rewarding",
    "reputation",
    "collective_risk",
)

FAMILIES: tuple[Family, ...] = (
    family(
        "public_good",
        "public_goods_env.PublicGoods",
        task("good", GOODS, "how gifts become payoffs"),
        *TOGETHER,
        size("players", 4, 2, 16, (2, 8), "players"),
        size("conditional", 0, 0, 16, (2, 6), "further participants, who give what was given on average"),
        number("multiplier", 1.6, 0.0, 10.0, (0.8, 3.0, 6.0), "what a token given is worth"),
        number("threshold", 0.5, 0.0, 1.0, (0.25, 0.75), "share of the endowments that the good takes"),
        number("inequality", 0.0, 0.0, 1.0, (0.4, 0.8), "by how much the richest endowment exceeds the mean"),
        number("sanction_cost", 0.3, 0.0, 3.0, (0.0, 1.0), "what a full sanction costs who imposes it"),
        number("sanction_impact", 3.0, 0.0, 12.0, (1.0, 8.0), "what it does per share above or below the mean"),
        probability("risk", (0.3, 0.6), "that everything is lost where too little was given", 0.9),
        choice("visibility", ("aggregate", "individual"), "what players see of others' shares", randomisable=False),
        actions=Actions.CONTINUOUS,
        description="Players give to a good that serves all, with thresholds, sanctions, reputation or a common risk.",
        source="Ledyard 1995 and Chaudhuri 2011, surveys of public goods experiments",
        tags=("dilemma", "repeated"),
    ),
)
