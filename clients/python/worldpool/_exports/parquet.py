"""Runs as Parquet: plain columns that every reader knows.

    FOLDER/rows-0/00000001.parquet   rows with equal columns: a folder for each set of columns, a file for each part
    FOLDER/episodes.parquet          how every episode went; by parts in FOLDER/episodes/ until the run has ended

Rows and episodes belong together by seq, ref, env_index, episode_index and agent. A part is chunks of 128 MiB together,
named by the seq of its first. Tensors are lists of numbers, row-major. Their shapes, and where the rows come from, are
JSON in the files' metadata under the key `worldpool`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from worldpool._exports.folder import Exporter, ExportTable, columns_of, each_once, provenance, whole
from worldpool.batches import Batch
from worldpool.chunks import Chunk
from worldpool.models import RunInfo

PART_BYTES = 128 << 20
"""Of chunks that are held in memory, and fetched again after a kill."""
GROUP_ROWS = 1 << 17
"""Rows from which on a row group is large enough."""
FIRST = ("seq", "ref", "env_index", "episode_index", "t", "agent", "acted")
"""Columns that say whose row it is; they stand before the others."""


class ParquetExporter(Exporter):
    """Writes a part whenever `PART_BYTES` of chunks have come."""

    format: ClassVar[str] = "parquet"

    def __init__(self, run: RunInfo, path: Path, *, progress: bool | None = None) -> None:
        super().__init__(run, path, progress=progress)
        self._chunks: list[Chunk] = []
        self._bytes = 0

    def add(self, chunk: Chunk) -> None:
        self._chunks.append(chunk)
        self._bytes += chunk.buffer.size
        if self._bytes >= PART_BYTES:
            self._write_part()

    def finish(self, state: str) -> None:
        if self._chunks:
            self._write_part()
        parts = sorted((self.path / "episodes").glob("*.parquet"))
        if parts and not (self.path / "episodes.parquet").exists():
            _join(parts, self.path / "episodes.parquet")
        shutil.rmtree(self.path / "episodes", ignore_errors=True)
        self.save(state=state)

    def _write_part(self) -> None:
        name = f"{self.export.seq + 1:08d}.parquet"
        for stale in [*self.path.glob(f"*/{name}"), *self.path.glob("*/.*.draft")]:  # a kill cut this part short
            stale.unlink()
        tables = {_columns(table): table for table in self.export.tables}
        rows: dict[str, list[Batch]] = {}
        for batch in (batch for chunk in self._chunks for batch in chunk.batches):
            key = json.dumps([batch.kind, columns_of(batch)])
            before = tables.get(key) or _empty(f"rows-{len(tables)}", batch)
            more = {
                "refs": each_once(before.refs, batch.refs),
                "policies": each_once(before.policies, [batch.chunk.policy]),
                "rows": before.rows + len(batch),
            }
            tables[key] = before.model_copy(update=more)
            rows.setdefault(key, []).append(batch)
        for key, batches in rows.items():
            self._write_rows(self.path / tables[key].name / name, tables[key], batches)
        self._write_episodes(self.path / "episodes" / name)
        self.save(tables=list(tables.values()), **self.behind(self._chunks))
        self._chunks, self._bytes = [], 0

    def _write_rows(self, path: Path, table: ExportTable, batches: Sequence[Batch]) -> None:
        refs = each_once(*(batch.refs for batch in batches))
        chunks = list({batch.seq: batch.chunk for batch in batches}.values())
        about = provenance(self.run, chunks, refs) | {"kind": table.kind, "columns": table.columns}
        _write(path, about, (pa.Table.from_batches(map(_rows, group)) for group in _groups(batches)))

    def _write_episodes(self, path: Path) -> None:
        refs = each_once(*(chunk.specs for chunk in self._chunks))
        tables = [_episodes(chunk) for chunk in self._chunks]
        schema = _union([table.schema for table in tables])
        about = provenance(self.run, self._chunks, refs)
        _write(path, about, [pa.concat_tables(_widened(table, schema) for table in tables)])


def _columns(table: ExportTable) -> str:
    return json.dumps([table.kind, table.columns])


def _empty(name: str, batch: Batch) -> ExportTable:
    return ExportTable(name=name, kind=batch.kind, columns=columns_of(batch), refs=[], policies=[], rows=0)


def _write(path: Path, about: dict[str, Any], tables: Iterable[pa.Table]) -> None:
    """A file of one row group a table."""
    tables = iter(tables)
    first = next(tables)
    schema = first.schema.with_metadata({"worldpool": json.dumps(about, ensure_ascii=False)})
    with whole(path) as draft, pq.ParquetWriter(draft, schema, compression="zstd") as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)


def _groups(batches: Iterable[Batch]) -> Iterator[list[Batch]]:
    group: list[Batch] = []
    rows = 0
    for batch in batches:
        group.append(batch)
        rows += len(batch)
        if rows >= GROUP_ROWS:
            yield group
            group, rows = [], 0
    if group:
        yield group


def _rows(batch: Batch) -> pa.RecordBatch:
    record = batch.table.to_batches()[0]
    columns = {name: _plain(column) for name, column in zip(record.schema.names, record.columns, strict=True)}
    columns["ref"] = pa.array(batch.specs).take(columns.pop("spec_index"))
    columns["seq"] = pa.repeat(batch.seq, len(batch))
    order = sorted(columns, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    return pa.RecordBatch.from_pydict({name: columns[name] for name in order})


def _plain(column: pa.Array) -> pa.Array:
    """Without extension types and dictionaries, which some readers do not know."""
    if isinstance(column.type, pa.FixedShapeTensorType):
        return column.storage if column.type.shape else column.storage.flatten()
    if isinstance(column.type, pa.Bool8Type):
        return column.storage.cast(pa.bool_())
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _episodes(chunk: Chunk) -> pa.Table:
    """How its episodes went, and where they come from."""
    columns = {
        name: _plain(column.combine_chunks())
        for name, column in zip(chunk.episodes.table.column_names, chunk.episodes.table.columns, strict=True)
    }
    spec = columns.pop("spec_index")
    drawn = {name: columns.pop(name) for name in list(columns) if name.startswith("drawn.")}
    chunk_wide = {"policy": chunk.policy, "runtime": chunk.index["runtime"], "site": chunk.index["site"]}
    return pa.table(
        {"seq": pa.repeat(chunk.seq, len(spec)), "ref": pa.array(chunk.specs).take(spec)}
        | columns
        | {"digest": pa.array(chunk.digests).take(spec)}
        | {name: pa.repeat(value, len(spec)) for name, value in chunk_wide.items()}
        | drawn
    )


def _join(parts: Sequence[Path], path: Path) -> None:
    """One file of all episodes. Parts differ in the parameters that were drawn."""
    schema = _union([pq.read_schema(part) for part in parts])
    about = [json.loads(pq.read_schema(part).metadata[b"worldpool"]) for part in parts]
    _write(path, _merged(about), (_widened(pq.read_table(part), schema) for part in parts))


def _merged(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Provenance of parts together."""
    lists = ("policies", "runtimes", "sites", "specs")
    together = {
        name: [json.loads(text) for text in each_once(json.dumps(entry) for part in parts for entry in part[name])]
        for name in lists
    }
    return parts[0] | together


def _union(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Drawn parameters of any; one that is text in some is text in all. The other columns are those of each."""
    drawn: dict[str, pa.DataType] = {}
    for field in (field for schema in schemas for field in schema if field.name.startswith("drawn.")):
        drawn[field.name] = pa.string() if pa.string() in (field.type, drawn.get(field.name)) else field.type
    own = [field for field in schemas[0] if not field.name.startswith("drawn.")]
    return pa.schema(own + [pa.field(name, drawn[name]) for name in sorted(drawn)])


def _widened(table: pa.Table, schema: pa.Schema) -> pa.Table:
    return pa.table(
        [
            table[field.name].cast(field.type)
            if field.name in table.column_names
            else pa.nulls(table.num_rows, field.type)
            for field in schema
        ],
        schema=schema,
    )
