"""Policies: what chooses the actions of a run. Content-addressed, never changed; another cell's is as if not there.

A policy is a small document; the large part of one (a graph, an array of actions) lies beside it and is named in it by
its SHA-256. What the documents mean says docs/decisions/0015-policies.md.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

import numpy as np
import rfc8785
from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

import env_registry
from service import graphs
from service.api import schemas
from service.errors import Invalid, NotFound
from service.keys import Caller
from service.models import Policy

BUILT_IN: Mapping[str, Mapping[str, Any]] = {"random": {"kind": "random"}, "still": {"kind": "still"}}
BATCH = 32
"""Segments that are simulated in step where a graph acts for all of them."""
MAX_PLAN = 10_000_000
"""Numbers in an open-loop plan."""
MAX_DEPTH = 3

Document = Mapping[str, Any]


def digest(document: Document) -> str:
    """The identity of a policy: SHA-256 of its canonical JSON, hexadecimal."""
    return hashlib.sha256(rfc8785.dumps(dict(document))).hexdigest()


def _require_exact(document: Document) -> None:
    """
    Raises
    ------
    Invalid
        A number of it has no canonical form.
    """
    try:
        digest(json.loads(json.dumps(document), parse_float=_as_stored))
    except rfc8785.CanonicalizationError:
        reason = "holds a number that JSON has no exact form of: whole numbers end at 2^53 - 1"
        raise Invalid("this is no action", errors=[("body.action", reason)]) from None


def _as_stored(text: str) -> int | float:
    """As the database gives a number back, which does not tell 1e300 from an integer."""
    number = float(text)
    return int(number) if number.is_integer() else number


# --- upload


async def create(session: AsyncSession, caller: Caller, request: schemas.PolicyCreate) -> Policy:
    """The cell's policy of this content, which may have been there.

    Raises
    ------
    Invalid
        The content is no policy of its kind; names the field.
    """
    cell_id = caller.require_cell()
    file: bytes | None = None
    signature: dict[str, Any] | None = None
    match request:
        case schemas.ConstantPolicy():
            document: dict[str, Any] = {"kind": "constant", "action": request.action}
            _require_exact(document)
        case schemas.ActionsPolicy():
            file = request.actions
            signature = await asyncio.to_thread(_plan, file)
            document = {"kind": "actions", "sha256": hashlib.sha256(file).hexdigest()}
        case schemas.OnnxPolicy():
            file = request.model
            signature = await asyncio.to_thread(_graph, file)
            document = {"kind": "onnx", "sha256": hashlib.sha256(file).hexdigest()}
        case schemas.AgentsPolicy():
            parts = [
                [pattern, dict(await _resolved(session, cell_id, name, field=f"body.policies.{pattern}"))]
                for pattern, name in request.policies.items()
            ]
            document = {"kind": "agents", "policies": parts}
    name = digest(document)
    row = {
        "cell_id": cell_id,
        "digest": name,
        "kind": request.kind,
        "document": document,
        "signature": signature,
        "file_sha256": document.get("sha256"),
        "file": file,
    }
    await session.execute(insert(Policy).values(row).on_conflict_do_nothing())
    return await get(session, caller, name)


def _graph(content: bytes) -> dict[str, Any]:
    try:
        signature = graphs.read(content)
    except graphs.GraphProblem as problem:
        raise Invalid("the graph cannot be a policy", errors=[("body.model", str(problem))]) from None
    return {
        side: {name: {"dtype": tensor.dtype, "shape": list(tensor.shape)} for name, tensor in tensors.items()}
        for side, tensors in (("inputs", signature.inputs), ("outputs", signature.outputs))
    }


def _plan(content: bytes) -> dict[str, Any]:
    try:
        plans = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise _no_plan(f"is no NPY file without objects: {str(error)[:200]}") from None
    if not isinstance(plans, np.ndarray) or plans.dtype.kind not in "iufb":
        raise _no_plan("is no array of numbers")
    if plans.ndim < 2 or not 0 < plans.size <= MAX_PLAN:
        raise _no_plan(f"has the shape {plans.shape}; give plans x steps x action shape, up to {MAX_PLAN} numbers")
    if plans.dtype.kind == "f" and not np.isfinite(plans).all():
        raise _no_plan("has numbers that are not finite")
    return {"plans": plans.shape[0], "steps": plans.shape[1], "dtype": str(plans.dtype), "shape": list(plans.shape[2:])}


def _no_plan(reason: str) -> Invalid:
    return Invalid("the actions cannot be a policy", errors=[("body.actions", reason)])


# --- find


def owned(caller: Caller) -> Select[Policy]:
    """Policies that the caller may see: its cell's; an operator sees all."""
    query = select(Policy)
    return query.where(Policy.cell_id == caller.cell_id) if caller.cell_id else query


async def get(session: AsyncSession, caller: Caller, name: str) -> Policy:
    found = (await session.execute(owned(caller).where(Policy.digest == name).limit(1))).scalar_one_or_none()
    if found is None:
        raise NotFound(f"there is no policy {name[:200]!r}; policies are named by their digest, 64 hexadecimal digits")
    return found


def show(policy: Policy) -> schemas.Policy:
    return schemas.Policy.model_validate(policy)


async def file(session: AsyncSession, sha256: str) -> bytes:
    """An uploaded part, for a worker."""
    query = select(Policy).where(Policy.file_sha256 == sha256).options(undefer(Policy.file)).limit(1)
    found = (await session.execute(query)).scalar_one_or_none()
    if found is None or found.file is None:
        raise NotFound(f"no policy has a file {sha256[:100]!r}")
    return found.file


async def _resolved(session: AsyncSession, cell_id: UUID, name: str, *, field: str) -> Document:
    """The document of a built-in or uploaded policy of the cell."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    query = select(Policy.document).where(Policy.cell_id == cell_id, Policy.digest == name)
    found: Document | None = (await session.execute(query)).scalar_one_or_none()
    if found is None:
        known = ", ".join(BUILT_IN)
        reason = (
            f"there is no policy {name[:100]!r}: give {known} or the digest of one you uploaded (POST /v1/policies)"
        )
        raise Invalid("a policy is missing", errors=[(field, reason)])
    return found


# --- run


async def documents(
    session: AsyncSession, cell_id: UUID, names: Sequence[str], refs: Iterable[str], *, field: str
) -> dict[str, Document]:
    """The documents of a run's policies by name, each of which fits all of its environments as far as cards tell.

    Raises
    ------
    Invalid
        There is no such policy, or it does not fit an environment; names the mismatch.
    """
    found = {}
    for i, name in enumerate(names):
        where = field if len(names) == 1 else f"{field}[{i}]"
        document = found[name] = await _resolved(session, cell_id, name, field=where)
        signatures = await _signatures(session, cell_id, document)
        problem = await asyncio.to_thread(_misfit, document, signatures, refs)
        if problem is not None:
            raise Invalid("the policy does not fit an environment", errors=[(where, problem)])
    return found


async def document(session: AsyncSession, cell_id: UUID, name: str) -> Document:
    """Of a policy that a run was admitted with."""
    return await _resolved(session, cell_id, name, field="policy")


def batch(document: Document) -> int:
    """Segments that are simulated in step under a policy."""
    return BATCH if any(part["kind"] == "onnx" for part in _parts(document)) else 1


def _parts(document: Document) -> Iterator[Document]:
    if document["kind"] == "agents":
        for _, part in document["policies"]:
            yield from _parts(part)
    else:
        yield document


async def _signatures(session: AsyncSession, cell_id: UUID, document: Document) -> dict[str, Any]:
    """Of uploaded parts, by their SHA-256."""
    files = {part["sha256"] for part in _parts(document) if "sha256" in part}
    if not files:
        return {}
    rows = select(Policy.file_sha256, Policy.signature).where(Policy.cell_id == cell_id, Policy.file_sha256.in_(files))
    return {row.file_sha256: row.signature for row in await session.execute(rows)}


def _misfit(document: Document, signatures: Mapping[str, Any], refs: Iterable[str]) -> str | None:
    """Why the policy cannot act in one of these environments; of equal spaces one is looked at."""
    seen = set()
    for ref in refs:
        spec = env_registry.parse(ref)
        card = env_registry.card_of(spec)
        if (
            card is None or not card.agents or card.measured != spec.ref
        ):  # its spaces are those of another; the worker will see
            continue
        observations, actions = card.observation_spaces or {}, card.action_spaces or {}
        if (key := repr((observations, actions))) in seen:
            continue
        seen.add(key)
        for agent in card.agents:
            why = _agent_misfit(document, signatures, agent, observations[agent], actions[agent])
            if why is not None:
                who = f", agent {agent}" if len(card.agents) > 1 else ""
                return f"{ref[:300]}{who}: {why}"
    return None


def _agent_misfit(
    document: Document, signatures: Mapping[str, Any], agent: str, observations: Any, actions: Any
) -> str | None:
    if document["kind"] == "agents":
        part = next((part for pattern, part in document["policies"] if fnmatchcase(agent, pattern)), None)
        if part is None:
            return "no policy is meant for it"
        return _agent_misfit(part, signatures, agent, observations, actions)
    signature = signatures.get(document.get("sha256", ""), {})
    match document["kind"]:
        case "onnx":
            return _graph_misfit(signature, observations, actions)
        case "actions":
            wanted, dtype = _leaf(actions)
            if dtype is None or list(signature["shape"]) != wanted:
                return f"the plan has actions of shape {signature['shape']}; the environment takes {_short(actions)}"
        case "constant":
            if not _is_value(document["action"], actions):
                return f"the constant action is none of {_short(actions)}"
    return None


def _graph_misfit(signature: Any, observations: Any, actions: Any) -> str | None:
    leaves = dict(_leaves(observations, "observations"))
    for name, tensor in signature["inputs"].items():
        if not name.startswith("observations"):
            continue
        if name not in leaves:
            return f"the graph reads {name}; the environment has {', '.join(leaves)}"
        shape, dtype = _leaf(leaves[name])
        if dtype is None:
            return f"the graph reads {name}, which is text"
        if not _same(tensor["shape"], shape):
            return f"{name} has rows of shape {tensor['shape']}; the environment observes {shape}"
        if not np.can_cast(dtype, tensor["dtype"], "same_kind"):
            return f"{name} takes {tensor['dtype']}; the environment observes {dtype}"
    shape, dtype = _leaf(actions)
    given = signature["outputs"]["actions"]
    if dtype is None:
        return f"the graph gives numbers; the environment takes {_short(actions)}"
    if not _same(given["shape"], shape):
        return f"actions has rows of shape {given['shape']}; the environment takes {shape}"
    if not np.can_cast(given["dtype"], dtype, "same_kind"):
        return f"actions is {given['dtype']}; the environment takes {dtype}"
    mask = signature["inputs"].get("mask")
    if mask is not None and not _same(mask["shape"], [actions.get("n")]):
        return f"mask has rows of shape {mask['shape']}; the environment takes {_short(actions)}"
    return None


def _same(given: Sequence[int | None], wanted: Sequence[int]) -> bool:
    """Sizes that the graph leaves open fit any."""
    return len(given) == len(wanted) and all(g in (None, w) for g, w in zip(given, wanted, strict=True))


def _leaves(space: Mapping[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    parts = space.get("subspaces")
    if parts is None:
        yield name, space
        return
    for key, part in parts.items() if isinstance(parts, dict) else enumerate(parts):
        yield from _leaves(part, f"{name}.{key}")


def _leaf(space: Mapping[str, Any]) -> tuple[list[int], str | None]:
    """Shape and dtype of a space that is one array or number; no dtype for others."""
    match space["type"]:
        case "Box":
            return space["shape"], space["dtype"]
        case "Discrete":
            return [], space["dtype"]
        case "MultiDiscrete":
            return list(np.shape(space["nvec"])), space["dtype"]
        case "MultiBinary":
            return space["n"], "int8"
    return [], None


def _is_value(value: Any, space: Mapping[str, Any]) -> bool:
    """Whether a constant may be one of the space: its form; bounds are the worker's to check."""
    match space["type"]:
        case "Discrete":
            whole = isinstance(value, int) and not isinstance(value, bool)
            return whole and space["start"] <= value < space["start"] + space["n"]
        case "Text":
            return isinstance(value, str)
        case "Dict":
            parts = space["subspaces"]
            return (
                isinstance(value, dict)
                and value.keys() == parts.keys()
                and all(map(_is_value, value.values(), parts.values()))
            )
        case "Tuple":
            return isinstance(value, list) and len(value) == len(space["subspaces"])
    shape, _ = _leaf(space)
    try:
        return list(np.shape(np.array(value, np.float64))) == shape
    except (TypeError, ValueError):
        return False


def _short(space: Mapping[str, Any]) -> str:
    details = ", ".join(f"{name}={space[name]}" for name in ("n", "nvec", "shape") if name in space)
    return f"{space['type']}({details})"
