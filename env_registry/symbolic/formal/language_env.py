"""Words of a hidden language, symbol by symbol, as Gymnasium environments.

Dynamics. An automaton (see `automata`) reads symbols 0 to k - 1; k stands for the end of a word. Symbols are drawn with
odds `tilt` of each to the one before it, among those from which a word of the language can still be reached, if any.
Where the word so far belongs to the language it ends with probability `end`, and always where it cannot go on.

Random draws: at the start the names of symbols; in a step whether the action slips and to which; then for every symbol
whether the word ends, whether a foreign one is drawn, and which; then whether it is seen wrong, and as which.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from env_registry.symbolic.formal.automata import automaton

Seen = NDArray[np.int64]


class LanguageEnv(gymnasium.Env[Seen, np.int64]):
    """Reward 1 for what is right, `mistake` for what is wrong.

    Observation: the latest `window` symbols, k where a word ended or before the first, the newest last; then, where
    there is one, the phase; with `show_state` then the automaton's state. Episodes have no end of their own.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  # as Gymnasium declares it

    phases = 0  # how many values the phase has, if the agent is to see it

    def __init__(
        self,
        *,
        language: str = "tomita2",
        depth: int = 3,
        corruption: float = 0.0,
        tilt: float = 1.0,
        end: float = 0.2,
        window: int = 1,
        mistake: float = 0.0,
        show_state: bool = False,
        relabel: bool = False,
        slip: float = 0.0,
        foreign: float = 0.0,
    ) -> None:
        self.automaton = automaton(language, depth)
        self.symbols = self.automaton.symbols
        shown = [self.symbols + 1] * window + [self.phases] * bool(self.phases)
        self.observation_space = spaces.MultiDiscrete(shown + [len(self.automaton.moves)] * show_state)
        self.action_space = spaces.Discrete(self.actions())
        self.recent: Seen = np.full(window, self.symbols, dtype=np.int64)
        self.names: Seen = np.arange(self.symbols + 1)
        self.state = 0
        self.phase: list[int] = []
        self._weights = tilt ** np.arange(self.symbols)
        self._corruption, self._end, self._mistake, self._slip, self._foreign = corruption, end, mistake, slip, foreign
        self._show_state, self._relabel = show_state, relabel

    def actions(self) -> int:
        """Number of actions."""
        raise NotImplementedError

    def act(self, action: int) -> bool | None:
        """Whether the action was right, or None where nothing was asked; goes on to the next symbol."""
        raise NotImplementedError

    def hint(self, rng: np.random.Generator) -> int:
        """The best action for one who knows the automaton and its state."""
        raise NotImplementedError

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Seen, dict[str, Any]]:
        super().reset(seed=seed)
        self.names = np.arange(self.symbols + 1)
        if self._relabel:
            self.names[:-1] = self.np_random.permutation(self.symbols)
        self.recent = np.full_like(self.recent, self.symbols)
        self.state = 0
        self.begin()
        return self._observation(), {}

    def begin(self) -> None:
        """What comes before the first action."""

    def step(self, action: np.int64) -> tuple[Seen, float, bool, bool, dict[str, Any]]:
        if self._slip and self.np_random.random() < self._slip:
            action = self.np_random.integers(self.actions())
        right = self.act(int(action))
        reward = 0.0 if right is None else 1.0 if right else self._mistake
        return self._observation(), reward, False, False, {}

    def drawn(self, state: int) -> int:
        """The next symbol of a word in this state, or k for its end."""
        known = self.automaton
        fitting = known.distance[known.moves[state]] >= 0
        if (known.accepting[state] and self.np_random.random() < self._end) or not fitting.any():
            return self.symbols
        if self._foreign and self.np_random.random() < self._foreign:
            fitting = np.ones_like(fitting)
        chances = np.cumsum(self._weights * fitting)
        return int(np.searchsorted(chances, self.np_random.random() * chances[-1], side="right"))

    def read(self, symbol: int) -> None:
        """The automaton reads a symbol, and the agent sees it."""
        self.state = 0 if symbol == self.symbols else int(self.automaton.moves[self.state, symbol])
        if self._corruption and self.np_random.random() < self._corruption:
            symbol = int(self.np_random.integers(self.symbols))
        self.recent = np.append(self.recent[1:], self.names[symbol])

    def _observation(self) -> Seen:
        phase = self.phase[:1] if self.phases else []
        return np.concatenate((self.recent, phase, [self.state] * self._show_state)).astype(np.int64)


class RecognitionEnv(LanguageEnv):
    """Action 1 says that the word so far belongs to the language, action 0 that it does not."""

    def __init__(self, *, foreign: float = 0.2, **others: Any) -> None:
        super().__init__(foreign=foreign, **others)

    def actions(self) -> int:
        return 2

    def act(self, action: int) -> bool:
        right = bool(self.automaton.accepting[self.state]) == bool(action)
        self.read(self.drawn(self.state))
        return right

    def hint(self, rng: np.random.Generator) -> int:
        return int(self.automaton.accepting[self.state])


class PredictionEnv(LanguageEnv):
    """The action names the symbol that comes `ahead` symbols later, k for the end of a word.

    `phase` has the symbols that are drawn and not yet shown.
    """

    def __init__(self, *, ahead: int = 1, **others: Any) -> None:
        super().__init__(**others)
        self._ahead = ahead

    def actions(self) -> int:
        return self.symbols + 1

    def begin(self) -> None:
        self.phase = []
        state = 0
        for _ in range(self._ahead):
            self.phase.append(self.drawn(state))
            state = self._after(state, self.phase[-1])

    def act(self, action: int) -> bool:
        right = bool(action == self.names[self.phase[-1]])
        self.read(self.phase[0])
        state = self.state
        for symbol in self.phase[1:]:
            state = self._after(state, symbol)
        self.phase = [*self.phase[1:], self.drawn(state)]
        return right

    def hint(self, rng: np.random.Generator) -> int:
        return int(self.names[self.phase[-1]])

    def _after(self, state: int, symbol: int) -> int:
        return 0 if symbol == self.symbols else int(self.automaton.moves[state, symbol])


class CompletionEnv(LanguageEnv):
    """Phase 0: the environment adds `prefix` symbols that can be completed, whatever the agent does. Phase 1: the agent
    adds symbols; action k hands in the word, which is right if it belongs to the language, and a new one begins.

    `phase` has the phase and how many symbols are still to come.
    """

    phases = 2

    def __init__(self, *, prefix: int = 4, **others: Any) -> None:
        super().__init__(**others)
        self._prefix = prefix

    def actions(self) -> int:
        return self.symbols + 1

    def begin(self) -> None:
        self.phase = [0, self._prefix] if self._prefix else [1, 0]

    def act(self, action: int) -> bool | None:
        if self.phase[0] == 0:
            self._give()
            return None
        if action < self.symbols:
            self.read(int(np.flatnonzero(self.names == action)[0]))
            return None
        right = bool(self.automaton.accepting[self.state])
        self.read(self.symbols)
        self.begin()
        return right

    def hint(self, rng: np.random.Generator) -> int:
        known = self.automaton
        if known.distance[self.state] <= 0:
            return self.symbols
        nearer = known.distance[known.moves[self.state]] == known.distance[self.state] - 1
        return int(self.names[np.flatnonzero(nearer)[0]])

    def _give(self) -> None:
        symbol, left = self.drawn(self.state), self.phase[1] - 1
        if symbol == self.symbols:  # nothing can be added any more, or enough is given
            left = 0
        else:
            self.read(symbol)
        self.phase = [0, left] if left > 0 else [1, 0]
