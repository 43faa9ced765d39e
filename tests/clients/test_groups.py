"""Consumers of a group: what is acknowledged when, what comes again, and that no batch is given twice."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

import pytest
import worldpool
from hypothesis import given
from hypothesis import strategies as st
from worldpool._cursors import Interrupted
from worldpool._groups import GroupCursor
from worldpool.models import RunInfo

from tests.clients.chunk_bytes import single_chunk
from tests.clients.conftest import Twin
from tests.clients.pool_double import BREAK, KEY, PoolDouble, chunk_frame, frame, run_state, state_frame
from tests.clients.test_stream import mixed_chunk, seqs

GROUP = "learners"


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worldpool._cursors.backoff", lambda attempt, longest: 0.02)


@pytest.fixture
def run(double: PoolDouble) -> Iterator[worldpool.Run]:
    with worldpool.Client(url=double.url, api_key=KEY) as pool:
        yield pool.runs.get("run_1")


def asked(double: PoolDouble) -> list[dict[str, list[str]]]:
    return [seen.query for seen in double.seen if seen.path.endswith("/stream")]


def test_a_chunk_is_acknowledged_when_the_next_batch_is_asked_for(double: PoolDouble, twin: Twin) -> None:
    double.chunks = [mixed_chunk(), single_chunk([2]), mixed_chunk()]
    batches = twin.with_run(lambda run: run.stream(group=GROUP, consumer="one"))
    assert seqs(batches) == [1, 1, 2, 3, 3]
    assert double.acknowledged == [1, 2, 3]
    (query,) = asked(double)
    assert query == {
        "after": ["0"], "group": [GROUP], "consumer": ["one"], "window": ["4"], "until": ["acknowledged"]
    }  # fmt: skip


def test_the_batch_in_hand_is_not_acknowledged(double: PoolDouble, run: worldpool.Run) -> None:
    for batch in run.stream(group=GROUP):
        assert double.acknowledged == list(range(1, batch.seq))
        if batch.seq == 3:
            break
    assert double.acknowledged == [1, 2]


def test_a_consumer_without_a_name_gets_one_that_stands_in_its_position(double: PoolDouble, run: worldpool.Run) -> None:
    streams = [run.stream(group=GROUP) for _ in range(2)]
    names = {stream.state_dict()["consumer"] for stream in streams}
    assert len(names) == 2
    with streams[0] as stream:
        next(stream)
    assert asked(double)[0]["consumer"] == [streams[0].state_dict()["consumer"]]


def test_chunks_of_others_are_missing_and_what_comes_again_is_dropped(double: PoolDouble, twin: Twin) -> None:
    frames = [chunk_frame(seq, double.chunks[seq - 1]) for seq in (4, 2)]
    double.acknowledged = [1, 3, 5]
    double.scripts = [[*frames, *frames, BREAK]]
    assert seqs(twin.with_run(lambda run: run.stream(group=GROUP))) == [4, 2]


def test_an_acknowledgement_that_failed_is_sent_again(double: PoolDouble, run: worldpool.Run) -> None:
    with run.stream(group=GROUP) as stream:
        next(stream)
        double.refusals = [(409, {}, {})]
        with pytest.raises(worldpool.Conflict):
            next(stream)
        assert double.acknowledged == []
        stream.ack()
        assert double.acknowledged == [1]


def test_with_manual_acknowledgement_nothing_is_acknowledged_by_itself(double: PoolDouble, twin: Twin) -> None:
    assert seqs(twin.with_run(lambda run: run.stream(group=GROUP, ack="manual"))) == [1, 2, 3, 4, 5]
    assert double.acknowledged == []
    assert "window" not in asked(double)[0]
    assert asked(double)[0]["until"] == ["given"]


def test_what_was_given_after_a_checkpoint_comes_again(double: PoolDouble, run: worldpool.Run) -> None:
    double.chunks = [mixed_chunk(), single_chunk([2]), mixed_chunk(), single_chunk([4])]
    with run.stream(group=GROUP, ack="manual", consumer="one") as stream:
        assert [next(stream).seq for _ in range(4)] == [1, 1, 2, 3]
        kept = json.loads(json.dumps(stream.state_dict()))
        assert [next(stream).seq for _ in range(2)] == [3, 4]
        stream.ack(kept)
    assert double.acknowledged == [1, 2]
    with run.stream(group=GROUP, ack="manual") as stream:
        stream.load_state_dict(kept)
        assert seqs(list(stream)) == [3, 4]
        stream.ack()
    assert set(double.acknowledged) == {1, 2, 3, 4}
    assert asked(double)[-1]["consumer"] == ["one"]


def test_what_was_fetched_ahead_is_not_acknowledged(double: PoolDouble, run: worldpool.Run) -> None:
    with run.stream(group=GROUP, prefetch=5) as stream:
        assert [next(stream).seq for _ in range(3)] == [1, 2, 3]
        assert double.acknowledged == [1, 2]
        assert stream.state_dict()["given"] == [3]
    assert asked(double)[0]["window"] == ["9"]


def test_a_stream_that_fetches_ahead_ends_when_all_is_acknowledged(double: PoolDouble, twin: Twin) -> None:
    assert seqs(twin.with_run(lambda run: run.stream(group=GROUP, prefetch=3))) == [1, 2, 3, 4, 5]
    assert double.acknowledged == [1, 2, 3, 4, 5]


def test_a_pool_that_is_away_is_told_when_it_is_back(
    double: PoolDouble, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worldpool._core.backoff", lambda attempt: 0.01)
    double.refused = 12
    assert seqs(twin.with_run(lambda run: run.stream(group=GROUP))) == [1, 2, 3, 4, 5]
    assert double.acknowledged == [1, 2, 3, 4, 5]


def test_a_checkpoint_of_a_group_is_none_of_a_stream_and_the_other_way_round(run: worldpool.Run) -> None:
    alone, shared = run.stream(), run.stream(group=GROUP)
    with pytest.raises(ValueError, match="consumer of a group"):
        alone.load_state_dict(shared.state_dict())
    with pytest.raises(ValueError, match="without a group"):
        shared.load_state_dict(alone.state_dict())
    alone.ack()  # there is nothing to acknowledge


def test_a_reader_that_holds_its_own_run_back_is_told(double: PoolDouble, run: worldpool.Run) -> None:
    double.scripts = [
        [chunk_frame(1, double.chunks[0]), state_frame("progress", run_state(waiting="READER_BEHIND", max_unread=1))]
    ]
    with run.stream(group=GROUP, ack="manual") as stream:
        next(stream)
        with pytest.warns(RuntimeWarning, match=r"max_unread=1.* has 1 .*stream.ack\(\)"):
            next(stream)


def test_a_stream_whose_place_was_taken_says_so_and_stays_away(double: PoolDouble, twin: Twin) -> None:
    double.scripts = [[chunk_frame(1, double.chunks[0]), frame({"kind": "replaced"})]]
    with pytest.raises(worldpool.ConsumerReplaced, match="took this one's place"):
        twin.with_run(lambda run: run.stream(group=GROUP))
    assert len(asked(double)) == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"group": GROUP, "ack": "later"}, "'auto' or 'manual', not 'later'"),
        ({"ack": "manual"}, "go with group"),
        ({"consumer": "one"}, "go with group"),
        ({"window": 2}, "go with group"),
    ],
)
def test_options_that_do_not_fit_are_refused_at_once(
    double: PoolDouble, run: worldpool.Run, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        run.stream(**options)


def test_groups_are_listed_and_deleted(double: PoolDouble, twin: Twin) -> None:
    (group,) = twin.with_run(lambda run: run.groups())
    assert (group.name, group.unacknowledged, group.consumers[0].name) == (GROUP, 1, "one")
    twin(lambda pool: pool.runs.delete_group("run_1", group))
    assert double.paths("DELETE") == [f"/v1/runs/run_1/groups/{GROUP}"]


def test_a_run_says_how_it_is_to_be_read(double: PoolDouble, twin: Twin) -> None:
    reading = {"groups": ["a", "b"], "max_unread": 8, "abandon_after_s": 60, "retention": {"after_end_s": 5}}
    twin(lambda pool: pool.runs.create(refs=["a@1"], episodes=1, **reading))
    assert reading.items() <= double.seen[-1].body.items()
    twin(lambda pool: pool.runs.get_or_create(name="mine", refs=["a@1"], episodes=1, **reading))
    assert reading.items() <= double.seen[-1].body.items()


def test_chunks_that_are_gone_end_a_stream_with_the_reason(double: PoolDouble, twin: Twin) -> None:
    def gone(run: Any) -> Any:
        double.refusals = [(410, {}, {"detail": "chunks 1 to 4 were deleted"})]
        return run.stream()

    with pytest.raises(worldpool.Gone, match="chunks 1 to 4"):
        twin.with_run(gone)


# --- by properties: a learner that is cut, crashes and comes back from its checkpoint

CHUNKS = {seq: mixed_chunk() if seq % 3 == 0 else single_chunk([seq]) for seq in range(1, 8)}
BATCHES = sorted((seq, part) for seq in CHUNKS for part in range(2 if seq % 3 == 0 else 1))
Trained = tuple[tuple[int, int], ...]


class Learner:
    """One consumer that fetches ahead, and what its model has been trained on.

    The pool sends what is not acknowledged, in any order.
    """

    def __init__(self, order: Callable[[list[int]], list[int]]) -> None:
        self.order = order
        self.acknowledged: set[int] = set()
        self.trained: Trained = ()
        self.start()
        self.checkpoint()

    def start(self) -> None:
        run = RunInfo.model_validate(run_state().model_dump())
        self.cursor = GroupCursor(run, group=GROUP, consumer="one", manual=True, window=None, after=0, progress=False)
        self.load()

    def load(self) -> None:
        self.fetching = copy(self.cursor)
        self.ahead: deque[tuple[worldpool.Batch, GroupCursor]] = deque()
        self.connect()

    def connect(self) -> None:
        self.fetching.connect()
        left = self.order([seq for seq in CHUNKS if seq not in self.acknowledged])
        data = b"".join(chunk_frame(seq, CHUNKS[seq]) for seq in left)
        self.arriving = self.fetching.receive(data + state_frame("end", run_state("succeeded")))

    def fetch(self) -> None:
        batch = next(self.arriving, None)
        if batch is not None:
            self.ahead.append((batch, copy(self.fetching)))

    def train(self) -> bool:
        if not self.ahead:
            self.fetch()
        if not self.ahead:
            return False
        batch, position = self.ahead.popleft()
        self.cursor.move_to(position)
        self.cursor.give()
        self.trained += ((batch.seq, batch.chunk.batches.index(batch)),)
        return True

    def checkpoint(self) -> None:
        self.kept = (json.loads(json.dumps(self.cursor.position())), self.trained)

    def acknowledge(self) -> None:
        self.cursor.release(self.kept[0])
        while (call := self.cursor.acknowledgement()) is not None:
            self.acknowledged |= set(json.loads(call.body or b"")["seqs"])
            self.cursor.acknowledged()

    def crash(self) -> None:
        self.start()
        position, self.trained = self.kept
        self.cursor.move(position)
        self.load()


EVENTS = st.sampled_from(["train", "train", "train", "fetch", "checkpoint", "acknowledge", "connect", "crash"])


@given(st.lists(EVENTS, max_size=60), st.randoms(use_true_random=False))
def test_a_learner_that_keeps_its_position_trains_on_every_batch_once(events: list[str], random: Any) -> None:
    learner = Learner(lambda seqs: random.sample(seqs, len(seqs)))
    for event in events:
        getattr(learner, event)()
    learner.connect()
    while learner.train():
        pass
    assert sorted(learner.trained) == BATCHES


def test_a_chunk_without_bytes_is_asked_for_again() -> None:
    learner = Learner(lambda seqs: [])
    with pytest.raises(Interrupted, match="without its bytes"):
        list(learner.fetching.receive(frame({"kind": "chunk", "seq": 1, "sha256": ""})))
