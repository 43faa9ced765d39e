"""Spaces of an environment's card as Gymnasium's. Needs gymnasium, which this package does not install by itself."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np


def space_of(document: Mapping[str, Any]) -> gymnasium.Space[Any]:
    """The space that a card describes.

    Raises
    ------
    ValueError
        It is of a type that this version does not know.
    """
    match document["type"]:
        case "Box":
            dtype, shape = np.dtype(document["dtype"]), tuple(document["shape"])
            low, high = (_bound(document[name], dtype, shape) for name in ("low", "high"))
            return gymnasium.spaces.Box(low, high, shape, dtype.type)
        case "Discrete":
            return gymnasium.spaces.Discrete(document["n"], start=document["start"])
        case "MultiDiscrete":
            dtype = np.dtype(document["dtype"])
            nvec, start = (np.array(document[name], dtype) for name in ("nvec", "start"))
            return gymnasium.spaces.MultiDiscrete(nvec, dtype.type, start=start)
        case "MultiBinary":
            return gymnasium.spaces.MultiBinary(document["n"])
        case "Text":
            lengths = {name: document[name] for name in ("min_length", "max_length")}
            return gymnasium.spaces.Text(**lengths, charset=document["charset"])
        case "Dict":
            parts = ((name, space_of(part)) for name, part in document["subspaces"].items())
            return gymnasium.spaces.Dict(OrderedDict(parts))  # of a plain dict it would sort the names
        case "Tuple":
            return gymnasium.spaces.Tuple([space_of(part) for part in document["subspaces"]])
    raise ValueError(f"spaces of type {document['type']} are not known to this version; upgrade worldpool")


def _bound(bound: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[Any]]:
    """Cards hold one number where all are equal, and infinite ones as text."""
    values = np.array(bound)
    return np.broadcast_to(values.astype(np.float64 if values.dtype.kind == "U" else dtype).astype(dtype), shape)
