"""Runs as Minari datasets, one for each environment and policy: `FOLDER/<dataset id>`, opened by `minari.load_dataset`
where MINARI_DATASETS_PATH names the folder.

Chunks are kept in `FOLDER/.chunks` until the run has ended: then each dataset is written in one go, its episodes in
order of env_index and episode_index, so that equal rollouts make equal datasets. Pictures (`pixels`) are left out.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
import pyarrow as pa

from worldpool._exports.folder import Exporter, ExportTable, columns_of, provenance, whole
from worldpool._progress import track
from worldpool.batches import Batch, Episode
from worldpool.chunks import Chunk
from worldpool.errors import ExportError
from worldpool.models import EnvironmentDetail, RunInfo

if TYPE_CHECKING:
    import gymnasium
    from minari.data_collector import EpisodeBuffer
    from minari.dataset.minari_storage import MinariStorage

EPISODES_AT_ONCE = 256
_Key: TypeAlias = tuple[str, str]
"""An environment and a policy."""


class MinariExporter(Exporter):
    """Keeps chunks, and writes datasets of them when the run has ended."""

    format: ClassVar[str] = "minari"

    def __init__(self, run: RunInfo, path: Path, *, progress: bool | None = None) -> None:
        super().__init__(run, path, progress=progress)
        _check_installed()
        self._spaces: dict[str, _Spaces] = {}

    def add(self, chunk: Chunk) -> None:
        tables = {_key(table): table for table in self.export.tables}
        for batch in chunk.batches:
            _check(batch)
            rows = np.bincount(batch.spec_index, minlength=len(batch.specs))
            for ref in batch.refs:
                before = tables.get((ref, chunk.policy)) or _empty(ref, batch)
                more = int(rows[chunk.specs.index(ref)])
                tables[_key(before)] = before.model_copy(update={"rows": before.rows + more})
        with whole(self._chunk_path(chunk.seq)) as draft:
            draft.write_bytes(chunk.buffer)
        self.save(tables=list(tables.values()), **self.behind([chunk]))

    def unknown(self) -> Sequence[str]:
        return [ref for table in self.export.tables for ref in table.refs if ref not in self._spaces]

    def learn(self, environment: EnvironmentDetail) -> None:
        card = environment.card or {}
        if not (card.get("observation_spaces") and card.get("action_spaces")):
            raise ExportError(f"the pool has not measured the spaces of {environment.ref}; export the run as parquet")
        self._spaces[environment.ref] = _Spaces(card)

    def finish(self, state: str) -> None:
        missing = [table for table in self.export.tables if not (self.path / table.name).exists()]
        if missing:
            holding = self._chunks_by_key()
            for table in track(missing, "writing datasets", show=self.progress):
                self._write(table, holding[_key(table)])
        shutil.rmtree(self.path / ".chunks", ignore_errors=True)
        self.save(state=state)

    def _chunk_path(self, seq: int) -> Path:
        return self.path / ".chunks" / f"{seq:08d}"

    def _read(self, seq: int) -> Chunk:
        with pa.memory_map(str(self._chunk_path(seq))) as file:
            return Chunk(file.read_buffer(), seq=seq)

    def _chunks_by_key(self) -> dict[_Key, list[int]]:
        found: dict[_Key, list[int]] = {}
        for seq in range(1, self.export.seq + 1):
            chunk = self._read(seq)
            for ref in chunk.specs:
                found.setdefault((ref, chunk.policy), []).append(seq)
        return found

    def _write(self, table: ExportTable, seqs: Sequence[int]) -> None:
        ref, policy = _key(table)
        spaces = self._spaces[ref]
        chunks = [self._read(seq) for seq in seqs]
        episodes = sorted(_episodes(chunks, ref), key=_order)
        with whole(self.path / table.name) as draft:
            shutil.rmtree(draft, ignore_errors=True)  # of a kill
            draft.mkdir()
            storage = spaces.storage(draft / "data")
            storage.update_metadata(_about(table.name, self.run, chunks, ref, policy))
            for first in range(0, len(episodes), EPISODES_AT_ONCE):
                some = episodes[first : first + EPISODES_AT_ONCE]
                storage.update_episodes([spaces.buffer(episode) for episode in some])
                storage.update_episode_metadata(map(_facts, some), range(first, first + len(some)))


def _check(batch: Batch) -> None:
    """Minari can hold it."""
    if batch.kind != "single":
        raise ExportError(f"{batch.refs[0]} has several agents, which Minari cannot hold; export the run as parquet")
    missing = [name for name in ("observations", "actions", "rewards") if not batch.records(name)]
    if missing:
        raise ExportError(f"the run did not record {missing[0]}, which Minari must have; export it as parquet")


class _Spaces:
    """The spaces of an environment, and what Minari makes of its rows by them."""

    def __init__(self, card: Mapping[str, Any]) -> None:
        from worldpool._spaces import space_of

        (self.observations,) = map(space_of, card["observation_spaces"].values())
        (self.actions,) = map(space_of, card["action_spaces"].values())

    def storage(self, path: Path) -> MinariStorage:
        """An empty dataset. Minari's default for images is JPEG, which loses bits."""
        from minari.dataset.minari_storage import MinariStorage

        return MinariStorage.new(path, self.observations, self.actions, data_format="hdf5", jpeg_encoding=False)

    def buffer(self, episode: Episode) -> EpisodeBuffer:
        from minari.data_collector import EpisodeBuffer

        steps = slice(0, len(episode) - 1)
        return EpisodeBuffer(
            seed=episode.seed,
            observations=_values(self.observations, "observations", episode, slice(None)),
            actions=_values(self.actions, "actions", episode, steps),
            rewards=episode.rewards[steps],
            terminations=episode.terminations[steps],
            truncations=episode.truncations[steps],
            infos=_beside(episode),
        )


def _values(space: gymnasium.Space[Any], name: str, episode: Episode, rows: slice) -> Any:
    from gymnasium import spaces

    if isinstance(space, spaces.Dict):
        return {key: _values(part, f"{name}.{key}", episode, rows) for key, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(_values(part, f"{name}.{i}", episode, rows) for i, part in enumerate(space.spaces))
    column = episode._column(name)[rows]
    return column.tolist() if isinstance(space, spaces.Text) else column.astype(space.dtype, copy=False)


def _beside(episode: Episode) -> dict[str, Any]:
    """What the policy computed with each action; and what steps told, after the reset, which here told nothing."""
    told = {name: np.roll(column, 1) for name, column in episode.infos.items()}
    return {name: found for name, found in (("policy", episode.policy), ("infos", told)) if found}


def _episodes(chunks: Sequence[Chunk], ref: str) -> Iterator[Episode]:
    for batch in (batch for chunk in chunks for batch in chunk.batches if ref in batch.refs):
        yield from (episode for episode in batch.to_episodes() if episode.ref == ref)


def _facts(episode: Episode) -> dict[str, Any]:
    """What Minari keeps beside an episode, and its seed. `drawn` are the values of drawn parameters."""
    drawn = {name: value[0] for name, value in episode.outcomes.drawn.items()}
    return {
        "env_index": episode.env_index,
        "episode_index": episode.episode_index,
        "return": float(episode.outcomes.returns[0]),
        "runtime": episode.batch.chunk.index["runtime"],
        **{f"drawn/{name}": value for name, value in drawn.items() if value is not None and value == value},
    }


def _about(name: str, run: RunInfo, chunks: Sequence[Chunk], ref: str, policy: str) -> dict[str, Any]:
    import minari

    return {
        "dataset_id": name,
        "minari_version": minari.__version__,
        "algorithm_name": policy,
        "description": f"Rollouts of the policy {policy} in {ref}: {run.id} of a Worldpool.",
        "worldpool": provenance(run, chunks, [ref]),
    }


def _empty(ref: str, batch: Batch) -> ExportTable:
    family, _, version = ref.partition("@")
    digest, policy = batch.chunk.digests[batch.specs.index(ref)], batch.chunk.policy
    number = "".join(itertools.takewhile(str.isdigit, version))
    name = f"{family}-{digest[:12]}-{policy[:12]}-v{number}"
    columns = columns_of(batch)
    return ExportTable(name=name, kind=batch.kind, columns=columns, refs=[ref], policies=[policy], rows=0)


def _key(table: ExportTable) -> _Key:
    (ref,), (policy,) = table.refs, table.policies
    return ref, policy


def _order(episode: Episode) -> tuple[int, ...]:
    """By their place in the run; those of several seeds of the run by their own."""
    return episode.env_index, episode.episode_index, episode.seed


def _check_installed() -> None:
    try:
        import h5py  # noqa: F401
        import minari  # noqa: F401
        import PIL  # noqa: F401
    except ImportError as error:
        raise ExportError(f'Minari datasets need {error.name}: pip install "worldpool[minari]"') from error
