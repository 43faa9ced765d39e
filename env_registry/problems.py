"""What can be wrong with what a client names: one tree of exceptions, each with the field and the reason."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class RefProblem(ValueError):
    """A ref, or the parts of one, names nothing that exists.

    `field` is where: `ref`, `family`, `version`, `parameters.gravity`, `modifiers[1]`, `modifiers[1].steps`;
    `reason` says what would be right.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class SyntaxProblem(RefProblem):
    """The text is not of the form `name[@version][;param=value]*[:modifier[@version](arg=value,...)]*`."""


class UnknownName(RefProblem):
    """No such family, version, parameter, modifier or argument."""


class WrongValue(RefProblem):
    """The value has another type, or lies outside the range of its parameter or argument."""


class WrongComposition(RefProblem):
    """The modifier does not fit what it is applied to."""


def unknown(field: str, what: str, name: object, known: Iterable[str]) -> UnknownName:
    """The problem that there is no such name, with those that are close, or all when they are few."""
    names = list(known)
    shown = repr(name)[:100]
    close = get_close_matches(str(name)[:100], names, n=3)
    if close:
        return UnknownName(field, f"no {what} {shown}; did you mean {' or '.join(close)}?")
    if not names:
        return UnknownName(field, f"no {what} {shown}; there are none here")
    return UnknownName(field, f"no {what} {shown}" + (f"; there are {', '.join(names)}" if len(names) <= 20 else ""))
