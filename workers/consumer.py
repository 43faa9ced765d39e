"""Celery's consumer without talk between workers: who is alive is the service's knowledge, from heartbeats."""

from __future__ import annotations

from typing import Any

from celery.worker.consumer import Consumer

_SILENT = {"without_gossip": True, "without_mingle": True, "without_heartbeat": True}


class QuietConsumer(Consumer):  # type: ignore[misc]  # Celery has no types
    """Listens on one queue at a time and sends nothing."""

    def __init__(self, *args: Any, worker_options: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, worker_options={**(worker_options or {}), **_SILENT}, **kwargs)

    def listen_only_on(self, queue: str) -> None:
        """Change the queue, from any thread."""
        self.call_soon(self._switch, queue)

    def _switch(self, queue: str) -> None:
        self.add_task_queue(queue)
        for other in set(self.app.amqp.queues.consume_from) - {queue}:
            self.cancel_task_queue(other)
