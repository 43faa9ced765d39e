"""A broker for tests of the scheduler's processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.embedded.redis import EmbeddedRedis


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running
