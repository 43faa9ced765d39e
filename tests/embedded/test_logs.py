from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

import pytest

from service.embedded import logs
from service.embedded.logs import Log, Terminal


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("2026-11-22 19:36:32 UTC [12] LOG:  starting PostgreSQL 18.4", "debug"),
        ("2026-11-22 19:36:32 UTC [12] FATAL:  the database system is starting up", "error"),
        ("12226:M 22 Nov 2026 19:36:27.654 * Ready to accept connections", "debug"),
        ("12226:M 22 Nov 2026 19:36:27.654 # WARNING Memory overcommit must be enabled!", "debug"),
        ("12226:M 22 Nov 2026 19:36:27.654 - Accepted a connection", "debug"),
        ("12226:signal-handler (1795384197) Received SIGTERM scheduling shutdown...", "debug"),
        ("19:44:39 [warning  ] worker.registration_failed cause=ConnectError", "warning"),
        ("19:44:39 [info     ] scheduler.leads", "info"),
        ('{"event": "lease.expired", "level": "warning"}', "warning"),
        ("WARNING celery.worker connection lost", "warning"),
        ("CRITICAL out of memory", "error"),
    ],
)
def test_the_level_of_a_line_is_read_from_it(line: str, name: str) -> None:
    assert logs.level(line) == logs.LEVELS[name]


@pytest.mark.parametrize("line", ["  File 'x.py', line 3, in information", "", "a warning in prose", "DEBUGGING"])
def test_a_line_that_names_no_level_continues_the_one_before(line: str) -> None:
    assert logs.level(line) is None


def test_a_traceback_is_shown_with_the_error_that_it_belongs_to(tmp_path: Path) -> None:
    seen = io.StringIO()
    log = Log("api", tmp_path, Terminal("warning", seen))
    for line in (b"[info] served", b"  quiet", b"[error] broke\n", b"Traceback:\n", b"  File", b"[info] on"):
        log.write(line)
    log.close()
    assert [line.split("| ")[1] for line in seen.getvalue().splitlines()] == ["[error] broke", "Traceback:", "  File"]
    assert len((tmp_path / "api.log").read_bytes().splitlines()) == 6


def test_a_log_file_is_capped_and_keeps_one_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "CAP_BYTES", 1000)
    log = Log("api", tmp_path, Terminal("error", io.StringIO()))
    for number in range(1000):
        log.write(b"line %d" % number)
    log.close()
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["api.log", "api.log.1"]
    assert all(file.stat().st_size <= 1010 for file in files)
    assert (files[1].read_bytes() + files[0].read_bytes()).endswith(b"line 998\nline 999\n")


def test_bytes_that_are_no_text_are_shown_all_the_same(tmp_path: Path) -> None:
    seen = io.StringIO()
    log = Log("api", tmp_path, Terminal("info", seen))
    log.write(b"\xff\xfe broken")
    log.close()
    assert "broken" in seen.getvalue()


def test_a_terminal_that_was_closed_hinders_no_log(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with contextlib.suppress(BrokenPipeError), open(writing, "w") as closed:
        log = Log("api", tmp_path, Terminal("info", closed))
        log.write(b"[info] one")
        log.write(b"[info] two")
        log.close()
    assert (tmp_path / "api.log").read_text() == "[info] one\n[info] two\n"
