"""Policies: what chooses the actions of a run."""

from __future__ import annotations

import hashlib


def digest(policy: str) -> str:
    """Identity of a policy without uploaded parts: its name and version."""
    return hashlib.sha256(f"{policy}@1".encode()).hexdigest()
