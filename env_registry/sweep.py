"""The sweep: measures every base task, level and candidate, and writes the committed files of the catalogue.

`python -m env_registry measure` can be stopped at any time and goes on where it was: each answer is a line of the
journal. Owns which measurement is made of what:

- of a base task: the whole card (`probe.look`), in a process that looks at one family's tasks in turn;
- of a base task again in another process with another hash seed: whether it is deterministic;
- of a (task, level of an axis or modifier): its effect size; less than `effects.THRESHOLD` is not offered there;
- of every candidate: spaces, fingerprint and the cost of a step.

What fails, what differs between two processes and what does the same as another candidate is rejected, with a reason.
"""

from __future__ import annotations

import json
import os
import queue
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import IO, Any

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from env_registry import arithmetic, effects
from env_registry.catalogue import COSTS, REJECTED, SPECS, Point, candidates, single_specs, singles
from env_registry.costs import quantised
from env_registry.runtime import processor, runtime
from env_registry.spec import Spec, parse

JOURNAL = Path(".worldpool/catalogue.jsonl")
PATIENCE_S = 120.0
"""Most seconds of one measurement."""
_ROOT = Path(__file__).parent.parent

Answer = dict[str, Any]
_Key = tuple[str, str]  # what was asked, and of which ref


# --- the measuring process


def serve(questions: IO[str], answers: IO[str]) -> None:
    """Answer questions, JSON objects a line, until they end. Runs in a process of its own."""
    for line in questions:
        question = json.loads(line)
        try:
            answer = _ANSWERS[question["ask"]](question)
        except Exception as error:  # whatever an engine raises is a finding
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        print(json.dumps({"ask": question["ask"], "ref": question["ref"], **answer}), file=answers, flush=True)


def _look(question: Answer) -> Answer:
    from env_registry.probe import look

    return look(parse(question["ref"])).json()


def _effect(question: Answer) -> Answer:
    spec = parse(question["ref"])
    return {"effect": effects.effect(_reference(question["base"], effects.reach_of(spec)), spec)}


@lru_cache(maxsize=8)  # the reaches of one task
def _reference(ref: str, reach: int) -> effects.Reference:
    return effects.Reference(parse(ref), reach)


def _print(question: Answer) -> Answer:
    from env_registry.probe import Probe, fingerprint, spaces

    started = perf_counter()
    probe = Probe(parse(question["ref"]))
    make_ms = 1e3 * (perf_counter() - started)
    found = fingerprint(probe)
    probe.close()
    return {
        **found._asdict(),
        "spaces": spaces(probe.simulator),
        "make_ms": make_ms,
        "step_us": probe.step_us,
    }


_ANSWERS = {"look": _look, "effect": _effect, "print": _print}


class MeasuringProcess:
    """A measuring process as its thread sees it: asked one question at a time, killed where it does not answer."""

    def __init__(self, hash_seed: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "env_registry", "answer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | arithmetic.SETTINGS | {"PYTHONHASHSEED": hash_seed},
            cwd=_ROOT,
        )

    def ask(self, question: Answer) -> Answer:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
            ready, _, _ = select.select([process.stdout], [], [], PATIENCE_S)
            line = process.stdout.readline() if ready else b""
        except BrokenPipeError:
            ready, line = [process.stdout], b""
        if line.startswith(b"{"):
            answer: Answer = json.loads(line)
            return answer
        self.close()
        why = f"the process ended with status {process.returncode}" if ready else f"no answer in {PATIENCE_S:g} s"
        return {"ask": question["ask"], "ref": question["ref"], "error": why}

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        self._process.kill()
        with suppress(BrokenPipeError):  # a question may still wait to be written
            self._process.communicate()


# --- the journal


class Journal:
    """Answers by (question, ref), kept in a file as they come."""

    def __init__(self, path: Path = JOURNAL) -> None:
        path.parent.mkdir(exist_ok=True, parents=True)
        self.path = path
        self._lock = threading.Lock()
        self.answers: dict[_Key, Answer] = {}
        whole, _, torn = (path.read_text() if path.exists() else "").rpartition("\n")
        if torn:  # by the death of a sweep
            path.write_text(whole + "\n")
        for line in whole.splitlines():
            answer = json.loads(line)
            if answer["runtime"] == runtime().digest:
                self.answers[answer["ask"], answer["ref"]] = answer

    def keep(self, answer: Answer) -> None:
        with self._lock:
            self.answers[answer["ask"], answer["ref"]] = answer
            with self.path.open("a") as file:
                file.write(json.dumps({**answer, "runtime": runtime().digest}, separators=(",", ":")) + "\n")


# --- the sweep


def sweep(journal: Journal, tasks: Sequence[Spec], *, jobs: int | None = None) -> None:
    """Measure what the journal lacks of these base tasks."""
    waiting: queue.SimpleQueue[Spec | None] = queue.SimpleQueue()
    progress = Progress(
        *Progress.get_default_columns(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True)
    )
    with progress:
        bar = progress.add_task("base tasks", total=len(tasks))
        sweepers = [
            _Sweeper(journal, waiting, lambda: progress.advance(bar)) for _ in range(jobs or os.cpu_count() or 1)
        ]
        for task in [*tasks, *(None for _ in sweepers)]:
            waiting.put(task)
        for sweeper in sweepers:
            sweeper.start()
        for sweeper in sweepers:
            sweeper.join()


class _Sweeper(threading.Thread):
    """Takes base tasks, with two measuring processes of different hash seeds; new ones for each family."""

    def __init__(self, journal: Journal, waiting: queue.SimpleQueue[Spec | None], advance: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._journal = journal
        self._waiting = waiting
        self._advance = advance
        self._processes: dict[str, MeasuringProcess] = {}
        self._family = ""

    def run(self) -> None:
        while (task := self._waiting.get()) is not None:
            if task.family != self._family:
                self._close()
                self._family = task.family
            self._measure(task)
            self._advance()
        self._close()

    def _measure(self, task: Spec) -> None:
        if "error" in self._answer({"ask": "look", "ref": task.ref}, hash_seed="1"):
            return
        for spec in single_specs(task):
            self._answer({"ask": "effect", "ref": spec.ref, "base": task.ref})
        for spec in candidates(task, kept(self._journal.answers, task)):
            self._answer({"ask": "print", "ref": spec.ref})

    def _answer(self, question: Answer, hash_seed: str = "2") -> Answer:
        known = self._journal.answers.get((question["ask"], question["ref"]))
        if known is not None:
            return known
        process = self._processes.get(hash_seed)
        if process is None or not process.alive:
            process = self._processes[hash_seed] = MeasuringProcess(hash_seed)
        answer = process.ask(question)
        self._journal.keep(answer)
        return answer

    def _close(self) -> None:
        for process in self._processes.values():
            process.close()
        self._processes.clear()


def kept(answers: Mapping[_Key, Answer], task: Spec) -> list[Point]:
    """The single levels and modifiers of a task that have an effect."""
    found = []
    for point in singles(task):
        answer = answers.get(("effect", point.of(task).ref), {})
        if answer.get("effect", 0.0) >= effects.THRESHOLD:
            found.append(point)
    return found


# --- the files


@dataclass(frozen=True)
class Rejected:
    ref: str
    rule: str  # failed, not_deterministic, no_effect, same_fingerprint, not_measured
    reason: str


_NOT_MEASURED = "not_measured", "the sweep did not come to it"


def select_specs(answers: Mapping[_Key, Answer], declared: Iterable[Spec]) -> tuple[list[Spec], list[Rejected]]:
    """What the catalogue lists, in its order, and what it leaves out; of equal specs the plainest stays."""
    rejected: list[Rejected] = []
    tasks = []
    for task in declared:
        reason = _task_problem(answers, task)
        if reason is None:
            tasks.append(task)
            rejected += _without_effect(answers, task)
        else:
            rejected.append(Rejected(task.ref, *reason))
    owner: dict[str, str] = {}
    chosen: dict[str, list[Spec]] = {task.ref: [] for task in tasks}
    ranked = [(spec, task) for task in tasks for spec in candidates(task, kept(answers, task))]
    for spec, task in sorted(ranked, key=lambda pair: _changes(*pair)):
        answer = answers.get(("print", spec.ref))
        if answer is None:
            rejected.append(Rejected(spec.ref, *_NOT_MEASURED))
        elif "error" in answer:
            rejected.append(Rejected(spec.ref, "failed", answer["error"]))
        elif spec != task and (not chosen[task.ref] or chosen[task.ref][0] != task):
            rejected.append(Rejected(spec.ref, "same_fingerprint", "its base task does as another one"))
        elif (known := owner.setdefault(answer["fingerprint"], spec.ref)) != spec.ref:
            rejected.append(Rejected(spec.ref, "same_fingerprint", known))
        else:
            chosen[task.ref].append(spec)
    return [spec for task in tasks for spec in chosen[task.ref]], sorted(rejected, key=lambda each: each.ref)


def write(journal: Journal, tasks: Iterable[Spec], folder: Path = SPECS.parent) -> None:
    """Replace the files by what the journal tells of these base tasks."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from env_registry.probe import BEHAVIOUR

    specs, rejected = select_specs(journal.answers, tasks)
    prints = [journal.answers["print", spec.ref] for spec in specs]
    looks = [journal.answers.get(("look", spec.ref)) for spec in specs]
    facts = {
        name: pa.array([look and look[name] for look in looks], kind)
        for name, kind in (
            ("seed_sensitive", pa.bool_()),
            ("exact", pa.bool_()),
            ("observation_bytes", pa.int32()),
            ("episode_steps", pa.float32()),
            ("random_return", pa.float32()),
            ("reward_low", pa.float32()),
            ("reward_high", pa.float32()),
        )
    }
    effect = [journal.answers.get(("effect", spec.ref), {}).get("effect") for spec in specs]
    table = pa.table(
        {
            "ref": pa.array([spec.ref for spec in specs]),
            "fingerprint": pa.array([bytes.fromhex(each["fingerprint"]) for each in prints], pa.binary(16)),
            "portable": pa.array([bytes.fromhex(each["portable"]) for each in prints], pa.binary(8)),
            "spaces": pa.array([json.dumps(each["spaces"]) for each in prints]).dictionary_encode(),
            "effect": pa.array(effect, pa.float32()),
            "behaviour": pa.array([each["behaviour"] for each in prints], pa.list_(pa.float32(), len(BEHAVIOUR))),
            **facts,
        },
        metadata={"runtime": json.dumps(dict(runtime().versions)), "processor": processor()},
    )
    costs = pa.table(
        {
            "make_us": pa.array([quantised(1e3 * each["make_ms"]) for each in prints], pa.uint8()),
            "step_us": pa.array([quantised(each["step_us"]) for each in prints], pa.uint8()),
            "memory_mb": pa.array([look and look["memory_mb"] for look in looks], pa.int32()),
        }
    )
    listed = pa.table({name: [getattr(each, name) for each in rejected] for name in ("ref", "rule", "reason")})
    for path, content in ((SPECS, table), (COSTS, costs), (REJECTED, listed)):
        path = folder / path.name
        draft = path.with_suffix(".draft")
        pq.write_table(content, draft, compression="zstd", compression_level=19)
        draft.replace(path)


def _task_problem(answers: Mapping[_Key, Answer], task: Spec) -> tuple[str, str] | None:
    look, again = answers.get(("look", task.ref)), answers.get(("print", task.ref))
    if look is None or (again is None and "error" not in look):
        return _NOT_MEASURED
    for answer in (look, again or {}):
        if "error" in answer:
            return "failed", answer["error"]
    if again is not None and look["fingerprint"] != again["fingerprint"]:
        return "not_deterministic", "two processes with different hash seeds disagree"
    return None


def _without_effect(answers: Mapping[_Key, Answer], task: Spec) -> Iterator[Rejected]:
    for spec in single_specs(task):
        answer = answers.get(("effect", spec.ref))
        if answer is None:
            yield Rejected(spec.ref, *_NOT_MEASURED)
        elif "error" in answer:
            yield Rejected(spec.ref, "failed", answer["error"])
        elif answer["effect"] < effects.THRESHOLD:
            yield Rejected(spec.ref, "no_effect", f"{answer['effect']:.3f}")


def _changes(spec: Spec, task: Spec) -> int:
    return len(spec.parameters) - len(task.parameters) + len(spec.modifiers)
