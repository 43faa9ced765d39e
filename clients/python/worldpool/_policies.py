"""Versions of a policy as a learner makes them, and which rollouts are too old for it."""

from __future__ import annotations

from collections.abc import Iterable

from worldpool.batches import Batch
from worldpool.models import Policy


class PolicyClock:
    """The versions of a policy, oldest first. A learner advances it with every version that it uploads, and streams
    leave out what was played by versions too far behind: `run.stream(clock=clock, max_policy_lag=2)`.

    Versions are policies that `pool.policies` gave, or names as runs take them: "random", or a digest.
    """

    def __init__(self, versions: Iterable[Policy | str] = ()) -> None:
        self._newest = 0
        self._versions: dict[str, int] = {}
        for version in versions:
            self.advance(version)

    def advance(self, version: Policy | str) -> None:
        """This is the newest version now."""
        self._newest += 1
        self._versions[version if isinstance(version, str) else version.digest] = self._newest

    def lag(self, version: Policy | str) -> int:
        """How many versions came after it.

        Raises
        ------
        ValueError
            It is none of the versions.
        """
        name = version if isinstance(version, str) else version.digest
        if name not in self._versions:
            raise ValueError(f"{name} is no version of this policy: advance the clock before its rollouts are read")
        return self._newest - self._versions[name]


class Freshness:
    """Tells batches that are fresh from those whose policy is more than `most` versions behind, and counts these."""

    def __init__(self, clock: PolicyClock | None = None, most: int | None = None) -> None:
        if (clock is None) != (most is None):
            raise ValueError("clock and max_policy_lag go together")
        if most is not None and most < 0:
            raise ValueError(f"max_policy_lag is 0 or more, not {most}")
        self._clock = clock
        self._most = most
        self.stale = 0

    def keeps(self, batch: Batch) -> bool:
        if self._clock is None or self._most is None:
            return True
        fresh = self._clock.lag(batch.chunk.policy) <= self._most
        self.stale += not fresh
        return fresh
