"""Library modules with other constants.

Some libraries keep what a task is made of in module constants that no constructor takes. A variant is the module run
once more under no name: its classes and functions read the constants given here, and the module that everyone imports
stays as it is. Values that the module derives from a constant while it is imported do not follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from types import CodeType, ModuleType
from typing import Any

_KEPT = 16


def variant(name: str, constants: Mapping[str, Any]) -> ModuleType:
    """The module with other constants (hashable ones).

    Raises
    ------
    AttributeError
        The module has no such constant.
    """
    return _variant(name, tuple(sorted(constants.items())))


@lru_cache(_KEPT)
def _variant(name: str, constants: tuple[tuple[str, Any], ...]) -> ModuleType:
    spec, code = _source(name)
    module = module_from_spec(spec)
    exec(code, vars(module))
    for constant, value in constants:
        getattr(module, constant)
        setattr(module, constant, value)
    return module


@cache
def _source(name: str) -> tuple[ModuleSpec, CodeType]:
    """Reading it anew takes 3 ms, running it a twentieth of that; a randomised constant runs it at every reset."""
    spec = find_spec(name)
    assert spec is not None
    loader: Any = spec.loader
    return spec, loader.get_code(name)
