"""What the running pool says of itself, for `python -m service status`."""

from __future__ import annotations

import os

from service.embedded.parts import get
from service.embedded.state import State, read_json
from service.settings import Settings


def report(settings: Settings) -> dict[str, str] | None:
    """Name and value of everything worth knowing, `status` among them; None if no pool runs in the state folder."""
    pool = read_json(State(settings.state_dir).pool_file)
    if pool is None or not lives(pool["pid"]):  # who was killed cannot remove its file
        return None
    health = get(pool["url"], "/readyz") or {"status": "not ready"}
    rows = {"address": pool["url"], "supervisor": f"pid {pool['pid']}"}
    rows |= {name: f"pid {pid}" for name, pid in pool["children"].items()}
    return rows | {name: str(value) for name, value in health.items()}


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
