"""String rewriting: an agent turns one word into another with the rules of a semi-Thue system.

Owns which systems count as different tasks and what else may vary; the dynamics are in `rewriting_env`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from env_registry.shorthand import number, probability, task
from env_registry.symbolic.formal.shorthand import SLIP, choice, count, family, hinted

TIME_LIMIT = 100  # steps


@dataclass(frozen=True)
class System:
    """`rules` are `left>right` pairs, `left=right` for both directions. `^` before and `$` after a left side tie it to
    the word's ends; `.` is all that follows. A start is `axiom`, or drawn from `letters`."""

    letters: str
    rules: str
    axiom: str = ""


def _group(generators: str, relations: str) -> System:
    """A group by its presentation; the inverse of `a` is `A`, and relations are words that equal the identity."""
    inverses = generators.upper()
    pairs = [f"{x}{y}" for g, h in zip(generators, inverses, strict=True) for x, y in ((g, h), (h, g))]
    return System(generators + inverses, " ".join(f"{word}=" for word in (*pairs, *relations.split())))


def _involutions(generators: str, relations: str) -> System:
    """A group whose generators are their own inverses."""
    return System(generators, " ".join(f"{word}=" for word in (*(2 * g for g in generators), *relations.split())))


SYSTEMS: Mapping[str, System] = {
    "miu": System("miu", "i$>iu ^m.>m.. iii>u uu>", "mi"),
    "sort": System("abc", "ba>ab ca>ac cb>bc"),
    "parentheses": System("ab", "ab>"),
    "two_parentheses": System("abcd", "ab> cd>"),
    "palindromes": System("ab", "aa> bb> aba>b bab>a"),
    "square_free": System("abc", "aa>a bb>b cc>c abab>ab bcbc>bc caca>ca"),
    "squares": System("ab", "a=aa b=bb ab=abab"),
    "peg_solitaire": System("01", "110>001 011>100"),
    "toads_and_frogs": System("tf_", "t_>_t _f>f_ tf_>_ft _tf>ft_", "ttt_fff"),
    "coffee_can": System("bw", "bb>w ww>w bw>b wb>b"),
    "chameleons": System("rgb", "rg>bb gr>bb gb>rr bg>rr rb>gg br>gg"),
    "rock_paper_scissors": System("rps", "rp>pp pr>pp ps>ss sp>ss sr>rr rs>rr"),
    "kinks": System("01", "001=011 100=110"),
    "exclusion": System("01", "10=01"),
    "annihilation": System("01", "11>00 10=01"),
    "coalescence": System("01", "11>10 11>01 10=01"),
    "branching": System("01", "01=11 10=11"),
    "lights": System("01", "000=111 001=110 010=101 011=100"),
    "fibonacci": System("ab", "a>ab b>a", "a"),
    "thue_morse": System("ab", "a>ab b>ba", "a"),
    "cantor": System("ab", "a>aba b>bbb", "a"),
    "dragon": System("abfr", "a>abf b>rab", "fa"),
    "unary_sum": System("1+", "1+1>11 +1>1 1+>1", "11+111+1"),
    "unary_difference": System("1-", "1-1>- -$>", "1111-11"),
    "unary_product": System("abt", "ba>atb ta>at bt>tb", "bbbaa"),
    "binary_to_unary": System("01i", "1>0i i0>0ii 0>", "101"),
    "binary_increment": System("01+", "0+>1 1+>+0 ^+>1 $>+", "1011"),
    "plactic": System("abc", "bca=bac acb=cab bba=bab aba=baa cca=cac aca=caa ccb=cbc bcb=cbb"),
    "chinese": System("abc", "cba=cab cab=bca bba=bab baa=aba cca=cac caa=aca ccb=cbc cbb=bcb"),
    "bicyclic": System("pq", "pq="),
    "trace": System("abcd", "ac=ca bd=db ad=da"),
    "zero_hecke": System("abc", "aa=a bb=b cc=c aba=bab bcb=cbc ac=ca"),
    "temperley_lieb": System("abc", "aa=a bb=b cc=c aba=a bab=b bcb=b cbc=c ac=ca"),
    "band": System("ab", "aa=a bb=b aba=a bab=b"),
    "thompson": System("abcd", "ba=ac ca=ad cb=bd"),
    "tseytin": System("abcde", "ac=ca ad=da bc=cb bd=db eca=ce edb=de cca=ccae"),
    "s3": _involutions("ab", "ababab"),
    "s4": _involutions("abc", "ababab bcbcbc acac"),
    "dihedral4": _involutions("ab", "abababab"),
    "infinite_dihedral": _involutions("ab", ""),
    "hexagonal": _involutions("abc", "ababab bcbcbc acacac"),
    "universal_coxeter": _involutions("abc", ""),
    "klein_four": _involutions("ab", "abab"),
    "free": _group("ab", ""),
    "free_abelian": _group("ab", "abAB"),
    "klein_bottle": _group("ab", "abAb"),
    "braid3": _group("ab", "abaBAB"),
    "baumslag_solitar": _group("ab", "abABB"),
    "modular": System("abB", "aa= bB= Bb= bbb= bb=B"),
    "quaternion": System("ijn", "ii=n jj=n nn= ij=nji in=ni jn=nj"),
    "heisenberg": System("abAB", "aA= Aa= bB= Bb= abABa=aabAB abABb=babAB"),
    "alternating4": System("abB", "aa= bB= Bb= bb=B ababab="),
    "torus_knot": _group("ab", "aaBBB"),
}

_AXES = (
    task("system", tuple(SYSTEMS), "which rewriting system"),
    count("length", 6, 1, 24, (3, 10, 16), "letters", "length of the start, where it is drawn"),
    count("derivation", 5, 1, 50, (2, 10, 20), "rules", "rules applied to the start to get the goal"),
    count("capacity", 24, 24, 96, (40, 64), "letters", "greatest length of a word", shapes=True),
    choice("reward", ("progress", "goal"), "whether getting nearer to the goal pays"),
    number("step_cost", 0.0, 0.0, 10.0, (0.02, 0.1), "what a step costs", "reward units"),
    choice("matching", ("next", "here"), "whether a rule is applied at its next match, or only at the cursor"),
    probability("failure", (0.2, 0.5), "probability that a rule is not applied"),
    probability("mutation", (0.05, 0.2), "probability, in each step, that an arbitrary letter becomes another"),
    count("view_radius", 0, 0, 48, (1, 4), "letters", "how far from the cursor the agent sees; 0 is the whole word"),
    probability("sensor_noise", (0.02, 0.1), "probability that the agent sees an arbitrary letter"),
    choice("goal", ("derived", "normal"), "whether the goal is derived in a few rules or until none applies"),
    SLIP,
)

FAMILIES = (
    family(
        "rewriting",
        "rewriting_env:RewritingEnv",
        _AXES,
        state=("word", "cursor", "start", "target", "solution"),
        time_limit=TIME_LIMIT,
        witness=hinted,
        description="Turn one word into another with the rules of a string rewriting system.",
        source="https://doi.org/10.1007/978-1-4613-9771-7",
        tags=("string-rewriting", "planning"),
    ),
)
