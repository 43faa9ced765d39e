"""The agent with real runners against an internal API over HTTP."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workers import contract
from workers.agent import Agent
from workers.api import ServiceApi
from workers.leases import FENCE_S, Leases

from .conftest import MakeItem, segment
from .internal_api import KEY, InternalApi

SlowPid = Callable[[], int]
LONG = "lab/slow;length=1000000"


@pytest.fixture
def api(tmp_path: Path, slow_pid: SlowPid) -> Iterator[InternalApi]:
    api = InternalApi(tmp_path.as_uri())
    api.start()
    yield api
    api.stop()


class Worker:
    """An agent, with a thread for each grant as Celery would have."""

    def __init__(self, api: InternalApi, stall_s: float = 30, memory_mb: int = 4096, leave_s: float = 5) -> None:
        self.api = api
        self.queues: list[str] = []
        self.agent = Agent(
            ServiceApi(api.url, KEY),
            name="host",
            slots=2,
            memory_mb=memory_mb,
            runtime="r" * 64,
            on_queue=self.queues.append,
            stall_s=stall_s,
            leave_s=leave_s,
        )
        self.agent.start()

    def begin(self, item: contract.Item) -> threading.Thread:
        grant = self.api.offer(item)
        thread = threading.Thread(target=self.agent.run_grant, args=(grant,))
        thread.start()
        return thread

    def run(self, item: contract.Item) -> contract.Release:
        self.begin(item).join()
        return self.api.releases[-1]

    def until_running(self, item: contract.Item) -> None:
        """Until a heartbeat tells of steps of the item."""
        self.api.until(
            lambda: any(p.lease_id == item.lease_id and p.steps for h in self.api.heartbeats for p in h.leases)
        )


@pytest.fixture
def worker(api: InternalApi) -> Iterator[Worker]:
    worker = Worker(api)
    yield worker
    worker.agent.stop()


def children() -> set[int]:
    """Runners of this process."""
    pids = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == os.getpid() and b"workers.runner" in (entry / "cmdline").read_bytes():
                pids.add(int(entry.name))
        except OSError:
            continue
    return pids


def test_a_grant_is_claimed_run_and_released_with_its_chunk(
    worker: Worker, make_item: MakeItem, tmp_path: Path
) -> None:
    release = worker.run(make_item("lab/single"))
    assert release.outcome is contract.Outcome.DONE
    assert release.chunk is not None
    assert release.chunk.bytes == (tmp_path / "runs/r/0.wpc").stat().st_size
    assert release.worker_id in worker.api.workers
    assert release.fence == 7


def test_a_grant_that_comes_twice_runs_once(worker: Worker, make_item: MakeItem) -> None:
    worker.run(make_item("lab/single"))
    worker.run(make_item("lab/single"))
    assert len(worker.api.releases) == 1


def test_a_claim_whose_answer_is_lost_is_made_again_and_the_item_runs(worker: Worker, make_item: MakeItem) -> None:
    worker.api.lose_claims = 2
    assert worker.run(make_item("lab/single")).outcome is contract.Outcome.DONE
    assert worker.api.claims == 3


def test_a_slot_goes_on_with_what_its_release_is_answered_with(worker: Worker, make_item: MakeItem) -> None:
    following = [make_item("lab/single", n=n).model_copy(update={"fence": 7 + n}) for n in (1, 2)]
    worker.api.following = list(following)
    worker.run(make_item("lab/single"))
    assert [release.outcome for release in worker.api.releases] == [contract.Outcome.DONE] * 3
    assert [release.fence for release in worker.api.releases] == [7, 8, 9]
    assert len({release.take for release in worker.api.releases}) == 3
    assert worker.api.claims == 1


def test_a_release_whose_answer_is_lost_takes_the_same_item_again(worker: Worker, make_item: MakeItem) -> None:
    worker.api.following = [make_item("lab/single", n=1).model_copy(update={"fence": 8})]
    worker.api.lose_releases = 2
    worker.run(make_item("lab/single"))
    assert [release.fence for release in worker.api.releases] == [7, 7, 7, 8]
    assert len({release.take for release in worker.api.releases}) == 2
    assert list(worker.api.taken) == [worker.api.releases[0].take]


def test_a_draining_worker_takes_nothing_with_its_release(
    worker: Worker, make_item: MakeItem, slow_pid: SlowPid
) -> None:
    worker.api.following = [make_item("lab/single", n=1)]
    running = worker.begin(make_item(LONG, segments=[segment(steps=1000)]))
    slow_pid()
    worker.agent.drain()
    running.join()
    assert [release.take for release in worker.api.releases] == [None]


def test_a_grant_whose_lease_has_ended_runs_nothing(worker: Worker) -> None:
    worker.agent.run_grant(contract.Grant(lease_id=contract.UUID(int=5), fence=1))
    assert worker.api.releases == []


def test_a_heartbeat_comes_at_once_and_lists_progress(worker: Worker, make_item: MakeItem) -> None:
    item = make_item(LONG, segments=[segment(steps=1000)])
    running = worker.begin(item)
    worker.until_running(item)
    running.join()
    assert worker.api.releases[0].outcome is contract.Outcome.DONE
    assert worker.api.releases[0].cpu_ms > 0


def test_a_runner_killed_in_the_middle_is_lost_at_once_and_replaced(
    worker: Worker, make_item: MakeItem, slow_pid: SlowPid
) -> None:
    running = worker.begin(make_item(LONG, segments=[segment(steps=100_000)]))
    os.kill(slow_pid(), signal.SIGKILL)
    killed_at = time.monotonic()
    running.join()
    assert time.monotonic() - killed_at < 1
    release = worker.api.releases[0]
    assert (release.outcome, release.failure) == (contract.Outcome.LOST, contract.Failure.RUNNER_DIED)
    assert release.detail == "killed by SIGKILL"
    assert worker.run(make_item("lab/single", n=1)).outcome is contract.Outcome.DONE
    assert len(children()) == 3  # one more than slots


def test_a_hung_environment_is_killed_and_its_neighbour_goes_on(
    api: InternalApi, make_item: MakeItem, slow_pid: SlowPid
) -> None:
    worker = Worker(api, stall_s=3)
    neighbour = worker.begin(make_item(LONG, segments=[segment(steps=1000)], n=1))
    slow_pid()
    release = worker.run(make_item("lab/hang"))
    assert (release.outcome, release.failure) == (contract.Outcome.LOST, contract.Failure.STALLED)
    neighbour.join()
    assert worker.api.releases[-1].outcome is contract.Outcome.DONE
    worker.agent.stop()


def test_an_item_over_its_time_limit_fails(worker: Worker, make_item: MakeItem) -> None:
    release = worker.run(make_item(LONG, max_ms=600))
    assert (release.outcome, release.failure) == (contract.Outcome.FAILED, contract.Failure.TIME_LIMIT)


def test_after_the_memory_limit_the_next_item_has_a_fresh_runner(api: InternalApi, make_item: MakeItem) -> None:
    worker = Worker(api, memory_mb=800)
    release = worker.run(make_item("lab/hungry;length=1000", memory_mb=400))
    assert (release.outcome, release.failure) == (contract.Outcome.FAILED, contract.Failure.MEMORY_LIMIT)
    assert worker.run(make_item("lab/single", n=1)).outcome is contract.Outcome.DONE
    worker.agent.stop()


def test_an_item_may_use_its_slots_share_whatever_it_was_thought_to_need(worker: Worker, make_item: MakeItem) -> None:
    assert worker.run(make_item("lab/hungry;length=5", memory_mb=1)).outcome is contract.Outcome.DONE


def test_a_lease_that_the_service_takes_back_is_stopped_and_not_released(
    worker: Worker, make_item: MakeItem, slow_pid: SlowPid
) -> None:
    item = make_item(LONG, segments=[segment(steps=100_000)])
    running = worker.begin(item)
    slow_pid()
    worker.api.abandon = [item.lease_id]
    running.join(contract.HEARTBEAT_S + 2)
    assert not running.is_alive()
    assert worker.api.releases == []


def test_a_release_survives_a_restart_of_the_api(worker: Worker, make_item: MakeItem) -> None:
    running = worker.begin(make_item(LONG, segments=[segment(steps=100)]))
    worker.api.until(lambda: worker.api.claimed)
    worker.api.stop()
    time.sleep(1.5)  # the item ends meanwhile and its first release finds nobody
    worker.api.start()
    running.join(10)
    assert [release.outcome for release in worker.api.releases] == [contract.Outcome.DONE]


def test_a_chunk_that_was_not_taken_is_deleted(worker: Worker, make_item: MakeItem, tmp_path: Path) -> None:
    worker.api.accept = False
    assert worker.run(make_item("lab/single")).outcome is contract.Outcome.DONE
    assert not (tmp_path / "runs/r/0.wpc").exists()


def test_an_unsure_release_deletes_nothing(worker: Worker, make_item: MakeItem, tmp_path: Path) -> None:
    worker.api.fail_releases = 3
    assert worker.run(make_item("lab/single")).outcome is contract.Outcome.DONE
    assert (tmp_path / "runs/r/0.wpc").exists()


def test_a_worker_that_nobody_hears_stops_before_its_leases_end(
    worker: Worker, make_item: MakeItem, slow_pid: SlowPid
) -> None:
    running = worker.begin(make_item(LONG, segments=[segment(steps=100_000)]))
    slow_pid()
    worker.api.stop()
    silent_since = time.monotonic()
    running.join(contract.TTL_S)
    assert not running.is_alive()
    assert FENCE_S - contract.HEARTBEAT_S - 1 < time.monotonic() - silent_since < contract.TTL_S - 2
    assert worker.api.releases == []
    worker.api.start()


def test_a_forgotten_worker_registers_as_another_incarnation(
    worker: Worker, make_item: MakeItem, slow_pid: SlowPid
) -> None:
    running = worker.begin(make_item(LONG, segments=[segment(steps=100_000)]))
    slow_pid()
    worker.api.forget_workers()
    worker.api.until(lambda: len(worker.api.registrations) == 2)
    first, second = worker.api.registrations
    assert first.name == second.name
    assert first.incarnation != second.incarnation
    running.join(5)
    assert worker.api.releases == []
    assert worker.run(make_item("lab/single", n=1)).worker_id == list(worker.api.workers)[-1]
    assert worker.queues[-1] == worker.api.queue


def test_registration_waits_for_the_api(api: InternalApi) -> None:
    api.stop()
    begun = threading.Thread(target=lambda: Worker(api).agent.stop())
    begun.start()
    time.sleep(0.3)
    api.start()
    begun.join(30)
    assert len(api.registrations) == 1
    assert len(api.left) == 1


def test_a_worker_that_stops_waits_until_its_capacity_is_not_needed(api: InternalApi) -> None:
    worker = Worker(api, leave_s=600)
    api.lets_go = False
    stopping = threading.Thread(target=worker.agent.stop)
    stopping.start()
    api.until(lambda: len([beat for beat in api.heartbeats if beat.draining]) >= 2)
    assert api.left == []
    api.lets_go = True
    stopping.join(60)
    assert api.left == list(api.workers)


def test_a_worker_that_stops_waits_for_no_api_that_is_away(api: InternalApi) -> None:
    worker = Worker(api, leave_s=600)
    api.until(lambda: api.heartbeats)
    api.lets_go = False
    api.stop()
    stopping = threading.Thread(target=worker.agent.stop)
    stopping.start()
    stopping.join(60)
    assert not stopping.is_alive()


def test_a_draining_worker_says_so_and_takes_no_more_grants(worker: Worker, make_item: MakeItem) -> None:
    item = make_item(LONG, segments=[segment(steps=400)])
    running = worker.begin(item)
    worker.api.until(lambda: worker.api.claimed)
    worker.agent.drain()
    worker.api.until(lambda: any(beat.draining for beat in worker.api.heartbeats))
    worker.begin(make_item("lab/single", n=1)).join()
    running.join()
    assert [release.outcome for release in worker.api.releases] == [contract.Outcome.DONE]


def test_a_stopping_worker_hands_back_what_runs_and_leaves_no_runner(
    api: InternalApi, make_item: MakeItem, slow_pid: SlowPid
) -> None:
    before = children()
    worker = Worker(api)
    running = worker.begin(make_item(LONG, segments=[segment(steps=100_000)]))
    slow_pid()
    worker.agent.drain(hand_back=True)
    running.join(5)
    worker.agent.stop()
    assert [(r.outcome, r.failure) for r in api.releases] == [(contract.Outcome.ABANDONED, contract.Failure.DRAINED)]
    assert api.left == list(api.workers)
    assert children() == before


def test_the_fence_passes_from_the_last_heartbeat_that_was_accepted() -> None:
    leases = Leases()
    assert leases.fenced(0.0)
    leases.heard(100.0)
    leases.heard(90.0)
    assert not leases.fenced(100.0 + FENCE_S)
    assert leases.fenced(100.1 + FENCE_S)
    assert FENCE_S == contract.TTL_S - contract.FENCE_MARGIN_S
