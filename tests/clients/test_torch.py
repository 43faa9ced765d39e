"""Runs as datasets of PyTorch, which is not among what the tests install: `pip install torch` to run these too."""

from __future__ import annotations

import asyncio
import pickle
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import worldpool

from tests.clients.chunk_bytes import chunk, episode_rows, names, single_chunk, single_rows
from tests.clients.pool_double import KEY, PoolDouble
from tests.clients.test_chunks import two_roles


def dataset(double: PoolDouble, **options: Any) -> Any:
    pytest.importorskip("torch", reason="torch is an extra of the client, too large for what every test installs")
    with worldpool.Client(url=double.url, api_key=KEY) as pool:
        return pool.runs.get("run_1").as_torch(**options)


def loaded(of: Any, **options: Any) -> list[Any]:
    from torch.utils.data import DataLoader

    return list(DataLoader(of, **options))


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_workers_give_every_window_once(double: PoolDouble, workers: int) -> None:
    start = {"multiprocessing_context": "spawn"} if workers else {}
    batches = loaded(dataset(double, length=2), batch_size=4, num_workers=workers, **start)
    first = np.concatenate([batch["observations"][:, 0, 0].numpy() for batch in batches])
    expected = [100 * episode + t for episode in range(1, 6) for t in range(0, episode, 2)]
    assert sorted(first.tolist()) == expected
    assert {tuple(batch["observations"].shape[1:]) for batch in batches} == {(3, 3)}
    assert sum(int(batch["mask"].sum()) for batch in batches) == 15
    assert {ref for batch in batches for ref in batch["ref"]} == {"toy/line@1"}


def test_processes_that_train_together_divide_the_run(double: PoolDouble) -> None:
    shares = [loaded(dataset(double, share=(index, 2)), batch_size=None) for index in range(2)]
    seen = [[int(sample["observations"][0, 0]) // 100 for sample in share] for share in shares]
    assert seen == [[2, 4], [1, 3, 5]]
    assert [int(s["observations"][0, 0]) // 100 for s in loaded(dataset(double, after=3), batch_size=None)] == [4, 5]


def test_without_a_length_samples_are_whole_episodes(double: PoolDouble) -> None:
    double.chunks = [single_chunk([2, 3]), two_roles()]
    samples = loaded(dataset(double), batch_size=None)
    assert [(sample["agent"], len(sample["actions"]), len(sample["observations"])) for sample in samples] == [
        ("agent", 2, 3),
        ("agent", 3, 4),
        ("hunter", 3, 4),
        ("prey", 5, 6),
        ("prey", 3, 4),
    ]
    assert samples[1]["rewards"].tolist() == [1, 1, 1]
    assert samples[1]["terminations"].tolist() == [False, False, True]
    assert samples[1]["observations"].untyped_storage().nbytes() == 4 * 3 * 4  # no view of its batch


def test_text_stays_text(double: PoolDouble) -> None:
    rows = {"observations.mission": names([0, 0, 1], ["go", "stop"]), **single_rows([2])}
    del rows["observations"]
    entries = episode_rows([(0, 0, "agent", 2, 2.0)])
    double.chunks = [chunk(["toy/text@1"], [("single", ["agent"], [0], rows)], entries, steps=2)]
    (sample,) = loaded(dataset(double, length=3), batch_size=None)
    assert sample["observations"]["mission"] == ["go", "go", "stop", ""]


def test_samples_hold_what_was_recorded(double: PoolDouble) -> None:
    rows = {name: column for name, column in single_rows([2]).items() if name != "rewards"}
    rows |= {"policy.value": pa.array([0.5, 0.25, 0.0]), "infos.x": pa.array([1.0, 2.0, float("nan")])}
    entries = episode_rows([(0, 0, "agent", 2, 2.0)])
    double.chunks = [chunk(["toy/dumb@1"], [("single", ["agent"], [0], rows)], entries, steps=2)]
    (batch,) = loaded(dataset(double, length=3))
    assert "rewards" not in batch
    assert batch["policy"]["value"].tolist() == [[0.5, 0.25, 0.0]]
    assert batch["infos"]["x"].tolist() == [[1.0, 2.0, 0.0]]


def test_a_dataset_travels_to_other_processes(double: PoolDouble) -> None:
    assert len(list(pickle.loads(pickle.dumps(dataset(double))))) == 5


def test_an_asynchronous_run_gives_the_same_dataset(double: PoolDouble) -> None:
    async def ask() -> Any:
        async with worldpool.AsyncClient(url=double.url, api_key=KEY) as pool:
            return (await pool.runs.get("run_1")).as_torch(length=5)

    pytest.importorskip("torch", reason="torch is an extra of the client")
    assert len(list(asyncio.run(ask()))) == 5


@pytest.mark.parametrize("options", [{"share": (2, 2)}, {"share": (-1, 2)}, {"share": (0, 0)}, {"stride": 2}])
def test_a_share_or_stride_that_cannot_be_is_refused(double: PoolDouble, options: dict[str, Any]) -> None:
    pytest.importorskip("torch", reason="torch is an extra of the client")
    with pytest.raises(ValueError, match=r"share|stride"):
        dataset(double, **options)


def test_without_torch_it_says_what_to_install(double: PoolDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "worldpool._torch", raising=False)
    with worldpool.Client(url=double.url, api_key=KEY) as pool, pytest.raises(ImportError, match=r"worldpool\[torch\]"):
        pool.runs.get("run_1").as_torch()
