"""What is known of the formal systems: published attractors, languages by enumeration, all functions of four inputs."""

from __future__ import annotations

import re
from collections import Counter
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest

from env_registry.symbolic.formal import circuit_env, life, machines, rewriting, rings
from env_registry.symbolic.formal.automata import LANGUAGES, automaton
from env_registry.symbolic.formal.biological_networks import NETWORKS
from env_registry.symbolic.formal.boolean_network_env import published
from env_registry.symbolic.formal.circuits import CLASSES
from env_registry.symbolic.formal.decision_processes import NAMED, REGIMES
from env_registry.symbolic.formal.life_env import LifeEnv
from env_registry.symbolic.formal.machine_env import MachineEnv
from env_registry.symbolic.formal.process_tables import garnet, named
from env_registry.symbolic.formal.rewriting_env import RewritingEnv
from tests.bare.formal.networks import fission_yeast

# ------------------------------------------------------------------ cellular automata


def complemented(rule: str) -> str:
    """The rule that does the same with dead and live cells exchanged."""
    births, survivals = (part[1:] for part in rule.split("-"))
    born = "".join(str(8 - n) for n in reversed(range(9)) if str(n) not in survivals)
    survives = "".join(str(8 - n) for n in reversed(range(9)) if str(n) not in births)
    return f"b{born}-s{survives}"


def test_no_two_life_like_rules_are_complements() -> None:
    assert complemented("b3678-s34678") == "b3678-s34678"
    assert complemented("b3-s23") == "b0123478-s01234678"
    assert not [rule for rule in life.RULES if complemented(rule) != rule and complemented(rule) in life.RULES]


def test_settling_rules_settle_and_restless_ones_do_not() -> None:
    def change(rule: str) -> float:
        env, shares = LifeEnv(rule=rule, objective="rest"), []
        for seed in range(6):
            env.reset(seed=seed)
            rewards = [env.step(np.int64(0))[1] for _ in range(200)]
            shares.append(1 - np.mean(rewards[100:]))
        return float(np.median(shares))

    assert set(life.RESTLESS_RULES) | set(life.SETTLING_RULES) == set(life.RULES)
    assert all(change(rule) < 1 / 15 for rule in life.SETTLING_RULES)
    assert all(change(rule) > 1 / 15 for rule in life.RESTLESS_RULES)


def test_a_glider_glides() -> None:
    env = LifeEnv(rule="b3-s23")
    env.reset(seed=0)
    env.cells = np.zeros((15, 15), dtype=np.int8)
    env.cells[1:4, 1:4] = [[0, 1, 0], [0, 0, 1], [1, 1, 1]]
    before = env.cells.copy()
    for _ in range(4):
        env.step(np.int64(0))
    assert (env.cells == np.roll(before, (1, 1), (0, 1))).all()


def test_no_totalistic_code_is_anothers_inversion() -> None:
    def inverted(code: int) -> int:
        return sum((2 - code // 3 ** (6 - total) % 3) * 3**total for total in range(7))

    assert inverted(1599) == 1635
    assert inverted(inverted(777)) == 777
    codes = rings.TOTALISTIC_CODES
    assert not [code for code in codes if inverted(code) != code and inverted(code) in codes]
    assert all(code % 3 == 0 for code in codes)


# ------------------------------------------------------------------ Boolean networks


def attractors(name: str) -> Counter[tuple[frozenset[str], int]]:
    """Sizes of basins, by the nodes that are on in some state of the attractor, and its period."""
    names, network = published(name)
    states = (np.arange(1 << len(names))[:, None] >> np.arange(len(names)) & 1).astype(np.int8)
    following = np.array([network.next_state(state) @ (1 << np.arange(len(names))) for state in states])
    late = np.arange(len(states))
    for _ in range(64):
        late = following[late]
    found: Counter[tuple[frozenset[str], int]] = Counter()
    for first, basin in Counter(late.tolist()).items():
        cycle, state = [first], int(following[first])
        while state != first:
            cycle.append(state)
            state = int(following[state])
        on = frozenset(name for i, name in enumerate(names) if any(x >> i & 1 for x in cycle))
        found[on, len(cycle)] += basin
    return found


def test_the_budding_yeast_has_the_published_attractors() -> None:
    found = attractors("budding_yeast")
    assert sorted(found.values()) == [1, 7, 7, 9, 109, 151, 1764]  # Li et al. 2004, table 1
    assert found[frozenset({"Cdh1", "Sic1"}), 1] == 1764


def test_the_fission_yeast_has_the_published_attractor() -> None:
    assert attractors("fission_yeast")[frozenset({"Ste9", "Rum1", "Wee1_Mik1"}), 1] == 762  # Davidich and Bornholdt


def test_the_mammalian_cycle_rests_or_turns_round_in_seven_steps() -> None:
    found = attractors("mammalian_cycle")  # Fauré et al. 2006
    assert found[frozenset({"Rb", "p27", "Cdh1"}), 1] == 512
    assert sorted((period, basin) for (_, period), basin in found.items()) == [(1, 512), (7, 512)]


def test_the_myeloid_network_has_the_four_fates_of_its_cells() -> None:
    stable = {on for on, period in attractors("myeloid") if period == 1}
    assert {"GATA1", "FOG1", "EKLF", "SCL"} in stable  # Krumsiek et al. 2011: erythrocyte
    assert {"GATA1", "FOG1", "Fli1", "SCL"} in stable  # megakaryocyte
    assert {"PU1", "cJun", "EgrNab", "CEBPA"} in stable  # monocyte
    assert {"PU1", "CEBPA", "Gfi1"} in stable  # granulocyte


def test_the_lac_operon_is_bistable_at_medium_lactose_only() -> None:
    names, network = published("lac_operon")
    inputs = {"Ge": 0, "Le": 0, "Lem": 1}
    ends = set()
    for seed in range(200):
        state = np.random.default_rng(seed).integers(2, size=len(names), dtype=np.int8)
        for name, value in inputs.items():
            state[names.index(name)] = value
        for _ in range(50):
            state = network.next_state(state)
        ends.add(int(state[names.index("M")]))
    assert ends == {0, 1}  # Veliz-Cuba and Stigler 2011


def test_the_fission_yeasts_rules_are_those_of_its_threshold_network() -> None:
    names, network = published("fission_yeast")
    for bits in product((0, 1), repeat=len(names)):
        state = list(bits)
        expected = [fission_yeast(state, node) for node in range(len(names))]
        assert network.next_state(np.array(state, dtype=np.int8)).tolist() == expected


def test_fates_name_nodes_and_none_is_the_opposite_of_another() -> None:
    for name, facts in NETWORKS.items():
        nodes, _ = published(name)
        markers = [frozenset(fate.split()) for fate in facts.fates.values()]
        assert all(marker.lstrip("!") in nodes for fate in markers for marker in fate)
        opposite = [frozenset(m[1:] if m[0] == "!" else f"!{m}" for m in fate) for fate in markers]
        assert not set(markers) & set(opposite)


# ------------------------------------------------------------------ languages

DEPTH = 4


def nested(word: str, kinds: int) -> bool:
    for _ in word:
        for kind in range(kinds):
            word = word.replace(f"{kind}{kind + kinds}", "")
    return not word


def deepest(word: str, up: str) -> int:
    return max((sum(1 if x in up else -1 for x in word[:n]) for n in range(len(word) + 1)), default=0)


def both_never_below(word: str) -> bool:
    levels = [[word[:n].count(a) - word[:n].count(b) for n in range(len(word) + 1)] for a, b in ("02", "13")]
    return all(min(level) >= 0 and max(level) <= DEPTH and level[-1] == 0 for level in levels)


def rotation_word(word: str) -> bool:
    """Whether the permutations of a triangle's corners that the letters stand for multiply to the identity."""
    corners = (0, 1, 2)
    for letter in word:
        corners = tuple(corners[i] for i in ((1, 2, 0) if letter == "0" else (0, 2, 1)))
    return corners == (0, 1, 2)


def lead(word: str) -> int:
    value = 0
    for letter in word:
        value = max(-DEPTH, min(DEPTH, value + (1 if letter == "1" else -1)))
    return value


BELONGS: dict[str, Any] = {
    "tomita1": lambda w: "0" not in w,
    "tomita2": lambda w: bool(re.fullmatch("(10)*", w)),
    "tomita3": lambda w: not re.search(r"(^|0)1(11)*0(00)*(1|$)", w),
    "tomita4": lambda w: "000" not in w,
    "tomita5": lambda w: w.count("0") % 2 == w.count("1") % 2 == 0,
    "tomita6": lambda w: (w.count("1") - w.count("0")) % 3 == 0,
    "tomita7": lambda w: bool(re.fullmatch("0*1*0*1*", w)),
    "even_shift": lambda w: bool(re.fullmatch("(1|00)*", w)),
    "golden_mean": lambda w: "11" not in w,
    "run_length_limited": lambda w: bool(re.fullmatch("(0{1,3}1)*", w)),
    "third_from_last": lambda w: w[-3:-2] == "1",
    "divisible_by_5": lambda w: int(w or "0", 2) % 5 == 0,
    "dyck1": lambda w: nested(w, 1) and deepest(w, "0") <= DEPTH,
    "dyck2": lambda w: nested(w, 2) and deepest(w, "01") <= DEPTH,
    "balanced": lambda w: (
        w.count("0") == w.count("1") and max(abs(2 * w[:n].count("1") - n) for n in range(len(w) + 1)) <= DEPTH
    ),
    "counting": lambda w: 0 < len(w) <= 2 * DEPTH and w == "0" * (len(w) // 2) + "1" * (len(w) // 2),
    "counting3": lambda w: 0 < len(w) <= 3 * DEPTH and w == "".join(x * (len(w) // 3) for x in "012"),
    "palindrome": lambda w: w.count("2") == 1 and w == w[::-1] and len(w) <= 2 * DEPTH + 1,
    "copy": lambda w: w.count("2") == 1 and w.split("2")[0] == w.split("2")[1] and len(w) <= 2 * DEPTH + 1,
    "majority": lambda w: lead(w) > 0,
    "dihedral3": rotation_word,
    "two_stacks": both_never_below,
}


@pytest.mark.parametrize("language", BELONGS)
def test_an_automaton_accepts_the_words_of_its_language(language: str) -> None:
    table = automaton(language, DEPTH)
    lengths = {2: 11, 3: 7, 4: 6}[table.symbols]
    for length in range(lengths + 1):
        for word in map("".join, product("0123"[: table.symbols], repeat=length)):
            state = 0
            for symbol in word:
                state = int(table.moves[state, int(symbol)])
            assert bool(table.accepting[state]) == BELONGS[language](word), word


@pytest.mark.parametrize("language", ["reber", "embedded_reber"])
def test_rebers_grammar_makes_rebers_words(language: str) -> None:
    words = ["BTXSE", "BPVVE", "BTSXSE", "BTXXVVE", "BPTVPSE", "BPTTVPXVVE", "BTSSXXTVPSE"]
    others = ["BTXE", "BTPE", "BPVE", "BTXXSE", "BPSE", "BTXSEE", "TXS"]
    table = automaton(language, 1)

    def accepted(word: str) -> bool:
        state = 0
        for letter in word:
            state = int(table.moves[state, "BTPSXVE".index(letter)])
        return bool(table.accepting[state])

    if language == "reber":
        assert all(map(accepted, words))
        assert not any(map(accepted, others))
    else:
        for word in words:
            assert accepted(f"BT{word}TE")
            assert accepted(f"BP{word}PE")
            assert not accepted(f"BT{word}PE")


def test_every_language_is_checked() -> None:
    assert {*BELONGS, "reber", "embedded_reber"} == set(LANGUAGES)


# ------------------------------------------------------------------ words, machines, circuits


@pytest.mark.parametrize("system", rewriting.SYSTEMS)
def test_the_goal_of_a_rewriting_system_can_be_reached(system: str) -> None:
    env = RewritingEnv(system=system)
    for seed in range(3):
        env.reset(seed=seed)
        assert env.target != env.start
        rng = np.random.default_rng(seed)
        assert any(env.step(np.int64(env.hint(rng)))[2] for _ in range(rewriting.TIME_LIMIT))


def test_a_theorem_of_miu_never_has_a_multiple_of_three_is() -> None:
    env = RewritingEnv(system="miu", derivation=20)
    for seed in range(50):
        env.reset(seed=seed)
        assert env.target.count("i") % 3 != 0


PERMUTATIONS = {
    "s3": {"a": (1, 0, 2), "b": (0, 2, 1)},
    "s4": {"a": (1, 0, 2, 3), "b": (0, 2, 1, 3), "c": (0, 1, 3, 2)},
    "dihedral4": {"a": (1, 0, 3, 2), "b": (0, 3, 2, 1)},
    "alternating4": {"a": (1, 0, 3, 2), "b": (1, 2, 0, 3), "B": (2, 0, 1, 3)},
}


@pytest.mark.parametrize("system", PERMUTATIONS)
def test_rewriting_a_groups_word_leaves_its_element(system: str) -> None:
    def element(word: str) -> tuple[int, ...]:
        points = tuple(range(len(next(iter(PERMUTATIONS[system].values())))))
        for letter in word:
            points = tuple(points[i] for i in PERMUTATIONS[system][letter])
        return points

    env = RewritingEnv(system=system, derivation=20)
    for seed in range(20):
        env.reset(seed=seed)
        assert {element(word) for word in (env.start, *(word for _, _, word in env.solution))} == {element(env.start)}


@pytest.mark.parametrize("function", machines.FUNCTIONS)
def test_a_program_for_every_function_is_known(function: str) -> None:
    env = MachineEnv(function=function, examples=50, greatest_value=9999)
    env.reset(seed=0)
    lines = machines.FUNCTIONS[function].program.split("; ")
    over = [env.step(np.int64(env.hint(np.random.default_rng(0))))[2] for _ in lines]
    assert over[-1]


def test_the_classes_of_functions_are_all_but_two_of_the_222() -> None:
    rows = np.array([[row >> i & 1 for i in range(4)] for row in range(16)])
    bits = np.array([[int(name, 16) >> row & 1 for row in range(16)] for name in CLASSES])
    weights = 1 << np.arange(16)
    members = []
    for order in permutations(range(4)):
        for negated in product((0, 1), repeat=4):
            moved = ((rows ^ negated) << np.array(order)).sum(axis=1)
            members.append(bits[:, moved] @ weights)
    both = np.concatenate([members, 65535 - np.array(members)])
    orbits = [set(both[:, k].tolist()) for k in range(len(CLASSES))]
    assert all(min(orbit) == int(name, 16) for orbit, name in zip(orbits, CLASSES, strict=True))
    assert len(set.union(*orbits)) == sum(map(len, orbits)) == 65536 - 2 - 8  # constants, inputs and their negations


def test_every_class_has_a_circuit_of_seven_gates_at_most() -> None:
    lengths = []
    for name in CLASSES:
        env = circuit_env.CircuitEnv(function=name, gates=7)
        env.reset(seed=1)
        rng = np.random.default_rng(0)
        over, steps = False, 0
        while not over:
            *_, over, _, _ = env.step(np.int64(env.hint(rng)))
            steps += 1
        assert env.best == 1.0, name
        lengths.append(steps)
    assert max(lengths) == 7


# ------------------------------------------------------------------ decision processes


@pytest.mark.parametrize("size", [5, 10, 20, 60])
def test_probabilities_of_named_processes_add_up(size: int) -> None:
    for name in NAMED:
        process = named(name, size)
        assert np.allclose(process.chances.sum(axis=2), 1.0), name
        assert process.starts.sum() == 1.0
        assert np.abs(process.rewards).max() <= 2.0, name
        assert not process.terminal[process.starts > 0].any()


def test_probabilities_of_random_processes_add_up_and_goals_can_be_valued() -> None:
    for regime in REGIMES:
        for states, actions, branching in ((8, 2, 1), (8, 16, 16), (64, 3, 5)):
            process = garnet(regime, states, actions, branching, 0)
            assert np.allclose(process.chances.sum(axis=2), 1.0), regime
            assert process.action_values.max() > process.action_values.min(), regime


def test_the_gamblers_best_stakes_have_the_known_value() -> None:
    """At odds below a half bold play is best (Dubins and Savage): from the middle it wins with probability 0.4."""
    process = named("gambler", 9)
    assert process.action_values[4].max() == pytest.approx(0.4)


def test_the_secretary_lets_a_third_pass() -> None:
    process = named("secretary", 60)
    stops = [s for s in range(60) if process.action_values[2 * s + 1, 1] >= process.action_values[2 * s + 1, 0]]
    assert 0 < stops[0] < 60
    assert stops == list(range(stops[0], 60))  # a threshold, earlier than 60 / e as time is discounted
