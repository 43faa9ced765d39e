"""The service's internal API, as a worker calls it with its site's key.

Owns addresses, the key and which answers mean what. Knows nothing of why a call is made or when it is made again.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TypeVar
from uuid import UUID

import httpx
from pydantic import ValidationError

from workers import contract

_Answer = TypeVar("_Answer", bound=contract.Message)
_TIMEOUT_S = 10.0


class Unavailable(Exception):
    """No answer, or one that says: not now. The same call may be made again."""


class Refused(Exception):
    """The service understood and says no; the same call will be refused again."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status


class ServiceApi:
    """One connection pool for all threads of a worker. Every call raises `Unavailable` or `Refused`."""

    def __init__(self, url: str, site_key: str) -> None:
        self._client = httpx.Client(
            base_url=url.rstrip("/") + "/internal/",
            headers={"Authorization": f"Bearer {site_key}"},
            timeout=_TIMEOUT_S,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
            trust_env=not _is_this_machine(url),  # a proxy of the environment does not reach it
        )

    def register(self, registration: contract.Registration) -> contract.Registered:
        return self._post("workers", registration, contract.Registered)

    def heartbeat(self, worker_id: UUID, heartbeat: contract.Heartbeat) -> contract.HeartbeatReply:
        path = f"workers/{worker_id}/heartbeat"
        return self._post(path, heartbeat, contract.HeartbeatReply, timeout_s=contract.HEARTBEAT_S)

    def leave(self, worker_id: UUID) -> None:
        self._send(f"workers/{worker_id}/leave", None, contract.HEARTBEAT_S)

    def claim(self, lease_id: UUID, claim: contract.Claim) -> contract.Item:
        return self._post(f"leases/{lease_id}/claim", claim, contract.Item, timeout_s=contract.CLAIM_DEADLINE_S)

    def release(self, lease_id: UUID, release: contract.Release) -> contract.Released:
        return self._post(f"leases/{lease_id}/release", release, contract.Released)

    def policy_file(self, digest: str) -> bytes:
        """An uploaded part of a policy, by its SHA-256."""
        return self._send(f"policy-files/{digest}", None, _TIMEOUT_S, method="GET").content

    def close(self) -> None:
        self._client.close()

    def _post(self, path: str, body: contract.Message, answer: type[_Answer], timeout_s: float = _TIMEOUT_S) -> _Answer:
        response = self._send(path, body, timeout_s)
        try:
            return answer.model_validate_json(response.content)
        except ValidationError as error:
            raise Unavailable(f"an answer that is no {answer.__name__}") from error

    def _send(
        self, path: str, body: contract.Message | None, timeout_s: float, *, method: str = "POST"
    ) -> httpx.Response:
        content = None if body is None else body.model_dump_json()
        headers = {"Content-Type": "application/json"} if content else {}
        try:
            response = self._client.request(method, path, content=content, headers=headers, timeout=timeout_s)
        except httpx.TransportError as error:
            raise Unavailable(type(error).__name__) from error
        if response.status_code >= 500 or response.status_code == 429:
            raise Unavailable(f"status {response.status_code}")
        if response.status_code >= 400:
            raise Refused(response.status_code, response.text[:500])
        return response


def _is_this_machine(url: str) -> bool:
    host = httpx.URL(url).host
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
