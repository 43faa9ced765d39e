"""What is shown and what is to be answered in tasks on streams of symbols.

A task is a function from a random generator and its parameters to items.
"""

from __future__ import annotations

from env_registry.symbolic.puzzles.stream_tasks.items import ASK, Parameters
from env_registry.symbolic.puzzles.stream_tasks.memory import MEMORY
from env_registry.symbolic.puzzles.stream_tasks.series import SERIES
from env_registry.symbolic.puzzles.stream_tasks.transductions import TRANSDUCTIONS

__all__ = ["ASK", "MEMORY", "SERIES", "TRANSDUCTIONS", "Parameters"]
