"""reasoning-gym: questions that programs write, and whose answers they can score. Each episode is one of them.

Owns which of the library's datasets there are, and how many levels each attribute of their curricula has. The
simulator is `reasoning_gym_simulator`'s. docs/decisions/0017-single-turn-tasks.md says which datasets are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from env_registry.axes import IntAxis, Scalar
from env_registry.family import Actions, Domain, Family, Observations, Traits
from env_registry.shorthand import size
from env_registry.simulator import Kind, Simulator

TRAITS = Traits(kind=Kind.SINGLE, actions=Actions.TEXT, observations=Observations.TEXT, single_turn=True)
_LISTED = 4
"""Most levels of an attribute that the catalogue lists besides the easiest, spread over all."""


# ------------------------------------------------------------------ axes


def _axis(attribute: str, levels: int) -> IntAxis:
    top = levels - 1
    steps = min(top, _LISTED)
    listed = tuple(round(step * top / steps) for step in range(1, steps + 1))
    description = f"level of the library's curriculum for {attribute.replace('_', ' ')}; 0 is the easiest"
    return size(attribute, 0, 0, top, listed, description, "level")


# ------------------------------------------------------------------ tasks


class _Task(NamedTuple):
    """`levels` is the number of levels of each attribute of the dataset's curriculum."""

    module: str
    name: str
    description: str
    levels: Mapping[str, int]


def _task(module: str, description: str, *, name: str | None = None, **levels: int) -> _Task:
    """A dataset is called as its module is, unless it has another name."""
    return _Task(module, name or module.rpartition(".")[2], description, levels)


_TASKS = (
    _task(
        "algebra.complex_arithmetic",
        "Add, subtract, multiply or divide two complex numbers.",
        min_real=4,
        max_real=4,
        min_imag=4,
        max_imag=4,
        operations_weights=4,
    ),
    _task("algebra.polynomial_equations", "Find a real solution of a polynomial equation.", degree=4, terms=4),
    _task(
        "algebra.simple_equations",
        "Solve a linear equation in one unknown.",
        min_terms=4,
        max_terms=4,
        min_value=3,
        max_value=4,
        operators_weights=4,
    ),
    _task(
        "algorithmic.ab", "Rewrite neighbouring tokens by the rules of the A::B system until none applies.", length=4
    ),
    _task("algorithmic.base_conversion", "Write a number in another base.", base=5, value=4),
    _task("algorithmic.binary_alternation", "Count the swaps that make a binary string alternate.", n=4),
    _task("algorithmic.caesar_cipher", "Decipher words whose letters were all shifted alike.", rotation=2, words=4),
    _task("algorithmic.count_primes", "Count the primes in an interval.", n=5),
    _task("algorithmic.cryptarithm", "Find the digits that letters stand for in a sum.", words=4),
    _task("algorithmic.graph_color", "Colour a graph so that no neighbours are alike.", num_vertices=4, num_colors=3),
    _task("algorithmic.group_anagrams", "Group words that have the same letters.", anagram_groups=4, words_per_group=3),
    _task("algorithmic.letter_counting", "Count a letter in a text.", words=8),
    _task(
        "algorithmic.letter_jumble",
        "Put the letters of each word back in order.",
        word_len=5,
        words=5,
        corruption_level=4,
    ),
    _task(
        "algorithmic.manipulate_matrix",
        "Turn, mirror, cut and change a matrix, one operation after another.",
        rows=4,
        cols=4,
        num_transforms=5,
    ),
    _task(
        "algorithmic.number_filtering",
        "Keep or remove the numbers above or below a bound.",
        numbers=4,
        decimals=4,
        min_value=4,
        max_value=4,
    ),
    _task("algorithmic.number_sorting", "Sort numbers.", numbers=4, decimals=8, min_value=4, max_value=4),
    _task("algorithmic.palindrome_generation", "Make a palindrome of letters.", length=4),
    _task(
        "algorithmic.palindrome_partitioning",
        "Cut a string into palindromes in all ways.",
        string_len=4,
        substring_palindrome_len=2,
    ),
    _task("algorithmic.pool_matrix", "Pool a matrix by maximum or average.", rows=4, cols=4, pool_size=4),
    _task("algorithmic.rotate_matrix", "Rotate a matrix by quarter turns.", n=4, num_rotations=5),
    _task("algorithmic.rotten_oranges", "Count the minutes until rot has spread over a grid.", n=4),
    _task("algorithmic.sentence_reordering", "Put the words of a sentence back in order.", words_in_sentence=4),
    _task("algorithmic.spell_backward", "Spell a word backwards.", word_len=5),
    _task(
        "algorithmic.string_manipulation", "Rewrite a string by rules until none applies.", string_length=4, num_rules=5
    ),
    _task("algorithmic.string_splitting", "Take machines apart by rules and count the parts.", initial_machines=4),
    _task("algorithmic.string_synthesis", "Combine blocks by rules and count what is left.", initial_blocks=4),
    _task("algorithmic.word_sequence_reversal", "Reverse a list of words.", words=4),
    _task("algorithmic.word_sorting", "Sort words.", num_words=5, word_length=4),
    _task("arc.arc_1d", "Find the rule of examples on a line of cells and apply it.", size=3),
    _task(
        "arc.rearc",
        "Find the rule of examples on grids and apply it: generated ARC tasks.",
        pso_difficulty_weights=7,
        rng_difficulty_weights=7,
    ),
    _task("arithmetic.basic_arithmetic", "Evaluate an expression with brackets.", num_terms=5, num_digits=4),
    _task("arithmetic.bitwise_arithmetic", "Evaluate sums, products and shifts of hexadecimal numbers.", difficulty=10),
    _task("arithmetic.calendar_arithmetic", "Answer questions on dates and days of the week.", tasks=4),
    _task("arithmetic.chain_sum", "Add and subtract whole numbers.", num_terms=11, num_digits=10),
    _task("arithmetic.count_bits", "Count the ones of a number in binary.", n=5),
    _task(
        "arithmetic.decimal_arithmetic",
        "Evaluate an expression of decimals to a given precision.",
        precision=4,
        num_terms=4,
    ),
    _task("arithmetic.decimal_chain_sum", "Add and subtract decimals.", num_terms=4, num_digits=5, decimal_places=5),
    _task("arithmetic.dice", "Find the odds that dice show a sum or more.", num_dice=4, max_dice_size=4),
    _task("arithmetic.fraction_simplification", "Reduce a fraction.", value=4, factor=4),
    _task("arithmetic.gcd", "Find the greatest common divisor.", num_terms=4, value=4),
    _task("arithmetic.lcm", "Find the least common multiple.", numbers=4, value=4),
    _task("arithmetic.leg_counting", "Count the legs of animals.", num_animals=36, num_instances=10),
    _task(
        "arithmetic.number_format",
        "Pick the largest or smallest of numbers in several notations.",
        num_candidates=4,
        n=4,
        max_delta=4,
    ),
    _task("arithmetic.power_function", "Compute a power.", exponent=5),
    _task("arithmetic.prime_factorization", "Factorise a number.", value=4),
    _task("arithmetic.products", "Multiply whole numbers.", num_terms=11, num_digits=10),
    _task(
        "arithmetic.time_intervals",
        "Compute the time between two times or dates.",
        max_time_difference_seconds=7,
        max_date_difference_days=5,
    ),
    _task("code.bf", "Tell what a Brainfuck program prints.", difficulty=2),
    _task("cognition.color_cube_rotation", "Follow the colours of a cube that is turned.", rotations=5),
    _task("cognition.figlet_fonts", "Read a word in letters drawn of characters.", name="figlet_font", word_len=6),
    _task(
        "cognition.modulo_grid",
        "Complete a grid that a rule of arithmetic draws.",
        size_x=4,
        size_y=4,
        max_holes=4,
        max_divisor=6,
    ),
    _task("cognition.needle_haystack", "Find who likes something among many statements.", num_statements=4),
    _task("cognition.number_sequences", "Continue a sequence of numbers.", name="number_sequence", max_complexity=4),
    _task("cognition.rectangle_count", "Count rectangles drawn of characters.", max_rectangles=5),
    _task("cognition.rubiks_cube", "Give moves that solve a scrambled cube.", cube_size=4, scramble_steps=5),
    _task(
        "games.boxnet",
        "Plan the moves of arms that carry boxes over a grid to their targets.",
        row_num=9,
        column_num=9,
        box_num=9,
    ),
    _task("games.futoshiki", "Fill a Latin square that obeys inequalities.", board_size=3, difficulty=4),
    _task("games.kakurasu", "Place ones so that their weights add up in rows and columns.", rows=3, cols=3, p_ones=4),
    _task(
        "games.mahjong", "Tell what the last card of a simplified mahjong makes.", name="mahjong_puzzle", num_rounds=4
    ),
    _task("games.maze", "Count the steps of the shortest way through a maze.", dist=4, grid_size=4),
    _task("games.mini_sudoku", "Solve a sudoku of 4 x 4.", empty=5),
    _task("games.rush_hour", "Move cars out of the way of the red one.", moves=4),
    _task("games.sudoku", "Solve a sudoku of 9 x 9.", empty=5),
    _task("games.survo", "Fill a table so that its margins are the sums.", board_size=4, empty=2),
    _task("games.tower_of_hanoi", "Give the moves that bring a tower to another peg.", num_disks=3, num_pegs=3),
    _task(
        "geometry.advanced_geometry",
        "Compute angles, orthocentres and incircles of triangles.",
        min_coord=4,
        max_coord=4,
    ),
    _task("geometry.simple_geometry", "Find the missing angle of a polygon.", sides=4),
    _task(
        "graphs.course_schedule",
        "Tell whether courses with prerequisites can all be taken.",
        num_courses=5,
        num_prerequisites=4,
        cycle_length=4,
    ),
    _task("graphs.family_relationships", "Tell how two members of a family are related.", family_size=9),
    _task(
        "graphs.largest_island",
        "Find the size of the largest island in a grid.",
        rows=4,
        cols=4,
        num_islands=4,
        island_size=4,
    ),
    _task(
        "graphs.path_star", "Find the path between two nodes of a star of paths.", degree=4, node_range=4, path_length=4
    ),
    _task(
        "graphs.quantum_lock", "Find the shortest sequence of buttons that brings a number to a target.", difficulty=10
    ),
    _task("graphs.shortest_path", "Give the shortest way through a grid with walls.", rows=4, cols=4),
    _task(
        "logic.aiw",
        "Count siblings, friends or colleagues: Alice in Wonderland problems.",
        task_type_weights=9,
        num_entities=7,
    ),
    _task("logic.circuit_logic", "Evaluate a circuit of gates drawn of characters.", terms=5, inputs=5),
    _task(
        "logic.knights_knaves",
        "Tell who lies and who does not by what they say.",
        n_people=4,
        depth_constraint=2,
        width_constraint=2,
    ),
    _task("logic.propositional_logic", "Draw a conclusion from premises.", vars=5, statements=5, complexity=5),
    _task("logic.self_reference", "Count the ways in which statements about each other can be true."),
    _task(
        "logic.syllogisms",
        "Tell whether a conclusion follows from two premises.",
        name="syllogism",
        allow_no=2,
        allow_some=3,
        allow_some_not=4,
    ),
    _task("probability.coin_flip", "Find the probability of so many heads or tails.", num_trials=13),
)


# ------------------------------------------------------------------ construction


def _make(task: _Task, values: Mapping[str, Scalar]) -> Simulator:
    from env_registry.symbolic.reasoning_gym_simulator import QuestionSimulator, make_dataset

    return QuestionSimulator(make_dataset(task.module, task.name, values))


FAMILIES: tuple[Family, ...] = tuple(
    Family(
        name=f"reasoning_gym/{task.name}",
        domain=Domain.SYMBOLIC,
        traits=TRAITS,
        axes=tuple(_axis(attribute, levels) for attribute, levels in task.levels.items()),
        make=partial(_make, task),
        horizon=1,
        description=task.description,
        reference_return=1.0,
        source="https://arxiv.org/abs/2505.24760",
        licence="Apache-2.0",
        distribution="reasoning-gym",
        tags=("language", task.module.partition(".")[0]),
    )
    for task in _TASKS
)
