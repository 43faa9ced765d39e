"""The runner: a process that simulates one work item after another for a slot. `python -m workers.runner`.

Owns the engines, their limits and the write to the object store. Knows nothing of the service, its keys or leases: it
reads jobs on stdin, answers on stdout (see `frames`), and dies with its parent, when stdin ends.

Memory is limited by RLIMIT_DATA, which counts what the process may write to in private. RLIMIT_AS would also count what
engines merely map (libraries, files, reserved addresses), which is gigabytes for some and says nothing of use.
"""

from __future__ import annotations

import os
import queue
import resource
import sys
import threading
import traceback
from typing import IO

from workers import chunks, contract, frames, store
from workers.rollout import EnvironmentFailure, Rollout
from workers.simulators import SimulatorCache

_MOST_DETAIL = 4000  # characters that a release takes


def main() -> None:
    """Serve until stdin ends. Whatever an engine prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, jobs), daemon=True).start()
    try:
        frames.send(answers, frames.Ready())
        runner = Runner(answers)
        while True:
            runner.run(frames.parse_job(jobs.get()))
    except BaseException:
        traceback.print_exc()
        os._exit(1)  # the listening thread still reads; a plain exit would wait for its lock


def _listen(pipe: IO[bytes], jobs: queue.SimpleQueue[bytes]) -> None:
    while (body := frames.receive(pipe)) is not None:
        jobs.put(body)
    os._exit(0)


class Runner:
    """Runs jobs one after another and answers each with progress and one result."""

    def __init__(self, answers: IO[bytes]) -> None:
        self._answers = answers
        self._rollout = Rollout(SimulatorCache())

    def run(self, job: frames.Job) -> None:
        """Ends the process after the answer where memory ran out: nobody knows what is left of the engines then."""
        started = cpu_ms()

        def report(steps: int) -> None:
            frames.send(self._answers, frames.Progress(steps=steps, cpu_ms=cpu_ms() - started))

        def answer(outcome: contract.Outcome, failure: contract.Failure | None = None, detail: str = "") -> None:
            detail = detail[:_MOST_DETAIL]
            used = cpu_ms() - started
            frames.send(self._answers, frames.Result(outcome=outcome, failure=failure, detail=detail, cpu_ms=used))

        limit_memory(job.item.memory_mb)
        limit_cpu(job.item.max_ms)
        try:
            recording = self._rollout.run(job.item, report, job.files)
            chunk = chunks.write_chunk(job.item, recording, site=job.site, runtime=job.runtime)
        except MemoryError:
            limit_memory(None)
            answer(contract.Outcome.FAILED, contract.Failure.MEMORY_LIMIT, f"more than {job.item.memory_mb} MiB")
            os._exit(1)
        except EnvironmentFailure as error:
            return answer(contract.Outcome.FAILED, contract.Failure.ENVIRONMENT_ERROR, str(error))
        try:
            store.put(job.store_url, job.item.object_key, chunk.data)
        except Exception as error:  # obstore's errors have no common root; each means that the chunk is not there
            return answer(contract.Outcome.LOST, contract.Failure.STORE_ERROR, repr(error))
        used = cpu_ms() - started
        frames.send(self._answers, frames.Result(outcome=contract.Outcome.DONE, chunk=chunk.info, cpu_ms=used))
        return None


def cpu_ms() -> int:
    """Processor time of this process so far, of all its threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return int(1000 * (usage.ru_utime + usage.ru_stime))


def limit_memory(memory_mb: int | None) -> None:
    _limit(resource.RLIMIT_DATA, None if memory_mb is None else memory_mb << 20)


def limit_cpu(max_ms: int) -> None:
    """A last resort: the slot kills a runner that is late, and this one a runner whose slot was killed as well."""
    _limit(resource.RLIMIT_CPU, (cpu_ms() + 2 * max_ms) // 1000 + 10)


def _limit(what: int, soft: int | None) -> None:
    hard = resource.getrlimit(what)[1]
    if soft is None or hard != resource.RLIM_INFINITY < soft:
        soft = hard
    resource.setrlimit(what, (soft, hard))


if __name__ == "__main__":
    main()
