"""Code breaking: find a secret code by guesses that are answered.

Owns what answers tell in which task; the dynamics are in `code_env`.
"""

from __future__ import annotations

from env_registry.shorthand import number, probability, task
from env_registry.symbolic.puzzles.shorthand import COMMON, count, family, switch

TIME_LIMIT = 200  # steps

ANSWERS = ("pegs", "places", "colours", "bulls_and_cows", "marks", "bounds", "distance", "order", "sum", "prefix")
"""How many pegs are right, and how many more only in colour (Mastermind); only the first; only both together; as the
first, where no colour is twice in code or guess; for each peg whether it is right, elsewhere or nowhere; for each
whether it is too high or too low; the sum of all distances; whether the guess read as a number is too high or low; the
difference of the sums of colours; how many pegs are right from the left."""

FAMILIES = (
    family(
        "code_breaking",
        "code_env:CodeEnv",
        (
            task("answers", ANSWERS, "what is answered to a guess"),
            count("pegs", 4, 2, 5, (2, 3), "pegs", "length of the code", shapes=True),
            count("colours", 6, 6, 10, (8,), "colours", "number of colours", shapes=True),
            count("guesses", 10, 2, 20, (6, 15), "guesses", "guesses allowed", shapes=True),
            probability("lies", (0.05, 0.2), "probability that an answer is that to another, drawn guess"),
            switch("short_memory", "whether only the last guess is seen"),
            number("guess_cost", 0.0, 0.0, 10.0, (0.05, 0.2), "what a wrong guess costs", "reward units"),
            *COMMON,
        ),
        time_limit=TIME_LIMIT,
        description="Guess a secret code, peg by peg, from the answers to earlier guesses.",
        source="Knuth 1976, The computer as Master Mind, Journal of Recreational Mathematics 9",
        tags=("deduction", "exploration"),
    ),
)
