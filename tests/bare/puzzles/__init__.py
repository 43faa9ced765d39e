"""Second, independent implementations of the puzzles, in plain Python: piece by piece, cell by cell.

Only the order of random draws and of actions is shared with what they are held against; each environment's module
states it. They know the default task of each family, and of the others what is said again in a few lines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.bare.puzzles.boards import Blocks, Hanoi, Lights, Merging, Mines, Pegs, PocketCube, Row, Sliding
from tests.bare.puzzles.graphs import Chase, Colouring, Subset
from tests.bare.puzzles.numbers import Bandit, Code, Filling, Packing, Picture, Queens, Scheduling, Stream
from tests.bare.puzzles.walks import Maze, Sokoban, Tour

BARE: dict[str, Callable[..., Any]] = {
    "puzzles/permutation": Row,
    "puzzles/twisty": PocketCube,
    "puzzles/lights_out": Lights,
    "puzzles/sliding_tiles": Sliding,
    "puzzles/peg_solitaire": Pegs,
    "puzzles/hanoi": Hanoi,
    "puzzles/blocks_world": Blocks,
    "puzzles/merging": Merging,
    "puzzles/minesweeper": Mines,
    "puzzles/maze": Maze,
    "puzzles/sokoban": Sokoban,
    "puzzles/tour": Tour,
    "puzzles/memory": lambda **values: Stream("copy", **values),
    "puzzles/transduction": lambda **values: Stream("sum", **{"length": 40, **values}),
    "puzzles/series": lambda **values: Stream("arithmetic", **{"length": 40, "symbols": 6, **values}),
    "puzzles/bandit": Bandit,
    "puzzles/code_breaking": Code,
    "puzzles/filling": Filling,
    "puzzles/packing": Packing,
    "puzzles/picture": Picture,
    "puzzles/placement": Queens,
    "puzzles/scheduling": Scheduling,
    "puzzles/graph_subset": Subset,
    "puzzles/graph_colouring": Colouring,
    "puzzles/graph_chase": Chase,
}
