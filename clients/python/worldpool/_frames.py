"""Frames and server-sent events out of bytes as they arrive, cut anywhere. No I/O, no meaning.

A frame is: uint32 LE length of the header, header (UTF-8 JSON), uint64 LE length of the payload, payload. The payload
is written once, into memory of its final size and Arrow's alignment; arrays are views of it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from worldpool.errors import FormatError

MAX_HEADER_BYTES = 1 << 24
MAX_PAYLOAD_BYTES = 1 << 40


@dataclass(frozen=True, slots=True)
class Frame:
    header: dict[str, Any]
    payload: pa.Buffer | None


class FrameReader:
    """Feed it what arrives; it yields the frames that are complete."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._header: dict[str, Any] | None = None
        self._payload: pa.Buffer | None = None
        self._room = memoryview(b"")  # of the payload, what is still to be filled

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that these bytes complete.

        Raises
        ------
        FormatError
            The bytes are no frames.
        """
        view = memoryview(data)
        while view:
            view = self._take_head(view) if self._header is None else self._take_payload(view)
            if self._header is not None and not self._room:
                frame = Frame(self._header, self._payload)
                self._head.clear()
                self._header = self._payload = None
                self._room = memoryview(b"")
                yield frame

    def _take_head(self, view: memoryview) -> memoryview:
        """Both lengths and the header, which are few bytes: here a copy costs nothing."""
        missing = self._head_size() - len(self._head)
        self._head += view[:missing]
        view = view[missing:]
        if len(self._head) == self._head_size():
            self._open_payload()
        return view

    def _head_size(self) -> int:
        if len(self._head) < 4:
            return 4
        (header_bytes,) = struct.unpack_from("<I", self._head)
        if header_bytes > MAX_HEADER_BYTES:
            raise FormatError(f"not a stream of this pool: a frame header of {header_bytes} bytes")
        return int(4 + header_bytes + 8)

    def _open_payload(self) -> None:
        (payload_bytes,) = struct.unpack_from("<Q", self._head, len(self._head) - 8)
        if payload_bytes > MAX_PAYLOAD_BYTES:
            raise FormatError(f"not a stream of this pool: a frame payload of {payload_bytes} bytes")
        try:
            self._header = dict(json.loads(self._head[4:-8]))
        except (ValueError, TypeError) as error:
            raise FormatError(f"not a stream of this pool: {error}") from error
        if payload_bytes:
            self._payload = pa.allocate_buffer(payload_bytes)
            self._room = memoryview(self._payload).cast("B")

    def _take_payload(self, view: memoryview) -> memoryview:
        size = min(len(view), len(self._room))
        self._room[:size] = view[:size]
        self._room = self._room[size:]
        return view[size:]


@dataclass(frozen=True, slots=True)
class Event:
    name: str
    data: str


class EventReader:
    """Server-sent events (WHATWG HTML, 9.2): feed it what arrives; it yields the events that are complete."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = "message"
        self._data: list[str] = []

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that these bytes complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            event = self._take(line.rstrip(b"\r").decode())
            if event is not None:
                yield event

    def _take(self, line: str) -> Event | None:
        if not line:
            event = Event(self._name, "\n".join(self._data)) if self._data else None
            self._name, self._data = "message", []
            return event
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
        return None
