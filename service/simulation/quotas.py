"""The quota tree of a simulation, read from the document that operators export, propose and apply."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from service import documents
from service.api import schemas
from service.errors import Invalid


@dataclass(frozen=True, slots=True)
class Quota:
    """A node with its children; one without any is a cell. None is no limit. Units as in the admin API: millicores,
    milliseconds."""

    name: str
    weight: int = 1
    borrowing_limit_mc: int | None = None
    lending_limit_mc: int | None = None
    max_loan_ms: int | None = None
    children: Sequence[Quota] = ()

    def cells(self) -> Iterator[str]:
        """Names of the leaves, in the order of the file."""
        if not self.children:
            yield self.name
        for child in self.children:
            yield from child.cells()


class BadQuotas(ValueError):
    """The file is no quota document; the message names the field."""


def flat(cells: Sequence[str]) -> Quota:
    """All cells below the root, with equal weights."""
    return Quota("commitment", children=[Quota(name) for name in cells])


def read(path: Path) -> Quota:
    """The tree of a document as `worldpool admin quota export` writes it, in YAML or JSON.

    Weights and limits count; how much is committed is said beside it, holds and budgets of windows are left out.

    Raises
    ------
    BadQuotas
        It is no such document, or has no cells.
    """
    import yaml  # of the tools, not of the service; JSON is YAML too

    try:
        document = schemas.QuotaDocument.model_validate(yaml.safe_load(path.read_text()))
        documents.wanted(document, field="")
    except yaml.YAMLError as error:
        raise BadQuotas(f"{path} is neither YAML nor JSON: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        raise BadQuotas(f"{where}: {first['msg']}, found {first['input']!r}") from None
    except Invalid as problem:
        raise BadQuotas("; ".join(f"{field} {reason}" for field, reason in problem.errors)) from None
    children = _below(document)
    if not children:
        raise BadQuotas("there are no cells: there is nothing to divide")
    return Quota(documents.ROOT, children=children)


def _below(parent: schemas.QuotaDocument | schemas.GroupDocument) -> tuple[Quota, ...]:
    """Its groups and cells; a group without cells takes no share."""
    groups = (_node(name, group, _below(group)) for name, group in sorted(parent.groups.items()))
    cells = (_node(name, cell) for name, cell in sorted(parent.cells.items()))
    return (*(group for group in groups if group.children), *cells)


def _node(name: str, spec: schemas.QuotaSpec, children: Sequence[Quota] = ()) -> Quota:
    limits = {field: getattr(spec, field) for field in ("borrowing_limit_mc", "lending_limit_mc", "max_loan_ms")}
    return Quota(name, spec.weight, children=children, **limits)
