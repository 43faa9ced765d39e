"""Short forms in which families declare their axes: what most of them have in common, said once."""

from __future__ import annotations

from collections.abc import Sequence

from env_registry.axes import BoolAxis, ChoiceAxis, FloatAxis, IntAxis


def number(
    name: str, default: float, low: float, high: float, levels: tuple[float, ...], description: str, unit: str = ""
) -> FloatAxis:
    return FloatAxis(
        name=name,
        default=default,
        low=low,
        high=high,
        levels=levels,
        unit=unit,
        description=description,
        randomisable=True,
    )


def probability(name: str, levels: tuple[float, ...], description: str, default: float = 0.0) -> FloatAxis:
    return number(name, default, 0.0, 1.0, levels, description, "probability")


def whole(
    name: str,
    default: int,
    low: int,
    high: int,
    levels: tuple[int, ...],
    description: str,
    unit: str = "",
    *,
    randomisable: bool = True,
) -> IntAxis:
    return IntAxis(
        name=name,
        default=default,
        low=low,
        high=high,
        levels=levels,
        unit=unit,
        description=description,
        randomisable=randomisable,
    )


def size(
    name: str, default: int, low: int, high: int, levels: tuple[int, ...], description: str, unit: str = ""
) -> IntAxis:
    """An integer that changes spaces or agents, and so cannot be randomised."""
    return whole(name, default, low, high, levels, description, unit, randomisable=False)


def switch(name: str, default: bool, description: str, *, randomisable: bool = True, task: bool = False) -> BoolAxis:
    return BoolAxis(
        name=name,
        default=default,
        levels=(not default,),
        description=description,
        randomisable=randomisable,
        task=task,
    )


def choice(
    name: str, choices: Sequence[str], description: str, *, randomisable: bool = True, task: bool = False
) -> ChoiceAxis:
    """The first choice is the default, the others are levels."""
    return ChoiceAxis(
        name=name,
        default=choices[0],
        choices=tuple(choices),
        levels=tuple(choices[1:]),
        description=description,
        randomisable=randomisable,
        task=task,
    )


def task(name: str, choices: Sequence[str], description: str) -> ChoiceAxis:
    """A choice among base tasks; the first is the default."""
    return choice(name, choices, description, randomisable=False, task=True)
