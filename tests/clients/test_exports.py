"""Exports: nothing is fetched or written twice, whatever was cut short; refusals; the command."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import duckdb
import minari
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import worldpool
from worldpool._exports.parquet import ParquetExporter
from worldpool._spaces import space_of
from worldpool.cli import main

from env_registry.spaces import space_json
from tests.clients.chunk_bytes import chunk, episode_rows, names, single_chunk, single_rows, tensor
from tests.clients.conftest import Twin
from tests.clients.pool_double import BREAK, KEY, PoolDouble, chunk_frame, run_state, state_frame
from tests.clients.test_chunks import two_roles
from tests.clients.test_cli import answer, shell  # noqa: F401  # a fixture

BOX = {"type": "Box", "dtype": "float32", "shape": [3], "low": "-inf", "high": "inf"}
COIN = {"type": "Discrete", "dtype": "int64", "start": 0, "n": 2}
CARD = {"observation_spaces": {"agent": BOX}, "action_spaces": {"agent": COIN}}
FORMATS = ["parquet", "minari"]


@pytest.fixture(autouse=True)
def _small_parts(double: PoolDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two chunks a part."""
    monkeypatch.setattr("worldpool._exports.parquet.PART_BYTES", max(map(len, double.chunks)) + 1)
    double.card = CARD


def asked_after(double: PoolDouble) -> list[str]:
    return [seen.query["after"][0] for seen in double.seen if seen.path.endswith("/stream")]


def files(path: Path) -> list[str]:
    return sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())


def content(path: Path) -> Any:
    """What a reader finds in an export."""
    manifest = json.loads((path / "export.json").read_text())
    if manifest["format"] == "parquet":
        tables = [table["name"] for table in manifest["tables"]]
        return manifest, *(pq.read_table(path / name).to_pylist() for name in (*tables, "episodes.parquet"))
    datasets = [minari.MinariDataset(path / table["name"] / "data") for table in manifest["tables"]]
    return manifest, *([episode.observations.tolist() for episode in dataset] for dataset in datasets)


@pytest.mark.parametrize("format", FORMATS)
def test_an_export_that_is_there_is_not_made_again(double: PoolDouble, twin: Twin, format: str, tmp_path: Path) -> None:
    first = twin.with_run(lambda run: run.export(tmp_path / "out", format=format))
    before = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in files(tmp_path / "out")}
    assert twin.with_run(lambda run: run.export(tmp_path / "out", format=format)) == first
    assert {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in files(tmp_path / "out")} == before
    assert asked_after(double) == ["0"]
    assert (first.state, first.seq, first.steps, first.episodes) == ("succeeded", 5, 15, 5)


@pytest.mark.parametrize("format", FORMATS)
def test_a_folder_may_be_named_from_where_one_stands(
    double: PoolDouble, twin: Twin, format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    twin.with_run(lambda run: run.export("out", format=format))
    twin.with_run(lambda run: run.export(tmp_path / "whole", format=format))
    assert content(Path("out")) == content(tmp_path / "whole")


@pytest.mark.parametrize("format", FORMATS)
def test_a_kill_at_any_file_leaves_what_the_next_call_completes(
    double: PoolDouble, format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    double.chunks[3] = two_environments() if format == "minari" else two_roles()
    with worldpool.Client(url=double.url, api_key=KEY) as pool:
        run = pool.runs.get("run_1")
        run.export(tmp_path / "whole", format=format)
        expected = content(tmp_path / "whole")
        for at in range(1000):
            path = tmp_path / str(at)
            with monkeypatch.context() as patched:
                killer = Killer(at)
                patched.setattr(Path, "replace", lambda self, target, killer=killer: killer.replace(self, target))
                try:
                    run.export(path, format=format)
                except Killed:
                    pass
                else:
                    break
            seen = json.loads((path / "export.json").read_text())["seq"] if (path / "export.json").exists() else 0
            double.seen.clear()
            run.export(path, format=format)
            assert asked_after(double) == [str(seen)]
            assert content(path) == expected
            assert files(path) == files(tmp_path / "whole")
    assert at > 8  # there are so many moments at least


class Killed(BaseException):
    pass


class Killer:
    """Ends the process, as far as it can see, at one of its renames."""

    def __init__(self, at: int) -> None:
        self.left = at

    def replace(self, draft: Path, target: Path) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed
        draft.rename(target)


def two_environments() -> bytes:
    rows = {
        name: pa.concat_arrays([column, single_rows([3], spec=1)[name]])
        for name, column in single_rows([2]).items()
        if name != "observations"
    }
    observations = [single_rows([n])["observations"].to_numpy_ndarray() for n in (2, 3)]
    rows = {"observations": tensor(np.concatenate(observations)), **rows}
    entries = [(0, 0, "agent", 2, 2.0), (1, 0, "agent", 3, 3.0)]
    refs = ["toy/line@1", "toy/circle@1"]
    return chunk(refs, [("single", ["agent"], [0, 1], rows)], episode_rows(entries), steps=5)


@pytest.mark.parametrize("format", FORMATS)
def test_a_run_that_goes_on_is_exported_to_its_end_through_cuts(
    double: PoolDouble, twin: Twin, format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worldpool._cursors.backoff", lambda attempt, longest: 0.02)
    damaged = chunk_frame(2, double.chunks[1], sha256="0" * 64)
    double.scripts = [[state_frame("progress", double.run), chunk_frame(1, double.chunks[0]), BREAK], [damaged]]
    export = twin.with_run(lambda run: run.export(tmp_path, format=format))
    assert (export.state, export.seq) == ("succeeded", 5)
    assert asked_after(double) == ["0", "1", "1"]


@pytest.mark.parametrize("format", FORMATS)
def test_what_a_failed_run_has_is_written_and_then_it_raises(
    double: PoolDouble, twin: Twin, format: str, tmp_path: Path
) -> None:
    double.scripts = [[chunk_frame(1, double.chunks[0]), state_frame("end", run_state("failed", failure="boom"))]]
    for _ in range(2):
        with pytest.raises(worldpool.RunFailed):
            twin.with_run(lambda run: run.export(tmp_path, format=format))
    export, rows, *_ = content(tmp_path)
    assert (export["state"], export["episodes"]) == ("failed", 1)
    assert len(rows) == (2 if format == "parquet" else 1)
    assert asked_after(double) == ["0"]


def test_rows_name_their_environment_and_files_their_origin(double: PoolDouble, twin: Twin, tmp_path: Path) -> None:
    double.chunks = [two_roles(), single_chunk([2], first_episode=7)]
    export = twin.with_run(lambda run: run.export(tmp_path))
    assert [(table.kind, table.rows, table.refs) for table in export.tables] == [
        ("parallel", 10, ["game/hunt@1", "game/hide@1"]),
        ("parallel", 4, ["game/hunt@1"]),
        ("single", 3, ["toy/line@1"]),
    ]
    assert export.tables[0].columns["observations"] == {"dtype": "float64", "shape": [2]}
    (file,) = (tmp_path / "rows-0").iterdir()
    table = pq.read_table(file)
    assert table.column_names[:7] == ["seq", "ref", "env_index", "episode_index", "t", "agent", "acted"]
    assert table["ref"].to_pylist() == ["game/hunt@1"] * 4 + ["game/hide@1"] * 6
    assert table["agent"].to_pylist() == ["hunter"] * 4 + ["prey"] * 6
    about = json.loads(table.schema.metadata[b"worldpool"])
    assert about["run"] == run_asked(double)
    assert [spec["ref"] for spec in about["specs"]] == ["game/hunt@1", "game/hide@1"]
    assert (about["sites"], about["policies"][0]["name"]) == (["home"], "random")
    episodes = pq.read_table(tmp_path / "episodes.parquet")
    assert episodes["seed"].to_pylist() == [1000, 1000, 1000, 1007]
    assert episodes["seq"].to_pylist() == [1, 1, 1, 2]
    specs = json.loads(episodes.schema.metadata[b"worldpool"])["specs"]
    assert [spec["ref"] for spec in specs] == ["game/hunt@1", "game/hide@1", "toy/line@1"]


def run_asked(double: PoolDouble) -> dict[str, Any]:
    asked = {"id", "name", "subset", "policies", "episodes", "steps_per_env", "seeds", "labels"}
    return double.run.model_dump(mode="json", include=asked)


def test_rows_of_several_policies_are_told_apart(double: PoolDouble, twin: Twin, tmp_path: Path) -> None:
    policies = ["random", "f" * 64, "random"]
    double.chunks = [single_chunk([2], first_episode=i // 2, policy=policy) for i, policy in enumerate(policies)]
    export = twin.with_run(lambda run: run.export(tmp_path / "parquet"))
    assert export.tables[0].policies == ["random", "f" * 64]
    folder = tmp_path / "parquet"
    joined = duckdb.sql(
        f"SELECT policy, count(*) FROM '{folder}/rows-0/*.parquet' JOIN '{folder}/episodes.parquet' "
        "USING (seq, ref, env_index, episode_index) GROUP BY policy ORDER BY policy"
    )
    assert joined.fetchall() == [("f" * 64, 3), ("random", 6)]
    datasets = twin.with_run(lambda run: run.export(tmp_path / "minari", format="minari")).tables
    assert [(table.name, table.policies, table.rows) for table in datasets] == [
        ("toy/line-000000000000-random-v1", ["random"], 6),
        ("toy/line-000000000000-ffffffffffff-v1", ["f" * 64], 3),
    ]
    for table, episodes in zip(datasets, (2, 1), strict=True):
        dataset = minari.MinariDataset(tmp_path / "minari" / table.name / "data")
        assert len(dataset) == episodes
        assert [dataset.storage.metadata["algorithm_name"]] == table.policies


def test_parameters_drawn_in_some_chunks_are_columns_of_all_episodes(
    double: PoolDouble, twin: Twin, tmp_path: Path
) -> None:
    def drawing(episode: int, **drawn: pa.Array) -> bytes:
        rows = episode_rows([(0, episode, "agent", 1, 1.0)], {f"drawn.{name}": drawn[name] for name in drawn})
        return chunk(["a@1"], [("single", ["agent"], [0], single_rows([1], first_episode=episode))], rows, steps=1)

    double.chunks = [
        drawing(0, map=pa.array([4.0])),
        drawing(1),
        drawing(2, gravity=pa.array([9.5]), map=names([0], ["4x4"])),
        drawing(3, gravity=pa.array([None], pa.float64())),
    ]
    twin.with_run(lambda run: run.export(tmp_path))
    episodes = pq.read_table(tmp_path / "episodes.parquet")
    assert episodes["drawn.gravity"].to_pylist() == [None, None, 9.5, None]
    assert episodes["drawn.map"].to_pylist() == ["4", None, "4x4", None]


def test_a_part_holds_few_chunks_and_a_row_group_as_many_as_make_it_large(
    double: PoolDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worldpool._exports.parquet.GROUP_ROWS", 4)
    with worldpool.Client(url=double.url, api_key=KEY) as pool:
        pool.runs.get("run_1").export(tmp_path)
    parts = sorted((tmp_path / "rows-0").iterdir())
    assert [part.name for part in parts] == ["00000001.parquet", "00000003.parquet", "00000005.parquet"]
    assert [pq.ParquetFile(part).num_row_groups for part in parts] == [1, 2, 1]
    assert pq.read_table(tmp_path / "rows-0")["seq"].to_pylist() == [1] * 2 + [2] * 3 + [3] * 4 + [4] * 5 + [5] * 6


@pytest.mark.parametrize("format", FORMATS)
def test_a_folder_with_something_else_is_refused_and_left_as_it_is(
    double: PoolDouble, twin: Twin, format: str, tmp_path: Path
) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(worldpool.ExportError, match="not empty"):
        twin.with_run(lambda run: run.export(tmp_path, format=format))
    with pytest.raises(worldpool.ExportError, match="not a folder"):
        twin.with_run(lambda run: run.export(tmp_path / "thesis.tex", format=format))
    (tmp_path / "export.json").write_text("{}")
    with pytest.raises(worldpool.ExportError, match="not that of an export"):
        twin.with_run(lambda run: run.export(tmp_path, format=format))
    assert files(tmp_path) == ["export.json", "thesis.tex"]
    assert asked_after(double) == []


def test_a_folder_of_another_run_or_format_is_refused(double: PoolDouble, twin: Twin, tmp_path: Path) -> None:
    twin.with_run(lambda run: run.export(tmp_path))
    with pytest.raises(worldpool.ExportError, match="holds run_1 as parquet"):
        twin.with_run(lambda run: run.export(tmp_path, format="minari"))
    double.run = run_state(id="run_2")
    with pytest.raises(worldpool.ExportError, match="holds run_1 as parquet"):
        twin.with_run(lambda run: run.export(tmp_path))


def test_what_minari_cannot_hold_is_refused_with_the_reason(double: PoolDouble, twin: Twin, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="parquet or minari"):
        twin.with_run(lambda run: run.export(tmp_path, format="csv"))
    double.chunks = [two_roles()]
    with pytest.raises(worldpool.ExportError, match="game/hunt@1 has several agents"):
        twin.with_run(lambda run: run.export(tmp_path / "several", format="minari"))
    double.chunks, double.card = [single_chunk([2])], {"observation_spaces": None, "action_spaces": None}
    with pytest.raises(worldpool.ExportError, match="has not measured the spaces of toy/line@1"):
        twin.with_run(lambda run: run.export(tmp_path / "unmeasured", format="minari"))


def test_without_minari_it_says_what_to_install(
    double: PoolDouble, twin: Twin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(worldpool.ExportError, match=r"h5py: pip install \"worldpool\[minari\]\""):
        twin.with_run(lambda run: run.export(tmp_path, format="minari"))
    assert asked_after(double) == []


def test_a_minari_dataset_does_not_depend_on_the_order_in_which_chunks_came(
    double: PoolDouble, twin: Twin, tmp_path: Path
) -> None:
    twin.with_run(lambda run: run.export(tmp_path / "one", format="minari"))
    double.chunks.reverse()
    twin.with_run(lambda run: run.export(tmp_path / "two", format="minari"))
    (_, one), (_, two) = content(tmp_path / "one"), content(tmp_path / "two")
    assert one == two
    assert [episode[0][0] for episode in one] == [100, 200, 300, 400, 500]


def recorded(*, without: str | None = None, **columns: pa.Array) -> bytes:
    """An episode of three steps with further columns, or without one."""
    rows = {name: column for name, column in single_rows([3]).items() if name != without} | columns
    return chunk(["a/b@2"], [("single", ["agent"], [0], rows)], episode_rows([(0, 0, "agent", 3, 3.0)]), steps=3)


def test_what_was_recorded_beside_keeps_its_bits_in_minari(double: PoolDouble, twin: Twin, tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (4, 40, 40, 3), np.uint8)
    beside = {"policy.log_prob": [0.1, 0.2, 0.3, 0.0], "infos.x": [1.0, 2.0, 3.0, float("nan")]}
    columns = {name: pa.array(values) for name, values in beside.items()}
    double.chunks = [recorded(observations=tensor(image), **columns)]
    picture = {"type": "Box", "dtype": "uint8", "shape": [40, 40, 3], "low": 0, "high": 255}
    double.card = CARD | {"observation_spaces": {"agent": picture}}
    export = twin.with_run(lambda run: run.export(tmp_path, format="minari"))
    assert export.tables[0].name == f"a/b-{0:012x}-random-v2"
    (episode,) = minari.MinariDataset(tmp_path / export.tables[0].name / "data")
    assert episode.observations.tobytes() == image.tobytes()
    assert episode.infos["policy"]["log_prob"].tolist() == beside["policy.log_prob"]
    assert episode.infos["infos"]["x"][1:].tolist() == [1.0, 2.0, 3.0]  # Minari's first infos are those of the reset
    assert (len(episode), episode.actions.tolist()) == (3, [0, 1, 0])


def test_parquet_holds_whatever_was_recorded(double: PoolDouble, twin: Twin, tmp_path: Path) -> None:
    pictures = pa.array([b"one", b"two", None, b"four"], pa.large_binary())
    double.chunks = [
        recorded(pixels=pictures),
        recorded(without="observations"),
        recorded(**{"infos.x": pa.array([1.0, 2.0, 3.0, float("nan")])}),
    ]
    export = twin.with_run(lambda run: run.export(tmp_path))
    assert [list(table.columns) for table in export.tables] == [
        ["observations", "actions", "pixels"],
        ["actions"],
        ["observations", "actions", "infos.x"],
    ]
    assert export.tables[0].columns["pixels"] == {"dtype": "bytes", "shape": []}
    assert pq.read_table(tmp_path / "rows-0")["pixels"].to_pylist() == [b"one", b"two", None, b"four"]
    assert pq.read_table(tmp_path / "rows-2")["infos.x"].to_pylist()[:3] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("missing", ["observations", "actions", "rewards"])
def test_minari_refuses_runs_that_did_not_record_what_it_must_have(
    double: PoolDouble, twin: Twin, tmp_path: Path, missing: str
) -> None:
    double.chunks = [recorded(without=missing)]
    with pytest.raises(worldpool.ExportError, match=f"did not record {missing}"):
        twin.with_run(lambda run: run.export(tmp_path, format="minari"))


def test_spaces_of_cards_become_those_that_were_measured() -> None:
    cards = pq.read_table("env_registry/catalogue.parquet", columns=["spaces"])["spaces"].unique().to_pylist()
    kinds = set()
    for card in map(json.loads, cards[::20]):
        for document in (*card["observation_spaces"].values(), *card["action_spaces"].values()):
            assert space_json(space_of(document)) == document
            kinds.add(document["type"])
    assert kinds == {"Box", "Discrete", "MultiDiscrete", "Dict"}  # of the dicts some hold text
    others = {"type": "Tuple", "subspaces": [{"type": "MultiBinary", "n": [3]}]}
    assert space_json(space_of(others)) == others
    with pytest.raises(ValueError, match="Graph"):
        space_of({"type": "Graph"})


def test_the_command_exports(shell: PoolDouble, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:  # noqa: F811
    written = answer(capsys, "run", "export", "run_1", "--out", str(tmp_path / "out"))
    assert (written["format"], written["tables"][0]["name"]) == ("parquet", "rows-0")
    assert main(["run", "export", "run_1", "--out", str(tmp_path / "minari"), "--format", "minari"]) == 0
    assert f"toy/line-{0:012x}-random-v1" in capsys.readouterr().out
    assert main(["run", "export", "run_1", "--out", str(tmp_path)]) == 1
    assert "not empty" in capsys.readouterr().err
    assert main(["run", "export", "run_1", "--out", "/proc/nowhere"]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_the_bar_of_an_export_that_goes_on_counts_the_whole_run(
    double: PoolDouble, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with worldpool.Client(url=double.url, api_key=KEY) as pool:
        run = pool.runs.get("run_1")
        exporter = ParquetExporter(run, tmp_path)
        for seq in (1, 2):
            exporter.add(worldpool.Chunk.parse(double.chunks[seq - 1], seq=seq))
        run.export(tmp_path, progress=True)
    assert asked_after(double) == ["2"]
    assert "15 steps" in capsys.readouterr().err
