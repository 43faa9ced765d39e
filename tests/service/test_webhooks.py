"""Webhooks: who is told of what, with the transaction or not at all; signed, tried again, given up; never within."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any, TypeVar, get_args

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from service import bootstrap, capacity, cells, changes, clock, db, deliveries, webhooks
from service.api import schemas
from service.deliveries import Deliveries
from service.errors import Conflict, Invalid
from service.ids import new_id, read, show
from service.keys import Caller
from service.models import QuotaNode, Webhook, WebhookDelivery
from service.scheduler import loop
from service.settings import Settings
from service.webhooks import Event

T = TypeVar("T")
CALLER = Caller(new_id(), None, None, None, frozenset(), None)
WAIT_S = 30
LISTENERS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN worldpool_webhook'"
)


@dataclass
class Arrived:
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Receiver:
    """An HTTP server that takes what it is sent, and answers with `answers` first and 204 after them."""

    arrived: Queue[Arrived] = field(default_factory=Queue)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    holding: threading.Event | None = None
    """It answers nothing before this is set."""

    def __post_init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                holding = receiver.holding
                receiver.arrived.put(Arrived(dict(self.headers), body))
                if holding is not None:
                    holding.wait(WAIT_S)
                status, headers = receiver.answers.pop(0) if receiver.answers else (204, {})
                self.send_response(status)
                for name, value in {"Content-Length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?of=us"

    def close(self) -> None:
        if self.holding is not None:
            self.holding.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def next(self) -> Arrived:
        return self.arrived.get(timeout=WAIT_S)


class Town:
    """A database with the tree commitment -> (axis -> red, blue), guests."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.runner = asyncio.Runner()
        self.engine = db.create_engine(url, pool_size=3)
        self.sessions = db.sessions(self.engine)
        self.do(self._found)

    async def _found(self, session: AsyncSession) -> None:
        await bootstrap.plant(session)
        root = await capacity.lock_root(session)
        axis = QuotaNode(parent_id=root, name="axis", kind="group")
        session.add(axis)
        await session.flush()
        await cells.create(session, name="red", group=axis)
        await cells.create(session, name="blue")

    def close(self) -> None:
        self.runner.run(self.engine.dispose())
        self.runner.close()

    def do(self, work: Callable[..., Awaitable[T]], *arguments: Any, **named: Any) -> T:
        async def transaction() -> T:
            async with self.sessions.begin() as session:
                return await work(session, *arguments, **named)

        return self.runner.run(transaction())

    def register(self, name: str, url: str, *events: Event, private: bool = True) -> str:
        async def create(session: AsyncSession) -> str:
            request = schemas.WebhookCreate.model_validate({"url": url, "events": [str(e) for e in events or Event]})
            made = await webhooks.create(session, CALLER, await node(session, name), request, private=private)
            return show("webhook", made.id)

        return self.do(create)

    def tell(self, event: Event, name: str, *, once: str | None = None, **detail: Any) -> None:
        async def notify(session: AsyncSession) -> None:
            now = await clock.now(session)
            await webhooks.notify(session, event, await node(session, name), detail, now=now, once=once)

        self.do(notify)

    def rows(self) -> list[WebhookDelivery]:
        async def found(session: AsyncSession) -> list[WebhookDelivery]:
            rows = list((await session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.id))).all())
            session.expunge_all()
            return rows

        return self.do(found)

    def told(self) -> set[str]:
        """The nodes whose webhooks were promised something."""

        async def found(session: AsyncSession) -> set[str]:
            query = select(QuotaNode.name).join(Webhook, Webhook.node_id == QuotaNode.id)
            return set(await session.scalars(query.join(WebhookDelivery, WebhookDelivery.webhook_id == Webhook.id)))

        return self.do(found)

    def sender(self, *, private: bool = True) -> Deliveries:
        return Deliveries(self.sessions, db.Wakeups(self.url, db.WEBHOOK), private=private)

    def send(self, *, private: bool = True) -> int:
        return self.runner.run(self.sender(private=private).send())

    def make_due(self, **more: Any) -> None:
        values = {"due_at": WebhookDelivery.created_at, **more}
        self.do(lambda session: session.execute(update(WebhookDelivery).values(**values)))


async def node(session: AsyncSession, name: str) -> QuotaNode:
    return (await session.execute(select(QuotaNode).where(QuotaNode.name == name))).scalar_one()


@pytest.fixture
def town(database_url: str) -> Iterator[Town]:
    found = Town(database_url)
    yield found
    found.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


# --- who is told


def test_the_events_of_the_api_are_these() -> None:
    assert set(get_args(schemas.WebhookEvent)) == set(map(str, Event))


@pytest.mark.parametrize(
    ("event", "at", "told"),
    [
        (Event.BUDGET_SPENT, "red", {"red", "axis", "commitment"}),
        (Event.BUDGET_SPENT, "axis", {"axis", "commitment"}),
        (Event.BUDGET_NEARLY_SPENT, "blue", {"blue", "commitment"}),
        (Event.HOLD_SET, "red", {"red", "axis", "commitment"}),
        (Event.HOLD_RELEASED, "axis", {"red", "axis", "commitment"}),
        (Event.DEBT_BEGAN, "commitment", {"red", "blue", "axis", "commitment"}),
    ],
)
def test_an_event_is_told_above_and_a_hold_or_debt_below_too(town: Town, event: Event, at: str, told: set[str]) -> None:
    for name in ("red", "blue", "axis", "commitment"):
        town.register(name, "http://127.0.0.1:9/")
    town.tell(event, at)
    assert town.told() == told


def test_only_those_are_told_that_asked_for_the_event(town: Town) -> None:
    town.register("red", "http://127.0.0.1:9/", Event.HOLD_SET)
    town.tell(Event.HOLD_RELEASED, "red")
    assert town.told() == set()


def test_what_is_rolled_back_is_told_to_nobody(town: Town) -> None:
    town.register("red", "http://127.0.0.1:9/")

    async def fail(session: AsyncSession) -> None:
        await webhooks.notify(session, Event.HOLD_SET, await node(session, "red"), {}, now=await clock.now(session))
        raise RuntimeError("the transaction fails")

    with pytest.raises(RuntimeError):
        town.do(fail)
    assert town.rows() == []


def test_what_happens_once_is_told_once_and_anew_in_the_next_window(town: Town) -> None:
    town.register("red", "http://127.0.0.1:9/")
    town.register("red", "http://127.0.0.1:9/again")
    for window in ("monday", "monday", "tuesday"):
        town.tell(Event.BUDGET_SPENT, "red", once=window)
    assert len(town.rows()) == 4
    assert len({row.event_id for row in town.rows()}) == 2


def test_a_hold_and_its_release_are_told(town: Town) -> None:
    town.register("red", "http://127.0.0.1:9/")

    async def hold(session: AsyncSession, state: str) -> None:
        red = await node(session, "red")
        edit = schemas.QuotaEdit.model_validate({"quota": show("quota", red.id), "state": state})
        change = schemas.QuotaChange(quotas=[edit])
        await changes.apply(session, change, by="an operator", now=await clock.now(session))

    for state in ("hold", "hold", "active"):
        town.do(hold, state)
    assert [row.event for row in town.rows()] == ["hold.set", "hold.released"]


# --- delivery


def test_it_arrives_signed_and_once(town: Town, receiver: Receiver) -> None:
    webhook = town.register("red", receiver.url)
    town.tell(Event.HOLD_SET, "red", state="hold")
    assert (town.send(), town.send()) == (1, 0)
    arrived = receiver.next()
    assert receiver.arrived.empty()
    told = arrived.told
    assert (told["event"], told["node"]["name"], told["detail"]) == ("hold.set", "red", {"state": "hold"})

    async def secret(session: AsyncSession) -> str:
        return webhooks.secret(await session.get_one(Webhook, read("webhook", webhook)))

    headers = arrived.headers
    assert headers["Webhook-Id"] == told["id"]
    key = base64.b64decode(town.do(secret).removeprefix("whsec_"))
    signed = f"{headers['Webhook-Id']}.{headers['Webhook-Timestamp']}.".encode() + arrived.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["Webhook-Signature"] == f"v1,{expected}"
    (row,) = town.rows()
    assert (row.state, row.attempts, row.failure) == ("delivered", 1, None)
    assert abs(int(headers["Webhook-Timestamp"]) - row.created_at.timestamp()) < 60


def test_the_host_is_asked_for_by_its_name(town: Town, receiver: Receiver) -> None:
    town.register("red", f"http://localhost:{receiver.port}/")
    town.tell(Event.HOLD_SET, "red")
    town.send()
    assert receiver.next().headers["Host"] == f"localhost:{receiver.port}"


def test_what_fails_is_tried_again_later_and_later_with_the_same_id(town: Town, receiver: Receiver) -> None:
    town.register("red", receiver.url)
    town.tell(Event.HOLD_SET, "red")
    receiver.answers = [(500, {}), (302, {"Location": receiver.url})]
    for attempt, failure in ((1, "answered 500"), (2, "answered 302")):
        assert town.send() == 1
        (row,) = town.rows()
        assert (row.state, row.attempts, row.failure) == ("waiting", attempt, failure)
        later = row.due_at - town.do(clock.now)
        assert deliveries.pause(attempt) - timedelta(seconds=5) < later <= deliveries.pause(attempt)
        assert town.send() == 0
        town.make_due()
    assert town.send() == 1
    assert len({receiver.next().headers["Webhook-Id"] for _ in range(3)}) == 1
    assert receiver.arrived.empty()  # the redirect was not followed
    assert [row.state for row in town.rows()] == ["delivered"]


def test_pauses_double_up_to_an_hour() -> None:
    pauses = [deliveries.pause(attempts).total_seconds() for attempts in range(1, deliveries.MOST_ATTEMPTS)]
    assert pauses[:3] == [10, 20, 40]
    assert pauses[-1] == 3600
    assert 6 * 3600 < sum(pauses) < 8 * 3600


def test_what_never_arrives_is_a_dead_letter_that_can_be_sent_anew(town: Town, receiver: Receiver) -> None:
    webhook = town.register("red", receiver.url)
    town.tell(Event.HOLD_SET, "red")
    town.make_due(attempts=deliveries.MOST_ATTEMPTS - 1)
    receiver.answers = [(503, {})]
    assert town.send() == 1
    (row,) = town.rows()
    assert (row.state, row.failure) == ("dead", "answered 503")
    town.make_due()
    assert town.send() == 0

    async def redeliver(session: AsyncSession) -> None:
        found = await webhooks.get(session, await node(session, "red"), webhook)
        (shown,) = await webhooks.describe(session, [found])
        assert (shown.waiting, shown.delivered, shown.dead) == (0, 0, 1)
        await webhooks.redeliver(session, found, show("event", row.event_id))

    town.do(redeliver)
    assert town.send() == 1
    assert receiver.next().told == receiver.next().told
    with pytest.raises(Conflict):
        town.do(redeliver_delivered, webhook, row)


async def redeliver_delivered(session: AsyncSession, webhook: str, row: WebhookDelivery) -> None:
    found = await webhooks.get(session, await node(session, "red"), webhook)
    await webhooks.redeliver(session, found, show("event", row.event_id))


def test_nobody_there_is_a_failure_like_others(town: Town, receiver: Receiver) -> None:
    receiver.close()
    town.register("red", receiver.url)
    town.tell(Event.HOLD_SET, "red")
    assert town.send() == 1
    (row,) = town.rows()
    assert row.state == "waiting"
    assert "ConnectError" in (row.failure or "")


def test_what_a_sender_had_in_hand_when_it_died_is_sent_by_another(town: Town, receiver: Receiver) -> None:
    town.register("red", receiver.url)
    town.tell(Event.HOLD_SET, "red")
    receiver.holding = threading.Event()

    async def die() -> None:
        sending = asyncio.create_task(town.sender().send())
        first.append(await asyncio.to_thread(receiver.next))
        assert await town.sender().send() == 0  # a second sender leaves it to the first
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)

    first: list[Arrived] = []
    town.runner.run(die())
    receiver.holding.set()
    receiver.holding = None
    town.make_due()
    assert town.send() == 1
    assert receiver.next().told == first[0].told
    assert [row.state for row in town.rows()] == ["delivered"]


class Watched(db.Wakeups):
    """Tells when its only subscriber sleeps."""

    def __init__(self, url: str, channel: str) -> None:
        super().__init__(url, channel)
        self.asleep = asyncio.Event()

    @contextmanager
    def subscribe(self, key: str) -> Iterator[asyncio.Event]:
        with super().subscribe(key) as event:
            wait = event.wait

            async def sleep() -> bool:
                self.asleep.set()
                return await wait()

            event.wait = sleep  # type: ignore[method-assign]
            yield event


async def listened(town: Town) -> None:
    """Until some connection listens for events."""
    while True:
        async with town.sessions() as session:  # each time anew: within a transaction the answer stays
            if await session.scalar(LISTENERS):
                return
        await asyncio.sleep(0.05)


async def hold(town: Town) -> None:
    async with town.sessions.begin() as session:
        await webhooks.notify(session, Event.HOLD_SET, await node(session, "red"), {}, now=await clock.now(session))


def test_a_sender_that_sleeps_is_woken_by_what_is_told(
    town: Town, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "IDLE_S", 3600.0)
    town.register("red", receiver.url)

    async def serve() -> Arrived:
        wakeups = Watched(town.url, db.WEBHOOK)
        listening = asyncio.create_task(wakeups.listen())
        await listened(town)
        sending = asyncio.create_task(Deliveries(town.sessions, wakeups, private=True).serve())
        await wakeups.asleep.wait()
        await hold(town)
        try:
            return await asyncio.to_thread(receiver.next)
        finally:
            for task in (listening, sending):
                task.cancel()
            await asyncio.gather(listening, sending, return_exceptions=True)

    assert town.runner.run(serve()).told["event"] == "hold.set"


def test_the_scheduler_sends_what_is_told(town: Town, receiver: Receiver) -> None:
    town.register("red", receiver.url)

    async def lead() -> Arrived:
        stop = asyncio.Event()
        settings = Settings(database_url=town.url, webhook_private=True)
        leading = asyncio.create_task(loop.run(settings, stop))
        await listened(town)
        await hold(town)
        arrived = await asyncio.to_thread(receiver.next)
        stop.set()
        await leading
        return arrived

    assert town.runner.run(lead()).told["event"] == "hold.set"


# --- never within


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/", "http://a.localhost:8000/", "http://127.0.0.1/", "http://127.8.8.8:1/", "http://0.0.0.0/",
        "https://10.1.2.3/", "http://172.16.0.1/", "http://192.168.1.1/", "http://169.254.169.254/latest/meta-data",
        "http://100.64.0.1/", "http://224.0.0.1/", "http://[::1]/", "http://[::]/", "http://[fe80::1]/",
        "http://[fd00::1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:10.0.0.1]/", "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/", "http://[ff0e::1]/",
    ],
)  # fmt: skip
def test_an_address_within_is_refused_when_it_is_registered(town: Town, url: str) -> None:
    with pytest.raises(Invalid) as refused:
        town.register("red", url, private=False)
    assert refused.value.errors[0][0] == "body.url"
    assert "private" in refused.value.errors[0][1]


@pytest.mark.parametrize(
    "url", ["ftp://example.org/", "file:///etc/passwd", "example.org", "http://", "http://u:p@example.org/",
            "http://example.org:99999/", "http://[::1", "javascript:alert(1)"]
)  # fmt: skip
def test_what_is_no_address_of_the_web_is_refused_always(town: Town, url: str) -> None:
    with pytest.raises(Invalid):
        town.register("red", url, private=True)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_are_public(address: str) -> None:
    assert webhooks.is_public(address)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1"])
def test_a_name_that_leads_within_is_refused_when_it_is_sent(town: Town, receiver: Receiver, host: str) -> None:
    """Whatever it was when it was registered."""
    town.register("red", f"http://{host}:{receiver.port}/", private=True)
    town.tell(Event.HOLD_SET, "red")
    assert town.send(private=False) == 1
    assert receiver.arrived.empty()
    (row,) = town.rows()
    assert row.failure == "the host lies on this machine or in a private network"


def test_a_node_has_only_so_many(town: Town) -> None:
    for number in range(webhooks.MOST):
        town.register("red", f"http://example.org/{number}", private=False)
    with pytest.raises(Conflict, match=str(webhooks.MOST)):
        town.register("red", "http://example.org/more", private=False)
    town.register("blue", "http://example.org/", private=False)


def test_old_deliveries_are_forgotten_and_waiting_ones_are_not(town: Town) -> None:
    town.register("red", "http://127.0.0.1:9/")
    for state, days in (("delivered", 31), ("dead", 31), ("delivered", 29), ("waiting", 31)):
        town.tell(Event.HOLD_SET, "red")
        age = {"state": state, "created_at": town.do(clock.now) - timedelta(days=days)}
        newest = update(WebhookDelivery).where(WebhookDelivery.id == town.rows()[-1].id).values(**age)
        town.do(AsyncSession.execute, newest)

    async def forget(session: AsyncSession) -> None:
        await webhooks.forget(session, now=await clock.now(session))

    town.do(forget)
    assert sorted(row.state for row in town.rows()) == ["delivered", "waiting"]
