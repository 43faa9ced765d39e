"""Formal languages: an agent recognises, predicts or completes words of a language it is not told.

Owns which languages and duties count as different tasks and what else may vary; the automata are in `automata`, the
dynamics in `language_env`.
"""

from __future__ import annotations

from env_registry.axes import Axis
from env_registry.family import Family
from env_registry.shorthand import number, probability, task
from env_registry.symbolic.formal.shorthand import SLIP, count, family, hinted, switch

TIME_LIMIT = 200  # steps

LANGUAGES = (
    "tomita2",
    "tomita1",
    "tomita3",
    "tomita4",
    "tomita5",
    "tomita6",
    "tomita7",
    "reber",
    "embedded_reber",
    "even_shift",
    "golden_mean",
    "run_length_limited",
    "third_from_last",
    "divisible_by_5",
    "dyck1",
    "dyck2",
    "balanced",
    "counting",
    "counting3",
    "palindrome",
    "copy",
    "majority",
    "dihedral3",
    "two_stacks",
)

# All symbols are possible nearly always, or only one is.
_UNPREDICTABLE = (
    "tomita1",
    "tomita3",
    "tomita5",
    "tomita6",
    "third_from_last",
    "divisible_by_5",
    "majority",
    "dihedral3",
)
# Whatever can be completed is a word already.
_COMPLETE_AT_ONCE = ("tomita1", "tomita4", "tomita7", "golden_mean")

_COMMON: tuple[Axis, ...] = (
    count("depth", 3, 1, 6, (2, 5), "", "greatest nesting, count or length of a half, in languages that have one"),
    probability("corruption", (0.05, 0.2), "probability that the agent sees an arbitrary symbol"),
    number("tilt", 1.0, 0.05, 20.0, (0.4, 2.5), "odds of each symbol to the one before it in the alphabet"),
    probability("end", (0.05, 0.5), "probability that a word ends where it may", 0.2),
    count("window", 1, 1, 64, (4, 16), "symbols", "latest symbols that the agent sees", shapes=True),
    number("mistake", 0.0, -10.0, 0.0, (-0.3, -1.0), "reward for a mistake", "reward units"),
    switch("show_state", "whether the agent sees the automaton's state, too", shapes=True),
    switch("relabel", "whether symbols get other names in every episode"),
    SLIP,
)


def _family(duty: str, languages: tuple[str, ...], extra: tuple[Axis, ...], description: str) -> Family:
    return family(
        f"language_{duty}",
        f"language_env:{duty.capitalize()}Env",
        (task("language", languages, "which language"), *extra, *_COMMON),
        state=("recent", "state", "names", "phase"),
        time_limit=TIME_LIMIT,
        witness=hinted,
        description=description,
        source="https://doi.org/10.1162/neco.1992.4.3.393 and https://doi.org/10.1162/neco.1989.1.3.372",
        tags=("formal-language", "memory"),
    )


FAMILIES = (
    _family(
        "recognition",
        LANGUAGES,
        (
            probability(
                "foreign", (0.05, 0.5), "probability that a symbol is drawn that need not fit the language", 0.2
            ),
        ),
        "Say at every symbol whether the word so far belongs to a language.",
    ),
    _family(
        "prediction",
        tuple(language for language in LANGUAGES if language not in _UNPREDICTABLE),
        (count("ahead", 1, 1, 8, (2, 4), "symbols", "which of the next symbols is to be predicted"),),
        "Predict the next symbol of words of a language.",
    ),
    _family(
        "completion",
        tuple(language for language in LANGUAGES if language not in _COMPLETE_AT_ONCE),
        (count("prefix", 4, 0, 32, (2, 8), "symbols", "symbols that are given of every word"),),
        "Complete given beginnings to words of a language.",
    ),
)
