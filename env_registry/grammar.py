"""The grammar of refs: `name[@version][;param=value]*[:modifier[@version](arg=value,...)]*`.

Owns how text is cut into names and the texts of values. Knows neither families nor modifiers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from env_registry.problems import SyntaxProblem

MAX_LENGTH = 2000

_FOREIGN = re.compile(r"[^A-Za-z0-9\-._~!$&'()*+,;=:@/]")  # everything but RFC 3986 pchar and "/"
_VERSION = re.compile(r"[1-9][0-9]{0,5}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.\-]*(/[a-z0-9][a-z0-9_.\-]*)*")
_USE = re.compile(r"([^()]*)\((.*)\)")


class Parts(NamedTuple):
    """A ref cut into pieces; values are still text, a modifier's name still carries its version."""

    family: str
    version: int | None
    parameters: dict[str, str]
    modifiers: list[tuple[str, dict[str, str]]]


def cut(text: str) -> Parts:
    """The pieces of a ref.

    Raises
    ------
    SyntaxProblem
        The text is not of this form, too long, or holds a character that a URL's path cannot.
    """
    _check_characters(text)
    head, *uses = _split("ref", text, ":")
    name, *assignments = _split("ref", head, ";")
    name, version = _named("family", name)
    parameters = _assignments("parameters", assignments)
    return Parts(name, version, parameters, [_use(f"modifiers[{i}]", use) for i, use in enumerate(uses)])


def _check_characters(text: str) -> None:
    if not isinstance(text, str):
        raise SyntaxProblem("ref", "must be text")
    if len(text) > MAX_LENGTH:
        raise SyntaxProblem("ref", f"longer than {MAX_LENGTH} characters")
    foreign = _FOREIGN.search(text)
    if foreign:
        raise SyntaxProblem("ref", f"{foreign.group()!a} at character {foreign.start() + 1} cannot stand in a ref")


def _split(field: str, text: str, separator: str) -> list[str]:
    """The text between separators that stand outside parentheses."""
    if "(" not in text and ")" not in text:
        return text.split(separator)  # most are so: 5 us less
    return list(_pieces(field, text, separator))


def _pieces(field: str, text: str, separator: str) -> Iterator[str]:
    depth = start = 0
    for i, character in enumerate(text):
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth < 0:
                break
        elif character == separator and depth == 0:
            yield text[start:i]
            start = i + 1
    if depth:
        raise SyntaxProblem(field, "a parenthesis has no partner")
    yield text[start:]


def _named(field: str, text: str) -> tuple[str, int | None]:
    name, at, version = text.partition("@")
    if not _NAME.fullmatch(name):
        raise SyntaxProblem(field, f"{name[:100]!r} is no name; a ref begins like mujoco/half_cheetah@1")
    if at and not _VERSION.fullmatch(version):
        raise SyntaxProblem("version", f"{version[:100]!r} is no version; versions are 1, 2, 3, …")
    return name, int(version) if at else None


def _assignments(field: str, texts: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise SyntaxProblem(field, f"{text[:100]!r} is not name=value")
        if name in values:
            raise SyntaxProblem(f"{field}.{name[:100]}", "is given twice")
        values[name] = value
    return values


def _use(field: str, text: str) -> tuple[str, dict[str, str]]:
    use = _USE.fullmatch(text)
    if not use:
        raise SyntaxProblem(field, f"{text[:100]!r} is not modifier(argument=value,...)")
    name, inner = use.groups()
    return name, _assignments(field, _split(field, inner, ",") if inner else [])
