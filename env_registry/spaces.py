"""Spaces as JSON, for cards and clients.

The form is Minari's, except that equal bounds are written once, and infinite ones, which JSON has not, as text.
"""

from __future__ import annotations

from typing import Any

import numpy as np


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


def _bound(bound: np.ndarray[Any, Any]) -> Any:
    """One number where all are equal, else nested lists."""
    if bound.size and (bound == bound.flat[0]).all():
        return _number(bound.flat[0].item())
    return _numbers(bound.tolist())


def _numbers(bound: Any) -> Any:
    return [_numbers(part) for part in bound] if isinstance(bound, list) else _number(bound)


def _number(value: float) -> float | str:
    return str(value) if isinstance(value, float) and np.isinf(value) else value
