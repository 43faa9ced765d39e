"""The API's page about itself works where there is no internet."""

from __future__ import annotations

import re

from tests.service.conftest import Pool


def test_the_page_about_the_api_needs_nothing_from_elsewhere(pool: Pool) -> None:
    page = pool.get("/docs", pool.anonymous).text
    needed = [one or other for one, other in re.findall(r"""(?:src|href)="(.+?)"|\burl: '(.+?)'""", page)]
    assert {address.rpartition(".")[2] for address in needed} == {"css", "png", "js", "json"}
    assert "://" not in page
    for address in needed:
        assert address.startswith("/")
        assert not address.startswith("//")
        assert pool.get(address, pool.anonymous).status_code == 200, address
