"""Permutation puzzles: pieces that named moves permute, to be brought back into order.

Owns which puzzles there are and the permutations that their moves are; the dynamics are in `permutation_env`. A move is
a tuple p: position i then holds what position p[i] held.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations, permutations, product

from env_registry.shorthand import probability, task
from env_registry.symbolic.puzzles.shorthand import COMMON, count, family, switch

TIME_LIMIT = 150  # steps

Move = tuple[int, ...]
Point = tuple[int, int, int]


# ------------------------------------------------------------------ building blocks


def cycle(pieces: int, positions: Sequence[int]) -> Move:
    """Every position in the list gets what the next one held."""
    move = list(range(pieces))
    for here, there in zip(positions, [*positions[1:], positions[0]], strict=True):
        move[here] = there
    return tuple(move)


def replaced(pieces: int, positions: Sequence[int], sources: Sequence[int]) -> Move:
    move = list(range(pieces))
    for position, source in zip(positions, sources, strict=True):
        move[position] = source
    return tuple(move)


def reversal(pieces: int, start: int, end: int) -> Move:
    """The segment [start, end) turned round."""
    return replaced(pieces, range(start, end), range(end - 1, start - 1, -1))


def inverse(move: Move) -> Move:
    return tuple(sorted(range(len(move)), key=move.__getitem__))


def swaps(pieces: int, pairs: Iterable[tuple[int, int]]) -> list[Move]:
    return [cycle(pieces, pair) for pair in pairs]


# ------------------------------------------------------------------ rows of pieces


def _prefix_reversals(n: int) -> list[Move]:
    return [reversal(n, 0, k) for k in range(2, n + 1)]


def _burnt_pancakes(n: int) -> list[Move]:
    """A pancake is two neighbouring positions, its sides: turning a stack round turns every pancake over, too."""
    return [reversal(2 * n, 0, 2 * k) for k in range(1, n + 1)]


def _block_swaps(n: int) -> list[Move]:
    return [replaced(n, range(i, k), [*range(j, k), *range(i, j)]) for i, j, k in combinations(range(n + 1), 3)]


def _insertions(n: int) -> list[Move]:
    forward = [cycle(n, range(i, j + 1)) for i, j in combinations(range(n), 2)]
    return list(dict.fromkeys([*forward, *map(inverse, forward)]))


def _windows(n: int, size: int) -> list[Move]:
    return [replaced(n, ring, ring[::-1]) for ring in ([(i + k) % n for k in range(size)] for i in range(n))]


def _riffles(half: int) -> list[Move]:
    """Out- and in-shuffle of 2n cards, and exchanging the top two."""
    out = [card for pair in zip(range(half), range(half, 2 * half), strict=True) for card in pair]
    inside = [card for pair in zip(range(half, 2 * half), range(half), strict=True) for card in pair]
    return [tuple(out), tuple(inside), cycle(2 * half, (0, 1))]


# ------------------------------------------------------------------ rings


def _rings(beads: int, shared: Sequence[tuple[int, int, int, int]], rings: int) -> list[Move]:
    """Rings of beads; (a, i, b, j) says that place i of ring a is place j of ring b."""
    names: dict[tuple[int, int], tuple[int, int]] = {(b, j): (a, i) for a, i, b, j in shared}
    own = [(ring, place) for ring in range(rings) for place in range(beads) if (ring, place) not in names]
    number = {place: index for index, place in enumerate(own)}
    return [
        cycle(len(own), [number[names.get((ring, place), (ring, place))] for place in range(beads)])
        for ring in range(rings)
    ]


# ------------------------------------------------------------------ squares of pieces


def _lines(side: int) -> list[list[int]]:
    rows = [[side * r + c for c in range(side)] for r in range(side)]
    return [*rows, *(list(column) for column in zip(*rows, strict=True))]


def _turned_blocks(side: int, block: int) -> list[Move]:
    """Every square block of the grid, turned by a quarter."""
    corners = product(range(side - block + 1), repeat=2)
    places = [(r, c) for r, c in product(range(block), repeat=2)]
    return [
        replaced(
            side * side,
            [side * (top + r) + left + c for r, c in places],
            [side * (top + block - 1 - c) + left + r for r, c in places],
        )
        for top, left in corners
    ]


PUZZLES: Mapping[str, Callable[[int], list[Move]]] = {
    "pancake": _prefix_reversals,
    "two_ended_pancake": lambda n: [*_prefix_reversals(n), *(reversal(n, k, n) for k in range(1, n - 1))],
    "burnt_pancake": _burnt_pancakes,
    "reversals": lambda n: [reversal(n, i, j + 1) for i, j in combinations(range(n), 2)],
    "signed_reversals": lambda n: [reversal(2 * n, 2 * i, 2 * j) for i, j in combinations(range(n + 1), 2)],
    "window_reversals": lambda n: _windows(n, 4),
    "adjacent_swaps": lambda n: swaps(n, zip(range(n), range(1, n), strict=False)),
    "ring_swaps": lambda n: swaps(n, ((i, (i + 1) % n) for i in range(n))),
    "star_swaps": lambda n: swaps(n, ((0, i) for i in range(1, n))),
    "tree_swaps": lambda n: swaps(n, (((i - 1) // 2, i) for i in range(1, n))),
    "bipartite_swaps": lambda n: swaps(n, product(range(n // 2), range(n // 2, n))),
    "any_swaps": lambda n: swaps(n, combinations(range(n), 2)),
    "prefix_rotations": lambda n: [cycle(n, range(k)) for k in range(2, n + 1)],
    "insertions": _insertions,
    "block_swaps": _block_swaps,
    "topspin": lambda n: [cycle(n, range(n)), reversal(n, 0, 4)],
    "shift_exchange": lambda n: [cycle(n, range(n)), cycle(n, (0, 1))],
    "three_cycles": lambda n: [cycle(n, (i, i + 1, i + 2)) for i in range(n - 2)],
    "riffles": _riffles,
    "hungarian_rings": lambda n: _rings(n, ((0, 0, 1, 0), (0, n // 3, 1, n // 3)), 2),
    "figure_eight": lambda n: _rings(n, ((0, 0, 1, 0),), 2),
    "ring_chain": lambda n: _rings(n, ((0, 0, 1, 0), (1, n // 2, 2, 0)), 3),
    "ring_triangle": lambda n: _rings(n, ((0, 0, 1, 0), (1, n // 2, 2, 0), (0, n // 2, 2, n // 2)), 3),
    "loopover": lambda n: [cycle(n * n, line) for line in _lines(n)],
    "line_reversals": lambda n: [replaced(n * n, line, line[::-1]) for line in _lines(n)],
    "turned_blocks_2": lambda n: _turned_blocks(n, 2),
    "turned_blocks_3": lambda n: _turned_blocks(n, 3),
}


# ------------------------------------------------------------------ twisty puzzles

Sticker = tuple[Point, Point]  # where its piece is, in half units, and where it looks
Matrix = tuple[Point, Point, Point]
Twisty = tuple[list[Move], list[int]]

_AXES: tuple[Point, ...] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
_FACES: tuple[Point, ...] = (*_AXES, (-1, 0, 0), (0, -1, 0), (0, 0, -1))
_CORNERS: tuple[Point, ...] = tuple((x, y, z) for x, y, z in product((1, -1), repeat=3))


def _dot(one: Point, other: Point) -> int:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _times(matrix: Matrix, point: Point) -> Point:
    x, y, z = (_dot(row, point) for row in matrix)
    return x, y, z


def _rotations() -> Iterator[Matrix]:
    """The 24 rotations of a cube."""
    for order in permutations(range(3)):
        for signs in _CORNERS:
            rows = [tuple(signs[i] * (k == order[i]) for k in range(3)) for i in range(3)]
            (a, b, c), (d, e, f), (g, h, i) = rows
            if a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g) == 1:
                yield (a, b, c), (d, e, f), (g, h, i)


_TRACES = {2: -1, 3: 0, 4: 1}  # of a rotation by a turn's second, third and fourth part


def _rotation(axis: Point, order: int) -> Matrix:
    """A rotation about the axis by a turn's `order`-th part: one of the two, always the same."""
    about = (matrix for matrix in _rotations() if _times(matrix, axis) == axis)
    return next(matrix for matrix in about if sum(matrix[k][k] for k in range(3)) == _TRACES[order])


def _twist(stickers: Sequence[Sticker], axis: Point, order: int, layers: Container[int]) -> Move:
    """A turn about the axis of all pieces whose height along it is one of those."""
    matrix = _rotation(axis, order)
    number = {sticker: index for index, sticker in enumerate(stickers)}
    move = list(range(len(stickers)))
    for index, (place, looks) in enumerate(stickers):
        if _dot(place, axis) in layers:
            move[number[_times(matrix, place), _times(matrix, looks)]] = index
    return tuple(move)


def _cuboid(*sides: int, half_turns: bool = False, keep: Callable[[Point, int], bool] | None = None) -> Twisty:
    """A box of cubes whose layers turn, by halves where the layer is no square. `keep` picks layers (axis, place)."""
    spans = [range(1 - side, side, 2) for side in sides]
    stickers = [
        ((x, y, z), face)
        for x, y, z in product(*spans)
        for face in _FACES
        if all(f == 0 or p == f * (side - 1) for p, f, side in zip((x, y, z), face, sides, strict=True))
    ]
    moves = []
    for k, axis in enumerate(_AXES):
        square = len({side for i, side in enumerate(sides) if i != k}) == 1
        for layer in spans[k]:
            fixed = layer == 0 if sides[k] % 2 else layer == 1 - sides[k]
            if keep(axis, layer) if keep else not fixed:
                order = 4 if square and not half_turns else 2
                moves.append(_twist(stickers, axis, order, (layer,)))
    return moves, [_FACES.index(looks) for _, looks in stickers]


def _normals(place: Point) -> list[Point]:
    return [(x, y, z) for x, y, z in _FACES if _dot((x, y, z), place) == max(map(abs, place))]


def _corner_turned(places: Sequence[Point], axes: Sequence[Point], lowest: int) -> Twisty:
    """Pieces of a cube, which turn about its corners if they are at least so high along them."""
    stickers = [(place, face) for place in places for face in _normals(place)]
    moves = [_twist(stickers, axis, 3, range(lowest, 4)) for axis in axes]
    return moves, [_FACES.index(looks) for _, looks in stickers]


_EDGES: tuple[Point, ...] = tuple(
    (x, y, z) for x, y, z in product((1, 0, -1), repeat=3) if abs(x) + abs(y) + abs(z) == 2
)
_TETRAHEDRON: tuple[Point, ...] = tuple(corner for corner in _CORNERS if corner[0] * corner[1] * corner[2] == 1)


def _pyramid() -> Twisty:
    """Four corners and six edges of a tetrahedron; a face is named by the corner opposite to it."""
    corners = [(corner, face) for corner in _TETRAHEDRON for face in _TETRAHEDRON if face != corner]
    edges = [(edge, face) for edge in _FACES for face in _TETRAHEDRON if _dot(edge, face) < 0]
    stickers = [*corners, *edges]
    moves = [_twist(stickers, axis, 3, range(1, 4)) for axis in _TETRAHEDRON]
    return moves, [_TETRAHEDRON.index(looks) for _, looks in stickers]


TWISTY: Mapping[str, Callable[[], Twisty]] = {
    "cube_2x2x2": lambda: _cuboid(2, 2, 2),
    "cube_3x3x3": lambda: _cuboid(3, 3, 3),
    "cube_4x4x4": lambda: _cuboid(4, 4, 4),
    "floppy_1x3x3": lambda: _cuboid(1, 3, 3),
    "tower_2x2x3": lambda: _cuboid(2, 2, 3),
    "domino_2x3x3": lambda: _cuboid(2, 3, 3),
    "brick_2x3x4": lambda: _cuboid(2, 3, 4),
    "cube_half_turns": lambda: _cuboid(3, 3, 3, half_turns=True),
    "cube_slices": lambda: _cuboid(3, 3, 3, keep=lambda axis, layer: layer == 0),
    "cube_two_faces": lambda: _cuboid(3, 3, 3, keep=lambda axis, layer: layer == 2 and axis != (0, 0, 1)),
    "cube_three_faces": lambda: _cuboid(3, 3, 3, keep=lambda axis, layer: layer == 2),
    "skewb": lambda: _corner_turned([*_CORNERS, *_FACES], _TETRAHEDRON, 1),
    "dino_cube": lambda: _corner_turned(_EDGES, _CORNERS, 2),
    "redi_cube": lambda: _corner_turned([*_CORNERS, *_EDGES], _CORNERS, 2),
    "pyramid": _pyramid,
}


@cache
def puzzle(name: str, size: int) -> tuple[tuple[Move, ...], tuple[int, ...]]:
    """The forward moves of a puzzle and what its positions show when all is in order."""
    if name in TWISTY:
        moves, faces = TWISTY[name]()
        return tuple(moves), tuple(faces)
    rows = tuple(PUZZLES[name](size))
    return rows, tuple(range(len(rows[0])))


# ------------------------------------------------------------------ families

_DISTURBANCES = (
    count("scramble", 8, 1, 100, (2, 4, 20, 50), "moves", "random moves that scramble the puzzle"),
    count("colours", 999, 2, 999, (2, 3), "colours", "most colours that tell pieces apart"),
    switch("one_way", "whether moves have no inverses among the actions", shapes=True),
    probability("jam", (0.1, 0.3), "probability that a move fails"),
    probability("drift", (0.05, 0.2), "probability that a random move follows"),
)
_SOURCE = "https://en.wikipedia.org/wiki/Permutation_puzzle; Joyner, Adventures in Group Theory (2008)"

FAMILIES = (
    family(
        "permutation",
        "permutation_env:PermutationEnv",
        (
            task("puzzle", tuple(PUZZLES), "which moves there are"),
            count("size", 6, 4, 12, (4, 9), "pieces", "pieces along the puzzle's row, ring or side", shapes=True),
            *_DISTURBANCES,
            *COMMON,
        ),
        time_limit=TIME_LIMIT,
        description="Bring scrambled pieces back into order with the moves that a puzzle has.",
        source=_SOURCE,
        tags=("permutation", "planning"),
    ),
    family(
        "twisty",
        "permutation_env:PermutationEnv",
        (task("puzzle", tuple(TWISTY), "which solid and which of its twists"), *_DISTURBANCES, *COMMON),
        time_limit=TIME_LIMIT,
        description="Bring the stickers of a twisted solid back to one colour a face.",
        source=_SOURCE,
        tags=("permutation", "planning"),
    ),
)
