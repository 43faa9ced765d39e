"""Consumers of a group that come, read, acknowledge, stall and vanish, in any order, on real PostgreSQL.

The machine keeps its own account of who holds what. Each rule is also seen to fail when the guard behind it is taken
out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from service import bootstrap, cells, db, readers, sites
from service.embedded.postgres import EmbeddedPostgres
from service.errors import Invalid
from service.ids import new_id
from service.models import Chunk, Delivery, QuotaNode, ReaderGroup, Run, WorkItem
from tests.conftest import create_database

T = TypeVar("T")
GROUP = "learners"
FAST = settings(max_examples=12, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))


@dataclass
class Consumer:
    """As the test sees it."""

    name: str
    member: readers.Member
    window: int | None
    seen_at: datetime
    open: bool = True
    again: int = 0
    """Up to where this connection got again what was not acknowledged."""
    got: list[int] = field(default_factory=list)


class Sharing(RuleBasedStateMachine):
    postgres: EmbeddedPostgres
    template: str

    @initialize()
    def found(self) -> None:
        self.runner = asyncio.Runner()
        self.engine = db.create_engine(self.postgres.url_of(create_database(self.postgres, self.template)), pool_size=2)
        self.sessions = db.sessions(self.engine)
        self.now = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
        self.consumers: dict[str, Consumer] = {}
        self.replaced: list[readers.Member] = []
        self.holder: dict[int, str] = {}
        self.acknowledged: set[int] = set()
        self.chunks = 0
        self.run_id: UUID = self.do(self._found)

    async def _found(self, session: AsyncSession) -> UUID:
        await bootstrap.plant(session)
        self.site = (await sites.create(session, name="here", redis_url="redis://x", store_url="file:///x")).id
        cell = await cells.create(session, name="cell")
        self.node = await session.scalar(select(QuotaNode.id).where(QuotaNode.cell_id == cell.id))
        run = Run(
            id=new_id(), cell_id=cell.id, environments=1, policies=["random"], steps_per_env=1, seeds=[0], labels={},
            items_total=1, steps_expected=1,
        )  # fmt: skip
        session.add(run)
        return run.id

    def do(self, work: Callable[..., Awaitable[T]], *arguments: Any, **named: Any) -> T:
        """Run `work` in one transaction."""

        async def transaction() -> T:
            async with self.sessions.begin() as session:
                return await work(session, *arguments, **named)

        return self.runner.run(transaction())

    def a_consumer(self, which: int) -> Consumer | None:
        known = list(self.consumers.values())
        return known[which % len(known)] if known else None

    # --- what happens

    @rule(count=st.integers(1, 6))
    def commit(self, count: int) -> None:
        self.do(self._commit, count)
        self.chunks += count

    async def _commit(self, session: AsyncSession, count: int) -> None:
        run = await session.get_one(Run, self.run_id)
        for _ in range(count):
            item = WorkItem(
                id=new_id(), run_id=run.id, node_id=self.node, ordinal=run.next_seq, memory_mb=1, estimate_ms=1,
                max_ms=1, policy="random", seed=0, specs=[], segments=[], state="done",
            )  # fmt: skip
            session.add(item)
            await session.flush()
            chunk = Chunk(
                run_id=run.id, seq=run.next_seq, item_id=item.id, site_id=self.site, object_key="", bytes=1,
                sha256="", rows=1, episodes=1, steps=1, summary=[],
            )  # fmt: skip
            session.add(chunk)
            run.next_seq += 1

    @rule(which=st.integers(0, 3), window=st.sampled_from([None, 1, 3]))
    def connect(self, which: int, window: int | None) -> None:
        """A consumer comes, or comes again: the connection that it had gets nothing more."""
        name = f"consumer-{which}"
        if name in self.consumers:
            self.replaced.append(self.consumers[name].member)
        member = self.do(self._join, name)
        self.consumers[name] = Consumer(name, member, window, self.now)

    async def _join(self, session: AsyncSession, name: str) -> readers.Member:
        run = await session.get_one(Run, self.run_id)
        return await readers.join(session, run, GROUP, name, after=0, now=self.now)

    @rule(which=st.integers(0, 3), most=st.integers(1, 8))
    def read(self, which: int, most: int) -> None:
        """An open connection looks: for what the consumer has not acknowledged, then for more."""
        consumer = self.a_consumer(which)
        if consumer is None or not consumer.open:
            return
        seqs = self.do(self._unacknowledged, consumer.member, consumer.again, most)
        if seqs:
            consumer.again = seqs[-1]
            assert all(self.holder.get(seq) == consumer.name for seq in seqs), "got again what it did not hold"
        else:
            consumer.again = self.chunks
            seqs = self.do(self._take, consumer, most)
            self._check_taken(consumer, seqs)
        consumer.got += seqs

    def _check_taken(self, consumer: Consumer, seqs: list[int]) -> None:
        for seq in seqs:
            assert seq not in self.acknowledged, "got what was acknowledged"
            before = self.consumers.get(self.holder.get(seq, ""))
            assert before is None or before.seen_at < self.now - readers.GONE, "got what another one holds"
            assert before is not consumer, "got twice what it holds"
            self.holder[seq] = consumer.name
        held = [seq for seq, name in self.holder.items() if name == consumer.name]
        if seqs and consumer.window is not None:
            assert len(held) <= consumer.window, "got more than its window"

    async def _unacknowledged(self, session: AsyncSession, member: readers.Member, after: int, most: int) -> list[int]:
        return [chunk.seq for chunk in await readers.unacknowledged(session, member, after=after, most=most)]

    async def _take(self, session: AsyncSession, consumer: Consumer, most: int) -> list[int]:
        run = await session.get_one(Run, self.run_id)
        taken = await readers.take(
            session, run, consumer.member, most=most, window=consumer.window, now=self.now, accepting=True
        )
        assert taken.all_given == (len(self.holder.keys() | self.acknowledged | seqs_of(taken)) == self.chunks)
        assert taken.all_acknowledged == (len(self.acknowledged) == self.chunks)
        return [chunk.seq for chunk in taken.chunks]

    @rule(which=st.integers(0, 99))
    def read_on_a_replaced_connection(self, which: int) -> None:
        if self.replaced:
            member = self.replaced[which % len(self.replaced)]
            with pytest.raises(readers.Replaced):
                self.do(self._unacknowledged, member, 0, 1)

    @rule(which=st.integers(0, 3), first=st.integers(0, 20), count=st.integers(1, 20))
    def acknowledge(self, which: int, first: int, count: int) -> None:
        """A consumer acknowledges some of what it got: perhaps again, perhaps what others got meanwhile."""
        consumer = self.a_consumer(which)
        seqs = consumer.got[first : first + count] if consumer else []
        if seqs:
            self.do(self._acknowledge, seqs)
            self.acknowledged |= set(seqs)
            for seq in seqs:
                self.holder.pop(seq, None)

    async def _acknowledge(self, session: AsyncSession, seqs: list[int]) -> None:
        await readers.acknowledge(session, await session.get_one(Run, self.run_id), GROUP, seqs)

    @rule(beyond=st.integers(1, 3))
    def acknowledge_what_nobody_got(self, beyond: int) -> None:
        if self.consumers:
            given = len(self.holder.keys() | self.acknowledged)
            with pytest.raises(Invalid, match="unknown to the group"):
                self.do(self._acknowledge, [*self.acknowledged, given + beyond])

    @rule(which=st.integers(0, 3))
    def vanish(self, which: int) -> None:
        if consumer := self.a_consumer(which):
            consumer.open = False

    @rule(seconds=st.sampled_from([3, 12, 31]))
    def time_passes(self, seconds: int) -> None:
        """The API marks open connections all the time."""
        self.now += timedelta(seconds=seconds)
        still = [consumer for consumer in self.consumers.values() if consumer.open]
        self.do(readers.mark, opened=[consumer.member.connection for consumer in still], closed=[], now=self.now)
        for consumer in still:
            consumer.seen_at = self.now

    # --- what must hold

    @invariant()
    def the_rows_are_what_was_given_and_not_acknowledged(self) -> None:
        if hasattr(self, "run_id"):
            expected = self._expected() if self.consumers else None
            assert self.do(_state) == expected, "the rows differ"

    def _expected(self) -> tuple[int, int, set[int]]:
        given = max(self.holder.keys() | self.acknowledged, default=0)
        first = min(self.holder, default=given + 1)
        return given, first - 1, set(self.holder)

    def teardown(self) -> None:
        if not hasattr(self, "run_id"):
            return
        try:
            self._finish()
        finally:
            self.runner.run(self.engine.dispose())
            self.runner.close()

    def _finish(self) -> None:
        """Everybody goes and one consumer comes: in the end it has had all that nobody acknowledged."""
        for consumer in self.consumers.values():
            consumer.open = False
        self.now += readers.GONE + timedelta(seconds=1)
        self.connect(9, None)
        last = self.consumers["consumer-9"]
        before = -1
        while len(last.got) > before:
            before = len(last.got)
            self.read(list(self.consumers).index("consumer-9"), 8)
        assert self.acknowledged | set(last.got) == set(range(1, self.chunks + 1)), "a chunk reached nobody"
        assert len(set(last.got)) == len(last.got)


def seqs_of(taken: readers.Taken) -> set[int]:
    return {chunk.seq for chunk in taken.chunks}


async def _state(session: AsyncSession) -> tuple[int, int, set[int]] | None:
    group = (await session.execute(select(ReaderGroup))).scalar_one_or_none()
    seqs = (await session.scalars(select(Delivery.seq))).all()
    return (group.given_seq, group.read_seq, set(seqs)) if group else None


@pytest.fixture
def machine(postgres: EmbeddedPostgres, migrated: str) -> Iterator[type[Sharing]]:
    class Machine(Sharing):
        pass

    Machine.postgres, Machine.template = postgres, migrated
    return Machine


def test_in_any_history_each_chunk_is_one_consumers_until_it_is_acknowledged(machine: type[Sharing]) -> None:
    run_state_machine_as_test(machine, settings=FAST)


# --- each rule fails when its guard is taken out


def inherits_from_everybody(patch: pytest.MonkeyPatch) -> None:
    edit(patch, "_INHERIT", "AND r.seen_at < :before", "AND :before < now() + interval '99 years'")


def inherits_from_nobody(patch: pytest.MonkeyPatch) -> None:
    edit(patch, "_INHERIT", "r.seen_at < :before", "r.seen_at < :before AND false")


def forgets_consumers_with_their_chunks(patch: pytest.MonkeyPatch) -> None:
    edit(patch, "_FORGET", "AND NOT EXISTS (SELECT FROM delivery d WHERE d.reader_id = r.id)", "")


def edit(patch: pytest.MonkeyPatch, name: str, old: str, new: str) -> None:
    statement = getattr(readers, name)
    assert old in statement.text
    patch.setattr(readers, name, text(statement.text.replace(old, new)))


def two_read(m: Sharing) -> None:
    m.commit(2)
    m.connect(0, None)
    m.read(0, 8)
    m.read(0, 8)
    m.connect(1, None)
    m.read(1, 8)
    m.read(1, 8)


def one_vanishes(m: Sharing) -> None:
    m.commit(2)
    m.connect(0, None)
    m.read(0, 8)
    m.vanish(0)
    m.time_passes(31)
    m.connect(1, None)


@pytest.mark.parametrize(
    ("take_out", "history", "failure"),
    [
        (inherits_from_everybody, two_read, "got what another one holds"),
        (inherits_from_nobody, one_vanishes, "a chunk reached nobody"),
        (forgets_consumers_with_their_chunks, one_vanishes, "a chunk reached nobody"),
    ],
)
def test_a_rule_fails_without_its_guard_and_holds_with_it(
    machine: type[Sharing],
    monkeypatch: pytest.MonkeyPatch,
    take_out: Callable[[pytest.MonkeyPatch], None],
    history: Callable[[Sharing], None],
    failure: str,
) -> None:
    replay(machine, history)
    take_out(monkeypatch)
    with pytest.raises(AssertionError, match=failure):
        replay(machine, history)


def replay(machine: type[Sharing], history: Callable[[Sharing], None]) -> None:
    m = machine()
    m.found()
    try:
        history(m)
        m.the_rows_are_what_was_given_and_not_acknowledged()
    finally:
        m.teardown()


def test_while_streams_were_not_accepted_nobody_counts_as_gone(machine: type[Sharing]) -> None:
    m = machine()
    m.found()
    one_vanishes(m)

    async def take(session: AsyncSession) -> readers.Taken:
        run, member = await session.get_one(Run, m.run_id), m.consumers["consumer-1"].member
        return await readers.take(session, run, member, most=8, window=None, now=m.now, accepting=False)

    assert m.do(take).chunks == []
    m.teardown()


def test_a_group_keeps_no_row_of_consumers_that_went_with_nothing_left(machine: type[Sharing]) -> None:
    m = machine()
    m.found()
    for which in range(3):
        m.connect(which, None)
        m.vanish(which)
        m.time_passes(31)
    assert m.do(lambda session: session.scalar(select(func.count()).select_from(readers.Reader))) == 1
    m.teardown()
