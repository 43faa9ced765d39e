"""The folder of an export: what is whole in it, written so that a kill at any moment leaves that true.

Files are written as drafts and renamed; then `export.json` is replaced, which says how far the export is.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import ValidationError

from worldpool.batches import Batch
from worldpool.chunks import Chunk
from worldpool.errors import ExportError
from worldpool.models import FINISHED, EnvironmentDetail, Model, RunInfo

MANIFEST = "export.json"


class ExportTable(Model):
    """Rows with equal columns: a folder of Parquet files, or a Minari dataset; `name` is its folder and its id.

    `columns` gives dtype and shape of observations, actions and what was recorded beside them; `refs` and `policies`
    are those whose rows it holds.
    """

    name: str
    kind: str
    columns: dict[str, dict[str, Any]]
    refs: list[str]
    policies: list[str]
    rows: int


class Export(Model):
    """A run as files. `state` is that of the run at its end once all of it is there, before that "running".

    `seq` is the last chunk that is whole in it; `steps` and `episodes` count environment steps and episodes.
    """

    run: str
    format: str
    state: str
    seq: int
    steps: int
    episodes: int
    tables: list[ExportTable]


class Exporter(ABC):
    """What a format does with the chunks of a run, in order of seq: `add` each, `learn` the environments that are
    `unknown`, and `finish` when the run has ended. `export` is what is on disk already.

    Raises
    ------
    ExportError
        The folder holds something else.
    """

    format: ClassVar[str]

    def __init__(self, run: RunInfo, path: Path, *, progress: bool | None = None) -> None:
        self.run = run
        self.path = path = path.resolve()  # Minari joins what it opens to paths that it was given
        self.progress = progress
        self.export = _found(path, run, self.format)

    @property
    def complete(self) -> bool:
        """All of the run is there."""
        return self.export.state in FINISHED

    @abstractmethod
    def add(self, chunk: Chunk) -> None:
        """Take the next chunk."""

    def unknown(self) -> Sequence[str]:
        """Refs of the environments that the format must know more of."""
        return ()

    def learn(self, environment: EnvironmentDetail) -> None:
        """Take an environment that was unknown."""
        raise NotImplementedError

    @abstractmethod
    def finish(self, state: str) -> None:
        """Write what is left of a run that has ended."""

    def save(self, **changes: Any) -> None:
        """Replace the manifest."""
        self.export = self.export.model_copy(update=changes)
        with whole(self.path / MANIFEST) as draft:
            draft.write_text(self.export.model_dump_json(indent=2))

    def behind(self, chunks: Sequence[Chunk]) -> dict[str, int]:
        """The position behind these chunks, as changes of the manifest."""
        return {
            "seq": chunks[-1].seq,
            "steps": self.export.steps + sum(chunk.steps for chunk in chunks),
            "episodes": self.export.episodes + sum(chunk.episode_count for chunk in chunks),
        }


def _found(path: Path, run: RunInfo, format: str) -> Export:
    try:
        found = Export.model_validate_json((path / MANIFEST).read_text())
    except FileNotFoundError:
        if path.is_dir() and any(file != _draft(path / MANIFEST) for file in path.iterdir()):
            raise ExportError(f"{path} is not empty and holds no export; name another folder") from None
        return Export(run=run.id, format=format, state="running", seq=0, steps=0, episodes=0, tables=[])
    except NotADirectoryError:
        raise ExportError(f"{path} is not a folder") from None
    except ValidationError:
        raise ExportError(f"{path / MANIFEST} is not that of an export; name another folder") from None
    if (found.run, found.format) != (run.id, format):
        raise ExportError(f"{path} holds {found.run} as {found.format}; name another folder")
    return found


@contextmanager
def whole(path: Path) -> Generator[Path]:
    """A draft to write, which becomes the path when it is whole. Readers of the folder do not see it before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    yield _draft(path)
    _draft(path).replace(path)


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.draft")


def columns_of(batch: Batch) -> dict[str, dict[str, Any]]:
    """dtype and shape of what environments, policies and records differ in, by column."""
    return {
        field.name: _column(field.type)
        for field in batch.table.schema
        if field.name.partition(".")[0] in ("observations", "actions", "policy", "infos", "pixels")
    }


def _column(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_dictionary(kind) or pa.types.is_large_binary(kind):
        return {"dtype": "text" if pa.types.is_dictionary(kind) else "bytes", "shape": []}
    shape = list(kind.shape) if isinstance(kind, pa.FixedShapeTensorType) else []
    number = kind.value_type if isinstance(kind, pa.FixedShapeTensorType) else kind
    return {"dtype": str(np.dtype(number.to_pandas_dtype())), "shape": shape}


def each_once(*values: Iterable[str]) -> list[str]:
    """All of them, each once, in order of first use."""
    return list(dict.fromkeys(value for some in values for value in some))


def provenance(run: RunInfo, chunks: Sequence[Chunk], refs: Iterable[str]) -> dict[str, Any]:
    """Where rows come from: what was asked for, and the policies, runtimes, sites and specs of these chunks."""
    digests = {ref: digest for chunk in chunks for ref, digest in zip(chunk.specs, chunk.digests, strict=True)}
    asked = {"id", "name", "subset", "policies", "episodes", "steps_per_env", "seeds", "labels"}
    return {
        "format": 1,
        "run": run.model_dump(mode="json", include=asked),
        "policies": _distinct(chunk.index["policy"] for chunk in chunks),
        "runtimes": _distinct(chunk.index["runtime"] for chunk in chunks),
        "sites": _distinct(chunk.index["site"] for chunk in chunks),
        "specs": [{"ref": ref, "digest": digests[ref]} for ref in refs],
    }


def _distinct(values: Iterable[Any]) -> list[Any]:
    return [json.loads(text) for text in dict.fromkeys(json.dumps(value, sort_keys=True) for value in values)]
