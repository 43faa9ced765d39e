"""Frames: how a slot and its runner speak over pipes. Four bytes of length, little endian, then JSON.

Owns the messages and their bytes. Knows nothing of what a runner does.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from workers import contract

_LENGTH = struct.Struct("<I")


class _Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Job(_Frame):
    """To the runner: simulate this item and write its chunk. `files` are the uploaded parts of its policy."""

    kind: Literal["job"] = "job"
    item: contract.Item
    site: str
    runtime: str
    store_url: str
    files: dict[str, Path] = {}


class Ready(_Frame):
    """From a new runner: imports are done."""

    kind: Literal["ready"] = "ready"


class Progress(_Frame):
    """From the runner: steps and processor time of the item so far."""

    kind: Literal["progress"] = "progress"
    steps: int
    cpu_ms: int


class Result(_Frame):
    """From the runner: how the item ended."""

    kind: Literal["result"] = "result"
    outcome: contract.Outcome
    failure: contract.Failure | None = None
    detail: str | None = None
    chunk: contract.ChunkInfo | None = None
    cpu_ms: int


FromRunner = Ready | Progress | Result
_FROM_RUNNER: TypeAdapter[FromRunner] = TypeAdapter(Ready | Progress | Result)


def send(pipe: IO[bytes], frame: _Frame) -> None:
    body = frame.model_dump_json().encode()
    pipe.write(_LENGTH.pack(len(body)) + body)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes | None:
    """The next frame's body, or None where the pipe has ended, also in the middle of a frame."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    body = pipe.read(length)
    return body if len(body) == length else None


def parse_job(body: bytes) -> Job:
    return Job.model_validate_json(body)


def parse_from_runner(body: bytes) -> FromRunner:
    return _FROM_RUNNER.validate_json(body)
