"""Spaces: as JSON, for cards and clients, and legal values of them.

The JSON is Minari's, except that equal bounds are written once, and infinite ones, which JSON has not, as text.
"""

from __future__ import annotations

from typing import Any

import numpy as np

RANDOM_TEXT = 32


def space_json(space: Any) -> dict[str, Any]:
    """A Gymnasium space: `type`, and what its constructor needs."""
    kind = type(space).__name__
    match kind:
        case "Box":
            bounds = {"low": _bound(space.low), "high": _bound(space.high)}
            return {"type": kind, "dtype": str(space.dtype), "shape": list(space.shape), **bounds}
        case "Discrete":
            return {"type": kind, "dtype": str(space.dtype), "start": int(space.start), "n": int(space.n)}
        case "MultiDiscrete":
            return {
                "type": kind,
                "dtype": str(space.dtype),
                "nvec": space.nvec.tolist(),
                "start": space.start.tolist(),
            }
        case "MultiBinary":
            return {"type": kind, "n": list(space.shape)}
        case "Text":
            characters = "".join(sorted(space.character_set))
            return {
                "type": kind,
                "min_length": space.min_length,
                "max_length": space.max_length,
                "charset": characters,
            }
        case "Dict":
            return {"type": kind, "subspaces": {name: space_json(part) for name, part in space.spaces.items()}}
        case "Tuple":
            return {"type": kind, "subspaces": [space_json(part) for part in space.spaces]}
    raise TypeError(f"no JSON form of a space of type {kind}")


def random_value(space: Any, mask: Any, rng: np.random.Generator) -> Any:
    """A legal value of a space, drawn uniformly (of text, see `random_text`); `mask` (bool, one a value) tells what is
    legal, None that all is."""
    if mask is not None:
        return int(space.start) + int(rng.choice(np.flatnonzero(mask)))
    if hasattr(space, "character_set"):
        return random_text(space, rng)
    if hasattr(space, "n"):
        return int(space.start) + int(rng.integers(space.n))
    if hasattr(space, "nvec"):
        return (space.start + rng.integers(space.nvec)).astype(space.dtype)
    return rng.uniform(space.low, space.high).astype(space.dtype)


def random_text(space: Any, rng: np.random.Generator) -> str:
    """Text of a space: at most 32 characters more than it must have, because longer ones say no more.

    `rng.integers(low, high + 1)` gives the length, and `rng.integers(count, size=length)` the characters, as places
    among all of the space in ascending order.
    """
    characters = sorted(space.character_set)
    low = int(space.min_length)
    length = rng.integers(low, min(int(space.max_length), low + RANDOM_TEXT) + 1)
    return "".join(characters[place] for place in rng.integers(len(characters), size=length))


def neutral_value(space: Any, mask: Any = None) -> Any:
    """Zero, or the value nearest to it, of a Box; the first legal value of a discrete space; the shortest text."""
    if mask is not None:
        return int(space.start) + int(np.flatnonzero(mask)[0])
    if hasattr(space, "low"):
        return np.clip(np.zeros(space.shape, space.dtype), space.low, space.high)
    if hasattr(space, "character_set"):
        return min(space.character_set) * space.min_length
    return space.start.copy() if hasattr(space, "nvec") else int(space.start)


def value_of(space: Any, document: Any) -> Any:
    """The value of a space that a JSON document means: numbers, text, lists for arrays and tuples, objects for dicts.

    Raises
    ------
    ValueError
        It is no value of the space; so are TypeError and KeyError.
    """
    kind = type(space).__name__
    if kind == "Dict":
        if not isinstance(document, dict) or document.keys() != space.spaces.keys():
            raise ValueError(f"give {', '.join(space.spaces)}")
        return {name: value_of(part, document[name]) for name, part in space.spaces.items()}
    if kind == "Tuple":
        return tuple(value_of(part, value) for part, value in zip(space.spaces, document, strict=True))
    if kind == "Discrete":
        value: Any = document
        if isinstance(document, bool) or not isinstance(document, int):
            raise ValueError("give an integer")
    elif kind == "Text":
        value = document
    else:
        value = np.array(document)
        if not np.can_cast(value.dtype, space.dtype, "same_kind") and value.dtype.kind not in "iu":
            raise ValueError(f"give numbers of {space.dtype}")
        value = value.astype(space.dtype)
    if not space.contains(value):
        raise ValueError("it is outside of the space")
    return value


def _bound(bound: np.ndarray[Any, Any]) -> Any:
    """One number where all are equal, else nested lists."""
    if bound.size and (bound == bound.flat[0]).all():
        return _number(bound.flat[0].item())
    return _numbers(bound.tolist())


def _numbers(bound: Any) -> Any:
    return [_numbers(part) for part in bound] if isinstance(bound, list) else _number(bound)


def _number(value: float) -> float | str:
    return str(value) if isinstance(value, float) and np.isinf(value) else value
