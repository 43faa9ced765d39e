"""Frames and events, however the network cuts them."""

from __future__ import annotations

import json
import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worldpool import FormatError
from worldpool._frames import Event, EventReader, FrameReader

frames = st.lists(st.tuples(st.integers(0, 10**9), st.binary(max_size=300)), max_size=8)


def encode(header: dict[str, object], payload: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<I", len(text)) + text + struct.pack("<Q", len(payload)) + payload


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@given(sent=frames, cuts=st.lists(st.integers(0, 10**6), max_size=20))
def test_frames_come_out_as_they_went_in_wherever_the_bytes_are_cut(
    sent: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    data = b"".join(encode({"seq": seq}, payload) for seq, payload in sent)
    reader = FrameReader()
    got = [frame for piece in pieces(data, cuts) for frame in reader.feed(piece)]
    assert [frame.header["seq"] for frame in got] == [seq for seq, _ in sent]
    assert [frame.payload.to_pybytes() if frame.payload else b"" for frame in got] == [payload for _, payload in sent]


def test_a_payload_lies_in_memory_aligned_for_arrow() -> None:
    (frame,) = FrameReader().feed(encode({}, b"x" * 100))
    assert frame.payload is not None
    assert frame.payload.address % 64 == 0
    assert frame.payload.size == 100


@pytest.mark.parametrize(
    "data",
    [
        b"<html><body>",
        struct.pack("<I", 2) + b"{}" + struct.pack("<Q", 1 << 60),
        struct.pack("<I", 3) + b"\xff\xfe{" + struct.pack("<Q", 0),
        struct.pack("<I", 2) + b"12" + struct.pack("<Q", 0),
    ],
)
def test_bytes_that_are_no_frames_are_refused_before_memory_is_taken(data: bytes) -> None:
    with pytest.raises(FormatError, match="not a stream"):
        list(FrameReader().feed(data))


@given(cuts=st.lists(st.integers(0, 10**6), max_size=20), newline=st.sampled_from(["\n", "\r\n"]))
def test_events_come_out_as_they_went_in_wherever_the_bytes_are_cut(cuts: list[int], newline: str) -> None:
    lines = [
        ": hello",
        "",
        "event: progress",
        'data: {"ü":1}',
        "",
        "id: 4",
        "event:chunk",
        "data:a",
        "data: b",
        "",
        "data: late",
    ]
    data = newline.join(lines).encode()
    reader = EventReader()
    got = [event for piece in pieces(data, cuts) for event in reader.feed(piece)]
    assert got == [Event("progress", '{"ü":1}'), Event("chunk", "a\nb")]
