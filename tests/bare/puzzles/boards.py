"""Rows, cubes, boards, towers and stacks."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from tests.bare.puzzles.reference import Puzzle

Listing = list[Callable[[list[Any]], list[Any]]]


def _turned(k: int) -> Callable[[list[Any]], list[Any]]:
    return lambda row: row[:k][::-1] + row[k:]


def _segment(i: int, j: int) -> Callable[[list[Any]], list[Any]]:
    return lambda row: row[:i] + row[i:j][::-1] + row[j:]


def _swapped(i: int, j: int) -> Callable[[list[Any]], list[Any]]:
    return lambda row: [row[{i: j, j: i}.get(k, k)] for k in range(len(row))]


MOVES: dict[str, Callable[[int], Listing]] = {
    "pancake": lambda n: [_turned(k) for k in range(2, n + 1)],
    "reversals": lambda n: [_segment(i, j) for i in range(n) for j in range(i + 2, n + 1)],
    "adjacent_swaps": lambda n: [_swapped(i, i + 1) for i in range(n - 1)],
    "star_swaps": lambda n: [_swapped(0, i) for i in range(1, n)],
    "topspin": lambda n: [
        lambda row: row[1:] + row[:1],
        lambda row: row[3::-1] + row[4:],
        lambda row: row[-1:] + row[:-1],
    ],
    "burnt_pancake": lambda n: [_turned(2 * k) for k in range(1, n + 1)],
}


class Row(Puzzle):
    def __init__(self, puzzle: str = "pancake", size: int = 6, scramble: int = 8, **common: Any) -> None:
        super().__init__(**common)
        pieces = 2 * size if puzzle == "burnt_pancake" else size
        self.moves, self.home, self.scramble = MOVES[puzzle](size), list(range(pieces)), scramble
        self.high, self.actions = pieces - 1, len(self.moves)

    def begin(self) -> None:
        self.row, made = self.home, 0
        while made < self.scramble or self.row == self.home:
            self.row = self.any_of(self.moves)(self.row)
            made += 1

    def do(self, action: int) -> bool:
        self.row = self.moves[action](self.row)
        return True

    def share(self) -> Fraction:
        return Fraction(sum(a == b for a, b in zip(self.row, self.home, strict=True)), len(self.home))

    def look(self) -> Any:
        return self.row


class PocketCube(Row):
    """Stickers by the corner that they are on (-1 or 1 each way) and the axis that they look along."""

    def __init__(self, scramble: int = 8, **common: Any) -> None:
        super().__init__(scramble=scramble, **common)
        corners = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
        # a sticker's name, in the order in which they are seen: sides x, y, z from above, then from below
        self.names = [(c, axis) for c in corners for sign in (1, -1) for axis in range(3) if c[axis] == sign]
        self.home = [axis if c[axis] == 1 else axis + 3 for c, axis in self.names]
        forward = [self.quarter(axis, 1) for axis in range(3)]
        self.moves = forward + [self.quarter(axis, -1) for axis in range(3)]
        self.high, self.actions = 5, 6

    def quarter(self, about: int, sign: int) -> Callable[[list[Any]], list[Any]]:
        """The layer at 1 along an axis turns: of the other two, in order, the first becomes what the second was."""
        one, other = (axis for axis in range(3) if axis != about)

        def turn(shown: list[Any]) -> list[Any]:
            colours = dict(zip(self.names, shown, strict=True))
            new = dict(colours)
            for (corner, axis), colour in colours.items():
                if corner[about] == 1:
                    to = list(corner)
                    to[one], to[other] = (corner[other], -corner[one]) if sign == 1 else (-corner[other], corner[one])
                    new[(to[0], to[1], to[2]), {one: other, other: one}.get(axis, axis)] = colour
            return [new[name] for name in self.names]

        return turn


class Lights(Puzzle):
    PLUS = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
    RULES = {  # noqa: RUF012
        "plus": PLUS,
        "diagonal": ((0, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)),
        "ring": tuple((r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if r or c),
        "knight": ((0, 0), *((r, c) for r in range(-2, 3) for c in range(-2, 3) if r * r + c * c == 5)),
    }

    def __init__(self, rule: str = "plus", size: int = 5, states: int = 2, scramble: int = 6, **common: Any) -> None:
        super().__init__(**common)
        name, _, self.kind = rule.partition(".")
        self.shape, self.size, self.states, self.scramble = self.RULES[name], size, states, scramble
        self.high, self.actions = states - 1, size * size
        self.cells = [(r, c) for r in range(size) for c in range(size)]

    def press(self, cell: tuple[int, int], times: int) -> None:
        places = {(cell[0] + down, cell[1] + right) for down, right in self.shape}
        if self.kind == "torus":
            places = {(r % self.size, c % self.size) for r, c in places}
        for place in places & self.lit.keys():
            self.lit[place] = (self.lit[place] + times) % self.states

    def begin(self) -> None:
        self.lit, made = dict.fromkeys(self.cells, 0), 0
        while made < self.scramble or not any(self.lit.values()):
            able = [c for c in self.cells if self.kind != "lit_only" or (self.lit[c] - 1) % self.states]
            if not able:
                break
            self.press(self.any_of(able), -1)
            made += 1

    def do(self, action: int) -> bool:
        cell = self.cells[action]
        if self.kind == "lit_only" and not self.lit[cell]:
            return False
        self.press(cell, 1)
        return True

    def share(self) -> Fraction:
        return Fraction(list(self.lit.values()).count(0), len(self.cells))

    def look(self) -> Any:
        return [[self.lit[r, c] for c in range(self.size)] for r in range(self.size)]


class Sliding(Puzzle):
    WAYS = ((-1, 0), (1, 0), (0, -1), (0, 1))

    def __init__(
        self, board: str = "grid", goal: str = "all", width: int = 3, height: int = 4, scramble: int = 20, **common: Any
    ) -> None:
        super().__init__(**common)
        self.board, self.goal, self.width, self.height, self.scramble = board, goal, width, height, scramble
        self.high, self.actions = width * height - 1, 4
        self.home = {(r, c): r * width + c + 1 for r in range(height) for c in range(width)}
        self.home[height - 1, width - 1] = 0

    def target(self, way: tuple[int, int]) -> tuple[int, int] | None:
        r, c = self.gap[0] + way[0], self.gap[1] + way[1]
        if self.board == "strip" and c not in range(self.width):
            r = self.height - 1 - r
        if self.board != "grid":
            c %= self.width
        if self.board == "torus":
            r %= self.height
        return (r, c) if (r, c) in self.tiles else None

    def slide(self, way: tuple[int, int]) -> bool:
        there = self.target(way)
        if there is None:
            return False
        self.tiles[self.gap], self.tiles[there] = self.tiles[there], 0
        self.gap = there
        return True

    def begin(self) -> None:
        self.tiles, self.gap, made = dict(self.home), (self.height - 1, self.width - 1), 0
        while made < self.scramble or self.share() == 1:
            self.slide(self.any_of([way for way in self.WAYS if self.target(way)]))
            made += 1

    def do(self, action: int) -> bool:
        return self.slide(self.WAYS[action])

    def share(self) -> Fraction:
        where = {tile: place for place, tile in self.tiles.items() if tile}
        belongs = {tile: place for place, tile in self.home.items() if tile}
        if self.goal == "rows":
            right = [where[tile][0] == belongs[tile][0] for tile in where]
        elif self.goal == "first_row":
            right = [where[tile] == belongs[tile] for tile in range(1, self.width + 1)]
        else:
            right = [where[tile] == belongs[tile] for tile in where]
        return Fraction(sum(right), len(right))

    def look(self) -> Any:
        return [[self.tiles[r, c] for c in range(self.width)] for r in range(self.height)]


class Pegs(Puzzle):
    """The English board, or the triangle, drawn against a left edge."""

    BOARDS = {  # noqa: RUF012
        "english": ([(r, c) for r in range(7) for c in range(7) if 2 <= r <= 4 or 2 <= c <= 4], (3, 3), 2),
        "triangle": ([(r, c) for r in range(5) for c in range(r + 1)], (2, 1), 3),
    }

    def __init__(self, board: str = "english", goal: str = "one_left", jumps: int = 8, **common: Any) -> None:
        super().__init__(**common)
        self.holes, self.middle, lines = self.BOARDS[board]
        self.goal, self.depth, self.high = goal, jumps, 2
        self.jumps = []
        for r, c in self.holes:
            for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, -1))[: 2 * lines]:
                over, there = (r + down, c + right), (r + 2 * down, c + 2 * right)
                if over in self.holes and there in self.holes:
                    self.jumps.append(((r, c), over, there))
        self.actions = len(self.jumps)

    def begin(self) -> None:
        self.pegs = {self.middle if self.goal == "middle" else self.any_of(self.holes)}
        for _ in range(self.depth):
            able = [(a, b, c) for a, b, c in self.jumps if c in self.pegs and not {a, b} & self.pegs]
            if not able:
                break
            here, over, there = self.any_of(able)
            self.pegs = self.pegs - {there} | {here, over}
        self.at_start = len(self.pegs)

    def can(self, jump: Any) -> bool:
        return {jump[0], jump[1]} <= self.pegs and jump[2] not in self.pegs

    def do(self, action: int) -> bool:
        here, over, there = self.jumps[action]
        if not self.can(self.jumps[action]):
            return False
        self.pegs = self.pegs - {here, over} | {there}
        return True

    def share(self) -> Fraction:
        done = self.pegs == {self.middle} if self.goal == "middle" else len(self.pegs) == 1
        return Fraction(self.at_start - len(self.pegs) + done, self.at_start)

    def stuck(self) -> bool:
        return not any(map(self.can, self.jumps))

    def look(self) -> Any:
        side = 1 + max(r for r, _ in self.holes)
        return [[((r, c) in self.holes) + ((r, c) in self.pegs) for c in range(side)] for r in range(side)]


class Hanoi(Puzzle):
    ALLOWED = {  # noqa: RUF012
        "any": ("01", "02", "10", "12", "20", "21"),
        "cyclic": ("01", "12", "20"),
        "cyclic_and_back": ("01", "10", "12", "20"),
        "one_barred": ("01", "10", "12", "20", "21"),
        "neighbours": ("01", "10", "12", "21"),
    }

    def __init__(self, moves: str = "any", goal: str = "gather", disks: int = 4, **common: Any) -> None:
        super().__init__(**common)
        self.moves, self.goal, self.count = self.ALLOWED[moves], goal, disks
        self.high, self.actions = 2, len(self.moves)

    def begin(self) -> None:
        places, wanted = [0] * self.count, [2] * self.count
        if self.goal == "exchange":
            places, wanted = [2 * (d % 2) for d in range(self.count)], [2 - 2 * (d % 2) for d in range(self.count)]
        if self.goal in ("gather", "arrange"):
            while True:
                places = self.rng.integers(3, size=self.count, dtype="int16").tolist()
                if self.goal == "arrange":
                    wanted = self.rng.integers(3, size=self.count, dtype="int16").tolist()
                if places != wanted:
                    break
        self.wanted = wanted
        self.pegs = [[disk for disk in range(self.count)[::-1] if places[disk] == peg] for peg in range(3)]

    def do(self, action: int) -> bool:
        here, there = (self.pegs[int(peg)] for peg in self.moves[action])
        if not here or (there and there[-1] < here[-1]):
            return False
        there.append(here.pop())
        return True

    def places(self) -> list[int]:
        return [next(peg for peg in range(3) if disk in self.pegs[peg]) for disk in range(self.count)]

    def share(self) -> Fraction:
        return Fraction(sum(a == b for a, b in zip(self.places(), self.wanted, strict=True)), self.count)

    def look(self) -> Any:
        return [self.places(), self.wanted]


class Blocks(Puzzle):
    low = -1

    def __init__(
        self,
        crane: str = "free",
        goal: str = "tower",
        blocks: int = 4,
        places: int = 4,
        scramble: int = 10,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        reach = {"free": places, "neighbours": 1}[crane]
        self.moves = [(a, b) for a in range(places) for b in range(places) if 0 < abs(a - b) <= reach]
        self.goal, self.blocks, self.places, self.scramble = goal, blocks, places, scramble
        self.high, self.actions = blocks, len(self.moves)

    def begin(self) -> None:
        self.stacks: list[list[int]] = [[] for _ in range(self.places)]
        if self.goal == "tower":
            self.stacks[0] = list(range(1, self.blocks + 1))
        else:
            for block in self.mixed(range(1, self.blocks + 1)):
                self.any_of(self.stacks).append(block)
        self.wanted = [tuple(stack) for stack in self.stacks]
        made = 0
        while made < self.scramble or self.share() == 1:
            able = [(a, b) for a, b in self.moves if self.stacks[a]]
            here, there = self.any_of(able)
            self.stacks[there].append(self.stacks[here].pop())
            made += 1

    def do(self, action: int) -> bool:
        here, there = (self.stacks[place] for place in self.moves[action])
        if not here:
            return False
        there.append(here.pop())
        return True

    def share(self) -> Fraction:
        spots = {(p, h): block for p, stack in enumerate(self.wanted) for h, block in enumerate(stack)}
        right = sum(spots.get((p, h)) == block for p, stack in enumerate(self.stacks) for h, block in enumerate(stack))
        return Fraction(right, self.blocks)

    def look(self) -> Any:
        def picture(stacks: Any) -> Any:
            return [[*stack, *[0] * (self.blocks - len(stack))] for stack in stacks]

        return [picture(self.stacks), picture(self.wanted if self.goal == "match" else [()] * self.places)]


class Merging(Puzzle):
    limit = 300

    def __init__(self, tiles: str = "twins", goal: int = 9, **common: Any) -> None:
        super().__init__(**common)
        self.fibonacci, self.goal, self.high, self.actions = tiles == "fibonacci", goal, 20, 4

    def begin(self) -> None:
        self.board: dict[tuple[int, int], int] = {}
        for _ in range(2):
            self.add()

    def add(self) -> None:
        free = [(r, c) for r in range(4) for c in range(4) if (r, c) not in self.board]
        place = self.any_of(free)
        self.board[place] = 2 if self.rng.random() < 0.1 else 1

    def pair(self, a: int, b: int) -> int:
        if self.fibonacci:
            return max(a, b) + 1 if abs(a - b) == 1 else 2 if a == b == 1 else 0
        return a + 1 if a == b else 0

    def tilted(self, action: int) -> dict[tuple[int, int], int]:
        down, right = ((-1, 0), (1, 0), (0, -1), (0, 1))[action]
        board: dict[tuple[int, int], int] = {}
        merged = set()
        for place in sorted(self.board, key=lambda p: -(p[0] * down + p[1] * right)):
            tile, (r, c) = self.board[place], place
            while 0 <= r + down < 4 and 0 <= c + right < 4 and (r + down, c + right) not in board:
                r, c = r + down, c + right
            ahead = (r + down, c + right)
            if ahead in board and ahead not in merged and self.pair(board[ahead], tile):
                board[ahead] = self.pair(board[ahead], tile)
                merged.add(ahead)
            else:
                board[r, c] = tile
        return board

    def do(self, action: int) -> bool:
        after = self.tilted(action)
        if after == self.board:
            return False
        self.board = after
        self.add()
        return True

    def share(self) -> Fraction:
        return min(Fraction(max(self.board.values()) - 1, self.goal - 1), Fraction(1))

    def stuck(self) -> bool:
        return all(self.tilted(action) == self.board for action in range(4))

    def look(self) -> Any:
        return [[self.board.get((r, c), 0) for c in range(4)] for r in range(4)]


class Mines(Puzzle):
    low = -1

    def __init__(self, neighbours: str = "king", clue: str = "count", size: int = 6, **common: Any) -> None:
        super().__init__(**common)
        self.near = {
            "king": lambda r, c: max(abs(r), abs(c)) == 1,
            "plus": lambda r, c: abs(r) + abs(c) == 1,
            "knight": lambda r, c: {abs(r), abs(c)} == {1, 2},
        }[neighbours]
        self.nearest, self.size, self.high, self.actions = clue == "nearest", size, size * size + 1, size * size
        self.cells = [(r, c) for r in range(size) for c in range(size)]

    def begin(self) -> None:
        self.mines = set(self.mixed(self.cells)[: round(0.15 * len(self.cells))])
        self.opened: set[tuple[int, int]] = set()
        self.boom = False

    def do(self, action: int) -> bool:
        cell = self.cells[action]
        if cell in self.opened:
            return False
        self.boom = cell in self.mines
        self.opened |= {cell} - self.mines
        return True

    def share(self) -> Fraction:
        return Fraction(len(self.opened), len(self.cells) - len(self.mines))

    def stuck(self) -> bool:
        return self.boom

    def clue(self, cell: tuple[int, int]) -> int:
        def around(cells: set[tuple[int, int]]) -> set[tuple[int, int]]:
            return {d for c in cells for d in self.cells if self.near(d[0] - c[0], d[1] - c[1])}

        if not self.nearest:
            return len(around({cell}) & self.mines)
        reached, steps = {cell}, 0
        while not reached & self.mines:
            wider = reached | around(reached)
            if wider == reached:
                return len(self.cells)
            reached, steps = wider, steps + 1
        return steps

    def look(self) -> Any:
        return [
            [self.clue((r, c)) if (r, c) in self.opened else -1 for c in range(self.size)] for r in range(self.size)
        ]
