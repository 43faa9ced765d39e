"""A small internal API over real HTTP: keeps what workers tell it, and can be stopped and started."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID, uuid4

from workers import contract

KEY = "wp_site_key"


class InternalApi:
    """What the service knows. Wait for what should happen with `until`."""

    def __init__(self, store_url: str) -> None:
        self.store_url = store_url
        self.items: dict[UUID, contract.Item] = {}
        self.claimed: dict[UUID, UUID] = {}
        self.claims = 0
        self.accept = True
        self.following: list[contract.Item] = []  # given with releases that take one
        self.taken: dict[UUID, contract.Item] = {}
        self.registrations: list[contract.Registration] = []
        self.workers: dict[UUID, UUID] = {}
        self.heartbeats: list[contract.Heartbeat] = []
        self.releases: list[contract.Release] = []
        self.abandon: list[UUID] = []
        self.lets_go = True
        self.left: list[UUID] = []
        self.fail_releases = 0
        self.lose_claims = 0
        self.lose_releases = 0
        self._changed = threading.Condition()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def queue(self) -> str:
        return f"worker.{list(self.workers)[-1].hex}"

    def start(self) -> None:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # one packet an answer: two would wait for a delayed acknowledgement

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.headers["Authorization"] != f"Bearer {KEY}":
                    status, answer = 401, None
                else:
                    status, answer = api.answer(self.path, body)
                content = b"{}" if answer is None else answer.model_dump_json().encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                if api._server is None:
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def offer(self, item: contract.Item) -> contract.Grant:
        self.items[item.lease_id] = item
        return contract.Grant(lease_id=item.lease_id, fence=item.fence)

    def forget_workers(self) -> None:
        """As after a long silence: whoever heartbeats is told to register anew."""
        self.workers = {worker_id: UUID(int=0) for worker_id in self.workers}

    def until(self, happened: Callable[[], Any], timeout_s: float = 30) -> None:
        with self._changed:
            assert self._changed.wait_for(happened, timeout_s), "did not happen in time"

    def answer(self, path: str, body: bytes) -> tuple[int, contract.Message | None]:
        with self._changed:
            if self._server is None:  # a connection kept alive over `stop`
                return 503, None
            result = self._answer(path.strip("/").split("/")[1:], body)
            self._changed.notify_all()
            return result

    def _answer(self, path: list[str], body: bytes) -> tuple[int, contract.Message | None]:
        match path:
            case ["workers"]:
                registration = contract.Registration.model_validate_json(body)
                self.registrations.append(registration)
                worker_id = uuid4()
                self.workers[worker_id] = registration.incarnation
                return 201, contract.Registered(
                    worker_id=worker_id, queue=self.queue, site="home", store_url=self.store_url
                )
            case ["workers", worker_id, "heartbeat"]:
                heartbeat = contract.Heartbeat.model_validate_json(body)
                if self.workers.get(UUID(worker_id)) != heartbeat.incarnation:
                    return 410, None
                self.heartbeats.append(heartbeat)
                return 200, contract.HeartbeatReply(abandon=self.abandon, departed=heartbeat.draining and self.lets_go)
            case ["workers", worker_id, "leave"]:
                self.left.append(UUID(worker_id))
                return 204, None
            case ["leases", lease_id, "claim"]:
                return self._claim(UUID(lease_id), contract.Claim.model_validate_json(body))
            case ["leases", _, "release"]:
                if self.fail_releases:
                    self.fail_releases -= 1
                    return 503, None
                release = contract.Release.model_validate_json(body)
                self.releases.append(release)
                if release.take and release.take not in self.taken and self.following:
                    self.taken[release.take] = self.following.pop(0)
                if self.lose_releases:
                    self.lose_releases -= 1
                    return 503, None
                following = self.taken.get(release.take) if release.take else None
                return 200, contract.Released(accepted=self.accept, next=following)
        return 404, None

    def _claim(self, lease_id: UUID, claim: contract.Claim) -> tuple[int, contract.Message | None]:
        item = self.items.get(lease_id)
        if item is None or item.fence != claim.fence:
            return 410, None
        self.claims += 1
        if self.claimed.setdefault(lease_id, claim.attempt) != claim.attempt:
            return 409, None
        if self.lose_claims:
            self.lose_claims -= 1
            return 503, None
        return 200, item
