"""`python -m service keys` on a real database: what it prints, refuses and returns."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from service.__main__ import parser
from service.db import driver_url
from service.key_commands import run
from service.settings import Settings


def keys(database_url: str, *arguments: str) -> int:
    return asyncio.run(run(Settings(database_url=database_url), parser().parse_args(["keys", *arguments])))


def listed(database_url: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert keys(database_url, "list") == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("label", ["", "two\nlines", "\x1b[31m", "\udcff", "x" * 201])
def test_a_label_that_is_no_short_line_is_refused_in_a_line(
    database_url: str, capsys: pytest.CaptureFixture[str], label: str
) -> None:
    assert keys(database_url, "create", "--operator", "--label", label) == 1
    refusal = capsys.readouterr()
    assert refusal.out == ""
    assert refusal.err.startswith("--label: ")
    assert refusal.err.count("\n") == 1
    assert listed(database_url, capsys) == []


@pytest.mark.parametrize("owner", ["--cell", "--site"])
@pytest.mark.parametrize("name", ["nobody", "\udcff", "cell_1"])
def test_an_unknown_owner_is_refused_in_a_line(
    database_url: str, capsys: pytest.CaptureFixture[str], owner: str, name: str
) -> None:
    assert keys(database_url, "create", owner, name) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_key_is_made_listed_without_its_secret_and_revoked(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    label = "für " + "x" * 196
    assert keys(database_url, "create", "--operator", "--label", label) == 0
    secret = capsys.readouterr().out.strip()
    assert secret.startswith("wp_")
    [line] = listed(database_url, capsys)
    assert secret not in line
    assert line.endswith(label)
    assert keys(database_url, "revoke", line.split()[0]) == 0
    assert "is refused" in capsys.readouterr().out
    assert listed(database_url, capsys)[0].split()[2] == "revoked"


def test_a_label_of_several_lines_that_the_api_took_is_listed_on_one(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keys(database_url, "create", "--operator", "--label", "before") == 0
    capsys.readouterr()
    with psycopg.connect(driver_url(database_url)) as connection:
        connection.execute("UPDATE key SET label = 'two' || chr(10) || 'lines'")
    [line] = listed(database_url, capsys)
    assert line.endswith("  two lines")


def test_without_a_database_it_says_where_to_call_it_and_keeps_the_password(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert keys("postgresql+psycopg://user:secret@127.0.0.1:1/none", "list") == 1
    refusal = capsys.readouterr().err
    assert "in the folder of a running pool" in refusal
    assert refusal.count("\n") == 1
    assert "secret" not in refusal
