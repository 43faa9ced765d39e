"""The record of what operators changed. Written in the transaction of the change."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from service.keys import Caller
from service.models import Audit


def record(session: AsyncSession, caller: Caller, action: str, target: str, **change: Any) -> None:
    """Note that `caller` did `action` to `target`. Never pass a secret."""
    session.add(Audit(actor=caller.name, action=action, target=target, change=change))
