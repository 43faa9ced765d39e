"""Quotas as a document: all that operators set of the entitlement tree, nested, sorted, without what is at its default.
Export, apply to an empty installation and export again give the same bytes."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import rfc8785
from pydantic import BaseModel

from service.api import schemas
from service.errors import Invalid
from service.models import Commitment, QuotaNode

ROOT = "commitment"
"""The root's name; no group has it."""
MAX_DEPTH = 16
"""Levels of groups."""
SPEC = tuple(schemas.QuotaSpec.model_fields)
"""What operators set of a node, beside its parent."""
SHARE = tuple(schemas.CommitmentPatch.model_fields)
"""What operators set of the commitment."""
OF_ROOT = ("state", "window_budget_core_ms")
"""What operators set of the root as of other nodes; it has no siblings to weigh against, lend to or borrow from."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A node that a document has, and where it says so."""

    kind: str
    name: str
    parent: str
    spec: Mapping[str, Any]
    field: str


def export(nodes: Sequence[QuotaNode], row: Commitment) -> schemas.QuotaDocument:
    """The document of the tree, the root first."""
    children: defaultdict[UUID | None, list[QuotaNode]] = defaultdict(list)
    for node in sorted(nodes, key=lambda node: node.name):
        children[node.parent_id].append(node)

    def below(parent: QuotaNode) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {"groups": {}, "cells": {}}
        for node in children[parent.id]:
            found[f"{node.kind}s"][node.name] = _spec(node) | (below(node) if node.kind == "group" else {})
        return found

    share = {field: getattr(row, field) for field in SHARE} | {field: getattr(nodes[0], field) for field in OF_ROOT}
    return schemas.QuotaDocument.model_validate({"commitment": share} | below(nodes[0]), strict=False)


def _spec(node: QuotaNode) -> dict[str, Any]:
    return {field: getattr(node, field) for field in SPEC}


def canonical(model: BaseModel) -> dict[str, Any]:
    """What differs from its default, as JSON has it."""
    return model.model_dump(mode="json", exclude_defaults=True)


def digest(document: schemas.QuotaDocument) -> str:
    """SHA-256 of the canonical JSON (RFC 8785): the document's ETag."""
    return hashlib.sha256(rfc8785.dumps(canonical(document))).hexdigest()


def wanted(document: schemas.QuotaDocument, *, field: str) -> list[Wanted]:
    """The nodes of a document, parents first.

    Raises
    ------
    Invalid
        A name is there twice or is kept for something else, or groups are nested too deeply.
    """
    found: dict[tuple[str, str], Wanted] = {}
    for node in _below(document, ROOT, field, depth=0):
        first = found.setdefault((node.kind, node.name), node)
        if first is not node:
            raise Invalid("a name is there twice", errors=[(node.field, f"is already at {first.field}")])
    return list(found.values())


def _below(
    parent: schemas.QuotaDocument | schemas.GroupDocument, name: str, field: str, *, depth: int
) -> Iterator[Wanted]:
    for group, document in sorted(parent.groups.items()):
        own = f"{field}groups.{group}"
        check_group(group, depth + 1, field=own)
        yield Wanted("group", group, name, {key: getattr(document, key) for key in SPEC}, own)
        yield from _below(document, group, f"{own}.", depth=depth + 1)
    for cell, spec in sorted(parent.cells.items()):
        yield Wanted("cell", cell, name, spec.model_dump(), f"{field}cells.{cell}")


def check_group(name: str, depth: int, *, field: str) -> None:
    """
    Raises
    ------
    Invalid
        No group can have this name, or be so deep.
    """
    if name == ROOT or name.startswith("quota_"):
        raise Invalid("this is no name for a group", errors=[(field, "is kept for the root and for ids")])
    if depth > MAX_DEPTH:
        raise Invalid("groups are nested too deeply", errors=[(field, f"is below {MAX_DEPTH} groups")])
