"""The puzzles are those that they are named after: what is known of them holds."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from env_registry.symbolic.puzzles import stream_tasks, streams
from env_registry.symbolic.puzzles.bandit_env import BanditEnv
from env_registry.symbolic.puzzles.code_env import answer
from env_registry.symbolic.puzzles.filling_env import FillingEnv, clues
from env_registry.symbolic.puzzles.graph_env import drawn_graph
from env_registry.symbolic.puzzles.graphs import GRAPHS
from env_registry.symbolic.puzzles.hanoi_env import distances
from env_registry.symbolic.puzzles.lights_env import LightsEnv
from env_registry.symbolic.puzzles.merging_env import MergingEnv
from env_registry.symbolic.puzzles.pegs_env import PegsEnv
from env_registry.symbolic.puzzles.permutations import PUZZLES, TWISTY, inverse, puzzle
from env_registry.symbolic.puzzles.placement_env import PlacementEnv
from env_registry.symbolic.puzzles.stream_tasks import ASK, MEMORY, SERIES, TRANSDUCTIONS, Parameters

# Arrangements that can be reached: known orders of groups, or of their cosets by colours.
ORDERS = {
    ("floppy_1x3x3", 0): 192,
    ("cube_slices", 0): 768,
    ("burnt_pancake", 4): 384,
    ("pancake", 6): 720,
    ("three_cycles", 6): 360,
    ("topspin", 6): 720,
    ("shift_exchange", 6): 720,
    ("riffles", 3): 720,
    ("figure_eight", 4): 5040,
}


@pytest.mark.parametrize(("name", "size"), ORDERS, ids=str)
def test_a_permutation_puzzle_has_as_many_arrangements_as_its_group(name: str, size: int) -> None:
    forward, goal = puzzle(name, size)
    moves = [*forward, *map(inverse, forward)]
    reached, frontier = {goal}, [goal]
    while frontier:
        found = {tuple(row[i] for i in move) for row in frontier for move in moves} - reached
        reached |= found
        frontier = sorted(found)
    assert len(reached) == ORDERS[name, size]


@pytest.mark.parametrize("name", [*PUZZLES, *TWISTY])
def test_moves_are_permutations_that_change_something_and_differ(name: str) -> None:
    for size in (4, 6, 12) if name in PUZZLES else (0,):
        moves, goal = puzzle(name, size)
        assert len(set(moves)) == len(moves) or (name, size) == ("window_reversals", 4)
        for move in moves:
            assert sorted(move) == list(range(len(goal)))
            assert tuple(goal[i] for i in move) != goal


def test_twists_of_the_cube_have_the_orders_that_are_known() -> None:
    moves, goal = puzzle("cube_3x3x3", 0)
    assert (len(moves), len(goal)) == (6, 54)
    once = np.array(moves[0])
    assert (once[once][once][once] == np.arange(54)).all()
    right, up, down = (np.array(move) for move in (moves[1], moves[3], inverse(moves[3])))
    assert {order(right[up]), order(right[down])} == {105, 63}


def order(move: Any) -> int:
    power, times = move, 1
    while (power != np.arange(len(move))).any():
        power, times = power[move], times + 1
    return times


@pytest.mark.parametrize(
    ("moves", "fewest"),
    [("any", [1, 3, 7, 15]), ("neighbours", [2, 8, 26, 80]), ("cyclic", [2, 7, 21, 59])],
)
def test_towers_of_hanoi_need_as_many_moves_as_is_known(moves: str, fewest: list[int]) -> None:
    assert [int(distances(moves, disks, 3, (2,) * disks)[0]) for disks in (1, 2, 3, 4)] == fewest


def test_lights_out_on_five_by_five_has_rank_23() -> None:
    rows = [int("".join(map(str, row)), 2) for row in LightsEnv()._changes.tolist()]
    rank = 0
    while rows:
        pivot = max(rows)
        rows = [min(row, row ^ pivot) for row in rows if row != pivot]
        rows = [row for row in rows if row]
        rank += pivot > 0
    assert rank == 23


@pytest.mark.parametrize(("board", "holes", "jumps"), [("english", 33, 76), ("triangle", 15, 36), ("french", 37, 92)])
def test_peg_boards_have_their_holes_and_jumps(board: str, holes: int, jumps: int) -> None:
    env = PegsEnv(board=board)
    assert (len(env.pegs), env.action_space.n) == (holes, jumps)


def test_the_six_queens_puzzle_has_four_solutions() -> None:
    env = PlacementEnv(piece="queen", size=6)
    env.reset(seed=0)

    def placed(columns: list[int]) -> int:
        if len(columns) == 6:
            return int(env.score() == 1.0)
        found = 0
        for column in range(6):
            square = 6 * len(columns) + column
            env.pieces[square] = True
            if env.score() * 6 == len(columns) + 1:
                found += placed([*columns, column])
            env.pieces[square] = False
        return found

    assert placed([]) == 4


def test_five_queens_cover_the_chess_board_and_no_score_calls_four_enough() -> None:
    env = PlacementEnv(piece="queen", goal="cover", size=8)
    for square in ((0, 4), (1, 2), (4, 3), (5, 1), (3, 5)):
        env.pieces[8 * square[0] + square[1]] = True
    covered = env.score()
    env.pieces[8 * 0 + 4] = False
    assert env.score() < covered <= 1.0


def test_answers_to_guesses_are_those_of_the_games() -> None:
    code = np.array([[0, 0, 1, 2]])
    told = {
        kind: answer(kind, code, [0, 1, 0, 2])[0].tolist()
        for kind in ("pegs", "colours", "marks", "distance", "order", "prefix", "sum")
    }
    assert told == {
        "pegs": [2, 2],
        "colours": [4],
        "marks": [2, 1, 1, 2],
        "distance": [2],
        "order": [1],
        "prefix": [1],
        "sum": [0],
    }
    assert answer("marks", code, [3, 0, 0, 0])[0].tolist() == [0, 2, 1, 0]


def test_a_line_of_2048_merges_each_tile_once() -> None:
    env = MergingEnv()
    env.board = [[1, 1, 1, 1], [2, 1, 1, 0], [0, 1, 0, 1], [3, 0, 3, 1]]
    assert env.tilted(2) == [[2, 2, 0, 0], [2, 2, 0, 0], [2, 0, 0, 0], [4, 1, 0, 0]]
    assert env.tilted(3) == [[0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 0, 2], [0, 0, 4, 1]]


@pytest.mark.parametrize("size", [4, 6, 8])
def test_hidden_sudokus_keep_all_rules(size: int) -> None:
    env = FillingEnv(rule="sudoku", size=size)
    for seed in range(5):
        env.reset(seed=seed)
        units = env.solution.ravel()[env._units]
        assert (np.sort(units, axis=1) == np.arange(1, size + 1)).all()
        assert len(units) == 3 * size


def test_clues_are_those_of_the_puzzles() -> None:
    grid = np.array([[1, 2, 3, 4], [2, 1, 4, 3], [4, 3, 1, 2], [3, 4, 2, 1]])
    assert clues("skyscrapers", grid)[0].tolist() == [[4, 1], [2, 2], [1, 3], [2, 3]]
    assert clues("sandwich", grid)[0].ravel().tolist() == [5, 0, 3, 2]
    assert clues("kropki", grid)[0].tolist() == [[1, 1, 1], [1, 0, 1], [1, 0, 1], [1, 2, 1]]
    assert clues("futoshiki", grid)[0].tolist()[0] == [1, 1, 1]


@pytest.mark.parametrize("kind", GRAPHS)
def test_graphs_are_what_they_are_named_and_in_one_piece(kind: str) -> None:
    for seed, n in product(range(10), (6, 12, 24)):
        joined = drawn_graph(np.random.default_rng(seed), kind, n)
        assert (joined == joined.T).all()
        assert not joined.diagonal().any()
        assert (np.linalg.matrix_power(joined + np.eye(n), n) > 0).all()
        degrees = joined.sum(axis=0)
        if kind == "ring":
            assert set(degrees.tolist()) == {4}
        elif kind == "tree":
            assert degrees.sum() == 2 * (n - 1)
        elif kind == "grid":
            assert degrees.max() <= 4


# ------------------------------------------------------------------ streams


def test_listed_streams_are_those_that_there_are() -> None:
    assert tuple(map(tuple, (stream_tasks.MEMORY, stream_tasks.TRANSDUCTIONS, stream_tasks.SERIES))) == (
        streams.MEMORY,
        streams.TRANSDUCTIONS,
        streams.SERIES,
    )


@pytest.mark.parametrize("name", [*MEMORY, *TRANSDUCTIONS, *SERIES])
def test_every_answer_can_be_given_and_is_not_always_the_same(name: str) -> None:
    task = {**MEMORY, **TRANSDUCTIONS, **SERIES}[name]
    for p in (Parameters(40, 4, 2), Parameters(2, 2, 1), Parameters(16, 16, 8)):
        items = [item for seed in range(8) for item in task(np.random.default_rng(seed), p)]
        answers = {answer for _, cue, answer in items if cue == ASK}
        assert answers <= set(range(p.symbols + 1))
        assert len(answers) > 1 or (name, p.length) == ("count", 40)  # of four symbols some are more than four of forty
        assert all(answer == -1 for _, cue, answer in items if cue != ASK)


def answers_of(name: str, x: list[int], symbols: int, window: int = 2) -> list[int]:
    class Given:
        def integers(self, *_: Any, size: int) -> Any:
            return np.array(x)

    task = TRANSDUCTIONS[name]
    return [item.answer for item in task(Given(), Parameters(len(x), symbols, window))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "x", "wanted"),
    [
        ("sum", [3, 3, 1, 2], [3, 2, 3, 1]),
        ("bracket_depth", [0, 0, 1, 1, 1, 2], [1, 2, 1, 0, 0, 1]),
        ("stack_top", [3, 1, 0, 2, 0, 0, 0], [3, 1, 3, 2, 3, 0, 0]),
        ("queue_front", [3, 1, 0, 2, 0, 0, 0], [3, 3, 1, 1, 2, 0, 0]),
        ("addition", [15, 15, 0, 4], [2, 3, 1, 1]),  # 33 + 33 in base 4, from the lowest digit, then 0 + 0, 1 + 0
        ("subtraction", [1, 0, 4], [3, 3, 0]),  # 100 - 001 in base 4
        ("tripling", [3, 1, 0], [1, 1, 1]),
        ("remainder", [1, 3, 2], [1, 2, 0]),  # 132 in base 4, modulo 5
        ("comparison", [5, 4, 1], [0, 1, 1]),
        ("run_length", [2, 2, 2, 1, 1], [1, 2, 3, 1, 2]),
        ("steps_since_seen", [1, 2, 1, 1, 2], [0, 0, 2, 1, 3]),
        ("maximum", [1, 3, 0, 0, 0], [1, 3, 3, 3, 0]),
        ("different_so_far", [1, 1, 2, 3, 3], [1, 1, 2, 3, 3]),
        ("permutation", [1, 1, 0, 0, 0, 1], [1, 0, 1, 2, 0, 1]),
    ],
)
def test_transductions_answer_what_their_names_say(name: str, x: list[int], wanted: list[int]) -> None:
    assert answers_of(name, x, 4) == wanted


# ------------------------------------------------------------------ bandits


@pytest.mark.parametrize(
    ("kind", "mean"),
    [
        ("bernoulli", 0.5),
        ("gaussian", 0.5),
        ("heavy_tailed", 0.5),
        ("rotting", 0.0),
        ("rising", 0.5),
        ("sleeping", 0.35),
    ],
)
def test_arms_pay_on_average_what_the_law_says(kind: str, mean: float) -> None:
    env = BanditEnv(kind=kind, gap=0.0, rate=0.1)
    env.reset(seed=0)
    paid = [env.step(np.int64(0))[1] for _ in range(6000)]
    assert np.mean(paid[100:]) == pytest.approx(mean, abs=0.06)
