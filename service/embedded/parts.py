"""The parts of a pool as children: what starts them and how one knows that they are ready."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Callable, Mapping
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


def worker(settings: Settings, keys: Mapping[str, str]) -> Child:
    """A Celery worker of the site `local`. It is not told where the database is."""
    command = ("-m", "celery", "--quiet", "-A", "workers.app", "worker")
    told = environment(
        url=settings.public_url, site_key=keys["site_key"], slots=settings.slots, log_level=settings.log_level,
        redis_url=settings.redis_url, store_url=settings.store_url,
        database_url=None, cell_key=None, operator_key=None,
    )  # fmt: skip
    known: set[str] = set()

    def states() -> dict[str, str]:
        listed = get(settings.public_url, "/v1/admin/workers", key=keys["operator_key"]) or {"items": []}
        return {worker["id"]: worker["state"] for worker in listed["items"]}

    def ready() -> bool:
        return any(state == "active" for id, state in states().items() if id not in known)

    return Child(
        "worker", (sys.executable, *command), ready=ready, environment=told, disposable=True,
        prepare=lambda: known.update(states()),  # one that was killed counts as active until it is missed
    )  # fmt: skip


def share(settings: Settings, keys: Mapping[str, str]) -> str:
    """What of the pool's capacity work may occupy, in words."""
    told = get(settings.public_url, "/v1/admin/commitment", key=keys["operator_key"])
    if told is None:
        return "the API did not tell the pool's capacity"
    percent = 100 * told["numerator"] / told["denominator"]
    return (
        f"the pool counts {told['capacity_mc']:,} millicores (1,000: a core); work may occupy {percent:g} % of them, "
        f"{told['limit_mc']:,}: {told['limit_mc'] // 1000} slots"
    )


def get(url: str, path: str, *, key: str | None = None) -> dict[str, Any] | None:
    """The JSON object that answers 200, or None. Goes around proxies: the API is on this machine."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
        answer = connection.getresponse()
        body = json.loads(answer.read() or b"{}")
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return body if answer.status == 200 and isinstance(body, dict) else None


def _service(verb: str, settings: Settings, ready: Callable[[], bool]) -> Child:
    told = environment(**settings.model_dump(mode="json", exclude={"site_key", "cell_key", "operator_key"}))
    return Child(verb, (sys.executable, "-m", "service", verb), ready=ready, environment=told, disposable=True)
