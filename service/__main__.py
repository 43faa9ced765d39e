"""`python -m service VERB`: every process of the control plane. Imports what a verb needs only when it is asked for."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.settings import Settings


def up(settings: Settings, arguments: argparse.Namespace) -> int:
    """run the whole pool in the foreground: databases, API, scheduler and a worker"""
    from service.embedded.up import up as run

    return run(settings, wanted=arguments.parts, then=arguments.then)


def api(settings: Settings, arguments: argparse.Namespace) -> int:
    """serve the HTTP API"""
    from service.api.app import serve

    serve(settings)
    return 0


def scheduler(settings: Settings, arguments: argparse.Namespace) -> int:
    """run the scheduler; a second one waits until the first is gone"""
    from service.scheduler.loop import main as run

    run(settings)
    return 0


def migrate(settings: Settings, arguments: argparse.Namespace) -> int:
    """bring the database's schema up to date"""
    from alembic import command
    from alembic.config import Config

    from service.settings import ROOT

    command.upgrade(Config(toml_file=ROOT / "pyproject.toml"), "head")
    return 0


def bootstrap(settings: Settings, arguments: argparse.Namespace) -> int:
    """migrate, see to a first cell, operator and site, and print their keys as JSON"""
    import gc

    from service import logs
    from service.bootstrap import bootstrap as run
    from service.embedded.up import existing_keys

    gc.disable()  # a catalogue is a million objects and no garbage; this process ends soon
    logs.configure(settings)  # onto stderr: stdout is for the keys
    migrate(settings, arguments)
    given = settings.model_dump(include={"cell_key", "operator_key", "site_key"}, exclude_none=True)
    existing = {**(existing_keys(settings.state_dir) or {}), **given}
    print(json.dumps(run(settings.database_url, settings.redis_url, settings.store_url, existing=existing or None)))
    return 0


def keys(settings: Settings, arguments: argparse.Namespace) -> int:
    """create, list or revoke API keys"""
    import asyncio

    from service.embedded.state import State, read_json
    from service.key_commands import run

    running = read_json(State(settings.state_dir).pool_file)
    if running and "database_url" not in settings.model_fields_set:
        settings = settings.model_copy(update={"database_url": running["database_url"]})
    return asyncio.run(run(settings, arguments))


def status(settings: Settings, arguments: argparse.Namespace) -> int:
    """show the pool that runs in the state folder"""
    from service.embedded.status import report

    rows = report(settings)
    if rows is None:
        print(f"no pool runs in {settings.state_dir}; start one with: make up", file=sys.stderr)
        return 1
    for name, value in rows.items():
        print(f"{name:<12} {value}")
    return 0 if rows["status"] == "ready" else 1


def openapi(settings: Settings, arguments: argparse.Namespace) -> int:
    """print the OpenAPI description; needs no database"""
    from service.api.app import create_app

    print(json.dumps(create_app(settings).openapi(), indent=2))
    return 0


def document(settings: Settings, arguments: argparse.Namespace) -> int:
    """print the settings page"""
    from service.settings import document as page
    from workers.settings import Settings as WorkerSettings

    print(page(service=type(settings), workers=WorkerSettings), end="")
    return 0


Verb = Callable[["Settings", argparse.Namespace], int]
VERBS: dict[str, Verb] = {
    "up": up,
    "api": api,
    "scheduler": scheduler,
    "migrate": migrate,
    "bootstrap": bootstrap,
    "keys": keys,
    "status": status,
    "openapi": openapi,
    "settings": document,
}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m service", description="The control plane of a Worldpool.")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    made = {name: verbs.add_parser(name, help=verb.__doc__, description=verb.__doc__) for name, verb in VERBS.items()}
    made["up"].add_argument("--then", metavar="COMMAND", help="run this on the ready pool, then stop it")
    made["up"].add_argument(
        "--parts", type=_parts, default=_parts(""), metavar="A,B", help="only these parts (default: all)"
    )
    actions = made["keys"].add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a key and show its secret once")
    owner = create.add_mutually_exclusive_group(required=True)
    owner.add_argument("--cell", metavar="NAME", help="a key of this cell")
    owner.add_argument("--site", metavar="NAME", help="a key for the workers of this site")
    owner.add_argument("--operator", action="store_true", help="a key of an operator")
    create.add_argument("--label", help="what it is for")
    actions.add_parser("list", help="show all keys, never their secrets")
    actions.add_parser("revoke", help="refuse a key from now on").add_argument("id", help="key_…")
    return top


def _parts(text: str) -> tuple[str, ...]:
    from service.embedded.parts import PARTS

    chosen = tuple(text.split(",")) if text else PARTS
    if unknown := set(chosen) - set(PARTS):
        raise argparse.ArgumentTypeError(f"{min(unknown)} is no part; the parts are {', '.join(PARTS)}")
    return chosen


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    from service.settings import Settings

    return VERBS[arguments.verb](Settings(), arguments)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # also while a verb is still being imported
        sys.exit(128 + signal.SIGINT)
