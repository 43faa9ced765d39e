"""A run of the whole pool as Parquet and as Minari datasets, each read by the libraries it is for."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import duckdb
import minari
import numpy as np
import pandas
import polars
import pytest
import worldpool

from tests.e2e.test_bare_equality import same_bits

ALONE = [
    "classic/cartpole",
    "classic/pendulum;g=uniform(5,15)",  # drawn parameters
    "minigrid/empty",  # a dict, with text and an image
    "toytext/blackjack",  # a tuple
    "formal/language_prediction",  # several numbers that count
]
TOGETHER = ["mpe/simple_adversary", "openspiel/kuhn_poker"]  # roles with spaces of their own; turns
Rollouts = dict[str, list[worldpool.Episode]]


@pytest.fixture(scope="module")
def run(client: worldpool.Client) -> worldpool.Run:
    return client.runs.create(refs=ALONE, episodes=3, seed=7)


@pytest.fixture(scope="module")
def streamed(run: worldpool.Run) -> Rollouts:
    """By ref, in order of episodes."""
    found: Rollouts = defaultdict(list)
    for batch in run.stream(progress=False):
        for episode in batch.to_episodes():
            found[episode.ref].append(episode)
    return {ref: sorted(episodes, key=lambda episode: episode.episode_index) for ref, episodes in found.items()}


@pytest.fixture(scope="module")
def parquet(run: worldpool.Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, worldpool.Export]:
    path = tmp_path_factory.mktemp("export") / "parquet"
    return path, run.export(path, format="parquet")


def leaves(value: Any, name: str) -> dict[str, Any]:
    return {f"{name}.{key}": leaf for key, leaf in value.items()} if isinstance(value, dict) else {name: value}


def columns(episode: worldpool.Episode) -> dict[str, Any]:
    flags = ("rewards", "terminations", "truncations", "is_first", "is_last", "is_terminal", "t")
    return (
        leaves(episode.observations, "observations")
        | leaves(episode.actions, "actions")
        | {name: getattr(episode, name) for name in flags}
    )


def same_columns(rows: dict[str, Any], episode: worldpool.Episode, shapes: dict[str, dict[str, Any]]) -> None:
    for name, expected in columns(episode).items():
        if expected.dtype == object:
            assert list(rows[name]) == expected.tolist()
            continue
        read = np.array([np.asarray(value) for value in rows[name]], expected.dtype)
        if name in shapes:
            assert np.dtype(shapes[name]["dtype"]) == expected.dtype
            read = read.reshape(-1, *shapes[name]["shape"])
        same_bits(read, expected)


def by_duckdb(folder: Path, ref: str, episode: int) -> dict[str, Any]:
    query = f"SELECT * FROM read_parquet('{folder}/*.parquet') WHERE ref = ? AND episode_index = ? ORDER BY t"
    found = duckdb.execute(query, [ref, episode])
    names = [column[0] for column in found.description]
    return dict(zip(names, zip(*found.fetchall(), strict=True), strict=True))


def by_polars(folder: Path, ref: str, episode: int) -> dict[str, Any]:
    wanted = (polars.col("ref") == ref) & (polars.col("episode_index") == episode)
    return polars.scan_parquet(folder / "*.parquet").filter(wanted).sort("t").collect().to_dict(as_series=False)


def by_pandas(folder: Path, ref: str, episode: int) -> dict[str, Any]:
    frame = pandas.read_parquet(folder)
    found = frame[(frame["ref"] == ref) & (frame["episode_index"] == episode)].sort_values("t")
    return {name: found[name].tolist() for name in found.columns}


@pytest.mark.parametrize("read", [by_duckdb, by_polars, by_pandas])
def test_parquet_holds_what_was_streamed(parquet: tuple[Path, worldpool.Export], streamed: Rollouts, read: Any) -> None:
    path, export = parquet
    assert sorted(ref for table in export.tables for ref in table.refs) == sorted(streamed)
    for table in export.tables:
        for ref in table.refs:
            for episode in streamed[ref]:
                same_columns(read(path / table.name, ref, episode.episode_index), episode, table.columns)


def test_the_table_of_episodes_says_how_each_went_and_whence_it_is(
    parquet: tuple[Path, worldpool.Export], streamed: Rollouts, run: worldpool.Run
) -> None:
    path, export = parquet
    table = polars.read_parquet(path / "episodes.parquet").sort("ref", "episode_index")
    expected = [episode for ref in sorted(streamed) for episode in streamed[ref]]
    assert export.episodes == len(table) == len(expected)
    assert table["ref"].to_list() == [episode.ref for episode in expected]
    assert table["seed"].to_list() == [episode.seed for episode in expected]
    assert table["return"].to_list() == [episode.outcomes.returns[0] for episode in expected]
    drawn = table.filter(polars.col("ref").str.starts_with("classic/pendulum"))["drawn.g"]
    assert drawn.n_unique() == 3
    assert table["drawn.g"].null_count() == len(table) - 3
    assert duckdb.sql(f"SELECT count(DISTINCT runtime) FROM '{path}/episodes.parquet'").fetchall() == [(1,)]
    assert len(pandas.read_parquet(path / "episodes.parquet").query("seq > 0")) == len(table)


def test_minari_opens_a_dataset_for_each_environment(
    run: worldpool.Run, streamed: Rollouts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = run.export(tmp_path / "minari", format="minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    assert set(minari.list_local_datasets()) == {table.name for table in export.tables}
    for table in export.tables:
        (ref,) = table.refs
        dataset = minari.load_dataset(table.name)
        facts = dataset.storage.get_episode_metadata(range(len(dataset)))
        for read, fact, episode in zip(dataset, facts, streamed[ref], strict=True):
            same_episode(read, episode)
            assert dataset.observation_space.contains(step(read.observations, 0))
            assert dataset.action_space.contains(step(read.actions, 0))
            assert (fact["seed"], fact["return"]) == (episode.seed, episode.outcomes.returns[0])
            assert ("drawn" in fact) == ("uniform" in ref)
        about = dataset.storage.metadata["worldpool"]
        assert (about["run"]["id"], about["specs"][0]["ref"]) == (run.id, ref)


def same_episode(read: minari.EpisodeData, episode: worldpool.Episode) -> None:
    steps = len(episode) - 1
    same_leaves(read.observations, leaves(episode.observations, "observations"), "observations", steps + 1)
    same_leaves(read.actions, leaves(episode.actions, "actions"), "actions", steps)
    for name in ("rewards", "terminations", "truncations"):
        same_bits(getattr(read, name), getattr(episode, name)[:steps])


def same_leaves(read: Any, expected: dict[str, Any], name: str, rows: int) -> None:
    if isinstance(read, dict | tuple):
        parts = read.items() if isinstance(read, dict) else enumerate(read)
        for key, part in parts:
            same_leaves(part, expected, f"{name}.{key}", rows)
    elif isinstance(read, list):
        assert read == expected[name][:rows].tolist()
    else:
        same_bits(read, expected[name][:rows])


def step(values: Any, t: int) -> Any:
    if isinstance(values, dict):
        return {key: step(value, t) for key, value in values.items()}
    return tuple(step(value, t) for value in values) if isinstance(values, tuple) else values[t]


def test_rows_of_several_agents_are_exported_as_parquet_alone(client: worldpool.Client, tmp_path: Path) -> None:
    run = client.runs.create(refs=TOGETHER, episodes=2, seed=7)
    path = tmp_path / "parquet"
    export = run.export(path, format="parquet")
    for batch in run.stream(progress=False):
        for episode in batch.to_episodes():
            tables = [table for table in export.tables if episode.ref in table.refs]
            found = [by_polars(path / table.name, episode.ref, episode.episode_index) for table in tables]
            agents = [episode.agents[index] for index in episode.agent_index]
            (rows,) = [rows for rows in found if set(agents) <= set(rows["agent"])]
            for agent in set(agents):
                ours = np.array(agents) == agent
                theirs = np.array(rows["agent"]) == agent
                assert np.array_equal(np.array(rows["acted"])[theirs], episode.acted[ours])
                same_bits(np.array(rows["rewards"])[theirs], episode.rewards[ours])
                observations = np.array(rows["observations"], episode.observations.dtype)
                same_bits(observations[theirs], episode.observations[ours])
    with pytest.raises(worldpool.ExportError, match="several agents"):
        run.export(tmp_path / "minari", format="minari")
