"""Where the pool is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import worldpool
from worldpool._config import Address, find_pool

WRITTEN = {"url": "http://localhost:8420/", "cell_key": "wp_cell", "operator_key": "wp_operator"}


def find(folder: Path, environ: dict[str, str], **given: Any) -> Address:
    return find_pool(**{"url": None, "api_key": None, "operator": False} | given, environ=environ, folder=folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".worldpool").mkdir()
    (tmp_path / ".worldpool" / "pool.json").write_text(json.dumps(WRITTEN))
    (tmp_path / "deep" / "below").mkdir(parents=True)
    return tmp_path / "deep" / "below"


def test_without_any_pool_the_advice_is_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(worldpool.PoolNotFound, match="make up"):
        find(tmp_path, {})


def test_a_key_is_asked_for_by_the_names_of_its_argument_and_variable(tmp_path: Path) -> None:
    with pytest.raises(worldpool.ConfigurationError, match=r"api_key= or set WORLDPOOL_API_KEY.*keys create --cell"):
        find(tmp_path, {"WORLDPOOL_URL": "http://pool"})
    with pytest.raises(worldpool.ConfigurationError, match=r"WORLDPOOL_OPERATOR_KEY.*keys create --operator"):
        find(tmp_path, {"WORLDPOOL_URL": "http://pool", "WORLDPOOL_API_KEY": "k"}, operator=True)


@pytest.mark.parametrize("url", ["localhost:8420", "ftp://pool", "http://", "http://pool:port", "http://pool:99999"])
def test_what_is_no_address_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(worldpool.ConfigurationError, match=f"{url}.* is no address of a pool"):
        find(tmp_path, {}, url=url, api_key="k")


@pytest.mark.parametrize("key", ["wp_\u00e9", "wp_\udcff", "wp_\n", "wp_ "])
def test_what_is_no_key_is_refused_by_where_it_is_from_and_not_shown(folder: Path, key: str) -> None:
    (folder.parent.parent / ".worldpool" / "pool.json").write_text(json.dumps(WRITTEN | {"cell_key": key}))
    variable = {"WORLDPOOL_API_KEY": key}
    given: dict[str, Any] = {"api_key": key}
    for source, environ, arguments in (
        ("api_key", {}, given),
        ("WORLDPOOL_API_KEY", variable, {}),
        (r"pool\.json", {}, {}),
    ):
        with pytest.raises(worldpool.ConfigurationError, match=f"{source} cannot be one: its character 4") as refusal:
            find(folder, environ, **arguments)
        assert "wp_" not in str(refusal.value)


def test_an_empty_argument_is_not_taken_for_none(folder: Path) -> None:
    for operator in (False, True):
        with pytest.raises(worldpool.ConfigurationError, match="the key from api_key cannot be one: it is empty"):
            find(folder, {"WORLDPOOL_API_KEY": "k", "WORLDPOOL_OPERATOR_KEY": "k"}, api_key="", operator=operator)
    with pytest.raises(worldpool.ConfigurationError, match="'' is no address of a pool"):
        find(folder, {"WORLDPOOL_URL": "http://pool"}, url="", api_key="k")
    assert find(folder, {"WORLDPOOL_URL": "", "WORLDPOOL_API_KEY": ""}).api_key == "wp_cell"


def test_the_file_of_a_parent_folder_is_found(folder: Path) -> None:
    assert find(folder, {}) == Address("http://localhost:8420", "wp_cell")
    assert find(folder, {}, operator=True).api_key == "wp_operator"


def test_variables_go_before_the_file_and_arguments_before_both(folder: Path) -> None:
    environ = {"WORLDPOOL_URL": "http://pool", "WORLDPOOL_API_KEY": "k1", "WORLDPOOL_OPERATOR_KEY": "k2"}
    assert find(folder, environ) == Address("http://pool", "k1")
    assert find(folder, environ, operator=True) == Address("http://pool", "k2")
    assert find(folder, environ, url="https://other", api_key="k3") == Address("https://other", "k3")


def test_the_files_key_is_not_sent_to_another_pool(folder: Path) -> None:
    with pytest.raises(worldpool.ConfigurationError, match=r"no key.*pool\.json is for http://localhost:8420"):
        find(folder, {"WORLDPOOL_URL": "http://other"})


@pytest.mark.parametrize("text", ["{", "[1]", "1", "\u00e9"])
def test_a_damaged_file_is_named_and_only_read_where_it_is_needed(folder: Path, text: str) -> None:
    (folder.parent.parent / ".worldpool" / "pool.json").write_text(text, "latin-1")
    with pytest.raises(worldpool.ConfigurationError, match=r"pool\.json"):
        find(folder, {})
    assert find(folder, {"WORLDPOOL_URL": "http://pool", "WORLDPOOL_API_KEY": "k"}) == Address("http://pool", "k")


def test_keys_do_not_show_in_reprs() -> None:
    assert "secret" not in repr(Address("http://pool", "secret"))
    with worldpool.Client(url="http://pool", api_key="secret") as pool:
        assert "secret" not in repr(pool)
