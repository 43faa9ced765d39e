"""What the operator of a site can set for a worker. In this room only this file reads `WORLDPOOL_` variables."""

from __future__ import annotations

import os
import socket
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="WORLDPOOL_", frozen=True, env_ignore_empty=True)

    url: str = Field("http://127.0.0.1:8000", description="Address of the API.")
    site_key: SecretStr = Field(SecretStr(""), description="Key of the site that this worker belongs to.")
    redis_url: str = Field(
        "redis://localhost:6379/0",
        description="Celery address of the site's Redis, such as `redis+socket:///run/redis.sock?virtual_host=0`.",
    )
    worker_name: str = Field(
        default_factory=socket.gethostname,
        min_length=1,
        max_length=200,
        description="Name of this worker process in its site, the same after a restart. Default: the host's name.",
    )
    slots: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        le=4096,
        description="Work items that run at once; Celery's `--concurrency` overrides it. Default: the number of cores.",
    )
    contributes_mc: int | None = Field(
        None,
        ge=1,
        description="Millicores of the pool that this worker stands for. Default: these slots are the committed 33 %.",
    )
    memory_mb_per_slot: int = Field(2048, ge=256, description="Memory that one slot offers to a work item, in MiB.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lowest level of the log lines that are shown."
    )
