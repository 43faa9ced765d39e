"""The Celery application: `celery -A workers.app worker`. How grants reach the agent, and how the agent lives and dies.

Owns Celery's settings and signals. Importing it starts nothing and imports no engine.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from celery import Celery, signals

from workers import contract
from workers.settings import Settings

if TYPE_CHECKING:
    from workers.agent import Agent
    from workers.consumer import QuietConsumer

_settings = Settings()
app = Celery("worldpool", broker=_settings.redis_url)
app.conf.update(
    worker_pool="threads",  # a thread only waits for its runner process, which holds the engines
    worker_concurrency=_settings.slots,
    worker_consumer="workers.consumer:QuietConsumer",
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
    task_acks_late=False,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
)


class _Worker:
    """What this process has while it is a Celery worker."""

    agent: Agent
    consumer: QuietConsumer | None = None


@app.task(name=contract.GRANT_TASK)  # type: ignore[untyped-decorator]  # Celery has no types
def run_grant(**grant: Any) -> None:
    """Run one granted lease.

    Twice is safe: the service lets each fence be claimed once. Late is safe: the claim is refused when its deadline has
    passed. Never is safe: an unclaimed lease is granted anew. So the message is acknowledged before it is run.
    """
    _Worker.agent.run_grant(contract.Grant.model_validate(grant))


def _set_up_logs(**_: Any) -> None:
    from workers import logs

    logs.configure(_settings.log_level)


def _start(instance: Any, options: dict[str, Any], **_: Any) -> None:
    from celery.platforms import SecurityWarning

    from env_registry.runtime import runtime
    from workers import logs
    from workers.agent import Agent
    from workers.api import ServiceApi

    logs.configure(_settings.log_level)
    # Celery warns of root because a message might be a pickle; here only JSON is accepted.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    instance.quiet = True  # no banner: its facts are in the event `worker.registered`
    slots = int(options.get("concurrency") or _settings.slots)
    _Worker.agent = Agent(
        ServiceApi(_settings.url, _settings.site_key.get_secret_value()),
        name=_settings.worker_name,
        slots=slots,
        memory_mb=slots * _settings.memory_mb_per_slot,
        contributes_mc=_settings.contributes_mc,
        runtime=runtime().digest,
        on_queue=_listen,
    )
    _Worker.agent.start()


def _listen(queue: str) -> None:
    if _Worker.consumer is not None:
        _Worker.consumer.listen_only_on(queue)
    else:
        app.conf.task_default_queue = queue  # without task_queues, a worker listens on this one alone


def _ready(sender: QuietConsumer, **_: Any) -> None:
    _Worker.consumer = sender


def _drain(how: str, **_: Any) -> None:
    _Worker.agent.drain(hand_back=how != "Warm")


def _stop(**_: Any) -> None:
    _Worker.agent.stop()


signals.setup_logging.connect(_set_up_logs)
signals.celeryd_init.connect(_start)  # sent in workers only, before queues and pool exist
signals.worker_ready.connect(_ready)
signals.worker_shutting_down.connect(_drain)
signals.worker_shutdown.connect(_stop)
