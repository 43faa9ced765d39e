"""Tables, from whatever people have them in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import worldpool
from pyarrow import csv, feather, parquet
from worldpool.cli import main

from env_registry import Table
from tests.clients.conftest import Twin
from tests.clients.pool_double import PoolDouble
from tests.clients.test_cli import answer, shell

__all__ = ["shell"]

COLUMNS = {"friction": [0.5, 1.0, 1.5], "gravity": [5, 6, 7]}
DIGEST = Table.of(COLUMNS, [1, 2, 1]).digest
WEIGHTED = pa.table({**COLUMNS, "often": [1, 2, 1]})


def saved(write: Callable[[pa.Table, Path], Any], name: str) -> Callable[[Path], Path]:
    def save(folder: Path) -> Path:
        write(WEIGHTED, folder / name)
        return folder / name

    return save


@pytest.mark.parametrize(
    "source",
    [
        lambda folder: {**COLUMNS, "often": [1, 2, 1]},
        lambda folder: WEIGHTED,
        saved(csv.write_csv, "joint.csv"),
        lambda folder: str(saved(csv.write_csv, "joint.CSV")(folder)),
        saved(parquet.write_table, "joint.parquet"),
        saved(feather.write_feather, "joint.arrow"),
    ],
)
def test_a_table_is_the_same_from_columns_arrow_and_files(
    source: Callable[[Path], Any], twin: Twin, tmp_path: Path
) -> None:
    table = twin(lambda pool: pool.tables.create(source(tmp_path), weight="often"))
    assert isinstance(table, worldpool.Table)
    assert (table.digest, table.rows, table.columns, table.weighted) == (DIGEST, 3, ["friction", "gravity"], True)


def test_tables_are_listed_and_shown_with_their_content(twin: Twin) -> None:
    table = twin(lambda pool: pool.tables.create(COLUMNS))
    assert [found.digest for found in twin(lambda pool: pool.tables.list())] == [table.digest]
    for name in (table, table.digest):
        assert twin(lambda pool, name=name: pool.tables.get(name)).content == {"columns": COLUMNS, "weights": None}


@pytest.mark.parametrize(
    ("source", "weight", "error", "reason"),
    [
        ({"a": [1, None]}, None, ValueError, "'a' has no finite number in row 1"),
        ({"a": [1, float("nan")]}, None, ValueError, "'a' has no finite number in row 1"),
        ({"a": ["x"]}, None, ValueError, "'a' holds string"),
        ({"a": [True]}, None, ValueError, "'a' holds bool"),
        ({"a": [1, "x"]}, None, ValueError, "no table of numbers"),
        ({"a": [1], "b": [1, 2]}, None, ValueError, "no table of numbers"),
        (pa.table([[1], [2]], names=["a", "a"]), None, ValueError, "two columns"),
        (COLUMNS, "weight", ValueError, "no column 'weight'"),
        ("joint.xls", None, ValueError, "*.csv"),
        ("missing.csv", None, OSError, "missing.csv"),
        (7, None, TypeError, "not int"),
    ],
)
def test_what_is_no_table_is_refused_before_anything_is_sent(
    source: Any, weight: str | None, error: type[Exception], reason: str, double: PoolDouble, twin: Twin
) -> None:
    with pytest.raises(error) as caught:
        twin(lambda pool: pool.tables.create(source, weight=weight))
    assert reason in str(caught.value)
    assert double.seen == []


def test_the_command_uploads_lists_and_shows_tables(
    shell: PoolDouble, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved(csv.write_csv, "joint.csv")(tmp_path)
    assert answer(capsys, "table", "create", str(file), "--weight", "often")["digest"] == DIGEST
    assert [table["digest"] for table in answer(capsys, "table", "list")] == [DIGEST]
    assert answer(capsys, "table", "show", DIGEST)["content"]["weights"] == [1, 2, 1]
    assert shell.seen[0].body["weights"] == [1, 2, 1]


def test_the_command_says_what_is_wrong_with_a_file(
    shell: PoolDouble, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "names.csv"
    file.write_text("a,b\n1,x\n")
    assert main(["table", "create", str(file)]) == 2
    assert "column 'b' holds string, not numbers" in capsys.readouterr().err
