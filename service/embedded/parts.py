"""The parts of a pool as children: what starts them and how one knows that they are ready."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from service.embedded.child import Child
from service.settings import Settings, environment

DATABASES = ("postgres", "redis")
SERVICE = frozenset(("api", "scheduler", "worker"))
PARTS = (*DATABASES, *sorted(SERVICE))


def api(settings: Settings) -> Child:
    return _service("api", settings, lambda: get(settings.public_url, "/healthz") is not None)


def scheduler(settings: Settings) -> Child:
    return _service("scheduler", settings, lambda: True)  # nobody connects to it: it serves the database


def worker(settings: Settings, site_key: str) -> Child:
    """A Celery worker of the site `local`. It is not told where the database is."""
    command = ("-m", "celery", "--quiet", "-A", "workers.app", "worker")
    told = environment(
        url=settings.public_url, site_key=site_key, slots=settings.slots, log_level=settings.log_level,
        redis_url=settings.redis_url, store_url=settings.store_url,
        database_url=None, cell_key=None, operator_key=None,
    )  # fmt: skip
    return Child("worker", (sys.executable, *command), ready=workers_ready(settings), environment=told)


def workers_ready(settings: Settings) -> Callable[[], bool]:
    """Whether the whole pool can work: database and broker are reachable and a worker has come."""

    def ready() -> bool:
        report = get(settings.public_url, "/readyz")
        return report is not None and report.get("workers", 0) >= 1

    return ready


def get(url: str, path: str) -> dict[str, Any] | None:
    """The JSON object that answers 200, or None. Goes around proxies: the API is on this machine."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = json.loads(answer.read() or b"{}")
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return body if answer.status == 200 and isinstance(body, dict) else None


def _service(verb: str, settings: Settings, ready: Callable[[], bool]) -> Child:
    told = environment(**settings.model_dump(mode="json", exclude={"site_key", "cell_key", "operator_key"}))
    return Child(verb, (sys.executable, "-m", "service", verb), ready=ready, environment=told)
